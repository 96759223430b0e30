//! `antiphon send`, `tail` and their like, between real processes.

mod codes;
mod commands;
mod pipe;
mod profiles;
mod shell;

use shell::Shell;
