//! Antiphon: a chat cluster that people host themselves. This crate is the composition root
//! of the one binary; each subcommand is a library call.

pub mod config;
pub mod server;
