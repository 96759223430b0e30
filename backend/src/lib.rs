//! Everything durable or remote behind the contracts of `antiphon-core`: the embedded store,
//! one database file, and the production services, each behind its feature.

pub mod embedded;
#[cfg(feature = "mongodb")]
pub mod mongodb;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(feature = "zookeeper")]
pub mod zookeeper;
