//! Everything durable or remote behind the contracts of `antiphon-core`: the embedded
//! store, one database file, and the production stores behind a feature each.

pub mod embedded;
#[cfg(feature = "redis")]
pub mod redis;
