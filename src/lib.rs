//! Antiphon: a chat cluster that people host themselves. This crate is the composition root
//! of the one binary; each subcommand is a library call.

pub mod account;
pub mod cli;
pub mod config;
pub mod exit;
pub mod output;
pub mod profile;
pub mod script;
pub mod seeding;
pub mod server;
pub mod settings;
pub mod terminal;
pub mod up;
