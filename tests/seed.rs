//! `antiphon seed`, run as a process.
