//! Breaks what the schedule says, and mends it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use antiphon::torture::history::{Fault, FaultKind};
use antiphon::torture::load::{Dice, Order};
use turmoil::Sim;

use crate::ailing::Ailing;
use crate::network::{Direction, Network, Wrong};
use crate::plan::{CLIENT_HOSTS, GATEWAY, Plan, SERVERS, clients, hosts, server};
use crate::schedule::{Planned, Target, What};
use crate::shared::{Shared, Wanted};

/// A wall clock jumps so far at most.
const JUMP_MS: u64 = 30 * 60 * 1_000;

/// A fault that is on.
#[derive(Debug)]
struct Active {
    planned: Planned,
    /// On which server it fell.
    at: usize,
    kind: FaultKind,
    target: String,
    begin: u64,
    until: u64,
    links: BTreeMap<Direction, Wrong>,
}

/// See the module.
#[derive(Debug)]
pub struct Nemesis {
    planned: Vec<Planned>,
    active: Vec<Active>,
    network: Network,
    ailing: Ailing,
    /// Servers without a process.
    down: BTreeSet<usize>,
    gateway_down: bool,
    /// What was broken and is mended.
    pub done: Vec<(What, Fault)>,
}

impl Nemesis {
    /// With all whole.
    pub fn new(plan: &Plan) -> Self {
        let mut planned = plan.faults.clone();
        // The next one is the last.
        planned.reverse();
        Self {
            planned,
            active: Vec::new(),
            network: Network::new(plan.latency_max),
            ailing: Ailing::default(),
            down: BTreeSet::new(),
            gateway_down: false,
            done: Vec::new(),
        }
    }

    /// Mends what is over and breaks what is due, in microseconds of the load and of the run.
    pub fn step(&mut self, sim: &mut Sim<'_>, shared: &Shared, load: Duration, now: u64) {
        while let Some(at) = self.active.iter().position(|fault| fault.until <= now) {
            self.mend(sim, shared, at, now);
        }
        while let Some(fault) = self.planned.pop_if(|fault| fault.at <= load) {
            self.begin(sim, shared, fault, now);
        }
    }

    /// Mends everything.
    pub fn heal(&mut self, sim: &mut Sim<'_>, shared: &Shared, now: u64) {
        self.planned.clear();
        while !self.active.is_empty() {
            self.mend(sim, shared, 0, now);
        }
    }

    /// Breaks for good what is to stay broken.
    pub fn leave(&mut self, sim: &mut Sim<'_>, shared: &Shared, now: u64) {
        for planned in &shared.plan.lasting {
            self.begin(sim, shared, *planned, now);
        }
        for fault in &mut self.active {
            fault.until = u64::MAX;
            let told = Fault {
                kind: fault.kind,
                target: fault.target.clone(),
                begin: fault.begin,
                end: now,
                lasting: true,
            };
            self.done.push((fault.planned.what, told));
        }
    }

    fn begin(&mut self, sim: &mut Sim<'_>, shared: &Shared, planned: Planned, now: u64) {
        let leader = shared.leader().map(|(at, _)| at);
        let at = match planned.target {
            Target::Leader => leader.unwrap_or(0),
            Target::Server(at) => at,
        };
        let of_process = matches!(planned.what, What::Crash | What::PowerCut | What::Stop);
        if of_process && self.down.contains(&at) {
            return;
        }
        let lasts = u64::try_from(planned.lasts.as_micros()).unwrap_or(u64::MAX);
        let (kind, target) = describe(planned.what, at, leader == Some(at));
        self.active.push(Active {
            planned,
            at,
            kind,
            target,
            begin: now,
            until: now.saturating_add(lasts),
            links: links(planned, at),
        });
        self.bring(sim, shared);
        let mut dice = Dice::new(planned.seed, 0);
        match planned.what {
            What::Crash | What::PowerCut => {
                self.down.insert(at);
                sim.crash(server(at));
                shared.servers[at].is(None);
            }
            What::Stop => {
                self.down.insert(at);
                shared.servers[at].runs.send_replace(false);
            }
            What::GatewayDown if !self.gateway_down => {
                self.gateway_down = true;
                sim.crash(GATEWAY);
            }
            What::ClockJump => {
                shared.servers[at].clock_ms.send_replace(jump_ms(&mut dice));
            }
            What::CutClients => order(shared, 0..shared.plan.users, Order::Reconnect),
            What::NewSessions => {
                let chosen = chosen(&mut dice, shared.plan.users);
                order(shared, chosen.into_iter(), Order::NewSession);
            }
            What::SlowReaders => {
                for user in chosen(&mut dice, shared.plan.users) {
                    want(shared, user, Wanted::Slow(user, lasts));
                }
            }
            What::GatewayDown
            | What::CutServer
            | What::CutOneWay
            | What::CutOff
            | What::Halves
            | What::CutFromClients
            | What::HoldLinks
            | What::Pause
            | What::SlowLinks
            | What::CutFromStore
            | What::StoreReplyLost
            | What::SlowStore
            | What::StoreDown
            | What::StoreCrash
            | What::CutFromCache
            | What::CacheDown
            | What::CacheHang
            | What::CacheFlushed
            | What::CoordinatorCut
            | What::CoordinatorDown => {}
        }
    }

    fn mend(&mut self, sim: &mut Sim<'_>, shared: &Shared, at: usize, now: u64) {
        let fault = self.active.remove(at);
        self.bring(sim, shared);
        match fault.planned.what {
            What::Crash | What::PowerCut => {
                self.down.remove(&fault.at);
                sim.bounce(server(fault.at));
            }
            What::Stop => {
                self.down.remove(&fault.at);
                shared.servers[fault.at].runs.send_replace(true);
            }
            What::GatewayDown if self.gateway_down => {
                let others = self.active.iter().map(|fault| fault.planned.what);
                if !others.into_iter().any(|what| what == What::GatewayDown) {
                    self.gateway_down = false;
                    sim.bounce(GATEWAY);
                }
            }
            What::ClockJump => {
                shared.servers[fault.at].clock_ms.send_replace(0);
            }
            What::GatewayDown
            | What::CutClients
            | What::NewSessions
            | What::SlowReaders
            | What::CutServer
            | What::CutOneWay
            | What::CutOff
            | What::Halves
            | What::CutFromClients
            | What::HoldLinks
            | What::Pause
            | What::SlowLinks
            | What::CutFromStore
            | What::StoreReplyLost
            | What::SlowStore
            | What::StoreDown
            | What::StoreCrash
            | What::CutFromCache
            | What::CacheDown
            | What::CacheHang
            | What::CacheFlushed
            | What::CoordinatorCut
            | What::CoordinatorDown => {}
        }
        let told = Fault {
            kind: fault.kind,
            target: fault.target,
            begin: fault.begin,
            end: now,
            lasting: false,
        };
        self.done.push((fault.planned.what, told));
    }

    /// Brings links and services to what the active faults make of them.
    fn bring(&mut self, sim: &Sim<'_>, shared: &Shared) {
        let mut wanted: BTreeMap<Direction, Wrong> = BTreeMap::new();
        for (direction, wrong) in self.active.iter().flat_map(|fault| &fault.links) {
            let worst = wanted.entry(direction.clone()).or_insert(*wrong);
            *worst = (*worst).max(*wrong);
        }
        self.network.bring(sim, wanted);
        let faults = self.active.iter().map(|fault| (fault.planned, fault.at));
        let faults: Vec<_> = faults.collect();
        self.ailing.bring(&shared.services, &faults);
    }
}

/// Some users, at least one, not all.
fn chosen(dice: &mut Dice, users: usize) -> Vec<usize> {
    let mut all: Vec<usize> = (0..users).collect();
    dice.shuffle(&mut all);
    let count = usize::try_from(dice.between(1, 3)).unwrap_or(1);
    all.truncate(count);
    all.sort_unstable();
    all
}

fn order(shared: &Shared, users: impl Iterator<Item = usize>, order: Order) {
    for user in users {
        want(shared, user, Wanted::Order(user, order));
    }
}

/// A host with too much to do already is left alone.
fn want(shared: &Shared, user: usize, wanted: Wanted) {
    let _ = shared.orders[user % CLIENT_HOSTS].try_send(wanted);
}

/// How far a wall clock jumps, either way.
fn jump_ms(dice: &mut Dice) -> i64 {
    let jump = i64::try_from(dice.below(2 * JUMP_MS)).unwrap_or(0);
    jump - i64::try_from(JUMP_MS).unwrap_or(0)
}

/// What a history calls it, and where it is.
fn describe(what: What, at: usize, leads: bool) -> (FaultKind, String) {
    let kind = match what {
        What::Crash | What::PowerCut => FaultKind::KillServer,
        What::Stop if leads => FaultKind::StopLeader,
        What::Stop => FaultKind::StopFollower,
        What::CutServer | What::CutOff | What::Halves => FaultKind::CutServer,
        What::CutOneWay => FaultKind::CutOneWay,
        What::CutFromClients => FaultKind::CutClients,
        What::HoldLinks => FaultKind::HoldLinks,
        What::Pause => FaultKind::PauseServer,
        What::SlowLinks => FaultKind::SlowLinks,
        What::CutFromStore | What::StoreDown => FaultKind::StoreDown,
        What::StoreReplyLost => FaultKind::StoreReplyLost,
        What::SlowStore => FaultKind::SlowStore,
        What::StoreCrash => FaultKind::StoreCrash,
        What::CutFromCache | What::CacheDown => FaultKind::CacheDown,
        What::CacheHang => FaultKind::CacheHang,
        What::CacheFlushed => FaultKind::CacheFlushed,
        What::CoordinatorCut => FaultKind::CoordinatorCut,
        What::CoordinatorDown => FaultKind::CoordinatorDown,
        What::ClockJump => FaultKind::ClockJump,
        What::GatewayDown => FaultKind::GatewayDown,
        What::CutClients => FaultKind::MassDisconnect,
        What::NewSessions => FaultKind::NewSessions,
        What::SlowReaders => FaultKind::SlowReaders,
    };
    let target = if what.is_of_one_server() {
        server(at)
    } else {
        String::new()
    };
    (kind, target)
}

/// What is wrong with links.
fn links(planned: Planned, at: usize) -> BTreeMap<Direction, Wrong> {
    let mut dice = Dice::new(planned.seed, 1);
    let me = server(at);
    let others: Vec<String> = (0..SERVERS)
        .filter(|other| *other != at)
        .map(server)
        .collect();
    let everybody: Vec<String> = hosts().into_iter().filter(|host| *host != me).collect();
    let users: Vec<String> = (0..CLIENT_HOSTS).map(clients).collect();
    let both = |hosts: Vec<String>, wrong: Wrong| {
        let there = hosts.iter().map(|host| ((me.clone(), host.clone()), wrong));
        let back = hosts.iter().map(|host| ((host.clone(), me.clone()), wrong));
        there.chain(back).collect()
    };
    match planned.what {
        What::PowerCut | What::CutOff => both(everybody, Wrong::Cut),
        What::CutServer | What::Halves => both(others, Wrong::Cut),
        What::CutFromClients => both(users, Wrong::Cut),
        What::HoldLinks => both(others, Wrong::Held),
        What::Pause => both(everybody, Wrong::Held),
        What::SlowLinks => both(everybody, Wrong::Slow),
        What::CutOneWay => {
            let there = |other: &String| ((me.clone(), other.clone()), Wrong::OneWay);
            let back = |other: &String| ((other.clone(), me.clone()), Wrong::OneWay);
            match dice.below(3) {
                0 => others.iter().map(there).collect(),
                1 => others.iter().map(back).collect(),
                _ => others.iter().take(1).map(there).collect(),
            }
        }
        What::Crash
        | What::Stop
        | What::CutFromStore
        | What::StoreReplyLost
        | What::SlowStore
        | What::StoreDown
        | What::StoreCrash
        | What::CutFromCache
        | What::CacheDown
        | What::CacheHang
        | What::CacheFlushed
        | What::CoordinatorCut
        | What::CoordinatorDown
        | What::ClockJump
        | What::GatewayDown
        | What::CutClients
        | What::NewSessions
        | What::SlowReaders => BTreeMap::new(),
    }
}
