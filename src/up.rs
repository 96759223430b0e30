//! `antiphon up`: a gateway and several servers in one process, on embedded stores. The
//! servers find each other, elect a leader and link over real sockets, as separate processes
//! would.

mod banner;
mod control;
mod disk;
mod owner;

pub use banner::{ready_line, welcome};
pub use control::{ControlError, status, stop_server};
pub use owner::owner_gone;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use antiphon_backend::embedded::{EmbeddedStore, OpenError};
use antiphon_core::clock;
use antiphon_core::contract::{BackendError, Backends};
use antiphon_core::error_chain::ErrorChain;
use antiphon_core::memory::{
    MemoryCoordinator, MemoryRecentMessages, MemoryServerDirectory, MemorySessionRegistry,
    MemoryWordRanking,
};
use antiphon_core::net::TcpListener;
use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{self, TaskKind};
use antiphon_core::words::{FilterError, Words};
use antiphon_seed::SeedOptions;
use tokio::sync::mpsc;
use tracing::{error, info};

use crate::admin::{Check, Health};
use crate::cluster_key::{self, ClusterKeyError};
use crate::config::Config;
use crate::listen::{ListenError, listen, listen_where};
use crate::role::{self, RoleError};
use crate::seeding::{SeedingError, seed_store};
use crate::server::{self, MetricTable, Server, Settings, Sockets, StartError};
use crate::settings::{self, SettingsError};
use crate::status::ClusterStatus;
use control::{Control, ControlRequest};
use disk::Disk;

/// How long the servers have to elect a leader and appear in the gateway's list.
const READY_TIMEOUT: Duration = Duration::from_secs(20);
const READY_POLL: Duration = Duration::from_millis(5);
/// Epochs of one start lie below those of the next: so many elections fit between.
const EPOCHS_PER_GENERATION: u64 = 1 << 20;
/// Control requests that may wait.
const CONTROL_QUEUE_DEPTH: usize = 8;

/// Why a start failed. Each says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum UpError {
    /// The data directory.
    #[error("the data directory can't be opened")]
    Store(#[from] OpenError),
    /// The cluster key.
    #[error(transparent)]
    ClusterKey(#[from] ClusterKeyError),
    /// A port.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The admin listener.
    #[error(transparent)]
    Admin(#[from] RoleError),
    /// The word lists.
    #[error("the word lists can't be used")]
    Words(#[from] FilterError),
    /// A setting that only the start can check.
    #[error("a setting can't be used")]
    Settings(#[from] SettingsError),
    /// A server.
    #[error("a server did not start")]
    Server(#[from] StartError),
    /// The control file.
    #[error("the control file can't be written")]
    Control(#[from] ControlError),
    /// The test data.
    #[error("the test data could not be made")]
    Seeding(#[from] SeedingError),
    /// A store.
    #[error("a store failed")]
    Backend(#[from] BackendError),
    /// No leader.
    #[error("no leader was elected within {} seconds", READY_TIMEOUT.as_secs())]
    NotReady,
}

/// One server as `up` tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerState {
    /// Its name.
    pub name: String,
    /// Where clients connect.
    pub client: SocketAddr,
    /// Where servers connect.
    pub cluster: SocketAddr,
    /// Whether it leads.
    pub leads: bool,
}

/// A running cluster.
#[derive(Debug)]
pub struct Up {
    servers: BTreeMap<String, Arc<Server>>,
    backends: Backends,
    store: Arc<EmbeddedStore>,
    gateway_addr: SocketAddr,
    admin_addr: Option<SocketAddr>,
    data_dir: PathBuf,
    demo_password: Option<String>,
    words: Arc<Words>,
    scope: Shutdown,
    requests: mpsc::Receiver<ControlRequest>,
    _control: Control,
}

/// Opens the stores of a data directory, with everything else in memory.
pub fn embedded_backends(store: &EmbeddedStore) -> Backends {
    Backends {
        coordinator: Arc::new(MemoryCoordinator::new(
            store.generation() * EPOCHS_PER_GENERATION,
        )),
        directory: Arc::new(MemoryServerDirectory::new()),
        sessions: Arc::new(MemorySessionRegistry::new()),
        recent: Arc::new(MemoryRecentMessages::new()),
        ranking: Arc::new(MemoryWordRanking::new()),
        users: store.users(),
        rooms: store.rooms(),
        archive: store.archive(),
    }
}

impl Up {
    /// Starts everything, with test data first if wanted, and returns once it serves.
    pub async fn start(config: &Config, data_dir: &Path, seed: bool) -> Result<Self, UpError> {
        let store = Arc::new(EmbeddedStore::open(data_dir).await?);
        match Self::start_on(config, data_dir, seed, Arc::clone(&store)).await {
            Ok(up) => Ok(up),
            Err(error) => {
                store.close().await;
                Err(error)
            }
        }
    }

    async fn start_on(
        config: &Config,
        data_dir: &Path,
        seed: bool,
        store: Arc<EmbeddedStore>,
    ) -> Result<Self, UpError> {
        let key = cluster_key::load_or_make(&config.cluster.key_file, data_dir)?;
        let words = Arc::new(Words::load(&settings::word_sources(config))?);
        let demo_password = if seed {
            // What others have made there is left alone.
            let options = SeedOptions {
                force: true,
                ..SeedOptions::default()
            };
            Some(
                seed_store(&store, data_dir, options, &mut |_| {})
                    .await?
                    .password,
            )
        } else {
            None
        };
        let backends = embedded_backends(&store);
        let (gateway, gateway_addr) = listen_where(&config.gateway.addr).await?;

        let mut servers = BTreeMap::new();
        let table = MetricTable::default();
        for n in 1..=config.server.servers {
            let name = format!("{}{n}", config.server.name_prefix);
            let settings = Settings {
                metrics: table.clone(),
                ..settings::server(config, &name, key.clone())
            };
            if n == 1 {
                server::rebuild_popular_words(&backends, &words, &settings).await;
            }
            let sockets = Sockets {
                client: listen(&with_port(&config.server.host)).await?,
                cluster: listen(&with_port("127.0.0.1")).await?,
            };
            let started = server::start(settings, backends.clone(), Arc::clone(&words), sockets);
            servers.insert(name, Arc::new(started.await?));
        }

        let scope = Shutdown::new();
        let (admin, admin_addr) = role::start_admin(config, &scope).await?;
        role::meter(&admin, &table, servers.values().cloned().collect());
        start_gateway(gateway, config, &backends, &scope)?;
        let (request_tx, requests) = mpsc::channel(CONTROL_QUEUE_DEPTH);
        let control = Control::open(data_dir, request_tx, &scope).await?;
        let up = Self {
            servers,
            backends,
            store,
            gateway_addr,
            admin_addr,
            data_dir: data_dir.to_path_buf(),
            demo_password,
            words,
            scope,
            requests,
            _control: control,
        };
        up.wait_until_ready().await?;
        admin.set_checks(up.checks());
        Ok(up)
    }

    /// Ready means: a leader is elected, every server is linked to it, and the gateway can hand
    /// out every server.
    async fn wait_until_ready(&self) -> Result<(), UpError> {
        let ready = async {
            loop {
                let listed = self.backends.directory.list().await?;
                let listed = listed.map_or(0, |directory| directory.servers.len());
                let led = self.state().iter().any(|server| server.leads);
                let linked = self.servers.values().all(|server| server.is_linked());
                if listed == self.servers.len() && led && linked {
                    return Ok(());
                }
                clock::sleep(READY_POLL).await;
            }
        };
        clock::timeout(READY_TIMEOUT, ready)
            .await
            .unwrap_or(Err(UpError::NotReady))
    }

    /// Ready while a server can be written through; stopping one of several is no reason not
    /// to be.
    fn checks(&self) -> Vec<Check> {
        let servers: Vec<Arc<Server>> = self.servers.values().cloned().collect();
        let linked = move || {
            if servers
                .iter()
                .any(|server| server.is_linked() && !server.is_draining())
            {
                Health::Ok
            } else {
                Health::Failed("no server has a leader".to_owned())
            }
        };
        let store = Disk(Arc::clone(&self.store));
        vec![Check::vital("leader", linked), Check::vital("store", store)]
    }

    /// Where `/metrics`, `/livez` and `/readyz` are answered.
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin_addr
    }

    /// The servers, by name.
    pub fn state(&self) -> Vec<ServerState> {
        let state = |server: &Arc<Server>| ServerState {
            name: server.name().to_owned(),
            client: server.client_addr(),
            cluster: server.cluster_addr(),
            leads: server.leading().borrow().is_some(),
        };
        self.servers.values().map(state).collect()
    }

    /// The gateway's URL.
    pub fn gateway_url(&self) -> String {
        format!("http://{}", self.gateway_addr)
    }

    /// Where the data are.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The word filter and the stop words, whose lists may be read again.
    pub fn words(&self) -> Arc<Words> {
        Arc::clone(&self.words)
    }

    /// The password of the demo users, if they were asked for.
    pub fn demo_password(&self) -> Option<&str> {
        self.demo_password.as_deref()
    }

    /// Serves control requests until `stop` resolves or a server breaks, then stops
    /// everything. True if all of it ended in time and nothing had broken.
    pub async fn run(mut self, stop: impl Future<Output = ()>) -> bool {
        tokio::pin!(stop);
        let mut health = clock::interval(Duration::from_secs(1));
        let sound = loop {
            tokio::select! {
                biased;
                () = &mut stop => break true,
                Some(request) = self.requests.recv() => self.serve(request).await,
                _ = health.tick() => {
                    if let Some(server) = self.servers.values().find(|server| server.is_broken()) {
                        error!(server = server.name(), "a server has gone down by itself, stopping");
                        break false;
                    }
                }
            }
        };
        self.stop().await && sound
    }

    /// Whoever asked may be gone.
    async fn serve(&mut self, request: ControlRequest) {
        match request {
            ControlRequest::StopServer { name, answer_tx } => {
                let _ = answer_tx.send(self.stop_one(&name).await);
            }
            ControlRequest::Status { answer_tx } => {
                let _ = answer_tx.send(ClusterStatus::gather(&self.backends).await);
            }
        }
    }

    async fn stop_one(&mut self, name: &str) -> Result<(), String> {
        if self.servers.len() == 1 {
            return Err("it is the last server; stop the whole process instead".to_owned());
        }
        let server = self.servers.remove(name);
        let server = server.ok_or_else(|| format!("there is no server {name:?} here"))?;
        server.stop().await;
        Ok(())
    }

    /// Stops everything, stores last.
    pub async fn stop(self) -> bool {
        let mut clean = futures_util::future::join_all(
            self.servers
                .values()
                .map(|server| server.stop_with_the_cluster()),
        )
        .await
        .into_iter()
        .all(|clean| clean);
        self.scope.stop();
        clean &= self.scope.wait(antiphon_gateway::DRAIN_DEADLINE).await;
        self.store.close().await;
        info!(clean, "stopped");
        clean
    }
}

fn start_gateway(
    listener: TcpListener,
    config: &Config,
    backends: &Backends,
    scope: &Shutdown,
) -> Result<(), SettingsError> {
    let config = settings::gateway(config)?;
    let directory = Arc::clone(&backends.directory);
    let gateway_scope = scope.clone();
    task::spawn(scope, TaskKind::Server, async move {
        let served = antiphon_gateway::run(listener, config, directory, gateway_scope).await;
        if let Err(error) = served {
            error!(error = %ErrorChain(&error), "the gateway ended");
        }
    });
    Ok(())
}

fn with_port(host: &str) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:0")
    } else {
        format!("{host}:0")
    }
}
