//! A whole Antiphon cluster in one thread, on simulated network and time, under seeded faults.
//!
//! A gateway, three servers, and users on three hosts run production code; behind the contracts
//! stand simulated services ([`service`]). One seed decides everything, so that a run that
//! broke a promise plays the same again.

mod ailing;
pub mod host;
pub mod keep;
pub mod log;
pub mod mutants;
pub mod named;
pub mod nemesis;
pub mod network;
pub mod plan;
pub mod run;
pub mod schedule;
pub mod service;
pub mod shared;
pub mod totals;
mod users;

#[cfg(test)]
mod tests;
