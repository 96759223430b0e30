//! One session: the driver on a thread and a runtime of its own, behind a [`Relay`], and every
//! call under a deadline.
//!
//! The driver's tasks live for ever once its handle is dropped, and so would the session: they
//! end with the runtime. Its log, which prints the session's password, is not listened to. Who
//! it is is told anew on each connection, because the driver does it only once.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use antiphon_core::clock;
use antiphon_core::contract::{BackendError, BackendErrorKind};
use antiphon_core::shutdown::Shutdown;
use futures_util::future::BoxFuture;
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;
use tracing::{Dispatch, warn};
use zookeeper_async::{Acl, CreateMode, Stat, ZkError, ZkResult, ZooKeeper};

use super::address::Address;
use super::layout::Layout;
use super::relay::{Connection, Relay, SessionState};

/// How long the driver waits before it dials the relay again; it spins without.
const RETRY_TIME: Duration = Duration::from_millis(100);
/// Connections that may break, one after the other, under one call.
const CONNECTIONS_PER_CALL_MAX: usize = 3;
/// Bounds of a call's deadline, which is a quarter of the session timeout in between: two
/// silent servers can be left before the session is over.
const CALL_DEADLINE_MIN: Duration = Duration::from_millis(500);
const CALL_DEADLINE_MAX: Duration = Duration::from_secs(2);
/// The driver counts its patience in whole seconds: below this it would reconnect for ever.
pub(super) const SESSION_TIMEOUT_MIN: Duration = Duration::from_secs(2);

/// Why a call did not do what it should.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// Nothing was sent.
    #[error("no ZooKeeper server answers")]
    Away,
    /// It may have been done or not.
    #[error("the connection to ZooKeeper broke, or it did not answer in time")]
    Unknown,
    /// Nothing of this session is left.
    #[error("the session is over")]
    Ended,
    #[error("there is no such node")]
    NoNode,
    #[error("the node is there already")]
    NodeExists,
    #[error("the node has changed meanwhile")]
    BadVersion,
    #[error("the node belongs to somebody with another secret")]
    NoAuth,
    #[error("the node epoch-base holds something else than a decimal number")]
    EpochBase,
    #[error("ZooKeeper refused")]
    Refused(#[source] ZkError),
}

impl Fault {
    fn of(error: ZkError) -> Self {
        if error == ZkError::NoNode {
            Self::NoNode
        } else if error == ZkError::NodeExists {
            Self::NodeExists
        } else if error == ZkError::BadVersion {
            Self::BadVersion
        } else if [ZkError::NoAuth, ZkError::AuthFailed, ZkError::InvalidACL].contains(&error) {
            Self::NoAuth
        } else if error == ZkError::SessionExpired {
            Self::Ended
        } else if [
            ZkError::ConnectionLoss,
            ZkError::OperationTimeout,
            ZkError::SessionMoved,
        ]
        .contains(&error)
        {
            Self::Unknown
        } else {
            Self::Refused(error)
        }
    }

    /// Whether the same may succeed soon, in the same session.
    pub(super) fn passes(&self) -> bool {
        match self {
            Self::Away | Self::Unknown => true,
            Self::Ended
            | Self::NoNode
            | Self::NodeExists
            | Self::BadVersion
            | Self::NoAuth
            | Self::EpochBase
            | Self::Refused(_) => false,
        }
    }

    /// As the contract tells it.
    pub(super) fn told(self, operation: &'static str) -> BackendError {
        let kind = match &self {
            Self::Away | Self::Ended | Self::Refused(_) => BackendErrorKind::Unavailable,
            Self::Unknown => BackendErrorKind::Timeout,
            Self::NoNode => BackendErrorKind::NotFound,
            Self::EpochBase => BackendErrorKind::Corrupt,
            Self::NodeExists | Self::BadVersion | Self::NoAuth => BackendErrorKind::Conflict,
        };
        BackendError::caused(kind, operation, self)
    }
}

/// The result of a call.
pub(super) type Call<T> = Result<T, Fault>;

/// A session. Dropping it is a crash: the session ends when its timeout does.
pub(super) struct Client {
    driver: ZooKeeper,
    relay: Arc<Relay>,
    stop: StopOnDrop,
    address: Address,
    timeout: Duration,
    deadline: Duration,
    /// The connection that knows who this is.
    introduced: AtomicU64,
    /// Where the driver's log goes.
    silence: Dispatch,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({})", self.address)
    }
}

fn call_deadline(timeout: Duration) -> Duration {
    (timeout / 4).clamp(CALL_DEADLINE_MIN, CALL_DEADLINE_MAX)
}

impl Client {
    /// Opens a session, within `patience`.
    pub(super) async fn connect(
        address: &Address,
        timeout: Duration,
        patience: Duration,
    ) -> Call<Self> {
        let asked = timeout.max(SESSION_TIMEOUT_MIN);
        let relay = Arc::new(Relay::new(address.hosts.clone(), call_deadline(asked)));
        // Stops the thread also if this future is dropped.
        let stop = StopOnDrop(Shutdown::new());
        let (driver_tx, driver_rx) = oneshot::channel();
        let thread = Thread {
            relay: Arc::clone(&relay),
            stop: stop.0.clone(),
            timeout: asked,
        };
        let spawned = std::thread::Builder::new()
            .name("antiphon-zookeeper".to_owned())
            .spawn(move || thread.run(driver_tx));
        if spawned.is_err() {
            return Err(Fault::Away);
        }
        let connected = clock::timeout(patience, async {
            let driver = driver_rx.await.map_err(|_| Fault::Away)?;
            let connection = connection(&relay).await?;
            Ok::<_, Fault>((driver, connection))
        });
        let (driver, connection) = connected.await.map_err(|_| Fault::Away)??;
        let granted = connection.timeout;
        if granted < SESSION_TIMEOUT_MIN {
            warn!(?granted, "the ensemble's session timeout is too short");
            return Err(Fault::Away);
        }
        if granted != asked {
            warn!(
                ?asked,
                ?granted,
                "the ensemble grants another session timeout"
            );
        }
        Ok(Self {
            driver,
            relay,
            stop,
            address: address.clone(),
            timeout: granted,
            deadline: call_deadline(granted),
            introduced: AtomicU64::new(0),
            silence: Dispatch::new(NoSubscriber::default()),
        })
    }

    /// The session timeout that was granted.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// What is known of the session, as it changes.
    pub(super) fn state(&self) -> tokio::sync::watch::Receiver<SessionState> {
        self.relay.state()
    }

    /// Resolves when the session is over. Cancel-safe.
    pub(super) async fn ended(&self) {
        self.relay.ended().await;
    }

    /// Ends the session at once; its ephemeral nodes go with it.
    pub(super) async fn close(&self) -> Call<()> {
        let closing = async {
            connection(&self.relay).await?;
            self.driver.close().await.map_err(Fault::of)?;
            self.relay.closed().await;
            Ok(())
        };
        let closed = clock::timeout(self.deadline, closing).await;
        self.abandon();
        closed.unwrap_or(Err(Fault::Unknown))
    }

    /// Lets go of the session without ending it.
    pub(super) fn abandon(&self) {
        self.stop.0.stop();
    }

    /// The permissions of new nodes.
    fn acl(&self) -> Vec<Acl> {
        if self.address.credentials.is_some() {
            Acl::creator_all().clone()
        } else {
            Acl::open_unsafe().clone()
        }
    }

    pub(super) async fn create<'c>(
        &'c self,
        path: &'c str,
        data: &'c [u8],
        mode: CreateMode,
    ) -> Call<(String, Stat)> {
        let acl = self.acl();
        self.call(move |driver| Box::pin(driver.create2(path, data.to_vec(), acl.clone(), mode)))
            .await
    }

    pub(super) async fn delete<'c>(&'c self, path: &'c str, version: Option<i32>) -> Call<()> {
        self.call(move |driver| Box::pin(driver.delete(path, version)))
            .await
    }

    pub(super) async fn exists<'c>(&'c self, path: &'c str) -> Call<Option<Stat>> {
        self.call(|driver| Box::pin(driver.exists(path, false)))
            .await
    }

    /// Rings `bell` once when the node changes or goes.
    pub(super) async fn exists_watched<'c>(
        &'c self,
        path: &'c str,
        bell: &'c Arc<Notify>,
    ) -> Call<Option<Stat>> {
        self.call(|driver| {
            let bell = Arc::clone(bell);
            Box::pin(driver.exists_w(path, move |_| bell.notify_one()))
        })
        .await
    }

    pub(super) async fn data<'c>(&'c self, path: &'c str) -> Call<(Vec<u8>, Stat)> {
        self.call(|driver| Box::pin(driver.get_data(path, false)))
            .await
    }

    pub(super) async fn children<'c>(&'c self, path: &'c str) -> Call<Vec<String>> {
        self.call(|driver| Box::pin(driver.get_children(path, false)))
            .await
    }

    /// Rings `bell` once when a child comes or goes.
    pub(super) async fn children_watched<'c>(
        &'c self,
        path: &'c str,
        bell: &'c Arc<Bell>,
    ) -> Call<Vec<String>> {
        self.call(|driver| {
            let bell = Arc::clone(bell);
            Box::pin(driver.get_children_w(path, move |_| bell.ring()))
        })
        .await
    }

    /// What epochs are counted from.
    pub(super) async fn epoch_base(&self, layout: &Layout) -> Call<u64> {
        match self.data(&layout.epoch_base()).await {
            Ok((bytes, _)) => {
                let text = std::str::from_utf8(&bytes).map_err(|_| Fault::EpochBase)?;
                text.trim().parse().map_err(|_| Fault::EpochBase)
            }
            Err(Fault::NoNode) => Ok(0),
            Err(fault) => Err(fault),
        }
    }

    /// Makes the folders that are missing.
    pub(super) async fn make_folders(&self, folders: &[String]) -> Call<()> {
        for folder in folders {
            match self.create(folder, b"", CreateMode::Persistent).await {
                Ok(_) | Err(Fault::NodeExists) => {}
                // Without leave to make it, it may still be there.
                Err(Fault::NoAuth) if self.exists(folder).await?.is_some() => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(())
    }

    /// Asks the driver, on a connection that knows who this is.
    async fn call<'c, T>(
        &'c self,
        ask: impl Fn(&'c ZooKeeper) -> BoxFuture<'c, ZkResult<T>> + Send + Sync,
    ) -> Call<T> {
        for _ in 0..CONNECTIONS_PER_CALL_MAX {
            let connection = clock::timeout(self.deadline, connection(&self.relay));
            let connection = connection.await.map_err(|_| Fault::Away)??;
            self.introduce(connection).await?;
            let answer = self.bounded(connection, ask(&self.driver)).await;
            // On a newer connection, which did not know yet.
            let unknown = matches!(answer, Err(Fault::NoAuth)) && self.is_newer(connection);
            if !unknown {
                return answer;
            }
        }
        Err(Fault::Away)
    }

    fn is_newer(&self, connection: Connection) -> bool {
        let now = *self.relay.state().borrow();
        self.address.credentials.is_some() && now != SessionState::Connected(connection)
    }

    async fn introduce(&self, connection: Connection) -> Call<()> {
        let Some(credentials) = &self.address.credentials else {
            return Ok(());
        };
        if self.introduced.load(Ordering::Acquire) >= connection.number {
            return Ok(());
        }
        let told = Box::pin(self.driver.add_auth("digest", credentials.bytes()));
        self.bounded(connection, told).await?;
        self.introduced
            .fetch_max(connection.number, Ordering::AcqRel);
        Ok(())
    }

    /// A call that is not answered in time makes the relay leave the server.
    async fn bounded<T>(
        &self,
        connection: Connection,
        asked: BoxFuture<'_, ZkResult<T>>,
    ) -> Call<T> {
        let asked = asked.with_subscriber(self.silence.clone());
        tokio::select! {
            biased;
            answer = clock::timeout(self.deadline, asked) => match answer {
                Ok(answer) => answer.map_err(Fault::of),
                Err(_) => {
                    self.relay.leave(connection);
                    Err(Fault::Unknown)
                }
            },
            () = self.relay.ended() => Err(Fault::Ended),
        }
    }
}

/// The connection behind the relay, once there is one. Cancel-safe.
async fn connection(relay: &Relay) -> Call<Connection> {
    let mut state = relay.state();
    loop {
        let now = *state.borrow_and_update();
        match now {
            SessionState::Connected(connection) => return Ok(connection),
            SessionState::Ended => return Err(Fault::Ended),
            SessionState::Connecting => state.changed().await.map_err(|_| Fault::Ended)?,
        }
    }
}

/// The epoch of a candidate's node.
pub(super) fn epoch(base: u64, created: i64) -> Call<u64> {
    base.checked_add(created.unsigned_abs())
        .ok_or(Fault::EpochBase)
}

/// A watch that knows whether it is still set.
#[derive(Debug)]
pub(super) struct Bell {
    set_on: AtomicU64,
    rung: Arc<Notify>,
}

impl Bell {
    /// A bell that wakes whoever waits for `rung`.
    pub(super) fn new(rung: &Arc<Notify>) -> Arc<Self> {
        Arc::new(Self {
            set_on: AtomicU64::new(0),
            rung: Arc::clone(rung),
        })
    }

    /// Says on which connection it is being set.
    pub(super) fn set(&self, number: u64) {
        self.set_on.store(number, Ordering::Release);
    }

    /// Whether it is set on that connection and has not rung.
    pub(super) fn is_set(&self, number: u64) -> bool {
        self.set_on.load(Ordering::Acquire) == number
    }

    fn ring(&self) {
        self.set_on.store(0, Ordering::Release);
        self.rung.notify_one();
    }
}

/// Ends the driver's thread with whoever holds it.
struct StopOnDrop(Shutdown);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// The driver's thread.
struct Thread {
    relay: Arc<Relay>,
    stop: Shutdown,
    timeout: Duration,
}

impl Thread {
    fn run(self, driver: oneshot::Sender<ZooKeeper>) {
        let _silence = tracing::subscriber::set_default(NoSubscriber::default());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        // Without a runtime the channel closes, which is told as "away".
        if let Ok(runtime) = runtime {
            runtime.block_on(self.live(driver));
            runtime.shutdown_background();
        }
    }

    /// Until stopped, or the session is over.
    async fn live(&self, driver: oneshot::Sender<ZooKeeper>) {
        let listener = match TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await {
            Ok(listener) => Ok(listener),
            Err(_) => TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await,
        };
        let Ok(listener) = listener else {
            return;
        };
        let Ok(addr) = listener.local_addr() else {
            return;
        };
        let session = async {
            let addr = addr.to_string();
            let connected =
                ZooKeeper::connect_with_retry_time(&addr, self.timeout, |_| {}, RETRY_TIME);
            if let Ok(connected) = connected.await {
                // Whoever asked for it may be gone; then `stop` is set too.
                let _ = driver.send(connected);
                self.stop.stopping().await;
            }
        };
        tokio::select! {
            () = self.relay.run(&listener) => {}
            () = session => {}
            () = self.stop.stopping() => {}
            () = self.relay.ended() => {}
        }
    }
}
