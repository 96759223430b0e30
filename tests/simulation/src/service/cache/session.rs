//! Who is online where: sessions count while their server's lease lasts. Each host renews the
//! leases of the servers that bind through it, and tells again what the cache has lost.

mod registry;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use antiphon_core::clock;
use antiphon_core::contract::{
    BackendError, BackendErrorKind, BackendResult, OnlineEntry, SessionEntry, SessionRegistry,
};
use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{self, TaskKind};
use antiphon_protocol::{NodeId, SessionId, UserName};
use async_trait::async_trait;

pub(super) use registry::Registry;

use super::CALL_DEADLINE;
use crate::service::line::Line;
use crate::service::world::Answer;

/// How often a host renews its servers' leases.
const RENEW_INTERVAL: Duration = Duration::from_secs(5);

/// What a host has bound and not unbound, by server.
type Bound = BTreeMap<NodeId, BTreeMap<SessionId, SessionEntry>>;

/// [`SessionRegistry`] of a host.
struct CachedSessions {
    line: Line,
    announced: Arc<Announced>,
    scope: Shutdown,
}

#[derive(Debug, Default)]
struct Announced(Mutex<Bound>);

/// The registry as a host sees it, with the task that renews.
pub(in crate::service) fn start(line: Line) -> Arc<dyn SessionRegistry> {
    let sessions = CachedSessions {
        line: line.clone(),
        announced: Arc::default(),
        scope: Shutdown::new(),
    };
    let renewing = renew(line, Arc::clone(&sessions.announced));
    task::spawn(&sessions.scope, TaskKind::Timer, renewing);
    Arc::new(sessions)
}

impl Drop for CachedSessions {
    fn drop(&mut self) {
        self.scope.stop();
    }
}

impl Announced {
    fn lock(&self) -> MutexGuard<'_, Bound> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bind(&self, entry: &SessionEntry) {
        let mut bound = self.lock();
        for sessions in bound.values_mut() {
            sessions.remove(&entry.session);
        }
        let sessions = bound.entry(entry.node.clone()).or_default();
        sessions.insert(entry.session.clone(), entry.clone());
    }

    /// Whether it was bound here.
    fn unbind(&self, user: &UserName, session: &SessionId) -> bool {
        let mut bound = self.lock();
        bound.values_mut().any(|sessions| {
            let is_theirs = sessions
                .get(session)
                .is_some_and(|entry| entry.user == *user);
            is_theirs && sessions.remove(session).is_some()
        })
    }
}

/// Renews for ever: each server's lease, and with it which sessions it has.
async fn renew(line: Line, announced: Arc<Announced>) {
    loop {
        clock::sleep(RENEW_INTERVAL).await;
        let nodes: Vec<NodeId> = announced.lock().keys().cloned().collect();
        for node in nodes {
            let told = tell(&line, &node, Arc::clone(&announced)).await;
            let mut bound = announced.lock();
            if told.is_ok_and(|count| count == 0)
                && bound.get(&node).is_some_and(BTreeMap::is_empty)
            {
                bound.remove(&node);
            }
        }
    }
}

/// Tells which sessions a server has when the word arrives, so that it is not older than that
/// of a `bind` which overtook it; how many these are.
async fn tell(line: &Line, node: &NodeId, announced: Arc<Announced>) -> BackendResult<usize> {
    let node = node.clone();
    line.call(
        "session_registry.renew",
        CALL_DEADLINE,
        move |world, now| {
            let sessions = announced.lock().get(&node).cloned().unwrap_or_default();
            let count = sessions.len();
            world.cache.sessions.renew(&node, sessions, now);
            Answer::at_once(now, count)
        },
    )
    .await
}

impl CachedSessions {
    async fn call<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&mut Registry, u64) -> T + Send + 'static,
    ) -> BackendResult<T> {
        self.line
            .call(operation, CALL_DEADLINE, move |world, now| {
                Answer::at_once(now, work(&mut world.cache.sessions, now))
            })
            .await
    }
}

/// What failed is told with the next renewal: a login must not fail for want of the cache.
fn told_later(told: BackendResult<()>) -> BackendResult<()> {
    match told {
        Err(error) if error.is_retryable() => Ok(()),
        told => told,
    }
}

/// Most sessions of a host; it runs out of sockets before.
const SESSIONS_MAX: usize = 1_000_000;

#[async_trait]
impl SessionRegistry for CachedSessions {
    async fn bind(&self, entry: SessionEntry) -> BackendResult<()> {
        const OPERATION: &str = "session_registry.bind";
        let count: usize = self.announced.lock().values().map(BTreeMap::len).sum();
        if count >= SESSIONS_MAX {
            let kind = BackendErrorKind::Unavailable;
            return Err(BackendError::new(kind, OPERATION));
        }
        self.announced.bind(&entry);
        let bound = self.call(OPERATION, move |sessions, now| sessions.bind(entry, now));
        told_later(bound.await)
    }

    async fn unbind(&self, user: &UserName, session: &SessionId) -> BackendResult<()> {
        let is_ours = self.announced.unbind(user, session);
        let (user, session) = (user.clone(), session.clone());
        let unbound = self.call("session_registry.unbind", move |sessions, _| {
            sessions.unbind(&user, &session);
        });
        let unbound = unbound.await;
        if is_ours {
            told_later(unbound)
        } else {
            unbound
        }
    }

    async fn locate(&self, user: &UserName) -> BackendResult<Vec<SessionEntry>> {
        let user = user.clone();
        self.call("session_registry.locate", move |sessions, now| {
            sessions.locate(&user, now)
        })
        .await
    }

    async fn online(
        &self,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> BackendResult<Vec<OnlineEntry>> {
        let (prefix, after) = (prefix.to_owned(), after.to_owned());
        self.call("session_registry.online", move |sessions, now| {
            sessions.online(&prefix, &after, limit, now)
        })
        .await
    }

    async fn count(&self) -> BackendResult<u64> {
        self.call("session_registry.count", Registry::count).await
    }

    async fn retain_nodes(&self, live: &BTreeSet<NodeId>) -> BackendResult<()> {
        let live = live.clone();
        self.call("session_registry.retain_nodes", move |sessions, _| {
            sessions.retain_nodes(&live);
        })
        .await
    }
}
