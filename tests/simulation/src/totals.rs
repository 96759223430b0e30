//! What many runs add up to.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::run::Played;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Runs.
    pub seeds: u64,
    /// Simulated time.
    pub simulated_ms: u64,
    /// Faults, by their words.
    pub faults: BTreeMap<String, u64>,
    /// Messages given to clients.
    pub sent: u64,
    /// Of those, acknowledged.
    pub acked: u64,
    /// Deliveries.
    pub delivered: u64,
    /// Logins of clients behind their first.
    pub resumes: u64,
    /// Changes of the leader.
    pub leader_changes: u64,
    /// Seeds that broke a promise.
    pub failed: Vec<u64>,
}

impl Totals {
    /// Adds a run.
    pub fn add(&mut self, played: &Played) {
        let numbers = &played.verdict.numbers;
        self.seeds += 1;
        self.simulated_ms += u64::try_from(played.simulated.as_millis()).unwrap_or(u64::MAX);
        for what in &played.faults {
            *self.faults.entry(what.words().to_owned()).or_default() += 1;
        }
        self.sent += numbers.sent;
        self.acked += numbers.acked;
        self.delivered += numbers.delivered;
        self.resumes += played.resumes;
        self.leader_changes += numbers.leader_changes;
        if !played.passed() {
            self.failed.push(played.plan.seed);
        }
    }

    /// Adds what another process played.
    pub fn join(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.simulated_ms += other.simulated_ms;
        for (words, count) in other.faults {
            *self.faults.entry(words).or_default() += count;
        }
        self.sent += other.sent;
        self.acked += other.acked;
        self.delivered += other.delivered;
        self.resumes += other.resumes;
        self.leader_changes += other.leader_changes;
        self.failed.extend(other.failed);
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: u64 = self.faults.values().sum();
        writeln!(f, "seeds            {:>12}", self.seeds)?;
        writeln!(f, "simulated time   {:>10} s", self.simulated_ms / 1_000)?;
        writeln!(f, "sent             {:>12}", self.sent)?;
        writeln!(f, "acknowledged     {:>12}", self.acked)?;
        writeln!(f, "delivered        {:>12}", self.delivered)?;
        writeln!(f, "resumes          {:>12}", self.resumes)?;
        writeln!(f, "leader changes   {:>12}", self.leader_changes)?;
        writeln!(f, "faults           {faults:>12}")?;
        for (words, count) in &self.faults {
            writeln!(f, "  {words:<34} {count:>6}")?;
        }
        write!(f, "failed           {:>12}", self.failed.len())
    }
}
