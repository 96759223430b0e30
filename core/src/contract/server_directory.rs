use std::time::Duration;

use async_trait::async_trait;

use super::BackendResult;

/// One live server in the list that the leader publishes.
#[derive(Debug, Clone, PartialEq)]
pub struct DirectoryEntry {
    /// The server's opaque name.
    pub name: String,
    /// Where clients connect: host.
    pub host: String,
    /// Where clients connect: port.
    pub port: u16,
    /// Open client connections.
    pub connections: u64,
    /// Its share of new clients; 0 takes none (draining).
    pub weight: u32,
    /// Whether it is the leader.
    pub is_leader: bool,
    /// Since when the leader has heard nothing from it, in milliseconds; `None` if it has
    /// heard nothing yet.
    pub lag_ms: Option<u64>,
}

/// The list of live servers.
#[derive(Debug, Clone, PartialEq)]
pub struct Directory {
    /// The publisher's term.
    pub epoch: u64,
    /// When it was made, in milliseconds since 1970.
    pub generated_at_ms: u64,
    /// The servers.
    pub servers: Vec<DirectoryEntry>,
}

/// The list of live servers that the gateway hands out.
#[async_trait]
pub trait ServerDirectory: Send + Sync {
    /// Replaces the list; it expires after `ttl`. A list of an older epoch than the one that
    /// is there is refused with `Conflict`, and the newer one stays.
    async fn publish(&self, directory: Directory, ttl: Duration) -> BackendResult<()>;

    /// The list, unless none was published or it has expired.
    async fn list(&self) -> BackendResult<Option<Directory>>;
}
