//! Antiphon as a library: what the binary is put together from.

pub mod config;
