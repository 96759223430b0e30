//! What every Antiphon process shares: the action dispatcher and its interceptors, framed
//! connections, tasks, shutdown, clock, back-off, and the contracts of the stores and of the
//! coordination service. It names no vendor.

pub mod backoff;
pub mod clock;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod contacts;
pub mod contract;
pub mod dispatcher;
pub mod error_chain;
pub mod interceptor;
pub mod memory;
pub mod mutant;
pub mod net;
pub mod observed;
pub mod random;
pub mod shutdown;
pub mod task;
#[cfg(feature = "words")]
pub mod words;
