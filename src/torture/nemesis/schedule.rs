//! In which order things break: each kind comes once before any comes twice.

use std::time::Duration;

use crate::torture::history::FaultKind;
use crate::torture::load::Dice;
use crate::torture::plant::{Blow, Group};

/// Below the shortest timeout of a client.
pub(super) const PAUSE_SHORT_MS: (u64, u64) = (300, 3_000);
/// Above the time in which a client wants its answers (10 s).
pub(super) const PAUSE_LONG_MS: (u64, u64) = (11_000, 14_000);
pub(super) const SLOW_MS: (u64, u64) = (1_000, 6_000);

/// A kind that a schedule draws.
pub(super) trait Breaks: Copy + PartialEq + 'static {
    const ALL: &'static [Self];
    /// As the history calls it.
    fn kind(self) -> FaultKind;
    /// About how long it takes, with the recovery.
    fn takes(self) -> Duration;
}

/// What this nemesis does to servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServerFault {
    StopLeader,
    StopFollower,
    Restart,
    Kill,
    PauseShort,
    PauseLong,
}

impl Breaks for ServerFault {
    const ALL: &'static [Self] = &[
        Self::StopLeader,
        Self::StopFollower,
        Self::Restart,
        Self::Kill,
        Self::PauseShort,
        Self::PauseLong,
    ];

    fn kind(self) -> FaultKind {
        match self {
            Self::StopLeader => FaultKind::StopLeader,
            Self::StopFollower => FaultKind::StopFollower,
            Self::Restart => FaultKind::Restart,
            Self::Kill => FaultKind::Kill,
            Self::PauseShort => FaultKind::PauseShort,
            Self::PauseLong => FaultKind::PauseLong,
        }
    }

    fn takes(self) -> Duration {
        match self {
            Self::StopLeader | Self::StopFollower => Duration::from_secs(3),
            Self::Restart | Self::Kill | Self::PauseShort => Duration::from_secs(4),
            Self::PauseLong => Duration::from_millis(PAUSE_LONG_MS.1 + 3_000),
        }
    }
}

impl Breaks for Blow {
    const ALL: &'static [Self] = Self::ALL;

    fn kind(self) -> FaultKind {
        Self::kind(self)
    }

    fn takes(self) -> Duration {
        match self.group() {
            // A pause of twice the session timeout, and a change of the leader.
            Group::Servers | Group::Coordinator => Duration::from_secs(18),
            Group::Links | Group::Store => Duration::from_secs(8),
            Group::Clients | Group::Cache | Group::Gateways => Duration::from_secs(5),
        }
    }
}

/// What this nemesis does to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientFault {
    MassDisconnect,
    NewSessions,
    SlowReaders,
}

impl Breaks for ClientFault {
    const ALL: &'static [Self] = &[Self::MassDisconnect, Self::NewSessions, Self::SlowReaders];

    fn kind(self) -> FaultKind {
        match self {
            Self::MassDisconnect => FaultKind::MassDisconnect,
            Self::NewSessions => FaultKind::NewSessions,
            Self::SlowReaders => FaultKind::SlowReaders,
        }
    }

    fn takes(self) -> Duration {
        match self {
            Self::MassDisconnect | Self::NewSessions => Duration::from_secs(1),
            Self::SlowReaders => Duration::from_millis(SLOW_MS.1),
        }
    }
}

/// The kinds in a drawn order, again and again.
#[derive(Debug)]
pub(super) struct Schedule<F> {
    pub(super) dice: Dice,
    bag: Vec<F>,
}

impl Schedule<ServerFault> {
    pub(super) fn of_servers(seed: u64) -> Self {
        let mut dice = Dice::new(seed, 1);
        let mut first = ServerFault::ALL.to_vec();
        dice.shuffle(&mut first);
        // A short run ends a term, too.
        let ends_a_term =
            |fault: &ServerFault| matches!(fault, ServerFault::StopLeader | ServerFault::Kill);
        first.sort_by_key(ends_a_term);
        Self { dice, bag: first }
    }
}

impl Schedule<Blow> {
    pub(super) fn of_plant(seed: u64) -> Self {
        let mut dice = Dice::new(seed, 1);
        let mut first = Blow::ALL.to_vec();
        dice.shuffle(&mut first);
        // A short run ends a term, too.
        let ends_a_term = |blow: &Blow| matches!(blow, Blow::KillLeader | Blow::DrainLeader);
        first.sort_by_key(ends_a_term);
        Self { dice, bag: first }
    }
}

impl Schedule<ClientFault> {
    pub(super) fn of_clients(seed: u64) -> Self {
        Self {
            dice: Dice::new(seed, 2),
            bag: Vec::new(),
        }
    }
}

impl<F: Breaks> Schedule<F> {
    /// The next that fits into the time that is left.
    pub(super) fn next(&mut self, left: Duration) -> Option<F> {
        for refill in [false, true] {
            if refill {
                let mut bag = F::ALL.to_vec();
                self.dice.shuffle(&mut bag);
                bag.retain(|fault| !self.bag.contains(fault));
                self.bag = [bag, std::mem::take(&mut self.bag)].concat();
            }
            let fits = self.bag.iter().rposition(|fault| fault.takes() <= left);
            if let Some(at) = fits {
                return Some(self.bag.remove(at));
            }
        }
        None
    }
}
