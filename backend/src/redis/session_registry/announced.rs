//! What this process has bound and not unbound: from it Redis is told again what it lost.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use antiphon_core::contract::SessionEntry;
use antiphon_protocol::{NodeId, SessionId, UserName};

/// Most sessions remembered; a process runs out of sockets before.
const SESSIONS_MAX: usize = 1_000_000;
/// Comparisons after a failure: a command that had no answer may still arrive after the first.
const COMPARISONS: u8 = 2;

#[derive(Debug, Default)]
pub(super) struct Announced {
    nodes: Mutex<BTreeMap<NodeId, Node>>,
}

#[derive(Debug, Default)]
struct Node {
    entries: HashMap<SessionId, SessionEntry>,
    /// How often it is still to be compared with Redis.
    doubts: u8,
}

impl Announced {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, Node>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// False if there are too many.
    pub(super) fn bind(&self, entry: &SessionEntry) -> bool {
        let mut nodes = self.lock();
        for node in nodes.values_mut() {
            node.entries.remove(&entry.session);
        }
        if nodes.values().map(|node| node.entries.len()).sum::<usize>() >= SESSIONS_MAX {
            return false;
        }
        let node = nodes.entry(entry.node.clone()).or_default();
        node.entries.insert(entry.session.clone(), entry.clone());
        true
    }

    /// The node that it was on.
    pub(super) fn unbind(&self, user: &UserName, session: &SessionId) -> Option<NodeId> {
        let mut nodes = self.lock();
        let is_there = |node: &Node| {
            let entry = node.entries.get(session);
            entry.is_some_and(|entry| entry.user == *user)
        };
        let (id, node) = nodes.iter_mut().find(|(_, node)| is_there(node))?;
        node.entries.remove(session);
        Some(id.clone())
    }

    /// Redis may have something else than we have.
    pub(super) fn mark_doubtful(&self, node: &NodeId) {
        // Also one of which nothing is left here: Redis may have some of it.
        self.lock().entry(node.clone()).or_default().doubts = COMPARISONS;
    }

    /// Redis may have lost everything.
    pub(super) fn mark_all_doubtful(&self) {
        for node in self.lock().values_mut() {
            node.doubts = COMPARISONS;
        }
    }

    /// One comparison found no difference, or put it right.
    pub(super) fn compared(&self, node: &NodeId) {
        if let Some(node) = self.lock().get_mut(node) {
            node.doubts = node.doubts.saturating_sub(1);
        }
    }

    /// The nodes that want a lease, and whether they are to be compared. Those of which nothing
    /// is left are forgotten.
    pub(super) fn nodes(&self) -> Vec<(NodeId, bool)> {
        let mut nodes = self.lock();
        nodes.retain(|_, node| !node.entries.is_empty() || node.doubts > 0);
        nodes
            .iter()
            .map(|(id, node)| (id.clone(), node.doubts > 0))
            .collect()
    }

    /// The sessions of a node.
    pub(super) fn sessions(&self, node: &NodeId) -> Vec<SessionId> {
        let nodes = self.lock();
        let node = nodes.get(node);
        node.map(|node| node.entries.keys().cloned().collect())
            .unwrap_or_default()
    }

    /// Those of the sessions that are bound to the node now.
    pub(super) fn entries(&self, node: &NodeId, sessions: &[SessionId]) -> Vec<SessionEntry> {
        let nodes = self.lock();
        let Some(node) = nodes.get(node) else {
            return Vec::new();
        };
        let entries = sessions.iter().filter_map(|id| node.entries.get(id));
        entries.cloned().collect()
    }
}
