use std::collections::BTreeMap;
use std::sync::Arc;

use antiphon_protocol::NodeId;
use async_trait::async_trait;
use tokio::sync::watch;

use super::BackendResult;
use crate::clock::Instant;

/// What a server tells the others about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRecord {
    /// The configured name, unique in the cluster.
    pub name: String,
    /// Where other servers dial it, `HOST:PORT` (IPv6 in brackets).
    pub cluster_addr: String,
    /// Where clients connect: host, IPv6 without brackets.
    pub client_host: String,
    /// Where clients connect: port.
    pub client_port: u16,
}

/// A registered server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name and incarnation.
    pub id: NodeId,
    /// What it told.
    pub record: NodeRecord,
}

/// Every registered server, as one snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterView {
    /// By name.
    pub members: BTreeMap<String, Member>,
    /// The leader and its epoch, if one is elected.
    pub leader: Option<Leader>,
}

/// The elected leader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leader {
    /// Who.
    pub id: NodeId,
    /// The term: higher than every earlier one, for ever.
    pub epoch: u64,
}

/// What a campaigning server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leadership {
    /// Not elected (yet).
    Follower,
    /// Elected for this epoch.
    Leader {
        /// The term.
        epoch: u64,
    },
    /// The registration is gone for good: the server must register anew.
    Lost,
}

/// Whether the coordination service can be heard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Contact {
    /// It answers.
    #[default]
    Connected,
    /// It has not answered since then. Views and leadership are the last that were told:
    /// nobody can tell whether they still hold.
    Suspended {
        /// When what was last answered had been asked.
        since: Instant,
    },
}

/// Registration, membership and election.
///
/// Promises: at any time at most one registration is told `Leader` for an epoch; epochs only
/// rise, over restarts too; a view is a whole snapshot, and every change of membership or
/// leader leads to a newer one. While the service can't be heard, views and leadership stay as
/// they were, and [`Coordinator::contact`] says so; only what is certain is told as `Lost`.
#[async_trait]
pub trait Coordinator: Send + Sync {
    /// Registers this server under a new incarnation, higher than any that the name had. A
    /// registration of the same name that is still there is replaced: its owner is told
    /// `Lost`.
    async fn register(&self, record: NodeRecord) -> BackendResult<Arc<dyn Registration>>;

    /// The newest view.
    fn view(&self) -> watch::Receiver<ClusterView>;

    /// Whether the service can be heard, by this coordinator and all its registrations.
    fn contact(&self) -> watch::Receiver<Contact>;
}

/// A server's place in the cluster. Dropping it without `deregister` is a crash: the
/// registration ends when the lease does.
#[async_trait]
pub trait Registration: Send + Sync {
    /// Name and incarnation.
    fn id(&self) -> NodeId;

    /// Stands for election, and tells what comes of it. May be called once.
    async fn campaign(&self) -> BackendResult<watch::Receiver<Leadership>>;

    /// Gives up leadership and candidacy at once; stays a member.
    async fn resign(&self) -> BackendResult<()>;

    /// Leaves the cluster at once.
    async fn deregister(&self) -> BackendResult<()>;
}
