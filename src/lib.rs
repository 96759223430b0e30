//! Antiphon: a chat cluster that people host themselves. This crate is the composition root
//! of the one binary; each subcommand is a library call.

pub mod account;
pub mod admin;
pub mod cli;
pub mod cluster_key;
pub mod config;
pub mod exit;
pub mod listen;
pub mod log_limit;
pub mod output;
pub mod profile;
pub mod role;
pub mod script;
pub mod seeding;
pub mod server;
pub mod settings;
pub mod status;
pub mod terminal;
pub mod torture;
pub mod trial;
pub mod up;

/// The guide of the client library: its examples are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../docs/sdk.md")]
pub struct SdkGuide;
