//! Every integration test, in one binary: it links once, and sees the real `antiphon`.

mod configuration;
