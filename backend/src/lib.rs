//! Everything durable or remote behind the contracts of `antiphon-core`: the embedded store,
//! one database file, and the production stores, each behind a feature.

pub mod embedded;
#[cfg(feature = "mongodb")]
pub mod mongodb;
