//! One chat server: follower, or leader when elected. The line of a message is
//! listener → connection → command → router → room → recorder → fan_out → session;
//! [`start`] builds it, last stage first.

mod auth;
mod background;
mod cluster;
mod command;
mod connection;
mod direct;
mod fan_out;
mod interceptor;
mod lacking;
mod leader;
mod listener;
mod message;
mod metrics;
mod node;
mod paced;
mod peer;
mod predecessor;
mod recorder;
mod retention;
mod room;
mod router;
mod session;
mod settings;

pub use auth::hash_password;
pub use metrics::MetricTable;
pub use settings::{Advertised, AuthMode, SessionPolicy, Settings};

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use antiphon_core::clock;
use antiphon_core::contract::{BackendError, Backends, NodeRecord};
use antiphon_core::net::TcpListener;
use antiphon_core::observed::{Observer, observe};
use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{self, TaskKind};
use antiphon_core::words::Words;
use antiphon_protocol::NodeId;
use antiphon_protocol::close_code::DRAINING;
use tokio::sync::{mpsc, watch};
use tracing::{Instrument, info, info_span, warn};

use background::Background;
use cluster::Cluster;
use direct::{DirectSeat, DirectWriters};
use fan_out::FanOut;
use listener::Listener;
use metrics::Metrics;
use node::Node;
use recorder::Recorder;
use router::Router;
use session::Sessions;
use settings::BACKGROUND_QUEUE_DEPTH;

/// How often waiting commands are looked at for their deadlines.
const SWEEP_INTERVAL: Duration = Duration::from_millis(250);
/// How long a draining server stays listed as such before it closes connections, so that the
/// gateway stops offering it.
const DRAIN_NOTICE: Duration = Duration::from_millis(600);

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A socket has no address.
    #[error("a listening socket has no address")]
    Address(#[from] std::io::Error),
    /// The coordinator refused.
    #[error("the server could not register")]
    Register(#[from] BackendError),
}

/// A server's two sockets, bound.
#[derive(Debug)]
pub struct Sockets {
    /// For clients.
    pub client: TcpListener,
    /// For servers.
    pub cluster: TcpListener,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    node: Arc<Node>,
    client_addr: SocketAddr,
    cluster_addr: SocketAddr,
    leading: watch::Receiver<Option<u64>>,
    accepting: Shutdown,
    connections: Shutdown,
    cluster: Shutdown,
    workers: Shutdown,
}

/// Starts a server on bound sockets.
pub async fn start(
    settings: Settings,
    backends: Backends,
    words: Arc<Words>,
    sockets: Sockets,
) -> Result<Server, StartError> {
    let span = info_span!("node", name = settings.name);
    start_in_span(settings, backends, words, sockets)
        .instrument(span)
        .await
}

async fn start_in_span(
    settings: Settings,
    backends: Backends,
    words: Arc<Words>,
    sockets: Sockets,
) -> Result<Server, StartError> {
    let (client_addr, cluster_addr) = (sockets.client.local_addr()?, sockets.cluster.local_addr()?);
    let (accepting, connections) = (Shutdown::new(), Shutdown::new());
    let (cluster_scope, workers) = (Shutdown::new(), Shutdown::new());

    let (stored_tx, stored_rx) = mpsc::channel(BACKGROUND_QUEUE_DEPTH);
    let background = Background::new(backends.clone(), Arc::clone(&words), &settings);
    let (rebuilder, told) = (background.clone(), settings.clone());
    task::spawn(
        &workers,
        TaskKind::Background,
        background.run(stored_rx, workers.clone()),
    );

    let node = Arc::new(build(
        settings,
        backends,
        words,
        stored_tx.clone(),
        &workers,
    ));
    let sweeper = Arc::clone(&node);
    task::spawn(&workers, TaskKind::Timer, async move {
        let mut ticks = clock::interval(SWEEP_INTERVAL);
        loop {
            ticks.tick().await;
            sweeper.router.sweep();
        }
    });

    let telling = lacking::keep_told(Arc::clone(&node));
    task::spawn(&workers, TaskKind::Timer, telling);

    let record = record(&node.settings, client_addr, cluster_addr);
    let cluster = Cluster::new(Arc::clone(&node), record, stored_tx, cluster_scope.clone());
    let leading = cluster.leading();
    let rebuilding = rebuilder.keep_rebuilt(told, leading.clone());
    task::spawn(&workers, TaskKind::Timer, rebuilding);
    cluster.start(sockets.cluster).await?;

    let dispatcher = Arc::new(command::dispatcher());
    let listener = Arc::new(Listener::new(
        Arc::clone(&node),
        dispatcher,
        connections.clone(),
    ));
    let accept = listener.run(sockets.client, accepting.clone());
    task::spawn(&accepting, TaskKind::Listener, accept);
    info!(client = %client_addr, cluster = %cluster_addr, "server started");
    Ok(Server {
        node,
        client_addr,
        cluster_addr,
        leading,
        accepting,
        connections,
        cluster: cluster_scope,
        workers,
    })
}

/// What the others are told of this server.
fn record(settings: &Settings, client: SocketAddr, cluster: SocketAddr) -> NodeRecord {
    let advertised = settings.advertised.clone();
    let (client_host, client_port) = advertised
        .client
        .unwrap_or_else(|| (client.ip().to_string(), client.port()));
    NodeRecord {
        name: settings.name.clone(),
        cluster_addr: advertised.cluster.unwrap_or_else(|| cluster.to_string()),
        client_host,
        client_port,
    }
}

/// The line from its last stage to its first.
fn build(
    settings: Settings,
    backends: Backends,
    words: Arc<Words>,
    stored: mpsc::Sender<room::Stored>,
    workers: &Shutdown,
) -> Node {
    let metrics = Metrics::new(settings.metrics.clone(), &settings.name);
    let observer: Arc<dyn Observer> = Arc::new(metrics.clone());
    let backends = observe(backends, &observer);
    let sessions = Arc::new(Sessions::default());
    let fan_out = Arc::new(FanOut::new(Arc::clone(&sessions)));
    let router = Arc::new(Router::new(
        Arc::clone(&sessions),
        Arc::clone(&backends.rooms),
    ));
    let seat = DirectSeat {
        recorder: Recorder::new(Arc::clone(&backends.archive)),
        fan_out: Arc::clone(&fan_out),
        router: Arc::clone(&router),
        stored,
        position_interval: settings.position_interval,
    };
    Node {
        sessions,
        fan_out,
        router,
        direct: DirectWriters::start(&seat, workers),
        auth: auth::Auth::new(
            Arc::clone(&backends.users),
            settings.token_idle,
            settings.token_max,
        ),
        words,
        newest_epoch: Arc::new(AtomicU64::new(0)),
        connections: AtomicU64::new(0),
        draining: AtomicBool::new(false),
        registered: AtomicBool::new(true),
        alone: AtomicBool::new(false),
        nowhere_to_go: AtomicBool::new(false),
        load_changed: tokio::sync::Notify::new(),
        may_lack: tokio::sync::Notify::new(),
        id: std::sync::Mutex::new(NodeId {
            name: settings.name.clone(),
            incarnation: 0,
        }),
        known_users: std::sync::Mutex::default(),
        metrics,
        backends,
        settings,
    }
}

/// Counts the words of the window again; once a process, after the stores are open.
pub async fn rebuild_popular_words(backends: &Backends, words: &Arc<Words>, settings: &Settings) {
    Background::new(backends.clone(), Arc::clone(words), settings)
        .rebuild_if_new(settings)
        .await;
}

impl Server {
    /// The configured name.
    pub fn name(&self) -> &str {
        &self.node.settings.name
    }

    /// Where clients connect.
    pub fn client_addr(&self) -> SocketAddr {
        self.client_addr
    }

    /// Where servers connect.
    pub fn cluster_addr(&self) -> SocketAddr {
        self.cluster_addr
    }

    /// Tells the epoch of which this server is the leader.
    pub fn leading(&self) -> watch::Receiver<Option<u64>> {
        self.leading.clone()
    }

    /// Whether this server has a link to the leader (or leads).
    pub fn is_linked(&self) -> bool {
        self.node.router.is_connected()
    }

    /// Whether this server has gone down by itself.
    pub fn is_broken(&self) -> bool {
        self.cluster.is_stopping() || self.workers.is_stopping()
    }

    /// Brings what is measured rather than counted up to date, for who is about to read it.
    pub fn refresh_metrics(&self) {
        let leads = self.leading.borrow().is_some();
        self.node.metrics.refresh(&self.node, leads);
    }

    /// Bytes of events that wait for the client that reads slowest.
    pub fn fullest_queue_bytes(&self) -> usize {
        self.node.sessions.fullest_queue_bytes()
    }

    /// One line of what it is at, for a process manager.
    pub fn state_line(&self) -> String {
        let connections = self.node.connections.load(Ordering::Relaxed);
        let role = match (*self.leading.borrow(), self.is_linked()) {
            (Some(epoch), _) => format!("leader of epoch {epoch}"),
            (None, true) => "follower".to_owned(),
            (None, false) => "looking for a leader".to_owned(),
        };
        format!("{connections} connections, {role}")
    }

    /// Whether this server takes no new clients.
    pub fn is_draining(&self) -> bool {
        self.node.draining.load(Ordering::Relaxed)
    }

    /// As [`Server::stop`], when the whole cluster stops: no client is kept until it goes to
    /// another server.
    pub async fn stop_with_the_cluster(&self) -> bool {
        self.node.nowhere_to_go.store(true, Ordering::Relaxed);
        self.stop().await
    }

    /// Stops in order: no new clients; clients told, served until they go, and closed; sessions unbound; leadership
    /// handed over; deregistered. False if something did not end within the grace.
    pub async fn stop(&self) -> bool {
        let grace = self.node.settings.shutdown_grace;
        let deadline = clock::now() + grace;
        let left = || deadline.saturating_duration_since(clock::now());
        info!(node = self.name(), "stopping");
        self.node.draining.store(true, Ordering::Relaxed);
        self.node.load_changed.notify_one();
        clock::sleep(DRAIN_NOTICE.min(grace / 10)).await;
        self.accepting.stop();
        self.connections.stop();
        let mut clean = self.connections.wait(left() / 2).await;
        if !clean {
            self.node.sessions.close_all(DRAINING);
        }
        self.cluster.stop();
        clean &= self.cluster.wait(left()).await;
        self.node.router.give_up();
        self.workers.stop();
        clean &= self.workers.wait(left()).await;
        clean &= self.accepting.wait(left()).await;
        let refused = self.node.fan_out.refused();
        info!(
            node = self.name(),
            slow_consumer_refusals = refused,
            "stopped"
        );
        if !clean {
            warn!(
                node = self.name(),
                "not everything stopped within the grace"
            );
        }
        clean
    }
}

#[cfg(test)]
mod tests;
