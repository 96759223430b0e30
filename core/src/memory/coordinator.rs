//! Registration, membership and election within one process. Candidates are elected in the
//! order of their candidacy. One counter, which only rises, gives both incarnations and
//! epochs; its base is what the caller remembers from the last run.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use antiphon_protocol::NodeId;
use async_trait::async_trait;
use tokio::sync::watch;

use crate::clock;
use crate::contract::{
    BackendError, BackendErrorKind, BackendResult, ClusterView, Contact, Coordinator, Leader,
    Leadership, Member, NodeRecord, Registration,
};
use crate::memory::lock;

/// Most servers of one process: far above what one machine runs, far below what hurts.
const MEMBERS_MAX: usize = 1_024;

/// An in-process coordination service. A clone is the same service.
#[derive(Debug, Clone)]
pub struct MemoryCoordinator {
    shared: Arc<Shared>,
}

impl MemoryCoordinator {
    /// A service without members; its first incarnation or epoch is `epoch_base + 1`.
    pub fn new(epoch_base: u64) -> Self {
        let state = State {
            counter: epoch_base,
            members: BTreeMap::new(),
            candidates: VecDeque::new(),
            leader: None,
            crashed: Vec::new(),
        };
        let shared = Shared {
            state: Mutex::new(state),
            view: watch::Sender::default(),
            contact: watch::Sender::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// The newest incarnation or epoch that was given: what the next run's base must not be
    /// below.
    pub fn epoch_base(&self) -> u64 {
        lock(&self.shared.state).counter
    }

    /// For tests and simulation: ends the lease of the registration of that name, as if its
    /// owner had been unreachable for too long. False if there is none.
    pub fn expire(&self, name: &str) -> bool {
        self.shared.change(|state| state.remove_name(name))
    }

    /// For tests and simulation: the service goes away, or comes back. What it has told stays;
    /// whoever asks for anything meanwhile gets `Unavailable`.
    pub fn set_away(&self, away: bool) {
        self.shared.contact.send_if_modified(|contact| {
            let changes = (*contact == Contact::Connected) == away;
            if changes {
                *contact = if away {
                    Contact::Suspended {
                        since: clock::now(),
                    }
                } else {
                    Contact::Connected
                };
            }
            changes
        });
        if !away {
            self.shared.change(|state| {
                for id in std::mem::take(&mut state.crashed) {
                    state.remove(&id);
                }
            });
        }
    }
}

#[async_trait]
impl Coordinator for MemoryCoordinator {
    async fn register(&self, record: NodeRecord) -> BackendResult<Arc<dyn Registration>> {
        self.shared.heard("coordinator.register")?;
        let id = self.shared.change(|state| state.register(record))?;
        Ok(Arc::new(MemoryRegistration {
            shared: Arc::clone(&self.shared),
            id,
        }))
    }

    fn view(&self) -> watch::Receiver<ClusterView> {
        self.shared.view.subscribe()
    }

    fn contact(&self) -> watch::Receiver<Contact> {
        self.shared.contact.subscribe()
    }
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    view: watch::Sender<ClusterView>,
    contact: watch::Sender<Contact>,
}

impl Shared {
    fn heard(&self, operation: &'static str) -> BackendResult<()> {
        match *self.contact.borrow() {
            Contact::Connected => Ok(()),
            Contact::Suspended { .. } => {
                Err(BackendError::new(BackendErrorKind::Unavailable, operation))
            }
        }
    }

    /// Changes the state, elects a leader if there is none, and publishes the view if it
    /// changed: all under the lock, so that views appear in order.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = lock(&self.state);
        let result = change(&mut state);
        state.elect();
        let view = state.view();
        self.view.send_if_modified(|current| {
            let changed = *current != view;
            *current = view;
            changed
        });
        result
    }
}

#[derive(Debug)]
struct Slot {
    member: Member,
    leadership: watch::Sender<Leadership>,
    campaigned: bool,
}

#[derive(Debug)]
struct State {
    counter: u64,
    members: BTreeMap<String, Slot>,
    candidates: VecDeque<NodeId>,
    leader: Option<Leader>,
    /// Gone while the service was away.
    crashed: Vec<NodeId>,
}

impl State {
    fn next(&mut self) -> Option<u64> {
        self.counter = self.counter.checked_add(1)?;
        Some(self.counter)
    }

    fn register(&mut self, record: NodeRecord) -> BackendResult<NodeId> {
        let operation = "coordinator.register";
        if self.members.len() >= MEMBERS_MAX && !self.members.contains_key(&record.name) {
            return Err(BackendError::new(BackendErrorKind::Unavailable, operation));
        }
        // At the end of the counter no new registration may look older than a former one.
        let incarnation = self
            .next()
            .ok_or(BackendError::new(BackendErrorKind::Corrupt, operation))?;
        self.remove_name(&record.name);
        let id = NodeId {
            name: record.name.clone(),
            incarnation,
        };
        let slot = Slot {
            member: Member {
                id: id.clone(),
                record,
            },
            leadership: watch::Sender::new(Leadership::Follower),
            campaigned: false,
        };
        self.members.insert(id.name.clone(), slot);
        Ok(id)
    }

    fn slot_mut(&mut self, id: &NodeId) -> Option<&mut Slot> {
        self.members
            .get_mut(&id.name)
            .filter(|slot| slot.member.id == *id)
    }

    fn campaign(&mut self, id: &NodeId) -> BackendResult<watch::Receiver<Leadership>> {
        let Some(slot) = self.slot_mut(id) else {
            return Ok(watch::Sender::new(Leadership::Lost).subscribe());
        };
        if slot.campaigned {
            return Err(BackendError::new(
                BackendErrorKind::Conflict,
                "coordinator.campaign",
            ));
        }
        slot.campaigned = true;
        let receiver = slot.leadership.subscribe();
        self.candidates.push_back(id.clone());
        Ok(receiver)
    }

    fn withdraw(&mut self, id: &NodeId) {
        self.candidates.retain(|candidate| candidate != id);
        if self.leader.as_ref().is_some_and(|leader| leader.id == *id) {
            self.leader = None;
        }
    }

    fn resign(&mut self, id: &NodeId) {
        self.withdraw(id);
        if let Some(slot) = self.slot_mut(id) {
            slot.leadership.send_replace(Leadership::Follower);
        }
    }

    fn remove(&mut self, id: &NodeId) -> bool {
        self.slot_mut(id).is_some() && self.remove_name(&id.name)
    }

    fn remove_name(&mut self, name: &str) -> bool {
        let Some(slot) = self.members.remove(name) else {
            return false;
        };
        self.withdraw(&slot.member.id);
        slot.leadership.send_replace(Leadership::Lost);
        true
    }

    fn elect(&mut self) {
        if self.leader.is_some() {
            return;
        }
        let Some(id) = self.candidates.front().cloned() else {
            return;
        };
        let Some(epoch) = self.next() else { return };
        if let Some(slot) = self.slot_mut(&id) {
            slot.leadership.send_replace(Leadership::Leader { epoch });
            self.leader = Some(Leader { id, epoch });
        }
    }

    fn view(&self) -> ClusterView {
        let members = self
            .members
            .iter()
            .map(|(name, slot)| (name.clone(), slot.member.clone()))
            .collect();
        ClusterView {
            members,
            leader: self.leader.clone(),
        }
    }
}

#[derive(Debug)]
struct MemoryRegistration {
    shared: Arc<Shared>,
    id: NodeId,
}

#[async_trait]
impl Registration for MemoryRegistration {
    fn id(&self) -> NodeId {
        self.id.clone()
    }

    async fn campaign(&self) -> BackendResult<watch::Receiver<Leadership>> {
        self.shared.heard("coordinator.campaign")?;
        self.shared.change(|state| state.campaign(&self.id))
    }

    async fn resign(&self) -> BackendResult<()> {
        self.shared.heard("coordinator.resign")?;
        self.shared.change(|state| state.resign(&self.id));
        Ok(())
    }

    async fn deregister(&self) -> BackendResult<()> {
        self.shared.heard("coordinator.deregister")?;
        self.shared.change(|state| state.remove(&self.id));
        Ok(())
    }
}

impl Drop for MemoryRegistration {
    /// Without `deregister`, a crash: in one process the lease ends at once.
    fn drop(&mut self) {
        if self.shared.heard("coordinator.drop").is_ok() {
            self.shared.change(|state| state.remove(&self.id));
        } else {
            // Nobody is there to notice; it is noticed later.
            lock(&self.shared.state).crashed.push(self.id.clone());
        }
    }
}
