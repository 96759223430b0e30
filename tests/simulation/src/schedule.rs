//! What a seed breaks, and when.

use std::time::Duration;

use antiphon::torture::load::Dice;

/// Nothing is broken before the users have talked so long.
const CALM_BEFORE: Duration = Duration::from_secs(2);
/// At most so many faults at once.
const GROUP_MAX: u64 = 3;
/// Faults of a group begin within so long.
const SPREAD_MS: u64 = 1_500;
/// Between two groups.
const GAP_MS: (u64, u64) = (1_000, 5_000);

macro_rules! breakages {
    ($($(#[$doc:meta])* $name:ident: $words:literal, $weight:literal, ($low:literal, $high:literal);)*) => {
        /// What is broken.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum What { $($(#[$doc])* $name,)* }

        impl What {
            /// Everything that may be broken.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// In words.
            pub fn words(self) -> &'static str {
                match self { $(Self::$name => $words,)* }
            }

            /// How often it is drawn, against the others.
            fn weight(self) -> u64 {
                match self { $(Self::$name => $weight,)* }
            }

            /// How long it lasts, in milliseconds, from and to.
            fn lasts_ms(self) -> (u64, u64) {
                match self { $(Self::$name => ($low, $high),)* }
            }
        }
    };
}

breakages! {
    /// A server's process dies; its connections break.
    Crash: "crash of a server", 5, (300, 9_000);
    /// A server's machine loses power: nobody hears of it.
    PowerCut: "power cut of a server", 3, (300, 9_000);
    /// A server is told to stop, and started again.
    Stop: "stop of a server", 3, (1_500, 6_000);
    /// A server hears no other server, and is not heard by them.
    CutServer: "a server cut from the others", 3, (500, 12_000);
    /// What a server sends to another is lost, and nothing else.
    CutOneWay: "a server that is not heard", 3, (500, 12_000);
    /// A server is cut from everything: servers, clients, services.
    CutOff: "a server cut off", 3, (500, 12_000);
    /// A server is cut from the other servers and from the coordinator.
    Halves: "a server on its own side", 3, (500, 12_000);
    /// A server is cut from its clients.
    CutFromClients: "a server cut from clients", 2, (500, 12_000);
    /// What servers send each other comes late.
    HoldLinks: "late packets between servers", 3, (300, 7_500);
    /// A server stands still: nothing of it or for it moves, and all of it comes late. Shorter
    /// and longer than its session.
    Pause: "pause of a server", 5, (300, 14_000);
    /// Links are slow.
    SlowLinks: "slow links", 2, (1_000, 8_000);
    /// One server is cut from the store.
    CutFromStore: "a server cut from the store", 2, (500, 8_000);
    /// What one server asks the store for is done, and the answers are lost.
    StoreReplyLost: "answers of the store lost", 3, (300, 5_000);
    /// The store takes long.
    SlowStore: "slow store", 2, (1_000, 8_000);
    /// The store refuses.
    StoreDown: "store down", 2, (500, 6_000);
    /// The store crashes and loses what it had not synced.
    StoreCrash: "crash of the store", 3, (300, 5_000);
    /// One server is cut from the cache.
    CutFromCache: "a server cut from the cache", 1, (500, 8_000);
    /// The cache is away.
    CacheDown: "cache down", 1, (500, 8_000);
    /// The cache takes requests and does not answer.
    CacheHang: "cache hangs", 1, (500, 8_000);
    /// The cache forgets everything.
    CacheFlushed: "cache flushed", 1, (1, 10);
    /// One server is cut from the coordinator.
    CoordinatorCut: "a server cut from the coordinator", 3, (500, 12_000);
    /// The coordinator is away.
    CoordinatorDown: "coordinator down", 2, (500, 10_000);
    /// A server's wall clock jumps by up to half an hour, either way.
    ClockJump: "clock jump", 1, (1_000, 20_000);
    /// The gateway is down.
    GatewayDown: "gateway down", 1, (500, 8_000);
    /// All clients leave their connections.
    CutClients: "all clients cut off", 2, (1, 10);
    /// Some clients end, and begin anew.
    NewSessions: "clients begin anew", 2, (1, 10);
    /// Some clients read nothing.
    SlowReaders: "slow readers", 2, (1_000, 8_000);
}

impl What {
    /// Whether it falls on a server.
    pub fn is_of_one_server(self) -> bool {
        match self {
            Self::Crash
            | Self::PowerCut
            | Self::Stop
            | Self::CutServer
            | Self::CutOneWay
            | Self::CutOff
            | Self::Halves
            | Self::CutFromClients
            | Self::HoldLinks
            | Self::Pause
            | Self::SlowLinks
            | Self::CutFromStore
            | Self::StoreReplyLost
            | Self::CutFromCache
            | Self::CoordinatorCut
            | Self::ClockJump => true,
            Self::SlowStore
            | Self::StoreDown
            | Self::StoreCrash
            | Self::CacheDown
            | Self::CacheHang
            | Self::CacheFlushed
            | Self::CoordinatorDown
            | Self::GatewayDown
            | Self::CutClients
            | Self::NewSessions
            | Self::SlowReaders => false,
        }
    }
}

/// On which server it falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The one that leads then.
    Leader,
    /// This one.
    Server(usize),
}

/// One fault of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// Since the beginning of the load.
    pub at: Duration,
    /// How long.
    pub lasts: Duration,
    /// What.
    pub what: What,
    /// Where, if it falls on a server.
    pub target: Target,
    /// Decides what is left to decide.
    pub seed: u64,
}

/// The faults of a run whose load lasts so long, by their beginnings.
pub fn draw(dice: &mut Dice, servers: usize, load: Duration) -> Vec<Planned> {
    let mut planned = Vec::new();
    let mut at = CALM_BEFORE + Duration::from_millis(dice.below(1_000));
    while at < load {
        let mut end = at;
        for _ in 0..dice.between(1, GROUP_MAX) {
            let fault = one(dice, servers, at);
            end = end.max(fault.at + fault.lasts);
            planned.push(fault);
        }
        at = end + Duration::from_millis(dice.between(GAP_MS.0, GAP_MS.1));
    }
    planned.retain(|fault| fault.at < load);
    planned.sort_by_key(|fault| fault.at);
    planned
}

/// What stays broken for good where a majority must make progress without it: one server, in
/// one of these ways.
const LASTING: &[What] = &[
    What::Crash,
    What::PowerCut,
    What::CutOff,
    What::Pause,
    What::CutServer,
    What::CutOneWay,
    What::Halves,
    What::CutFromClients,
    What::CoordinatorCut,
];

/// What stays broken.
pub fn draw_lasting(dice: &mut Dice, servers: usize) -> Vec<Planned> {
    let mut fault = one(dice, servers, Duration::ZERO);
    fault.what = dice.pick(LASTING).copied().unwrap_or(What::Crash);
    vec![fault]
}

fn one(dice: &mut Dice, servers: usize, from: Duration) -> Planned {
    let what = kind(dice);
    let (low, high) = what.lasts_ms();
    // Half of them on the leader: what follows is harmed less.
    let target = if dice.once_in(2) {
        Target::Leader
    } else {
        Target::Server(usize::try_from(dice.below(servers as u64)).unwrap_or(0))
    };
    Planned {
        at: from + Duration::from_millis(dice.below(SPREAD_MS)),
        lasts: Duration::from_millis(dice.between(low, high)),
        what,
        target,
        seed: dice.below(u64::MAX),
    }
}

fn kind(dice: &mut Dice) -> What {
    let all: u64 = What::ALL.iter().map(|what| what.weight()).sum();
    let mut left = dice.below(all);
    for what in What::ALL {
        match left.checked_sub(what.weight()) {
            Some(rest) => left = rest,
            None => return *what,
        }
    }
    What::Crash
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const LOAD: Duration = Duration::from_secs(30);

    #[test]
    fn a_seed_decides_and_every_kind_is_drawn() {
        let of = |seed| draw(&mut Dice::new(seed, 1), 3, LOAD);
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
        let kinds: BTreeSet<What> = (0..200).flat_map(of).map(|fault| fault.what).collect();
        assert_eq!(kinds.len(), What::ALL.len());
        assert!((0..200).all(|seed| of(seed).len() >= 2));
    }
}
