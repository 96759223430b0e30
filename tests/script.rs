//! `antiphon send`, `tail` and their like, between real processes.
