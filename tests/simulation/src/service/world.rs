//! The state of all services, and the requests on their way to it.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use antiphon_core::contract::BackendErrorKind;

use super::ServiceSettings;
use super::cache::Cache;
use super::coordinator::Ensemble;
use super::fault::{Link, Service};
use super::store::Store;

/// Requests that a link holds back; further ones are lost.
const HELD_MAX: usize = 10_000;
/// The shortest way, so that no call is answered in no time, over and over.
const LATENCY_MIN_US: u64 = 1_000;

/// A piece of work at a service, at a time of arrival.
pub(super) type Work = Box<dyn FnOnce(&mut World, u64) + Send>;

/// What a service says, and when it says it.
pub(super) struct Answer<T> {
    pub(super) result: Result<T, BackendErrorKind>,
    pub(super) at_us: u64,
}

impl<T> Answer<T> {
    /// Said at once.
    pub(super) fn at_once(now_us: u64, result: T) -> Self {
        Self {
            result: Ok(result),
            at_us: now_us,
        }
    }

    /// Refused at once.
    pub(super) fn refused(now_us: u64, kind: BackendErrorKind) -> Self {
        Self {
            result: Err(kind),
            at_us: now_us,
        }
    }
}

/// What becomes of a request.
pub(super) enum Sent {
    Refused { at_us: u64 },
    Lost,
    Held,
    Arrives { at_us: u64 },
}

/// What becomes of a reply.
pub(super) enum Reply {
    /// The service has crashed since it took the request.
    Broken,
    Lost,
    Held,
    Takes {
        us: u64,
    },
}

struct Request {
    host: Arc<str>,
    service: Service,
    work: Work,
}

/// SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014).
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn draw_us(&mut self, range: &RangeInclusive<Duration>) -> u64 {
        let us = |duration: &Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX / 4);
        let (from, to) = (us(range.start()), us(range.end()));
        let width = to.saturating_sub(from).saturating_add(1);
        from + self.roll() % width
    }
}

/// The services' state.
pub(super) struct World {
    /// The latest time that any host has told. Hosts run one after the other, a tick each, so
    /// that their times are up to a tick apart.
    clock_us: u64,
    dice: Dice,
    pub(super) settings: ServiceSettings,
    links: BTreeMap<(Arc<str>, Service), Link>,
    /// By arrival.
    on_the_way: BTreeMap<(u64, u64), Request>,
    held: BTreeMap<(Arc<str>, Service), Vec<Request>>,
    sent: u64,
    pub(super) store: Store,
    pub(super) cache: Cache,
    pub(super) ensemble: Ensemble,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "World({} us)", self.clock_us)
    }
}

impl World {
    pub(super) fn new(seed: u64, settings: ServiceSettings) -> Self {
        let mut dice = Dice(seed);
        let store = Store::new(format!("{:016x}", dice.roll()));
        Self {
            clock_us: 0,
            dice,
            ensemble: Ensemble::new(settings.session_timeout),
            settings,
            links: BTreeMap::new(),
            on_the_way: BTreeMap::new(),
            held: BTreeMap::new(),
            sent: 0,
            store,
            cache: Cache::default(),
        }
    }

    /// The latest time that is known.
    pub(super) fn clock_us(&self) -> u64 {
        self.clock_us
    }

    /// Lets happen what is due.
    pub(super) fn touch(&mut self, now_us: u64) {
        self.clock_us = self.clock_us.max(now_us);
        loop {
            self.store.advance(self.clock_us);
            self.ensemble.expire(self.clock_us);
            let due = self.on_the_way.first_entry();
            let Some(due) = due.filter(|due| due.key().0 <= self.clock_us) else {
                return;
            };
            let request = due.remove();
            self.arrive(request);
        }
    }

    fn arrive(&mut self, request: Request) {
        match self.link(&request.host, request.service) {
            _ if self.is_away(request.service) => {}
            Link::Cut | Link::Refused => {}
            Link::Held => {
                self.hold(request);
            }
            Link::Up | Link::OneWay | Link::Slow(_) => (request.work)(self, self.clock_us),
        }
    }

    /// A request leaves a host.
    pub(super) fn send(
        &mut self,
        host: &Arc<str>,
        service: Service,
        now_us: u64,
        work: Work,
    ) -> Sent {
        let at_us = now_us + self.latency_us(host, service);
        if self.is_away(service) {
            return Sent::Refused { at_us };
        }
        let request = Request {
            host: Arc::clone(host),
            service,
            work,
        };
        match self.link(host, service) {
            Link::Refused => Sent::Refused { at_us },
            Link::Cut => Sent::Lost,
            Link::Held => match self.hold(request) {
                true => Sent::Held,
                false => Sent::Lost,
            },
            Link::Up | Link::OneWay | Link::Slow(_) if self.is_hanging(service) => Sent::Lost,
            Link::Up | Link::OneWay | Link::Slow(_) => {
                self.travel(at_us, request);
                Sent::Arrives { at_us }
            }
        }
    }

    /// The reply to a request that was taken in a `life` of the service.
    pub(super) fn reply(&mut self, host: &Arc<str>, service: Service, life: u64) -> Reply {
        if self.life(service) != life {
            return Reply::Broken;
        }
        match self.link(host, service) {
            Link::Cut | Link::OneWay | Link::Refused => Reply::Lost,
            Link::Held => Reply::Held,
            Link::Up | Link::Slow(_) => Reply::Takes {
                us: self.latency_us(host, service),
            },
        }
    }

    fn travel(&mut self, at_us: u64, request: Request) {
        self.sent += 1;
        self.on_the_way.insert((at_us, self.sent), request);
    }

    /// False if there are too many.
    fn hold(&mut self, request: Request) -> bool {
        let key = (Arc::clone(&request.host), request.service);
        let held = self.held.entry(key).or_default();
        let has_room = held.len() < HELD_MAX;
        if has_room {
            held.push(request);
        }
        has_room
    }

    /// How a host's link to a service is.
    pub(super) fn link(&self, host: &Arc<str>, service: Service) -> Link {
        let found = self.links.get(&(Arc::clone(host), service));
        found.cloned().unwrap_or(Link::Up)
    }

    /// Changes a link. What was held arrives now, or never if nothing gets through any more.
    pub(super) fn set_link(&mut self, host: &str, service: Service, link: Link) {
        let key = (Arc::from(host), service);
        let passes = match &link {
            Link::Held => {
                self.links.insert(key, link);
                return;
            }
            Link::Up | Link::OneWay | Link::Slow(_) => true,
            Link::Cut | Link::Refused => false,
        };
        let held = self.held.remove(&key).unwrap_or_default();
        for request in held.into_iter().filter(|_| passes) {
            self.travel(self.clock_us, request);
        }
        self.links.insert(key, link);
    }

    /// Every link is up.
    pub(super) fn heal_links(&mut self) {
        let links: Vec<(Arc<str>, Service)> = self.links.keys().cloned().collect();
        for (host, service) in links {
            self.set_link(&host, service, Link::Up);
        }
    }

    fn latency_us(&mut self, host: &Arc<str>, service: Service) -> u64 {
        let usual = self.dice.draw_us(&self.settings.latency);
        let more = match self.link(host, service) {
            Link::Slow(range) => self.dice.draw_us(&range),
            Link::Up | Link::Cut | Link::OneWay | Link::Held | Link::Refused => 0,
        };
        usual.max(LATENCY_MIN_US) + more
    }

    /// How long the next sync of the store takes.
    pub(super) fn sync_us(&mut self) -> u64 {
        let range = self.store.slow.as_ref().unwrap_or(&self.settings.sync);
        self.dice.draw_us(range)
    }

    /// Counts the crashes of a service.
    pub(super) fn life(&self, service: Service) -> u64 {
        match service {
            Service::Store => self.store.life,
            Service::Cache => self.cache.life,
            Service::Coordinator => self.ensemble.life,
        }
    }

    /// Whether nobody can reach a service.
    pub(super) fn is_away(&self, service: Service) -> bool {
        match service {
            Service::Store => self.store.is_down,
            Service::Cache => self.cache.is_down,
            Service::Coordinator => self.ensemble.is_down,
        }
    }

    fn is_hanging(&self, service: Service) -> bool {
        service == Service::Cache && self.cache.hangs
    }
}
