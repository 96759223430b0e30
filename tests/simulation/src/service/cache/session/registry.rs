//! The registry itself.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use antiphon_core::contract::{OnlineEntry, SessionEntry};
use antiphon_protocol::{NodeId, SessionId, UserName};

/// How long a server's sessions count after its last sign of life.
const LEASE_US: u64 = 15_000_000;

/// Sessions, leases, and who is known to be dead.
#[derive(Debug, Default)]
pub(in crate::service::cache) struct Registry {
    entries: BTreeMap<SessionId, SessionEntry>,
    /// When each server's lease ends.
    leases: BTreeMap<NodeId, u64>,
    live: BTreeSet<NodeId>,
    /// By name, the highest incarnation that is known to be dead.
    dead: BTreeMap<String, u64>,
}

impl Registry {
    fn is_dead(&self, node: &NodeId) -> bool {
        let dead = self.dead.get(&node.name);
        dead.is_some_and(|dead| node.incarnation <= *dead)
    }

    /// The sessions that count.
    fn current(&mut self, now_us: u64) -> impl Iterator<Item = &SessionEntry> {
        self.leases.retain(|_, ends_us| now_us < *ends_us);
        let leases = &self.leases;
        self.entries
            .retain(|_, entry| leases.contains_key(&entry.node));
        self.entries.values()
    }

    pub(super) fn bind(&mut self, entry: SessionEntry, now_us: u64) {
        self.entries.remove(&entry.session);
        // A late word of a registration that has ended doesn't count.
        if !self.is_dead(&entry.node) {
            self.leases.insert(entry.node.clone(), now_us + LEASE_US);
            self.entries.insert(entry.session.clone(), entry);
        }
    }

    pub(super) fn unbind(&mut self, user: &UserName, session: &SessionId) {
        let bound = self.entries.get(session);
        if bound.is_some_and(|entry| entry.user == *user) {
            self.entries.remove(session);
        }
    }

    /// A server lives, and has these sessions.
    pub(super) fn renew(
        &mut self,
        node: &NodeId,
        sessions: BTreeMap<SessionId, SessionEntry>,
        now_us: u64,
    ) {
        if self.is_dead(node) {
            return;
        }
        self.leases.insert(node.clone(), now_us + LEASE_US);
        self.entries.retain(|_, entry| entry.node != *node);
        self.entries.extend(sessions);
    }

    /// Newest login first.
    pub(super) fn locate(&mut self, user: &UserName, now_us: u64) -> Vec<SessionEntry> {
        let current = self.current(now_us);
        let mut found: Vec<SessionEntry> = current
            .filter(|entry| entry.user == *user)
            .cloned()
            .collect();
        // They come by session, and a stable sort leaves that order among equals.
        found.sort_by_key(|entry| Reverse(entry.login_at_ms));
        found
    }

    pub(super) fn online(
        &mut self,
        prefix: &str,
        after: &str,
        limit: usize,
        now_us: u64,
    ) -> Vec<OnlineEntry> {
        let mut users: BTreeMap<UserName, u64> = BTreeMap::new();
        for entry in self.current(now_us) {
            let name = entry.user.as_str();
            if name.starts_with(prefix) && name > after {
                *users.entry(entry.user.clone()).or_default() += 1;
            }
        }
        let users = users.into_iter().take(limit);
        users
            .map(|(user, sessions)| OnlineEntry { user, sessions })
            .collect()
    }

    pub(super) fn count(&mut self, now_us: u64) -> u64 {
        let users: BTreeSet<&UserName> = self.current(now_us).map(|entry| &entry.user).collect();
        users.len() as u64
    }

    pub(super) fn retain_nodes(&mut self, live: &BTreeSet<NodeId>) {
        let seen = self.entries.values().map(|entry| &entry.node);
        let gone = seen.chain(&self.live).filter(|node| !live.contains(*node));
        let gone: BTreeSet<NodeId> = gone.cloned().collect();
        for node in gone {
            let dead = self.dead.entry(node.name).or_default();
            *dead = node.incarnation.max(*dead);
        }
        // A registration that is told live is live, whatever an older view said.
        for node in live {
            self.dead.remove(&node.name);
            if let Some(before) = node.incarnation.checked_sub(1) {
                self.dead.insert(node.name.clone(), before);
            }
        }
        self.live.clone_from(live);
        self.entries.retain(|_, entry| live.contains(&entry.node));
    }
}
