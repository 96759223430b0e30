//! What is broken, when: two seeded schedules, one of faults of servers and one of faults of
//! clients, side by side.

mod schedule;

use std::sync::Arc;
use std::time::Duration;

use antiphon_core::clock::{self, Instant};
use antiphon_core::shutdown::Shutdown;
use tokio::sync::Mutex;

use super::cluster::OwnCluster;
use super::history::{Fault, FaultKind, Record};
use super::load::{Dice, Handle, Order, World};
use super::plant::{Plant, PlantError};
use super::process::ProcessError;
use crate::up;
use schedule::{
    Breaks, ClientFault, PAUSE_LONG_MS, PAUSE_SHORT_MS, SLOW_MS, Schedule, ServerFault,
};

/// Quiet time between two faults: a part of the run, within these bounds.
const GAP_PART: u32 = 20;
const GAP_MIN: Duration = Duration::from_millis(500);
const GAP_MAX: Duration = Duration::from_secs(5);
/// A follower is asked for so often while nobody leads.
const LEADER_ATTEMPTS: u32 = 50;
const LEADER_PAUSE: Duration = Duration::from_millis(100);

/// The cluster, which one at a time touches.
pub(super) type Shared = Arc<Mutex<OwnCluster>>;

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
            lasting: false,
        };
        self.world.recorder.put(Record::Fault(fault)).await;
    }

    fn show(&self, words: &str) {
        let mut shown = self.world.shown.fault.lock().expect("no holder panics");
        words.clone_into(&mut shown);
    }
}

/// Breaks servers until the time is over; in the end a whole cluster runs.
pub(super) async fn break_servers(frame: Frame, cluster: Shared) -> Result<(), ProcessError> {
    let mut schedule = Schedule::of_servers(frame.world.seed);
    let mut there = cluster.lock().await.servers();
    loop {
        clock::sleep(frame.gap.min(frame.left())).await;
        let Some(fault) = schedule.next(frame.left()) else {
            return Ok(());
        };
        // The last server is not stopped, but started again with all others.
        let stops = matches!(fault, ServerFault::StopLeader | ServerFault::StopFollower);
        let fault = if stops && there < 2 {
            ServerFault::Restart
        } else {
            fault
        };
        frame.show(fault.kind().words());
        let begin = frame.world.now();
        let target = break_one(fault, &cluster, &mut schedule.dice).await?;
        let Some(target) = target else {
            frame.show("");
            continue;
        };
        match fault {
            ServerFault::StopLeader | ServerFault::StopFollower => there -= 1,
            ServerFault::Restart | ServerFault::Kill => there = cluster.lock().await.servers(),
            ServerFault::PauseShort | ServerFault::PauseLong => {}
        }
        frame.note(fault.kind(), target, begin).await;
        frame.show("");
    }
}

/// Breaks separate processes and their ways until the time is over; in the end all is mended.
pub(super) async fn break_plant(frame: Frame, plant: &Plant) -> Result<(), PlantError> {
    let mut schedule = Schedule::of_plant(frame.world.seed);
    loop {
        clock::sleep(frame.gap.min(frame.left())).await;
        let Some(blow) = schedule.next(frame.left()) else {
            break;
        };
        if !plant.can(blow) {
            continue;
        }
        frame.show(blow.kind().words());
        let begin = frame.world.now();
        let target = plant.strike(blow, &mut schedule.dice).await?;
        frame.note(blow.kind(), target, begin).await;
        frame.show("");
    }
    plant.heal().await
}

/// Breaks and mends; `None` if it could not be broken.
async fn break_one(
    fault: ServerFault,
    cluster: &Shared,
    dice: &mut Dice,
) -> Result<Option<String>, ProcessError> {
    let pause = |(low, high), dice: &mut Dice| Duration::from_millis(dice.between(low, high));
    let mut target = String::new();
    match fault {
        ServerFault::StopLeader | ServerFault::StopFollower => {
            let data_dir = cluster.lock().await.data_dir();
            let Some(name) = find(&data_dir, fault == ServerFault::StopLeader, dice).await else {
                return Ok(None);
            };
            if up::stop_server(&data_dir, &name).await.is_err() {
                return Ok(None);
            }
            target = name;
        }
        ServerFault::Restart => {
            let mut cluster = cluster.lock().await;
            cluster.stop().await?;
            cluster.begin().await?;
        }
        ServerFault::Kill => {
            let mut cluster = cluster.lock().await;
            cluster.kill();
            cluster.begin().await?;
        }
        ServerFault::PauseShort => {
            cluster
                .lock()
                .await
                .pause(pause(PAUSE_SHORT_MS, dice))
                .await?
        }
        ServerFault::PauseLong => {
            cluster
                .lock()
                .await
                .pause(pause(PAUSE_LONG_MS, dice))
                .await?
        }
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
        let Some(fault) = schedule.next(frame.left()) else {
            return;
        };
        let begin = frame.world.now();
        let mut some = |users: &'_ Arc<Vec<Handle>>| -> Vec<usize> {
            let dice = &mut schedule.dice;
            (0..users.len()).filter(|_| dice.once_in(3)).collect()
        };
        match fault {
            ClientFault::MassDisconnect => {
                order(&frame, users.iter(), Order::Reconnect).await;
            }
            ClientFault::NewSessions => {
                let chosen = some(&users);
                let chosen = chosen.iter().map(|user| &users[*user]);
                order(&frame, chosen, Order::NewSession).await;
            }
            ClientFault::SlowReaders => {
                let chosen = some(&users);
                let slow = Duration::from_millis(schedule.dice.between(SLOW_MS.0, SLOW_MS.1));
                let slow = slow.min(frame.left());
                let until = begin + u64::try_from(slow.as_micros()).unwrap_or(0);
                for user in chosen {
                    users[user].slow_until(until);
                }
                clock::sleep(slow).await;
                for user in users.iter() {
                    user.slow_until(0);
                }
            }
        }
        frame.note(fault.kind(), String::new(), begin).await;
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
