use std::collections::BTreeSet;

use antiphon_protocol::{NodeId, SessionId, UserName};
use async_trait::async_trait;

use super::BackendResult;

/// A session that is bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionEntry {
    /// Which.
    pub session: SessionId,
    /// Whose.
    pub user: UserName,
    /// On which registration of which server.
    pub node: NodeId,
    /// When it logged in, in milliseconds since 1970.
    pub login_at_ms: u64,
}

/// A user with sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnlineEntry {
    /// Who.
    pub user: UserName,
    /// How many sessions.
    pub sessions: u64,
}

/// Who is online where. Not asked on the path of a message.
///
/// Promises: an entry counts only while its node's registration is live (see `retain_nodes`);
/// unbinding one session never touches another.
#[async_trait]
pub trait SessionRegistry: Send + Sync {
    /// Adds a session. Binding the same session id again replaces its entry. If a remote store
    /// is away, it may be told later: then others see the session later, too.
    async fn bind(&self, entry: SessionEntry) -> BackendResult<()>;

    /// Removes exactly this session of this user; no error if it is not there.
    async fn unbind(&self, user: &UserName, session: &SessionId) -> BackendResult<()>;

    /// The user's live sessions, newest login first.
    async fn locate(&self, user: &UserName) -> BackendResult<Vec<SessionEntry>>;

    /// Users with live sessions whose name begins with `prefix` and sorts behind `after`, by
    /// name.
    async fn online(
        &self,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> BackendResult<Vec<OnlineEntry>>;

    /// How many users have live sessions.
    async fn count(&self) -> BackendResult<u64>;

    /// Tells which registrations are live; entries of others no longer count, for ever.
    async fn retain_nodes(&self, live: &BTreeSet<NodeId>) -> BackendResult<()>;
}
