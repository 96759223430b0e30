//! Every integration test, in one binary: it links once, and sees the real `antiphon`.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod configuration;
mod tidy;
