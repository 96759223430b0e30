//! The list of live servers: one hash with the publisher's epoch and the list, replaced by a
//! script that compares epochs, and gone when it is not renewed.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use antiphon_core::contract::{
    BackendError, BackendErrorKind, BackendResult, Directory, DirectoryEntry, ServerDirectory,
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::codec;
use super::gate::Gate;
use super::key::Keys;
use super::script::{Call, Script, millis};

const PUBLISH: &str = "server_directory.publish";
const LIST: &str = "server_directory.list";
/// Longest life of a list; a longer `ttl` is cut to it.
const TTL_MAX: Duration = Duration::from_secs(24 * 3_600);

static PUBLISHING: LazyLock<Script> =
    LazyLock::new(|| Script::new(&[include_str!("lua/publish.lua")]));

pub(super) struct RedisServerDirectory {
    gate: Arc<Gate>,
    key: String,
}

impl RedisServerDirectory {
    pub(super) fn new(gate: Arc<Gate>, keys: &Keys) -> Self {
        let key = keys.key("directory", "", "list");
        Self { gate, key }
    }
}

#[derive(Serialize, Deserialize)]
struct StoredDirectory {
    epoch: u64,
    generated_at_ms: u64,
    servers: Vec<StoredEntry>,
}

#[derive(Serialize, Deserialize)]
struct StoredEntry {
    name: String,
    host: String,
    port: u16,
    connections: u64,
    weight: u32,
    is_leader: bool,
    #[serde(default)]
    lag_ms: Option<u64>,
}

impl From<Directory> for StoredDirectory {
    fn from(directory: Directory) -> Self {
        let entry = |entry: DirectoryEntry| StoredEntry {
            name: entry.name,
            host: entry.host,
            port: entry.port,
            connections: entry.connections,
            weight: entry.weight,
            is_leader: entry.is_leader,
            lag_ms: entry.lag_ms,
        };
        Self {
            epoch: directory.epoch,
            generated_at_ms: directory.generated_at_ms,
            servers: directory.servers.into_iter().map(entry).collect(),
        }
    }
}

impl From<StoredDirectory> for Directory {
    fn from(stored: StoredDirectory) -> Self {
        let entry = |entry: StoredEntry| DirectoryEntry {
            name: entry.name,
            host: entry.host,
            port: entry.port,
            connections: entry.connections,
            weight: entry.weight,
            is_leader: entry.is_leader,
            lag_ms: entry.lag_ms,
        };
        Self {
            epoch: stored.epoch,
            generated_at_ms: stored.generated_at_ms,
            servers: stored.servers.into_iter().map(entry).collect(),
        }
    }
}

#[async_trait]
impl ServerDirectory for RedisServerDirectory {
    async fn publish(&self, directory: Directory, ttl: Duration) -> BackendResult<()> {
        let ttl = ttl.clamp(Duration::from_millis(1), TTL_MAX);
        let call = Call::on(std::slice::from_ref(&self.key))
            // Of one length, since scripts have no whole numbers beyond 2^53.
            .arg(format!("{:020}", directory.epoch))
            .arg(codec::encode(StoredDirectory::from(directory)))
            .arg(millis(ttl));
        let published: bool = self.gate.run(PUBLISH, &PUBLISHING, &call).await?;
        if published {
            Ok(())
        } else {
            Err(BackendError::new(BackendErrorKind::Conflict, PUBLISH))
        }
    }

    async fn list(&self) -> BackendResult<Option<Directory>> {
        let mut command = redis::cmd("HGET");
        command.arg(&self.key).arg("list");
        let raw: Option<Vec<u8>> = self.gate.query(LIST, &command).await?;
        let Some(raw) = raw else {
            return Ok(None);
        };
        let stored: Option<StoredDirectory> = codec::decode(&raw)
            .map_err(|damaged| BackendError::caused(BackendErrorKind::Corrupt, LIST, damaged))?;
        Ok(stored.map(Directory::from))
    }
}
