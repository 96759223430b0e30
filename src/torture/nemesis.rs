//! What is broken, when: two seeded schedules, one of faults of servers and one of faults of
//! clients, side by side. Each kind comes once before any comes twice.

use std::sync::Arc;
use std::time::Duration;

use antiphon_core::clock::{self, Instant};
use antiphon_core::shutdown::Shutdown;
use tokio::sync::Mutex;

use super::cluster::{ClusterError, OwnCluster};
use super::dice::Dice;
use super::history::{Fault, FaultKind, Record};
use super::user::{Handle, Order};
use super::world::World;
use crate::up;

const OF_SERVERS: &[FaultKind] = &[
    FaultKind::StopLeader,
    FaultKind::StopFollower,
    FaultKind::Restart,
    FaultKind::Kill,
    FaultKind::PauseShort,
    FaultKind::PauseLong,
];
const OF_CLIENTS: &[FaultKind] = &[
    FaultKind::MassDisconnect,
    FaultKind::NewSessions,
    FaultKind::SlowReaders,
];
/// Below the shortest timeout of a client.
const PAUSE_SHORT_MS: (u64, u64) = (300, 3_000);
/// Above the time in which a client wants its answers (10 s).
const PAUSE_LONG_MS: (u64, u64) = (11_000, 14_000);
const SLOW_MS: (u64, u64) = (1_000, 6_000);
/// Quiet time between two faults: a part of the run, within these bounds.
const GAP_PART: u32 = 20;
const GAP_MIN: Duration = Duration::from_millis(500);
const GAP_MAX: Duration = Duration::from_secs(5);
/// A follower is asked for so often while nobody leads.
const LEADER_ATTEMPTS: u32 = 50;
const LEADER_PAUSE: Duration = Duration::from_millis(100);

/// The cluster, which one at a time touches.
pub(super) type Shared = Arc<Mutex<OwnCluster>>;

/// The kinds in a drawn order, again and again.
#[derive(Debug)]
pub(super) struct Schedule {
    dice: Dice,
    kinds: &'static [FaultKind],
    bag: Vec<FaultKind>,
}

impl Schedule {
    pub(super) fn of_servers(seed: u64) -> Self {
        let mut dice = Dice::new(seed, 1);
        let mut first = OF_SERVERS.to_vec();
        dice.shuffle(&mut first);
        // A short run ends a term, too.
        let ends_a_term =
            |kind: &FaultKind| matches!(kind, FaultKind::StopLeader | FaultKind::Kill);
        first.sort_by_key(ends_a_term);
        Self {
            dice,
            kinds: OF_SERVERS,
            bag: first,
        }
    }

    pub(super) fn of_clients(seed: u64) -> Self {
        Self {
            dice: Dice::new(seed, 2),
            kinds: OF_CLIENTS,
            bag: Vec::new(),
        }
    }

    /// The next kind that fits into the time that is left.
    pub(super) fn next(&mut self, left: Duration) -> Option<FaultKind> {
        for refill in [false, true] {
            if refill {
                let mut bag = self.kinds.to_vec();
                self.dice.shuffle(&mut bag);
                bag.retain(|kind| !self.bag.contains(kind));
                self.bag = [bag, std::mem::take(&mut self.bag)].concat();
            }
            let fits = self.bag.iter().rposition(|kind| takes(*kind) <= left);
            if let Some(at) = fits {
                return Some(self.bag.remove(at));
            }
        }
        None
    }
}

/// About how long a fault takes, with the recovery.
fn takes(kind: FaultKind) -> Duration {
    match kind {
        FaultKind::StopLeader | FaultKind::StopFollower => Duration::from_secs(3),
        FaultKind::Restart | FaultKind::Kill | FaultKind::PauseShort => Duration::from_secs(4),
        FaultKind::PauseLong => Duration::from_millis(PAUSE_LONG_MS.1 + 3_000),
        FaultKind::MassDisconnect | FaultKind::NewSessions => Duration::from_secs(1),
        FaultKind::SlowReaders => Duration::from_millis(SLOW_MS.1),
    }
}

/// When the load ends, and how much quiet there is between faults.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) world: Arc<World>,
    pub(super) load: Shutdown,
    pub(super) end: Instant,
    gap: Duration,
}

impl Frame {
    pub(super) fn new(world: &Arc<World>, load: &Shutdown, duration: Duration) -> Self {
        Self {
            world: Arc::clone(world),
            load: load.clone(),
            end: clock::now() + duration,
            gap: (duration / GAP_PART).clamp(GAP_MIN, GAP_MAX),
        }
    }

    fn left(&self) -> Duration {
        self.end.saturating_duration_since(clock::now())
    }

    async fn note(&self, kind: FaultKind, target: String, begin: u64) {
        let end = self.world.now();
        let fault = Fault {
            kind,
            target,
            begin,
            end,
        };
        self.world.recorder.put(Record::Fault(fault)).await;
    }

    fn show(&self, words: &str) {
        let mut shown = self.world.shown.fault.lock().expect("no holder panics");
        words.clone_into(&mut shown);
    }
}

/// Breaks servers until the time is over; in the end a whole cluster runs.
pub(super) async fn break_servers(frame: Frame, cluster: Shared) -> Result<(), ClusterError> {
    let mut schedule = Schedule::of_servers(frame.world.seed);
    let mut there = cluster.lock().await.servers();
    loop {
        clock::sleep(frame.gap.min(frame.left())).await;
        let Some(kind) = schedule.next(frame.left()) else {
            return Ok(());
        };
        // The last server is not stopped, but started again with all others.
        let stops = matches!(kind, FaultKind::StopLeader | FaultKind::StopFollower);
        let kind = if stops && there < 2 {
            FaultKind::Restart
        } else {
            kind
        };
        frame.show(kind.words());
        let begin = frame.world.now();
        let target = break_one(kind, &cluster, &mut schedule.dice).await?;
        let Some(target) = target else {
            frame.show("");
            continue;
        };
        match kind {
            FaultKind::StopLeader | FaultKind::StopFollower => there -= 1,
            FaultKind::Restart | FaultKind::Kill => there = cluster.lock().await.servers(),
            FaultKind::PauseShort
            | FaultKind::PauseLong
            | FaultKind::MassDisconnect
            | FaultKind::NewSessions
            | FaultKind::SlowReaders => {}
        }
        frame.note(kind, target, begin).await;
        frame.show("");
    }
}

/// Breaks and mends; `None` if it could not be broken.
async fn break_one(
    kind: FaultKind,
    cluster: &Shared,
    dice: &mut Dice,
) -> Result<Option<String>, ClusterError> {
    let pause = |(low, high), dice: &mut Dice| Duration::from_millis(dice.between(low, high));
    let mut target = String::new();
    match kind {
        FaultKind::StopLeader | FaultKind::StopFollower => {
            let data_dir = cluster.lock().await.data_dir();
            let Some(name) = find(&data_dir, kind == FaultKind::StopLeader, dice).await else {
                return Ok(None);
            };
            if up::stop_server(&data_dir, &name).await.is_err() {
                return Ok(None);
            }
            target = name;
        }
        FaultKind::Restart => {
            let mut cluster = cluster.lock().await;
            cluster.stop().await?;
            cluster.begin().await?;
        }
        FaultKind::Kill => {
            let mut cluster = cluster.lock().await;
            cluster.kill();
            cluster.begin().await?;
        }
        FaultKind::PauseShort => {
            cluster
                .lock()
                .await
                .pause(pause(PAUSE_SHORT_MS, dice))
                .await?
        }
        FaultKind::PauseLong => {
            cluster
                .lock()
                .await
                .pause(pause(PAUSE_LONG_MS, dice))
                .await?
        }
        // Others do these.
        FaultKind::MassDisconnect | FaultKind::NewSessions | FaultKind::SlowReaders => {}
    }
    Ok(Some(target))
}

/// The server that leads, or one that follows.
async fn find(data_dir: &std::path::Path, leads: bool, dice: &mut Dice) -> Option<String> {
    for _ in 0..LEADER_ATTEMPTS {
        if let Ok(status) = up::status(data_dir).await
            && status.leader.is_some()
        {
            let (leaders, followers): (Vec<String>, Vec<String>) = (status.servers.into_iter())
                .map(|server| server.name)
                .partition(|name| Some(name) == status.leader.as_ref());
            let found = dice
                .pick(if leads { &leaders } else { &followers })
                .cloned();
            if found.is_some() {
                return found;
            }
        }
        clock::sleep(LEADER_PAUSE).await;
    }
    None
}

/// Breaks clients until the time is over.
pub(super) async fn break_clients(frame: Frame, users: Arc<Vec<Handle>>) {
    let mut schedule = Schedule::of_clients(frame.world.seed);
    loop {
        tokio::select! {
            () = frame.load.stopping() => return,
            () = clock::sleep(frame.gap.min(frame.left())) => {}
        }
        let Some(kind) = schedule.next(frame.left()) else {
            return;
        };
        let begin = frame.world.now();
        let mut some = |users: &'_ Arc<Vec<Handle>>| -> Vec<usize> {
            let dice = &mut schedule.dice;
            (0..users.len()).filter(|_| dice.once_in(3)).collect()
        };
        match kind {
            FaultKind::MassDisconnect => {
                order(&frame, users.iter(), Order::Reconnect).await;
            }
            FaultKind::NewSessions => {
                let chosen = some(&users);
                let chosen = chosen.iter().map(|user| &users[*user]);
                order(&frame, chosen, Order::NewSession).await;
            }
            FaultKind::SlowReaders => {
                let chosen = some(&users);
                let slow = Duration::from_millis(schedule.dice.between(SLOW_MS.0, SLOW_MS.1));
                let until = clock::now() + slow.min(frame.left());
                for user in chosen {
                    users[user].slow_tx.send_replace(Some(until));
                }
                clock::sleep_until(until).await;
                for user in users.iter() {
                    user.slow_tx.send_replace(None);
                }
            }
            // Others do these.
            FaultKind::StopLeader
            | FaultKind::StopFollower
            | FaultKind::Restart
            | FaultKind::Kill
            | FaultKind::PauseShort
            | FaultKind::PauseLong => {}
        }
        frame.note(kind, String::new(), begin).await;
    }
}

/// Orders the same of several, and waits until all are there again, or the load ends.
async fn order<'u>(frame: &Frame, users: impl Iterator<Item = &'u Handle>, order: Order) {
    let all = futures_util::future::join_all(users.map(|user| user.order(order)));
    tokio::select! {
        () = frame.load.stopping() => {}
        // Who did not come back in time is seen in the history.
        _back = all => {}
    }
}
