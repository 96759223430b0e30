//! Everything durable or remote behind the contracts of `antiphon-core`: today the embedded
//! store, one database file.

pub mod embedded;
