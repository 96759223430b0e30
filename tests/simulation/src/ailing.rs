//! What is wrong with the services, by the faults that are on. Where several touch one link to
//! a service, the worst counts.

use std::collections::BTreeMap;
use std::time::Duration;

use antiphon::torture::load::Dice;

use crate::plan::server;
use crate::schedule::{Planned, What};
use crate::service::{Link, Service, Services};

/// A slow store makes things durable after so long.
const SLOW_SYNC_MS: (u64, u64) = (50, 1_500);
/// A slow link to a service takes so long, each way.
const SLOW_LINK_MS: (u64, u64) = (20, 400);

/// What is wrong now.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Ailing {
    links: BTreeMap<(usize, Service), Bad>,
    slow_store: Option<(u64, u64)>,
    store_crashed: bool,
    cache_down: bool,
    cache_hangs: bool,
    coordinator_down: bool,
    /// Counted, since it takes no time.
    flushes: usize,
}

/// A link to a service, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Bad {
    Slow(u64, u64),
    Refused,
    Held,
    ReplyLost,
    Cut,
}

impl Bad {
    fn link(self) -> Link {
        match self {
            Self::Slow(low, high) => {
                Link::Slow(Duration::from_millis(low)..=Duration::from_millis(high))
            }
            Self::Refused => Link::Refused,
            Self::Held => Link::Held,
            Self::ReplyLost => Link::OneWay,
            Self::Cut => Link::Cut,
        }
    }
}

impl Ailing {
    /// Brings the services to what these faults make of them, each with its server.
    pub(crate) fn bring(&mut self, services: &Services, faults: &[(Planned, usize)]) {
        let after = Self::of(faults);
        let before = std::mem::replace(self, after);
        let faults = services.faults();
        let all = before.links.keys().chain(self.links.keys());
        let mut changed: Vec<_> = all
            .filter(|key| before.links.get(key) != self.links.get(key))
            .collect();
        changed.sort_unstable();
        changed.dedup();
        for key in changed {
            let link = self.links.get(key).map_or(Link::Up, |bad| bad.link());
            faults.set_link(&server(key.0), key.1, link);
        }
        if before.slow_store != self.slow_store {
            let sync = self.slow_store;
            let sync =
                sync.map(|(low, high)| Duration::from_millis(low)..=Duration::from_millis(high));
            faults.set_store_sync(sync);
        }
        if before.store_crashed != self.store_crashed {
            if self.store_crashed {
                faults.crash_store();
            } else {
                faults.restart_store();
            }
        }
        if before.cache_down != self.cache_down {
            faults.set_cache_down(self.cache_down);
        }
        if before.cache_hangs != self.cache_hangs {
            faults.set_cache_hanging(self.cache_hangs);
        }
        if before.coordinator_down != self.coordinator_down {
            faults.set_coordinator_down(self.coordinator_down);
        }
        if before.flushes < self.flushes {
            faults.flush_cache();
        }
    }

    fn of(faults: &[(Planned, usize)]) -> Self {
        let mut now = Self::default();
        for (fault, at) in faults {
            let mut dice = Dice::new(fault.seed, 2);
            match fault.what {
                What::PowerCut | What::CutOff => now.all_links(*at, Bad::Cut),
                What::Pause => now.all_links(*at, Bad::Held),
                What::SlowLinks => {
                    let low = dice.below(SLOW_LINK_MS.0);
                    now.all_links(*at, Bad::Slow(low, low + dice.below(SLOW_LINK_MS.1)));
                }
                What::CutFromStore => {
                    let bad = if dice.once_in(2) {
                        Bad::Cut
                    } else {
                        Bad::Refused
                    };
                    now.link(*at, Service::Store, bad);
                }
                What::StoreReplyLost => now.link(*at, Service::Store, Bad::ReplyLost),
                What::StoreDown => {
                    for at in 0..crate::plan::SERVERS {
                        now.link(at, Service::Store, Bad::Refused);
                    }
                }
                What::SlowStore => {
                    let low = dice.below(SLOW_SYNC_MS.0);
                    now.slow_store = Some((low, low + dice.below(SLOW_SYNC_MS.1)));
                }
                What::StoreCrash => now.store_crashed = true,
                What::CutFromCache => {
                    let bad = if dice.once_in(2) {
                        Bad::Cut
                    } else {
                        Bad::ReplyLost
                    };
                    now.link(*at, Service::Cache, bad);
                }
                What::CacheDown => now.cache_down = true,
                What::CacheHang => now.cache_hangs = true,
                What::CacheFlushed => now.flushes += 1,
                What::CoordinatorCut => {
                    let bad = match dice.below(3) {
                        0 => Bad::Held,
                        1 => Bad::ReplyLost,
                        _ => Bad::Cut,
                    };
                    now.link(*at, Service::Coordinator, bad);
                }
                What::Halves => now.link(*at, Service::Coordinator, Bad::Cut),
                What::CoordinatorDown => now.coordinator_down = true,
                What::Crash
                | What::Stop
                | What::CutServer
                | What::CutOneWay
                | What::CutFromClients
                | What::HoldLinks
                | What::ClockJump
                | What::GatewayDown
                | What::CutClients
                | What::NewSessions
                | What::SlowReaders => {}
            }
        }
        now
    }

    fn link(&mut self, at: usize, service: Service, bad: Bad) {
        let worst = self.links.entry((at, service)).or_insert(bad);
        *worst = bad.max(*worst);
    }

    fn all_links(&mut self, at: usize, bad: Bad) {
        for service in Service::ALL {
            self.link(at, service, bad);
        }
    }
}
