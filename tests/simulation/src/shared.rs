//! What the hosts of a simulation and whoever drives it tell each other.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use antiphon::torture::load::{Handle, Order, World};
use antiphon_core::net::ClusterKey;
use antiphon_core::words::Words;
use tokio::sync::{mpsc, watch};

use crate::plan::{CLIENT_HOSTS, Plan, SERVERS};
use crate::service::Services;

/// Orders that wait for a host of users.
const ORDERS_MAX: usize = 64;

/// How far a run has come. Every host of users does each in turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Everybody logs in.
    Begin,
    /// The first user makes the rooms.
    Found,
    /// Everybody enters its rooms.
    Join,
    /// Everybody talks, and things break.
    Load,
    /// Nobody begins anything new.
    Drain,
    /// Everybody catches up, and the logs are read.
    ReadBack,
    /// All is over.
    Over,
}

impl Stage {
    /// What comes then.
    pub fn next(self) -> Self {
        match self {
            Self::Begin => Self::Found,
            Self::Found => Self::Join,
            Self::Join => Self::Load,
            Self::Load => Self::Drain,
            Self::Drain => Self::ReadBack,
            Self::ReadBack | Self::Over => Self::Over,
        }
    }
}

/// What is wanted of users on one host.
#[derive(Debug, Clone, Copy)]
pub enum Wanted {
    /// An order for one of them.
    Order(usize, Order),
    /// One of them reads nothing for so many microseconds.
    Slow(usize, u64),
}

/// What is known of one server.
#[derive(Debug)]
pub struct Slot {
    /// Whether it is to run.
    pub runs: watch::Sender<bool>,
    /// How far its wall clock is off.
    pub clock_ms: watch::Sender<i64>,
    /// Its terms of leadership, while it runs.
    leading: Mutex<Option<watch::Receiver<Option<u64>>>>,
    /// The most that ever waited for one of its clients, in bytes, once that was looked at.
    fullest_queue: Mutex<Option<u64>>,
}

impl Slot {
    fn new() -> Self {
        Self {
            runs: watch::Sender::new(true),
            clock_ms: watch::Sender::new(0),
            leading: Mutex::default(),
            fullest_queue: Mutex::default(),
        }
    }

    /// A server has started, or is no more.
    pub fn is(&self, leading: Option<watch::Receiver<Option<u64>>>) {
        *lock(&self.leading) = leading;
    }

    /// So many bytes wait for its slowest client.
    pub fn waited(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let mut fullest = lock(&self.fullest_queue);
        *fullest = (*fullest).max(Some(bytes));
    }

    /// The most that ever waited for one of its clients, in bytes, once that was looked at.
    pub fn fullest_queue(&self) -> Option<u64> {
        *lock(&self.fullest_queue)
    }

    /// The term that it leads, as far as it knows.
    pub fn epoch(&self) -> Option<u64> {
        lock(&self.leading)
            .as_ref()
            .and_then(|leading| *leading.borrow())
    }
}

/// See the module.
#[derive(Debug)]
pub struct Shared {
    /// The run.
    pub plan: Plan,
    /// Stores, cache, coordinator.
    pub services: Services,
    /// The cluster's.
    pub key: ClusterKey,
    /// The word tools.
    pub words: Arc<Words>,
    /// By number.
    pub servers: Vec<Slot>,
    /// How far the run is.
    pub stage: watch::Sender<Stage>,
    /// Made by the first host of users; with the simulation's time when its own begins.
    pub world: watch::Sender<Option<(Arc<World>, u64)>>,
    /// Set when all users are in their rooms.
    pub handles: OnceLock<Arc<Vec<Handle>>>,
    /// Where orders go, by host of users.
    pub orders: Vec<mpsc::Sender<Wanted>>,
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    /// How many hosts of users have done a stage.
    done: BTreeMap<Stage, usize>,
    /// Until the last host brings its own.
    handles: BTreeMap<usize, Handle>,
    broken: Vec<String>,
}

/// Nobody holds a lock of this thread while it panics and goes on.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// For a run, and where the orders for each host of users come.
    pub fn new(
        plan: Plan,
        services: Services,
        key: ClusterKey,
        words: Arc<Words>,
    ) -> (Arc<Self>, Vec<mpsc::Receiver<Wanted>>) {
        let channels = (0..CLIENT_HOSTS).map(|_| mpsc::channel(ORDERS_MAX));
        let (orders, wanted): (Vec<_>, Vec<_>) = channels.unzip();
        let shared = Self {
            plan,
            services,
            key,
            words,
            servers: (0..SERVERS).map(|_| Slot::new()).collect(),
            stage: watch::Sender::new(Stage::Begin),
            world: watch::Sender::default(),
            handles: OnceLock::new(),
            orders,
            told: Mutex::default(),
        };
        (Arc::new(shared), wanted)
    }

    /// A host of users has done a stage.
    pub fn done(&self, stage: Stage) {
        *lock(&self.told).done.entry(stage).or_default() += 1;
    }

    /// Whether all have.
    pub fn all_done(&self, stage: Stage) -> bool {
        let told = lock(&self.told);
        told.done.get(&stage).copied().unwrap_or(0) == CLIENT_HOSTS
    }

    /// Something broke that may not.
    pub fn broke(&self, what: String) {
        lock(&self.told).broken.push(what);
    }

    /// What broke that may not have.
    pub fn broken(&self) -> Vec<String> {
        lock(&self.told).broken.clone()
    }

    /// A host brings the handles of its users; the last one's make the list whole.
    pub fn bring(&self, handles: Vec<(usize, Handle)>) {
        let mut told = lock(&self.told);
        told.handles.extend(handles);
        if told.handles.len() == self.plan.users {
            let all = std::mem::take(&mut told.handles);
            let _ = self.handles.set(Arc::new(all.into_values().collect()));
        }
    }

    /// The server that leads the newest term, as far as the servers know.
    pub fn leader(&self) -> Option<(usize, u64)> {
        let leaders = self.servers.iter().enumerate();
        leaders
            .filter_map(|(at, slot)| Some((at, slot.epoch()?)))
            .max_by_key(|(_, epoch)| *epoch)
    }

    /// Waits until the run is so far.
    pub async fn until(&self, stage: Stage) {
        let mut stages = self.stage.subscribe();
        // The sender is part of this.
        let _ = stages.wait_for(|now| *now >= stage).await;
    }
}
