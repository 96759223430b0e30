//! What may break in a scenario: all that the processes can do to themselves, and what befalls
//! the services.

use std::time::Duration;

use antiphon::torture::history::FaultKind;
use antiphon::torture::load::Dice;
use antiphon::torture::plant::{Blow, Group};

/// So many in each scenario.
pub(super) const EACH: usize = 3;

/// What befalls a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outage {
    RedisKilled,
    RedisFlushed,
    ZooKeeperOneKilled,
    ZooKeeperAllKilled,
    MongoKilled,
}

impl Outage {
    const ALL: [Self; 5] = [
        Self::RedisKilled,
        Self::RedisFlushed,
        Self::ZooKeeperOneKilled,
        Self::ZooKeeperAllKilled,
        Self::MongoKilled,
    ];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nemesis {
    Blow(Blow),
    Outage(Outage),
}

impl Nemesis {
    pub(super) fn all() -> Vec<Self> {
        let blows = Blow::ALL.iter().map(|blow| Self::Blow(*blow));
        blows.chain(Outage::ALL.map(Self::Outage)).collect()
    }

    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Blow(blow) => blow.label(),
            Self::Outage(Outage::RedisKilled) => "redis-killed",
            Self::Outage(Outage::RedisFlushed) => "redis-flushed",
            Self::Outage(Outage::ZooKeeperOneKilled) => "zookeeper-one-killed",
            Self::Outage(Outage::ZooKeeperAllKilled) => "zookeeper-all-killed",
            Self::Outage(Outage::MongoKilled) => "mongodb-killed",
        }
    }

    pub(super) fn kind(&self) -> FaultKind {
        match self {
            Self::Blow(blow) => blow.kind(),
            Self::Outage(Outage::RedisKilled) => FaultKind::CacheDown,
            Self::Outage(Outage::RedisFlushed) => FaultKind::CacheFlushed,
            Self::Outage(Outage::ZooKeeperOneKilled) => FaultKind::CoordinatorPart,
            Self::Outage(Outage::ZooKeeperAllKilled) => FaultKind::CoordinatorDown,
            Self::Outage(Outage::MongoKilled) => FaultKind::StoreCrash,
        }
    }

    pub(super) fn group(&self) -> Group {
        match self {
            Self::Blow(blow) => blow.group(),
            Self::Outage(Outage::RedisKilled | Outage::RedisFlushed) => Group::Cache,
            Self::Outage(Outage::ZooKeeperOneKilled | Outage::ZooKeeperAllKilled) => {
                Group::Coordinator
            }
            Self::Outage(Outage::MongoKilled) => Group::Store,
        }
    }
}

/// The nemeses of a scenario: those that `ANTIPHON_SCENARIO_NEMESES` names, or a hand.
pub(super) fn dealt(seed: u64) -> Vec<Nemesis> {
    if let Some(given) = std::env::var_os("ANTIPHON_SCENARIO_NEMESES") {
        let given = given.into_string().expect("labels");
        let one = |label: &str| {
            let found = Nemesis::all().into_iter().find(|one| one.label() == label);
            found.unwrap_or_else(|| panic!("no nemesis is called {label}"))
        };
        return given.split(',').map(one).collect();
    }
    let mut deck = Nemesis::all();
    let hands = deck.len().div_ceil(EACH) as u64;
    Dice::new(seed / hands, 1).shuffle(&mut deck);
    let hand = usize::try_from(seed % hands).unwrap();
    deck.chunks(EACH).nth(hand).unwrap().to_vec()
}

/// How long a service is away.
pub(super) fn away(dice: &mut Dice) -> Duration {
    Duration::from_millis(dice.between(500, 4_000))
}
