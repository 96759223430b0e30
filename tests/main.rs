//! Every integration test, in one binary: it links once, and sees the real `antiphon`.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod harness;

mod bad_input;
mod chat;
mod compatibility;
mod configuration;
mod disk;
mod failover;
mod gateway;
mod load;
mod persistence;
mod pipeline;
mod real;
mod retention;
mod room;
mod script;
mod sdk;
mod seed;
mod session;
mod shutdown;
mod slow_consumer;
mod terminal;
mod tidy;
mod torture;
mod words;
