//! The services of a simulated cluster: store, cache and coordinator, as each host sees them.
//!
//! All hosts share one state in memory, in one thread. A request to a service takes a drawn
//! time, may be lost, held back or late, and changes the state when it arrives, whether its
//! sender still waits for the answer or not. Everything that is drawn comes from one seed, so
//! that the same seed answers the same calls alike.

mod cache;
mod coordinator;
mod fault;
mod line;
mod store;
mod world;

#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use antiphon_core::contract::{Backends, Leader, Record};

pub use fault::{Faults, Link, Service};

use line::{Line, Shared};

/// How the services behave while nothing is wrong.
#[derive(Debug, Clone)]
pub struct ServiceSettings {
    /// How long a request, or a reply, is on its way; at least a millisecond.
    pub latency: RangeInclusive<Duration>,
    /// How long a write takes from applied to durable.
    pub sync: RangeInclusive<Duration>,
    /// After so long without a sign of life a registration ends.
    pub session_timeout: Duration,
}

impl Default for ServiceSettings {
    fn default() -> Self {
        Self {
            latency: Duration::from_millis(1)..=Duration::from_millis(4),
            sync: Duration::from_millis(1)..=Duration::from_millis(8),
            session_timeout: Duration::from_secs(6),
        }
    }
}

/// All services of one cluster. A clone is the same services.
#[derive(Debug, Clone)]
pub struct Services {
    shared: Arc<Shared>,
}

impl Services {
    /// Empty services; the seed decides every delay.
    pub fn new(seed: u64, settings: ServiceSettings) -> Self {
        Self {
            shared: Shared::new(seed, settings),
        }
    }

    /// The services as a host sees them. To be called on that host, at each of its starts: it
    /// starts the tasks there that follow the cluster and renew what the host has told. They
    /// end with the host, or when the last of the backends is dropped.
    pub fn backends(&self, host: &str) -> Backends {
        let line = |service| Line::new(&self.shared, host, service);
        let cache = line(Service::Cache);
        let store = store::StoreLine::new(line(Service::Store));
        Backends {
            coordinator: coordinator::start(line(Service::Coordinator)),
            directory: Arc::new(cache::CachedDirectory(cache.clone())),
            sessions: cache::start_sessions(cache.clone()),
            recent: Arc::new(cache::CachedRecent(cache.clone())),
            ranking: Arc::new(cache::CachedRanking(cache)),
            users: Arc::new(store::Users(store.clone())),
            rooms: Arc::new(store::Rooms(store.clone())),
            archive: Arc::new(store::Archive(store)),
        }
    }

    /// Every record that is durable, by conversation and sequence: the truth, for judges. No
    /// fault keeps it from being told.
    pub fn records(&self) -> Vec<Record> {
        self.shared.lock().store.records()
    }

    /// Who leads, as the coordinator has it; the servers may not know yet.
    pub fn leader(&self) -> Option<Leader> {
        self.shared.lock().ensemble.view().leader
    }

    /// How many leaders there have been.
    pub fn leaders_elected(&self) -> u64 {
        self.shared.lock().ensemble.elected()
    }

    /// What can go wrong, for a nemesis.
    pub fn faults(&self) -> Faults {
        Faults::new(Arc::clone(&self.shared))
    }
}
