//! `antiphon torture`: does what breaks a chat cluster, and proves what became of the messages.

pub mod check;
pub mod history;
