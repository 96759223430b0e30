//! Which of the live servers a client gets.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use antiphon_core::contract::{Directory, DirectoryEntry};
use antiphon_core::random;
use sha2::{Digest, Sha256};

/// How a server is chosen. Every strategy minds the weights; weight 0 is never chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Strategy {
    /// By chance.
    Random,
    /// One after the other.
    RoundRobin,
    /// The one with the fewest connections for its weight, those counted that were handed out
    /// since the list was made.
    #[default]
    LeastConnections,
    /// The same user to the same server as long as it lives (weighted rendezvous hashing), so
    /// that a change of the list moves only the users that it must.
    ConsistentHash,
}

impl Strategy {
    /// Every strategy.
    pub const ALL: [Self; 4] = [
        Self::Random,
        Self::RoundRobin,
        Self::LeastConnections,
        Self::ConsistentHash,
    ];

    /// The name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::RoundRobin => "round-robin",
            Self::LeastConnections => "least-connections",
            Self::ConsistentHash => "consistent-hash",
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A strategy of that name is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a strategy is one of: random, round-robin, least-connections, consistent-hash")]
pub struct UnknownStrategy;

impl FromStr for Strategy {
    type Err = UnknownStrategy;
    fn from_str(name: &str) -> Result<Self, UnknownStrategy> {
        Self::ALL
            .into_iter()
            .find(|strategy| strategy.name() == name)
            .ok_or(UnknownStrategy)
    }
}

/// Servers that take new clients, least loaded first, ties by name.
pub(crate) fn ranked(directory: &Directory) -> Vec<&DirectoryEntry> {
    let mut servers: Vec<_> = directory
        .servers
        .iter()
        .filter(|entry| entry.weight > 0)
        .collect();
    servers.sort_by(|a, b| by_load(a, b, |_| 0).then_with(|| a.name.cmp(&b.name)));
    servers
}

/// Compares connections per weight, exactly, with what was handed out counted as connected.
fn by_load(
    a: &DirectoryEntry,
    b: &DirectoryEntry,
    handed_out: impl Fn(&DirectoryEntry) -> u64,
) -> Ordering {
    let times = |one: &DirectoryEntry, other: &DirectoryEntry| {
        (u128::from(one.connections) + u128::from(handed_out(one))) * u128::from(other.weight)
    };
    times(a, b).cmp(&times(b, a))
}

/// Chooses; remembers what it chose only as far as its strategy needs it.
#[derive(Debug)]
pub(crate) struct Balancer {
    strategy: Strategy,
    memory: Mutex<Memory>,
}

/// Bounded by the list: names that are not in it are forgotten.
#[derive(Debug, Default)]
struct Memory {
    /// The list that `handed_out` counts from: epoch and time.
    list: (u64, u64),
    handed_out: HashMap<String, u64>,
    /// What each server has saved up in the smooth weighted round.
    credit: HashMap<String, i64>,
}

impl Balancer {
    pub(crate) fn new(strategy: Strategy) -> Self {
        Self {
            strategy,
            memory: Mutex::default(),
        }
    }

    /// A server for the client whom `key` names; `None` if none takes clients.
    pub(crate) fn choose<'d>(
        &self,
        directory: &'d Directory,
        key: &str,
    ) -> Option<&'d DirectoryEntry> {
        let servers = ranked(directory);
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        match self.strategy {
            Strategy::Random => by_chance(&servers),
            Strategy::RoundRobin => memory.next_in_round(&servers),
            Strategy::LeastConnections => memory.least_loaded(directory, &servers),
            Strategy::ConsistentHash => by_key(&servers, key),
        }
    }
}

fn by_chance<'d>(servers: &[&'d DirectoryEntry]) -> Option<&'d DirectoryEntry> {
    let total = servers.iter().map(|entry| u64::from(entry.weight)).sum();
    let mut point = random::below(total);
    servers.iter().copied().find(|entry| {
        let inside = point < u64::from(entry.weight);
        point = point.saturating_sub(u64::from(entry.weight));
        inside
    })
}

/// Each server's score for a key depends on nothing but the two and its weight.
fn by_key<'d>(servers: &[&'d DirectoryEntry], key: &str) -> Option<&'d DirectoryEntry> {
    let score = |entry: &DirectoryEntry| {
        let mut hash = Sha256::new();
        hash.update((entry.name.len() as u64).to_be_bytes());
        hash.update(entry.name.as_bytes());
        hash.update(key.as_bytes());
        let digest = hash.finalize();
        let bits = digest
            .iter()
            .take(8)
            .fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        // Strictly between 0 and 1, with the 53 bits that a float keeps.
        let uniform = ((bits >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        f64::from(entry.weight) / -uniform.ln()
    };
    servers.iter().copied().max_by(|a, b| {
        score(a)
            .total_cmp(&score(b))
            .then_with(|| b.name.cmp(&a.name))
    })
}

impl Memory {
    fn next_in_round<'d>(&mut self, servers: &[&'d DirectoryEntry]) -> Option<&'d DirectoryEntry> {
        self.credit
            .retain(|name, _| servers.iter().any(|entry| entry.name == *name));
        let mut total = 0_i64;
        for entry in servers {
            total += i64::from(entry.weight);
            *self.credit.entry(entry.name.clone()).or_default() += i64::from(entry.weight);
        }
        let credit = |entry: &DirectoryEntry| self.credit.get(&entry.name).copied();
        let next = servers
            .iter()
            .copied()
            .max_by(|a, b| credit(a).cmp(&credit(b)).then_with(|| b.name.cmp(&a.name)))?;
        if let Some(credit) = self.credit.get_mut(&next.name) {
            *credit -= total;
        }
        Some(next)
    }

    /// Among equals by chance, so that several gateways don't all send to the same one.
    fn least_loaded<'d>(
        &mut self,
        directory: &Directory,
        servers: &[&'d DirectoryEntry],
    ) -> Option<&'d DirectoryEntry> {
        let list = (directory.epoch, directory.generated_at_ms);
        if self.list != list {
            self.list = list;
            self.handed_out.clear();
        }
        let handed_out =
            |entry: &DirectoryEntry| self.handed_out.get(&entry.name).copied().unwrap_or(0);
        let least = servers
            .iter()
            .copied()
            .min_by(|a, b| by_load(a, b, handed_out))?;
        let equals: Vec<_> = servers
            .iter()
            .copied()
            .filter(|entry| by_load(entry, least, handed_out) == Ordering::Equal)
            .collect();
        let index = usize::try_from(random::below(equals.len() as u64)).unwrap_or(0);
        let chosen = equals.get(index).copied()?;
        *self.handed_out.entry(chosen.name.clone()).or_default() += 1;
        Some(chosen)
    }
}

#[cfg(test)]
mod tests;
