//! A cluster in one process: real servers, real sockets, and a coordination service that can
//! be told not to elect anybody. Links between the servers pass a proxy that can cut them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use antiphon_core::contract::{
    BackendResult, ClusterView, Contact, Coordinator, Leadership, NodeRecord, Registration,
};
use antiphon_core::net::{ClusterKey, TcpListener, TcpStream};
use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{self, TaskKind};
use antiphon_core::words::Words;
use antiphon_protocol::NodeId;
use async_trait::async_trait;
use tokio::sync::watch;

use super::{Stores, stores, until};
use crate::server::session::lock;
use crate::server::{AuthMode, Server, Settings, Sockets, start};

/// Registers servers under the address of a proxy.
struct TestCoordinator {
    inner: Arc<dyn Coordinator>,
    elects: bool,
    proxies: Arc<Proxies>,
}

struct TestRegistration {
    inner: Arc<dyn Registration>,
    elects: bool,
    nobody: watch::Sender<Leadership>,
}

#[async_trait]
impl Coordinator for TestCoordinator {
    async fn register(&self, mut record: NodeRecord) -> BackendResult<Arc<dyn Registration>> {
        record.cluster_addr = self.proxies.open(&record.cluster_addr).await;
        Ok(Arc::new(TestRegistration {
            inner: self.inner.register(record).await?,
            elects: self.elects,
            nobody: watch::Sender::new(Leadership::Follower),
        }))
    }

    fn view(&self) -> watch::Receiver<ClusterView> {
        self.inner.view()
    }

    fn contact(&self) -> watch::Receiver<Contact> {
        self.inner.contact()
    }
}

#[async_trait]
impl Registration for TestRegistration {
    fn id(&self) -> NodeId {
        self.inner.id()
    }

    async fn campaign(&self) -> BackendResult<watch::Receiver<Leadership>> {
        if self.elects {
            self.inner.campaign().await
        } else {
            Ok(self.nobody.subscribe())
        }
    }

    async fn resign(&self) -> BackendResult<()> {
        self.inner.resign().await
    }

    async fn deregister(&self) -> BackendResult<()> {
        self.inner.deregister().await
    }
}

/// Proxies before the cluster ports.
pub(crate) struct Proxies {
    scope: Shutdown,
    cut: watch::Sender<u64>,
    pub(crate) refuses: AtomicBool,
    /// This address alone can't be reached.
    pub(crate) refused: Mutex<Option<String>>,
    pub(crate) passed: AtomicUsize,
}

impl Proxies {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            scope: Shutdown::new(),
            cut: watch::Sender::default(),
            refuses: AtomicBool::new(false),
            refused: Mutex::default(),
            passed: AtomicUsize::new(0),
        })
    }

    /// Opens a proxy before an address; its own.
    pub(crate) async fn open(self: &Arc<Self>, target: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap().to_string();
        let (proxies, target) = (Arc::clone(self), target.to_owned());
        task::spawn(&self.scope, TaskKind::HttpConnection, async move {
            while let Ok((mut dialer, _)) = listener.accept().await {
                let refused = lock(&proxies.refused).as_ref() == Some(&target);
                if refused || proxies.refuses.load(Ordering::Relaxed) {
                    continue;
                }
                proxies.passed.fetch_add(1, Ordering::Relaxed);
                let (mut cut, target) = (proxies.cut.subscribe(), target.clone());
                task::spawn(&proxies.scope, TaskKind::HttpConnection, async move {
                    let Ok(mut server) = TcpStream::connect(target).await else {
                        return;
                    };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut dialer, &mut server) => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        addr
    }

    /// Cuts every link.
    pub(crate) fn cut(&self) {
        self.cut.send_modify(|cuts| *cuts += 1);
    }
}

impl Drop for Proxies {
    fn drop(&mut self) {
        self.scope.stop();
    }
}

pub(crate) struct TestCluster {
    pub(crate) stores: Stores,
    pub(crate) key: ClusterKey,
    pub(crate) proxies: Arc<Proxies>,
    pub(crate) servers: BTreeMap<String, Server>,
}

/// How a cluster is started.
pub(crate) struct Plan {
    pub(crate) servers: usize,
    pub(crate) elects: bool,
    pub(crate) tune: fn(&mut Settings),
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            servers: 3,
            elects: true,
            tune: |_| {},
        }
    }
}

impl TestCluster {
    pub(crate) async fn start(plan: Plan) -> Self {
        let stores = stores().await;
        let coordinator: Arc<dyn Coordinator> = Arc::new(stores.coordinator.clone());
        let coordinators = vec![coordinator; plan.servers];
        Self::start_on(plan, stores, coordinators).await
    }

    /// Each server with a coordinator of its own.
    pub(crate) async fn start_on(
        plan: Plan,
        stores: Stores,
        coordinators: Vec<Arc<dyn Coordinator>>,
    ) -> Self {
        let proxies = Proxies::new();
        let mut cluster = Self {
            stores,
            key: ClusterKey::random(),
            proxies,
            servers: BTreeMap::new(),
        };
        for (n, inner) in (1..).zip(coordinators) {
            cluster.stores.backends.coordinator = Arc::new(TestCoordinator {
                inner,
                elects: plan.elects,
                proxies: Arc::clone(&cluster.proxies),
            });
            cluster.add(&format!("n{n}"), plan.tune).await;
        }
        if plan.elects {
            cluster.leader().await;
        }
        cluster
    }

    async fn add(&mut self, name: &str, tune: fn(&mut Settings)) {
        let mut settings = Settings::new(name, self.key.clone());
        settings.auth_mode = AuthMode::Open;
        settings.messages_per_second = 100_000;
        settings.message_burst = 100_000;
        settings.handshakes_per_second = 100_000;
        tune(&mut settings);
        let sockets = Sockets {
            client: TcpListener::bind("127.0.0.1:0").await.unwrap(),
            cluster: TcpListener::bind("127.0.0.1:0").await.unwrap(),
        };
        let words = Arc::new(Words::builtin());
        let backends = self.stores.backends.clone();
        let server = start(settings, backends, words, sockets).await.unwrap();
        self.servers.insert(name.into(), server);
    }

    /// The name of the leader, once there is one and the view names it too.
    pub(crate) async fn leader(&self) -> String {
        until("a leader", async || {
            let leads = |server: &&Server| server.leading().borrow().is_some();
            let leader = self.servers.values().find(leads)?.name().to_owned();
            let view = self.stores.backends.coordinator.view();
            let named = view.borrow().leader.clone()?;
            (named.id.name == leader).then_some(leader)
        })
        .await
    }

    pub(crate) fn client_addr(&self, name: &str) -> SocketAddr {
        self.servers[name].client_addr()
    }

    pub(crate) fn epoch(&self, name: &str) -> u64 {
        self.servers[name].leading().borrow().expect("it leads")
    }

    /// Stops everything; each server must stop cleanly.
    pub(crate) async fn stop(self) {
        let servers = self.servers.values().map(Server::stop);
        let clean = futures_util::future::join_all(servers).await;
        assert!(clean.iter().all(|clean| *clean), "a server hung");
        self.stores.store.close().await;
    }
}
