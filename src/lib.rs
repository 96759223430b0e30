//! Antiphon.
pub mod terminal;
