//! Real servers for tests: Redis (also a cluster or with a Sentinel), ZooKeeper (one or three) and a server that speaks MongoDB's
//! wire protocol. Each runs as a child process on a free port with a folder of its own, and
//! is gone with the test, also when the test's process is killed.
//!
//! `tests/services/install` installs them. All methods take `&self`, so that a server can be
//! killed while others use it. A server that ends although the test didn't end it fails the
//! test, by name.

mod installed;
mod mongodb;
mod port;
mod probe;
mod process;
mod redis;
mod service;
mod watch;
mod zookeeper;

pub use mongodb::MongoServer;
pub use redis::{RedisCluster, RedisSentinel, RedisServer};
pub use service::Service;
pub use zookeeper::{Mode, ZooKeeper, ZooKeeperEnsemble};

#[cfg(test)]
mod tests;
