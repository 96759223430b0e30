//! From URLs to backends. A service that is away is waited for, and readiness says which; a URL
//! or a database that can't be right is an error at once.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use antiphon_backend::mongodb::{self, MongoSettings, MongoStore};
use antiphon_backend::redis::{self, RedisCache, RedisSettings, UrlError};
use antiphon_backend::zookeeper::{self, ZooKeeperCoordinator, ZooKeeperError, ZooKeeperSettings};
use antiphon_core::backoff::Backoff;
use antiphon_core::clock;
use antiphon_core::contract::{
    Backends, Contact, Coordinator, MessageArchive, RoomStore, UserStore,
};
use antiphon_core::error_chain::ErrorChain;
use antiphon_core::shutdown::Shutdown;
use async_trait::async_trait;
use tracing::{info, warn};

use super::{RoleError, required};
use crate::admin::{Admin, Check, Health, Source};
use crate::config::Config;
use crate::status::ClusterStatus;
use crate::up;

/// Between attempts to reach a service.
const RETRY_BASE: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(5);
/// What a session of ZooKeeper gets to end.
const CLOSE_GRACE: Duration = Duration::from_secs(2);

/// A service that can't be used, however long one waits.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// ZooKeeper.
    #[error("cluster.coordinator_url")]
    Coordinator(#[from] ZooKeeperError),
    /// Redis.
    #[error("cache.url")]
    Cache(#[from] UrlError),
    /// MongoDB.
    #[error("store.url")]
    Store(#[from] mongodb::ConnectError),
}

/// The keys of the three services are set.
pub(super) fn check_urls(config: &Config) -> Result<(), RoleError> {
    let coordinator = &config.cluster.coordinator_url;
    required(coordinator, "cluster.coordinator_url", "--coordinator-url")?;
    check_cache_url(config)?;
    required(&config.store.url, "store.url", "--store-url")?;
    Ok(())
}

/// The key of the cache is set.
pub(super) fn check_cache_url(config: &Config) -> Result<(), RoleError> {
    required(&config.cache.url, "cache.url", "--cache-url").map(|_| ())
}

/// What could not be removed, and why.
pub(crate) type Left = (String, Box<dyn std::error::Error + Send + Sync>);

/// Removes what a cluster has made on services that is its own: a database, the keys with
/// `name` in front, a path. Its servers have ended.
pub(crate) async fn remove_all([store, cache, coordinator]: [&str; 3], name: &str) -> Vec<Left> {
    let settings = RedisSettings {
        prefix: name.to_owned(),
        ..RedisSettings::default()
    };
    let (store, cache, coordinator) = futures_util::join!(
        mongodb::remove_database(store),
        redis::remove_keys(cache, settings),
        zookeeper::remove_cluster(coordinator),
    );
    let mut left: Vec<Left> = Vec::new();
    if let Err(why) = store {
        left.push((format!("the database {name}"), why.into()));
    }
    if let Err(why) = cache {
        left.push((format!("keys {name}:* in the cache"), why.into()));
    }
    if let Err(why) = coordinator {
        left.push((format!("the path .../{name} in ZooKeeper"), why.into()));
    }
    left
}

/// The three services, connected.
pub(super) struct Services {
    pub(super) backends: Backends,
    coordinator: Arc<ZooKeeperCoordinator>,
    cache: RedisCache,
    store: Arc<MongoStore>,
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Services")
    }
}

impl Services {
    /// Connects to all three, one after the other, the store first: without it nothing works.
    pub(super) async fn connect(
        config: &Config,
        admin: &Admin,
        scope: &Shutdown,
    ) -> Result<Self, ConnectError> {
        let store = Arc::new(store(config, admin).await?);
        let cache = cache(config, scope).await?;
        let coordinator = Arc::new(coordinator(config, admin).await?);
        let backends = Backends {
            coordinator: Arc::clone(&coordinator) as Arc<dyn Coordinator>,
            directory: cache.directory(),
            sessions: cache.sessions(),
            recent: cache.recent(),
            ranking: cache.ranking(),
            users: store.users(),
            rooms: store.rooms(),
            archive: store.archive(),
        };
        Ok(Self {
            backends,
            coordinator,
            cache,
            store,
        })
    }

    /// Their lines of readiness. Only the store is vital: without ZooKeeper and Redis messages
    /// still flow.
    pub(super) fn checks(&self) -> Vec<Check> {
        let contact = self.backends.coordinator.contact();
        let coordinator = move || match *contact.borrow() {
            Contact::Connected => Health::Ok,
            Contact::Suspended { .. } => {
                Health::Degraded("ZooKeeper is silent: no election, no join".to_owned())
            }
        };
        vec![
            Check::vital("store", StoreSource(Arc::clone(&self.store))),
            Check::helpful("coordinator", coordinator),
            Check::helpful("cache", cache_source(&self.cache)),
        ]
    }

    /// Ends what they hold.
    pub(super) async fn close(&self) {
        if !self.coordinator.close(CLOSE_GRACE).await {
            warn!("a session of ZooKeeper did not end in time");
        }
        self.store.close().await;
    }
}

struct StoreSource(Arc<MongoStore>);

#[async_trait]
impl Source for StoreSource {
    async fn health(&self) -> Health {
        match self.0.health().await {
            Ok(()) => Health::Ok,
            Err(error) => Health::Failed(ErrorChain(&error).to_string()),
        }
    }
}

/// The line of Redis.
pub(super) fn cache_source(cache: &RedisCache) -> impl Fn() -> Health + Send + Sync + use<> {
    let cache = cache.clone();
    move || {
        let health = cache.health();
        if health.serving {
            return Health::Ok;
        }
        let why = health.last_error.unwrap_or_else(|| "no answer".to_owned());
        let seconds = health.since.as_secs();
        Health::Degraded(format!("Redis has been away for {seconds} s: {why}"))
    }
}

/// Connects to Redis. One that is away is no error: it is tried for ever.
pub(super) async fn cache(config: &Config, scope: &Shutdown) -> Result<RedisCache, ConnectError> {
    let settings = RedisSettings {
        prefix: config.cache.prefix.clone(),
        ..RedisSettings::default()
    };
    Ok(RedisCache::connect(&config.cache.url, settings, scope).await?)
}

async fn store(config: &Config, admin: &Admin) -> Result<MongoStore, ConnectError> {
    let url = &config.store.url;
    let connect = || MongoStore::connect(url, MongoSettings::default());
    Ok(waiting("store", admin, connect, store_may_come).await?)
}

async fn coordinator(config: &Config, admin: &Admin) -> Result<ZooKeeperCoordinator, ConnectError> {
    let settings = ZooKeeperSettings {
        session_timeout: Duration::from_millis(config.cluster.session_timeout_ms),
        ..ZooKeeperSettings::default()
    };
    let url = &config.cluster.coordinator_url;
    let connect = || ZooKeeperCoordinator::connect(url, settings.clone());
    Ok(waiting("coordinator", admin, connect, coordinator_may_come).await?)
}

/// Whether waiting may help: somebody may start it, or make it reachable.
fn store_may_come(error: &mongodb::ConnectError) -> bool {
    use mongodb::ConnectError as E;
    match error {
        E::Unreachable(_) | E::TooSlow | E::Meta(_) => true,
        E::Url(_) | E::Login(_) | E::Standalone | E::Index(_) | E::TooNew { .. } => false,
    }
}

fn coordinator_may_come(error: &ZooKeeperError) -> bool {
    match error {
        ZooKeeperError::Ensemble(error) => error.is_retryable(),
        ZooKeeperError::Address(_) => false,
    }
}

/// Tries until it works, or until an error shows that it never will.
async fn waiting<T, E, F>(
    name: &'static str,
    admin: &Admin,
    connect: impl Fn() -> F,
    may_pass: impl Fn(&E) -> bool,
) -> Result<T, E>
where
    E: std::error::Error + 'static,
    F: Future<Output = Result<T, E>>,
{
    let mut backoff = Backoff::new(RETRY_BASE, RETRY_MAX);
    loop {
        match connect().await {
            Ok(service) => {
                info!(service = name, "connected");
                return Ok(service);
            }
            Err(error) if may_pass(&error) => {
                warn!(service = name, error = %ErrorChain(&error), "not there yet, trying again");
                let why = format!("waited for: {}", ErrorChain(&error));
                admin.set_checks(vec![Check::fixed(name, Health::Failed(why))]);
                clock::sleep(backoff.next_delay()).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// The database alone, for `antiphon seed`.
#[derive(Debug)]
pub struct SharedStore(MongoStore);

impl SharedStore {
    /// Connects once: somebody waits for it.
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        Ok(Self(
            MongoStore::connect(url, MongoSettings::default()).await?,
        ))
    }

    /// Accounts.
    pub fn users(&self) -> Arc<dyn UserStore> {
        self.0.users()
    }

    /// Rooms.
    pub fn rooms(&self) -> Arc<dyn RoomStore> {
        self.0.rooms()
    }

    /// Messages.
    pub fn archive(&self) -> Arc<dyn MessageArchive> {
        self.0.archive()
    }

    /// Ends its connections.
    pub async fn close(&self) {
        self.0.close().await;
    }
}

/// Whom `antiphon status` asks.
#[derive(Debug)]
pub enum StatusSource {
    /// The `antiphon up` on a data directory.
    Up(PathBuf),
    /// The services themselves.
    Services(Box<Asked>),
}

/// Services that are only asked.
#[derive(Debug)]
pub struct Asked {
    services: Services,
    _scope: Shutdown,
}

impl StatusSource {
    /// The services if the configuration names them, else the process on the data directory.
    pub async fn open(config: &Config, data_dir: &Path) -> Result<Self, RoleError> {
        let urls = [
            &config.cluster.coordinator_url,
            &config.cache.url,
            &config.store.url,
        ];
        if urls.iter().all(|url| url.is_empty()) {
            return Ok(Self::Up(data_dir.to_path_buf()));
        }
        check_urls(config)?;
        let scope = Shutdown::new();
        let services = Services::connect(config, &Admin::default(), &scope).await?;
        let _scope = scope;
        Ok(Self::Services(Box::new(Asked { services, _scope })))
    }

    /// What the cluster is at.
    pub async fn status(&self) -> Result<ClusterStatus, up::ControlError> {
        match self {
            Self::Up(dir) => up::status(dir).await,
            Self::Services(asked) => {
                let mut status = ClusterStatus::gather(&asked.services.backends).await;
                status.add_coordinator(*asked.services.backends.coordinator.contact().borrow());
                Ok(status)
            }
        }
    }
}
