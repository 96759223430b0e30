//! Who is online where, within one process.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Mutex;

use antiphon_protocol::{NodeId, SessionId, UserName};
use async_trait::async_trait;

use crate::contract::{
    BackendError, BackendErrorKind, BackendResult, OnlineEntry, SessionEntry, SessionRegistry,
};
use crate::memory::lock;

/// Most sessions kept; a process runs out of sockets before.
const SESSIONS_MAX: usize = 1_000_000;
/// Most server names of which the dead incarnations are remembered.
const DEAD_NAMES_MAX: usize = 1_024;

/// An in-process session registry.
#[derive(Debug, Default)]
pub struct MemorySessionRegistry {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Never empty lists.
    by_user: BTreeMap<String, Vec<SessionEntry>>,
    user_of: HashMap<SessionId, UserName>,
    live: BTreeSet<NodeId>,
    /// By name, the highest incarnation that is known to be dead.
    dead: BTreeMap<String, u64>,
}

impl MemorySessionRegistry {
    /// A registry in which nobody is online.
    pub fn new() -> Self {
        Self::default()
    }
}

impl State {
    fn unbind(&mut self, user: &UserName, session: &SessionId) {
        let Some(entries) = self.by_user.get_mut(user.as_str()) else {
            return;
        };
        let before = entries.len();
        entries.retain(|entry| entry.session != *session);
        let removed = entries.len() < before;
        if entries.is_empty() {
            self.by_user.remove(user.as_str());
        }
        if removed {
            self.user_of.remove(session);
        }
    }

    fn bind(&mut self, entry: SessionEntry) -> BackendResult<()> {
        if let Some(user) = self.user_of.get(&entry.session).cloned() {
            self.unbind(&user, &entry.session);
        }
        if self.is_dead(&entry.node) {
            // A late word of a registration that has ended: it doesn't count.
            return Ok(());
        }
        if self.user_of.len() >= SESSIONS_MAX {
            return Err(BackendError::new(
                BackendErrorKind::Unavailable,
                "session_registry.bind",
            ));
        }
        self.user_of
            .insert(entry.session.clone(), entry.user.clone());
        self.by_user
            .entry(entry.user.as_str().to_owned())
            .or_default()
            .push(entry);
        Ok(())
    }

    fn is_dead(&self, node: &NodeId) -> bool {
        self.dead
            .get(&node.name)
            .is_some_and(|&incarnation| node.incarnation <= incarnation)
    }

    fn mark_dead(&mut self, node: &NodeId) {
        let newest = self
            .dead
            .entry(node.name.clone())
            .or_insert(node.incarnation);
        *newest = node.incarnation.max(*newest);
    }

    fn retain_nodes(&mut self, live: &BTreeSet<NodeId>) {
        let seen = self.by_user.values().flatten().map(|entry| &entry.node);
        let gone: BTreeSet<NodeId> = seen
            .chain(&self.live)
            .filter(|node| !live.contains(*node))
            .cloned()
            .collect();
        for node in &gone {
            self.mark_dead(node);
        }
        // A registration that is told live is live, whatever an older view said.
        for node in live {
            self.dead.remove(&node.name);
            if let Some(before) = node.incarnation.checked_sub(1) {
                self.dead.insert(node.name.clone(), before);
            }
        }
        while self.dead.len() > DEAD_NAMES_MAX {
            self.dead.pop_first();
        }
        self.live.clone_from(live);
        let user_of = &mut self.user_of;
        self.by_user.retain(|_, entries| {
            entries.retain(|entry| {
                let kept = live.contains(&entry.node);
                if !kept {
                    user_of.remove(&entry.session);
                }
                kept
            });
            !entries.is_empty()
        });
    }

    fn online(&self, prefix: &str, after: &str, limit: usize) -> Vec<OnlineEntry> {
        let start = if after >= prefix {
            Bound::Excluded(after)
        } else {
            Bound::Included(prefix)
        };
        self.by_user
            .range::<str, _>((start, Bound::Unbounded))
            .take_while(|(name, _)| name.starts_with(prefix))
            .filter_map(|(_, entries)| {
                let user = entries.first()?.user.clone();
                Some(OnlineEntry {
                    user,
                    sessions: entries.len() as u64,
                })
            })
            .take(limit)
            .collect()
    }
}

#[async_trait]
impl SessionRegistry for MemorySessionRegistry {
    async fn bind(&self, entry: SessionEntry) -> BackendResult<()> {
        lock(&self.state).bind(entry)
    }

    async fn unbind(&self, user: &UserName, session: &SessionId) -> BackendResult<()> {
        lock(&self.state).unbind(user, session);
        Ok(())
    }

    async fn locate(&self, user: &UserName) -> BackendResult<Vec<SessionEntry>> {
        let mut entries = lock(&self.state)
            .by_user
            .get(user.as_str())
            .cloned()
            .unwrap_or_default();
        entries.sort_by(|a, b| {
            b.login_at_ms
                .cmp(&a.login_at_ms)
                .then_with(|| a.session.cmp(&b.session))
        });
        Ok(entries)
    }

    async fn online(
        &self,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> BackendResult<Vec<OnlineEntry>> {
        Ok(lock(&self.state).online(prefix, after, limit))
    }

    async fn count(&self) -> BackendResult<u64> {
        Ok(lock(&self.state).by_user.len() as u64)
    }

    async fn retain_nodes(&self, live: &BTreeSet<NodeId>) -> BackendResult<()> {
        lock(&self.state).retain_nodes(live);
        Ok(())
    }
}
