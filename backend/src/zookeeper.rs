//! The cluster's registry and election on ZooKeeper.
//!
//! Each server has a session for its registration and one that watches, each on a thread of its
//! own. Incarnations and epochs are creation zxids, which rise as long as the ensemble keeps
//! its data. See `docs/adr/003-zookeeper.md` for what the driver does not do and what stands
//! around it therefore.

mod address;
mod client;
mod layout;
mod observer;
mod record;
mod registration;
mod relay;
mod removal;

use std::sync::Arc;
use std::time::Duration;

use antiphon_core::contacts::Contacts;
use antiphon_core::contract::{
    BackendError, BackendResult, ClusterView, Contact, Coordinator, NodeRecord, Registration,
};
use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{self, TaskKind};
use async_trait::async_trait;
use tokio::sync::watch;
use tracing::info;

pub use address::AddressError;
pub use removal::remove_cluster;

use address::Address;
use client::Client;
use layout::Layout;
use observer::Observer;
use registration::register;

/// Shorter gives false failovers rather than fast ones.
const SESSION_TIMEOUT_DEFAULT: Duration = Duration::from_secs(6);
/// How long a server may look for the ensemble before it gives up.
const CONNECT_PATIENCE_DEFAULT: Duration = Duration::from_secs(10);

/// How ZooKeeper is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZooKeeperSettings {
    /// After so long without a sign of life a server counts as gone. At least two seconds; the
    /// ensemble has bounds of its own.
    pub session_timeout: Duration,
    /// How long opening a session may take.
    pub connect_patience: Duration,
}

impl Default for ZooKeeperSettings {
    fn default() -> Self {
        Self {
            session_timeout: SESSION_TIMEOUT_DEFAULT,
            connect_patience: CONNECT_PATIENCE_DEFAULT,
        }
    }
}

/// Why ZooKeeper can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ZooKeeperError {
    /// The address.
    #[error("the address of ZooKeeper can't be used")]
    Address(#[from] AddressError),
    /// The ensemble.
    #[error("ZooKeeper can't be used")]
    Ensemble(#[from] BackendError),
}

/// How ZooKeeper is, for readiness and status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZooKeeperHealth {
    /// Whether it is heard.
    pub contact: Contact,
    /// The session timeout that it granted.
    pub session_timeout: Duration,
}

/// A connected ensemble. Dropping it, or [`ZooKeeperCoordinator::close`], ends what watches the
/// cluster; registrations have their own lives.
pub struct ZooKeeperCoordinator {
    address: Address,
    settings: ZooKeeperSettings,
    granted: Duration,
    view: watch::Receiver<ClusterView>,
    contacts: Arc<Contacts>,
    scope: Shutdown,
}

impl std::fmt::Debug for ZooKeeperCoordinator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ZooKeeperCoordinator({})", self.address)
    }
}

impl ZooKeeperCoordinator {
    /// Connects to `zk://[USER:SECRET@]HOST[:PORT],…[/CHROOT][?auth_file=FILE]`, makes the
    /// chroot if it is absent, and reads the first view.
    ///
    /// With a secret, what is made can be changed and read with it only; it crosses the network
    /// in the clear, as ZooKeeper's digest scheme has it.
    pub async fn connect(url: &str, settings: ZooKeeperSettings) -> Result<Self, ZooKeeperError> {
        const OPERATION: &str = "coordinator.connect";
        let address = Address::parse(url)?.with_secret().await?;
        let (view_tx, view) = watch::channel(ClusterView::default());
        let (contacts, scope) = (Arc::new(Contacts::default()), Shutdown::new());
        let (timeout, patience) = (settings.session_timeout, settings.connect_patience);
        let told = |fault: client::Fault| fault.told(OPERATION);
        let client = Client::connect(&address, timeout, patience).await;
        let client = client.map_err(told)?;
        let granted = client.timeout();
        let folders = Layout::new(&address.root).folders();
        client.make_folders(&folders).await.map_err(told)?;
        let mut observer = Observer::new(address.clone(), timeout, view_tx, contacts.asker());
        observer.refresh(&client).await.map_err(told)?;
        info!(%address, session_timeout = ?granted, "connected to ZooKeeper");
        let following = observer.run(client, scope.clone());
        task::spawn(&scope, TaskKind::Cluster, following);
        Ok(Self {
            address,
            settings,
            granted,
            view,
            contacts,
            scope,
        })
    }

    /// How ZooKeeper is.
    pub fn health(&self) -> ZooKeeperHealth {
        ZooKeeperHealth {
            contact: *self.contacts.subscribe().borrow(),
            session_timeout: self.granted,
        }
    }

    /// Ends the session that watches the cluster, within `grace`. False if it did not end.
    pub async fn close(&self, grace: Duration) -> bool {
        self.scope.stop();
        self.scope.wait(grace).await
    }
}

impl Drop for ZooKeeperCoordinator {
    fn drop(&mut self) {
        self.scope.stop();
    }
}

#[async_trait]
impl Coordinator for ZooKeeperCoordinator {
    async fn register(&self, record: NodeRecord) -> BackendResult<Arc<dyn Registration>> {
        let (timeout, patience) = (
            self.settings.session_timeout,
            self.settings.connect_patience,
        );
        let registering = async {
            let client = Client::connect(&self.address, timeout, patience).await?;
            let layout = Layout::new(&self.address.root);
            register(client, layout, record, self.contacts.asker()).await
        };
        let registered = registering.await;
        let registered = registered.map_err(|fault| fault.told("coordinator.register"))?;
        Ok(Arc::new(registered))
    }

    fn view(&self) -> watch::Receiver<ClusterView> {
        self.view.clone()
    }

    fn contact(&self) -> watch::Receiver<Contact> {
        self.contacts.subscribe()
    }
}
