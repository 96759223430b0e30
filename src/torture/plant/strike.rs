//! A plant breaks a part of itself, and mends it.

use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::atomic::Ordering;
use std::time::Duration;

use antiphon_core::clock;

use super::blow::{Blow, Group, WayFault};
use super::server::Server;
use super::{GATEWAYS, Plant, PlantError};
use crate::torture::load::Dice;
use crate::torture::proxy::{Flow, Lane, Proxy, Way};

/// How long a way is broken.
const BROKEN_MS: (u64, u64) = (1_000, 4_000);
/// How long a killed process stays away.
const DEAD_MS: (u64, u64) = (300, 2_500);
/// Between two resets.
const RESET_EVERY: Duration = Duration::from_millis(250);
/// Pauses, and cuts from the coordination service, in percent of the session timeout.
const SHORT_PERCENT: (u64, u64) = (20, 80);
const LONG_PERCENT: (u64, u64) = (130, 200);
/// Who leads is asked for so often while nobody does.
const LEADER_ATTEMPTS: u32 = 20;
const LEADER_PAUSE: Duration = Duration::from_millis(100);

fn drawn((low, high): (u64, u64), dice: &mut Dice) -> Duration {
    Duration::from_millis(dice.between(low, high))
}

fn flows(flow: Flow) -> Lane {
    Lane {
        flow,
        ..Lane::default()
    }
}

/// Late, and in pieces.
fn slow(dice: &mut Dice, (low, high): (u64, u64)) -> Lane {
    Lane {
        delay: Duration::from_millis(dice.between(low, high)),
        jitter: Duration::from_millis(high),
        piece_bytes: NonZeroUsize::new(512),
        ..Lane::default()
    }
}

fn narrow(bytes_per_second: u64) -> Lane {
    Lane {
        bytes_per_second: NonZeroU64::new(bytes_per_second),
        piece_bytes: NonZeroUsize::new(64),
        ..Lane::default()
    }
}

impl Plant {
    /// Breaks, waits, mends. Tells which server was hit, if it was one.
    pub async fn strike(&self, blow: Blow, dice: &mut Dice) -> Result<String, PlantError> {
        match blow.group() {
            Group::Servers => self.strike_server(blow, dice).await,
            Group::Links => Ok(self.strike_links(blow, dice).await),
            Group::Clients => Ok(self.strike_clients(blow, dice).await),
            Group::Coordinator => Ok(self.strike_coordinator(blow, dice).await),
            Group::Gateways => self.strike_gateway(dice).await,
            Group::Store => {
                let ways = self.servers.iter().flat_map(|server| &server.store);
                Ok(strike_ways(blow, &ways.collect::<Vec<_>>(), dice).await)
            }
            Group::Cache => {
                let of_gateways = self.gateways.iter().flat_map(|gateway| &gateway.cache);
                let ways = self.servers.iter().flat_map(|server| &server.cache);
                let ways: Vec<&Proxy> = ways.chain(of_gateways).collect();
                Ok(strike_ways(blow, &ways, dice).await)
            }
        }
    }

    /// Who leads, or somebody else; if nobody leads for long, anybody.
    async fn find(&self, leads: bool, dice: &mut Dice) -> &Server {
        let mut leader = None;
        for _ in 0..LEADER_ATTEMPTS {
            leader = self.leader().await.map(|(at, _)| at);
            if leader.is_some() {
                break;
            }
            clock::sleep(LEADER_PAUSE).await;
        }
        let all = 0..self.servers.len();
        let fitting: Vec<usize> = all.filter(|at| leads == (leader == Some(*at))).collect();
        let drawn = dice.pick(&fitting).copied().unwrap_or_default();
        &self.servers[drawn]
    }

    async fn leader_or_all(&self, leader: bool, dice: &mut Dice) -> (Vec<&Server>, String) {
        if !leader {
            return (self.servers.iter().collect(), String::new());
        }
        let leader = self.find(true, dice).await;
        (vec![leader], leader.name().to_owned())
    }

    /// So many percent of the session timeout.
    fn sessions(&self, (low, high): (u64, u64), dice: &mut Dice) -> Duration {
        let percent = u32::try_from(dice.between(low, high)).unwrap_or(100);
        self.session_timeout * percent / 100
    }

    async fn strike_server(&self, blow: Blow, dice: &mut Dice) -> Result<String, PlantError> {
        let leads = matches!(
            blow,
            Blow::KillLeader | Blow::DrainLeader | Blow::PauseLeaderShort | Blow::PauseLeaderLong
        );
        let server = self.find(leads, dice).await;
        let mut process = server.process().await;
        let range = [
            (Blow::PauseLeaderShort, SHORT_PERCENT),
            (Blow::PauseLeaderLong, LONG_PERCENT),
            (Blow::PauseFollower, LONG_PERCENT),
        ];
        let range = range.into_iter().find(|(pause, _)| *pause == blow);
        if let (Some((_, range)), Some(running)) = (range, process.as_ref()) {
            running.pause(self.sessions(range, dice)).await?;
            return Ok(server.name().to_owned());
        }
        if let Some(running) = process.take()
            && matches!(blow, Blow::DrainLeader | Blow::DrainFollower)
        {
            running.stop().await?;
        }
        drop(process);
        clock::sleep(drawn(DEAD_MS, dice)).await;
        server.begin().await?;
        Ok(server.name().to_owned())
    }

    async fn strike_links(&self, blow: Blow, dice: &mut Dice) -> String {
        let broken = drawn(BROKEN_MS, dice);
        let of_leader = matches!(blow, Blow::CutLinks | Blow::OneWayLinks);
        let (servers, target) = self.leader_or_all(of_leader, dice).await;
        let ways: Vec<&Proxy> = servers.iter().map(|server| &server.cluster).collect();
        let held = flows(Flow::Held);
        let one_way = match dice.once_in(2) {
            true => Way {
                there: held,
                ..Way::default()
            },
            false => Way {
                back: held,
                ..Way::default()
            },
        };
        for proxy in &ways {
            if blow == Blow::CutLinks {
                proxy.cut();
            } else if blow == Blow::OneWayLinks {
                proxy.set(one_way);
            } else if blow == Blow::SlowLinks {
                proxy.set(Way::both(slow(dice, (50, 250))));
            } else {
                proxy.set(Way::both(held));
            }
        }
        clock::sleep(broken).await;
        ways.iter().for_each(|proxy| proxy.mend());
        target
    }

    async fn strike_clients(&self, blow: Blow, dice: &mut Dice) -> String {
        let broken = drawn(BROKEN_MS, dice);
        let one = usize::try_from(dice.below(2 * self.servers.len() as u64)).unwrap_or(usize::MAX);
        let (servers, target) = match self.servers.get(one) {
            Some(server) if blow == Blow::CutClients => (vec![server], server.name()),
            Some(_) | None => (self.servers.iter().collect(), ""),
        };
        for server in &servers {
            if blow == Blow::CutClients {
                server.client.cut();
            } else {
                server.client.set(Way::both(narrow(20_000)));
            }
        }
        clock::sleep(broken).await;
        servers.iter().for_each(|server| server.client.mend());
        target.to_owned()
    }

    async fn strike_coordinator(&self, blow: Blow, dice: &mut Dice) -> String {
        let range = match dice.once_in(2) {
            true => SHORT_PERCENT,
            false => LONG_PERCENT,
        };
        let broken = self.sessions(range, dice);
        let of_leader = blow == Blow::CutCoordinator;
        let (servers, target) = self.leader_or_all(of_leader, dice).await;
        let ways: Vec<&Proxy> = servers.iter().flat_map(|s| &s.coordinator).collect();
        for proxy in &ways {
            proxy.set(Way::both(flows(Flow::Held)));
        }
        clock::sleep(broken).await;
        ways.iter().for_each(|proxy| proxy.mend());
        target
    }

    async fn strike_gateway(&self, dice: &mut Dice) -> Result<String, PlantError> {
        let asked = self.asked.load(Ordering::Relaxed);
        self.gateways[asked].kill().await;
        clock::sleep(drawn(DEAD_MS, dice)).await;
        self.ask((asked + 1) % GATEWAYS);
        self.gateways[asked].begin().await?;
        Ok(String::new())
    }
}

/// Breaks the ways to a service, waits, and mends them.
async fn strike_ways(blow: Blow, ways: &[&Proxy], dice: &mut Dice) -> String {
    let end = clock::now() + drawn(BROKEN_MS, dice);
    let Some(fault) = blow.way_fault() else {
        return String::new();
    };
    for proxy in ways {
        match fault {
            WayFault::Slow => proxy.set(Way::both(slow(dice, (30, 200)))),
            WayFault::ReplyLost => proxy.set(Way {
                cut_after: Some(0),
                ..Way::default()
            }),
            WayFault::Hang => proxy.set(Way {
                back: flows(Flow::Lost),
                ..Way::default()
            }),
            WayFault::SlowClose => {
                proxy.set(Way::both(Lane {
                    slow_close: Duration::from_millis(dice.between(500, 1_500)),
                    ..Lane::default()
                }));
                proxy.end();
            }
            WayFault::Refuse => proxy.cut(),
            WayFault::Reset => {}
        }
    }
    while fault == WayFault::Reset && clock::now() < end {
        ways.iter().for_each(|proxy| proxy.reset());
        clock::sleep(RESET_EVERY).await;
    }
    clock::sleep_until(end).await;
    ways.iter().for_each(|proxy| proxy.mend());
    String::new()
}
