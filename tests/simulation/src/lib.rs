//! A whole Antiphon cluster in one thread, on simulated network and time, under seeded faults.

pub mod service;
