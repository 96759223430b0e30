//! Redis: the list of servers, who is online, recent messages and popular words.
//!
//! Everything here is soft state. It is written by scripts that are atomic on one slot, comes
//! back after a flush, and is never waited for: each call has a deadline, and while Redis
//! doesn't answer a breaker refuses calls at once until a probe has found it serving again.
//! A message's path doesn't touch it.

mod address;
mod breaker;
mod codec;
mod gate;
mod key;
mod link;
mod recent_messages;
mod removal;
mod script;
mod server_directory;
mod session_registry;
mod watcher;
mod word_ranking;

pub use address::UrlError;
pub use breaker::RedisHealth;
pub use removal::{RemoveError, remove_keys};

use std::sync::Arc;
use std::time::Duration;

use antiphon_core::contract::{RecentMessages, ServerDirectory, SessionRegistry, WordRanking};
use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{self, TaskKind};

use tracing::warn;

use gate::Gate;
use key::Keys;
use recent_messages::RedisRecentMessages;
use server_directory::RedisServerDirectory;
use session_registry::RedisSessionRegistry;
use word_ranking::RedisWordRanking;

/// How Redis is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisSettings {
    /// Every key begins with it, so that several clusters can share a Redis.
    pub prefix: String,
    /// Who may have signed the servers' certificates under TLS, in PEM; `None` is whom the system
    /// trusts.
    pub ca_certificates: Option<Vec<u8>>,
    /// Longest wait for the answer to one command.
    pub call_timeout: Duration,
    /// Longest wait for a connection and its handshake.
    pub connect_timeout: Duration,
    /// Failures in a row after which calls are refused at once.
    pub failures_max: u32,
    /// How often Redis is looked at while it serves.
    pub check_interval: Duration,
    /// How often it is tried while it doesn't.
    pub retry_interval: Duration,
    /// How long a server's sessions count after its last sign of life.
    pub lease: Duration,
    /// How often a server gives one; several fit into a lease.
    pub renew_interval: Duration,
    /// How long a conversation stays cached after its last message.
    pub recent_ttl: Duration,
}

impl Default for RedisSettings {
    fn default() -> Self {
        Self {
            prefix: "antiphon".to_owned(),
            ca_certificates: None,
            // Three of them are under a second: so long a hanging Redis is waited for.
            call_timeout: Duration::from_millis(300),
            connect_timeout: Duration::from_secs(1),
            failures_max: 3,
            check_interval: Duration::from_secs(1),
            retry_interval: Duration::from_millis(250),
            lease: Duration::from_secs(15),
            renew_interval: Duration::from_secs(5),
            recent_ttl: Duration::from_secs(24 * 3_600),
        }
    }
}

/// The contracts that Redis keeps, over one connection.
#[derive(Clone)]
pub struct RedisCache {
    gate: Arc<Gate>,
    directory: Arc<RedisServerDirectory>,
    sessions: Arc<RedisSessionRegistry>,
    recent: Arc<RedisRecentMessages>,
    ranking: Arc<RedisWordRanking>,
}

impl std::fmt::Debug for RedisCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RedisCache({:?})", self.health())
    }
}

impl RedisCache {
    /// Connects to `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]`,
    /// `redis-sentinel://[USER:PASSWORD@]HOST[:PORT],…/MASTER[/DATABASE]` or
    /// `redis-cluster://[USER:PASSWORD@]HOST[:PORT],…`; with `rediss` for `redis`, over TLS.
    ///
    /// A Redis that isn't there is no error: [`RedisCache::health`] tells it, and the tasks in
    /// `scope` go on trying. This waits for the first answer at most `connect_timeout`.
    pub async fn connect(
        url: &str,
        settings: RedisSettings,
        scope: &Shutdown,
    ) -> Result<Self, UrlError> {
        let target = address::parse(url, &settings)?;
        let keys = Keys::new(&settings.prefix);
        let gate = Arc::new(Gate::new(target, settings.clone()));
        let sessions = RedisSessionRegistry::new(Arc::clone(&gate), &keys, &settings);
        let cache = Self {
            directory: Arc::new(RedisServerDirectory::new(Arc::clone(&gate), &keys)),
            sessions: Arc::new(sessions),
            recent: Arc::new(RedisRecentMessages::new(
                Arc::clone(&gate),
                keys.clone(),
                settings.recent_ttl,
            )),
            ranking: Arc::new(RedisWordRanking::new(Arc::clone(&gate), keys.clone())),
            gate,
        };
        // The first look also tells the watcher who serves, so it comes before.
        let mut watcher = watcher::Watcher::new(Arc::clone(&cache.gate), &keys);
        watcher.look().await;
        if !cache.health().serving {
            warn!("redis does not answer yet; going on without it");
        }
        task::spawn(scope, TaskKind::Timer, watcher.run());
        let renewing = Arc::clone(&cache.sessions).keep_announced();
        task::spawn(scope, TaskKind::Timer, renewing);
        Ok(cache)
    }

    /// The list of live servers.
    pub fn directory(&self) -> Arc<dyn ServerDirectory> {
        Arc::clone(&self.directory) as Arc<dyn ServerDirectory>
    }

    /// Who is online where.
    pub fn sessions(&self) -> Arc<dyn SessionRegistry> {
        Arc::clone(&self.sessions) as Arc<dyn SessionRegistry>
    }

    /// The last messages of each conversation.
    pub fn recent(&self) -> Arc<dyn RecentMessages> {
        Arc::clone(&self.recent) as Arc<dyn RecentMessages>
    }

    /// The words that are said most.
    pub fn ranking(&self) -> Arc<dyn WordRanking> {
        Arc::clone(&self.ranking) as Arc<dyn WordRanking>
    }

    /// Whether Redis serves, for readiness and status. Asks nobody.
    pub fn health(&self) -> RedisHealth {
        self.gate.breaker().health()
    }
}

#[cfg(test)]
mod tests;
