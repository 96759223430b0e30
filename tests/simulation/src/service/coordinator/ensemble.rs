//! The ensemble: sessions, and what lives as long as they do.
//!
//! One counter, which only rises, numbers all that is made. A member's number is its
//! incarnation, a candidate's the epoch that it will lead under; the candidate with the lowest
//! number leads.

use std::collections::BTreeMap;
use std::time::Duration;

use antiphon_core::contract::{ClusterView, Leader, Member, NodeRecord};
use antiphon_protocol::NodeId;
use tokio::sync::watch;

/// Names a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SessionKey(u64);

/// What a registration is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Gone: it, its session, or its candidacy.
    Gone,
    /// There, not first in line.
    Behind,
    /// First in line.
    First {
        /// The epoch.
        epoch: u64,
    },
}

/// Something that lives as long as its session.
#[derive(Debug)]
struct Node<T> {
    session: SessionKey,
    value: T,
}

/// The ensemble.
#[derive(Debug)]
pub(in crate::service) struct Ensemble {
    timeout_us: u64,
    counter: u64,
    /// When each was last heard.
    sessions: BTreeMap<SessionKey, u64>,
    members: BTreeMap<String, Node<Member>>,
    candidates: BTreeMap<u64, Node<NodeId>>,
    changes: watch::Sender<u64>,
    /// The newest epoch that anybody led under, and how many there were.
    led: (u64, u64),
    /// Counts its outages.
    pub(in crate::service) life: u64,
    pub(in crate::service) is_down: bool,
}

impl Ensemble {
    pub(in crate::service) fn new(timeout: Duration) -> Self {
        Self {
            timeout_us: u64::try_from(timeout.as_micros()).unwrap_or(u64::MAX),
            counter: 0,
            sessions: BTreeMap::new(),
            members: BTreeMap::new(),
            candidates: BTreeMap::new(),
            changes: watch::Sender::default(),
            led: (0, 0),
            life: 0,
            is_down: false,
        }
    }

    /// Changes with everything that is made or goes.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn next(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    fn changed(&mut self) {
        if let Some((epoch, _)) = self.candidates.first_key_value()
            && *epoch > self.led.0
        {
            self.led = (*epoch, self.led.1 + 1);
        }
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// Sessions that were not heard for too long end. Not while nobody can be heard.
    pub(in crate::service) fn expire(&mut self, clock_us: u64) {
        if self.is_down {
            return;
        }
        let timeout_us = self.timeout_us;
        let is_over = |heard_us: &u64| clock_us.saturating_sub(*heard_us) >= timeout_us;
        let sessions = self.sessions.iter();
        let over: Vec<SessionKey> = sessions
            .filter(|(_, heard_us)| is_over(heard_us))
            .map(|(session, _)| *session)
            .collect();
        for session in over {
            self.close(session);
        }
    }

    pub(in crate::service) fn set_down(&mut self, is_down: bool, clock_us: u64) {
        if is_down && !self.is_down {
            self.life += 1;
        }
        if !is_down && self.is_down {
            for heard_us in self.sessions.values_mut() {
                *heard_us = clock_us;
            }
        }
        self.is_down = is_down;
    }

    /// False if there is no such registration.
    pub(in crate::service) fn end_session_of(&mut self, name: &str) -> bool {
        let session = self.members.get(name).map(|node| node.session);
        session.is_some_and(|session| self.close(session))
    }

    /// A new session.
    pub(super) fn open(&mut self, now_us: u64) -> SessionKey {
        let session = SessionKey(self.next());
        self.sessions.insert(session, now_us);
        session
    }

    /// Ends a session with all that is its own. False if it is over already.
    pub(super) fn close(&mut self, session: SessionKey) -> bool {
        let was_open = self.sessions.remove(&session).is_some();
        if was_open {
            self.members.retain(|_, node| node.session != session);
            self.candidates.retain(|_, node| node.session != session);
            self.changed();
        }
        was_open
    }

    /// A sign of life; false if the session is over.
    fn hear(&mut self, session: SessionKey, now_us: u64) -> bool {
        let heard_us = self.sessions.get_mut(&session);
        heard_us
            .map(|heard_us| *heard_us = now_us.max(*heard_us))
            .is_some()
    }

    /// Makes a member, in the place of another registration of its name. `None` if the session
    /// is over.
    pub(super) fn register(
        &mut self,
        session: SessionKey,
        record: &NodeRecord,
        now_us: u64,
    ) -> Option<NodeId> {
        if !self.hear(session, now_us) {
            return None;
        }
        let id = NodeId {
            name: record.name.clone(),
            incarnation: self.next(),
        };
        self.candidates.retain(|_, node| node.value.name != id.name);
        let value = Member {
            id: id.clone(),
            record: record.clone(),
        };
        let node = Node { session, value };
        self.members.insert(id.name.clone(), node);
        self.changed();
        Some(id)
    }

    /// Stands for election; again is the same. False if the session is over.
    pub(super) fn stand(&mut self, session: SessionKey, id: &NodeId, now_us: u64) -> bool {
        if !self.hear(session, now_us) {
            return false;
        }
        if self.candidates.values().all(|node| node.session != session) {
            let number = self.next();
            let value = id.clone();
            self.candidates.insert(number, Node { session, value });
            self.changed();
        }
        true
    }

    /// Gives up a candidacy, if there is one.
    pub(super) fn withdraw(&mut self, session: SessionKey, now_us: u64) {
        self.hear(session, now_us);
        let before = self.candidates.len();
        self.candidates.retain(|_, node| node.session != session);
        if self.candidates.len() < before {
            self.changed();
        }
    }

    /// A sign of life, and what there is of a registration. Who stands expects a candidacy.
    pub(super) fn renew(
        &mut self,
        session: SessionKey,
        id: &NodeId,
        stands: bool,
        now_us: u64,
    ) -> Standing {
        let is_member = |node: &Node<Member>| node.value.id == *id;
        if !self.hear(session, now_us) || !self.members.get(&id.name).is_some_and(is_member) {
            return Standing::Gone;
        }
        let first = self.candidates.first_key_value();
        let is_own = |node: &Node<NodeId>| node.session == session;
        match first {
            Some((epoch, node)) if is_own(node) => Standing::First { epoch: *epoch },
            _ if stands && !self.candidates.values().any(is_own) => Standing::Gone,
            Some(_) | None => Standing::Behind,
        }
    }

    /// How many leaders there have been.
    pub(in crate::service) fn elected(&self) -> u64 {
        self.led.1
    }

    pub(in crate::service) fn view(&self) -> ClusterView {
        let members = self.members.iter();
        let members = members.map(|(name, node)| (name.clone(), node.value.clone()));
        let first = self.candidates.first_key_value();
        ClusterView {
            members: members.collect(),
            leader: first.map(|(epoch, node)| Leader {
                id: node.value.clone(),
                epoch: *epoch,
            }),
        }
    }
}
