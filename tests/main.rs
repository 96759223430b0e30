//! Every integration test, in one binary: it links once, and sees the real `antiphon`.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod harness;

mod chat;
mod configuration;
mod load;
mod room;
mod session;
mod tidy;
