//! What can go wrong, for the nemesis of a simulation.
//!
//! A host that gets no answer from the store in time asks whether it is there. If it is not, the
//! host's calls are refused at once until it is, which takes half a second to be noticed.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::line::Shared;
use super::world::World;

/// A service that a host calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// Registration and election.
    Coordinator,
    /// Directory, sessions, recent messages, words.
    Cache,
    /// Users, rooms, messages.
    Store,
}

impl Service {
    /// Every service.
    pub const ALL: [Self; 3] = [Self::Coordinator, Self::Cache, Self::Store];
}

/// How a host's link to a service is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// As it should be.
    Up,
    /// Requests never arrive, replies neither: the caller waits until its deadline.
    Cut,
    /// Requests arrive and are applied, their replies are lost: the caller waits until its
    /// deadline, and does not know.
    OneWay,
    /// Requests and replies are kept back until the link changes. Then they arrive, in order,
    /// though their sender may have given up or died: the writes of a zombie. If the link
    /// changes to one that lets nothing through, they never do.
    Held,
    /// Each way takes so much longer. A request that takes longer than its caller waits is
    /// applied all the same when it arrives.
    Slow(RangeInclusive<Duration>),
    /// Requests are refused at once, certainly not applied.
    Refused,
}

/// Switches faults of the services on and off: on a host of the simulation or outside of it,
/// between two of its steps. Then "now" is the latest time at which any host called a service.
#[derive(Debug, Clone)]
pub struct Faults {
    shared: Arc<Shared>,
}

impl Faults {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.shared.lock();
        if let Some(elapsed) = turmoil::sim_elapsed() {
            world.touch(u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX));
        }
        let changed = change(&mut world);
        drop(world);
        self.shared.faults.send_modify(|changes| *changes += 1);
        changed
    }

    /// Sets how a host's link to a service is. Whatever a held link kept back arrives now, or
    /// is lost, as the new state of the link says.
    pub fn set_link(&self, host: &str, service: Service, link: Link) {
        self.change(|world| world.set_link(host, service, link));
    }

    /// Sets how a host's links to all services are.
    pub fn set_links(&self, host: &str, link: &Link) {
        self.change(|world| {
            for service in Service::ALL {
                world.set_link(host, service, link.clone());
            }
        });
    }

    /// How a host's link to a service is.
    pub fn link(&self, host: &str, service: Service) -> Link {
        self.shared.lock().link(&Arc::from(host), service)
    }

    /// Every link is up, and what was held arrives.
    pub fn heal_links(&self) {
        self.change(World::heal_links);
    }

    /// Every link is up, every service is there, fast, and has room.
    pub fn heal(&self) {
        self.change(|world| {
            world.heal_links();
            let clock_us = world.clock_us();
            world.store.restart();
            world.store.is_full = false;
            world.store.slow = None;
            world.cache.is_down = false;
            world.cache.hangs = false;
            world.ensemble.set_down(false, clock_us);
        });
    }

    /// The store loses whatever it has applied and not synced, and is gone until it is
    /// restarted. Whoever waits for an answer gets a timeout; whoever comes later is refused at
    /// once.
    pub fn crash_store(&self) {
        self.change(|world| world.store.crash());
    }

    /// The store stops in order: whatever it has applied is durable. All else is as with a
    /// crash: who waits gets a timeout, who comes later is refused at once.
    pub fn stop_store(&self) {
        self.change(|world| world.store.stop());
    }

    /// The store is there again, with what it had synced.
    pub fn restart_store(&self) {
        self.change(|world| world.store.restart());
    }

    /// The store has no room: writes are refused at once and change nothing, reads work.
    pub fn set_store_full(&self, is_full: bool) {
        self.change(|world| world.store.is_full = is_full);
    }

    /// How long the store takes to sync; `None` for as usual. A write is durable after that
    /// time though its caller may have given up. Writes that are applied already keep their
    /// time, and later ones are not durable before them.
    pub fn set_store_sync(&self, sync: Option<RangeInclusive<Duration>>) {
        self.change(|world| world.store.slow = sync);
    }

    /// The cache is down, and refuses at once; what it holds stays.
    pub fn set_cache_down(&self, is_down: bool) {
        self.change(|world| world.cache.set_down(is_down));
    }

    /// The cache accepts and never answers; what was asked of it is not done.
    pub fn set_cache_hanging(&self, hangs: bool) {
        self.change(|world| world.cache.hangs = hangs);
    }

    /// The cache loses all that it holds.
    pub fn flush_cache(&self) {
        self.change(|world| world.cache.flush());
    }

    /// Nobody can reach the coordinator. Registrations don't end meanwhile, and get a whole
    /// session timeout when it is back.
    pub fn set_coordinator_down(&self, is_down: bool) {
        self.change(|world| {
            let clock_us = world.clock_us();
            world.ensemble.set_down(is_down, clock_us);
        });
    }

    /// Ends the registration of that server name at once, as if its session had timed out.
    /// False if there is none.
    pub fn expire_session(&self, name: &str) -> bool {
        self.change(|world| world.ensemble.end_session_of(name))
    }
}
