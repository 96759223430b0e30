//! The ZooKeeper coordinator on real servers: one, and an ensemble of three.

#![cfg(feature = "zookeeper")]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod conformance;
mod connecting;
mod ensemble;
mod harness;
mod process;
mod proxy;
mod secret;
mod session;
mod state;
