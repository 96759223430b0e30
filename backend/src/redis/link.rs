//! The connection: made when needed, forgotten when it looks dead, so that the next call gets
//! a fresh one, from the present master if Sentinels know it.

use std::sync::{Mutex, PoisonError};

use redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use redis::cluster::ClusterConfig;
use redis::cluster_async::ClusterConnection;
use redis::sentinel::SentinelClient;
use redis::{Client, Cmd, Pipeline, RedisFuture, RedisResult, Value};

use super::RedisSettings;
use super::address::Target;

/// Tries of one reconnection; a caller that waits for it has a deadline of its own.
const RECONNECT_TRIES: usize = 2;
const RECONNECT_DELAY_MIN: std::time::Duration = std::time::Duration::from_millis(20);
const RECONNECT_DELAY_MAX: std::time::Duration = std::time::Duration::from_millis(100);

/// A connection; a clone shares it.
#[derive(Clone)]
pub(super) enum Connection {
    Managed(ConnectionManager),
    Cluster(ClusterConnection),
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Managed(connection) => connection.req_packed_command(cmd),
            Self::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Managed(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Managed(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

enum Source {
    Single(Box<Client>),
    /// Asking Sentinels takes several steps, so one caller does it for all.
    Sentinel(Box<tokio::sync::Mutex<SentinelClient>>),
    Cluster(Box<redis::cluster::ClusterClient>),
}

pub(super) struct Link {
    source: Source,
    managed: ConnectionManagerConfig,
    current: Mutex<Option<Connection>>,
}

impl Link {
    pub(super) fn new(target: Target, settings: &RedisSettings) -> Self {
        let source = match target {
            Target::Single(client) => Source::Single(client),
            Target::Sentinel(client) => {
                Source::Sentinel(Box::new(tokio::sync::Mutex::new(*client)))
            }
            Target::Cluster(client) => Source::Cluster(client),
        };
        let managed = ConnectionManagerConfig::new()
            .set_number_of_retries(RECONNECT_TRIES)
            .set_min_delay(RECONNECT_DELAY_MIN)
            .set_max_delay(RECONNECT_DELAY_MAX)
            .set_connection_timeout(Some(settings.connect_timeout))
            // The gate times each call.
            .set_response_timeout(None);
        Self {
            source,
            managed,
            current: Mutex::new(None),
        }
    }

    /// Whether it is a Redis Cluster, which has many servers behind one connection.
    pub(super) fn is_cluster(&self) -> bool {
        matches!(self.source, Source::Cluster(_))
    }

    /// The connection. It may still be on its way; commands wait for it.
    pub(super) async fn connection(&self) -> RedisResult<Connection> {
        if let Some(connection) = self.known() {
            return Ok(connection);
        }
        match &self.source {
            Source::Single(client) => self.remember(self.manage(client.as_ref().clone())?),
            Source::Cluster(client) => {
                let config = ClusterConfig::new();
                let connection = client.get_pending_async_connection_with_config(config);
                self.remember(Connection::Cluster(connection))
            }
            Source::Sentinel(sentinels) => {
                let mut sentinels = sentinels.lock().await;
                if let Some(connection) = self.known() {
                    return Ok(connection);
                }
                let master = sentinels.async_get_client().await?;
                self.remember(self.manage(master)?)
            }
        }
    }

    /// Makes the next call connect again. Calls under way keep what they have.
    pub(super) fn forget(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Connection>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> Option<Connection> {
        self.lock().clone()
    }

    fn manage(&self, client: Client) -> RedisResult<Connection> {
        let manager = ConnectionManager::new_lazy_with_config(client, self.managed.clone())?;
        Ok(Connection::Managed(manager))
    }

    /// The first of several that connect at once wins.
    fn remember(&self, connection: Connection) -> RedisResult<Connection> {
        Ok(self.lock().get_or_insert(connection).clone())
    }
}
