//! What a buyer asks for first: the counts.

use std::collections::HashMap;

use serde::Serialize;

use super::guard;
use super::index::Index;
use super::stream::Oddity;
use crate::torture::history::Outcome;

/// The counts of a run. Messages are counted once, however often they were sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Numbers {
    /// Messages given to clients.
    pub sent: u64,
    /// Attempts beyond the first.
    pub repeated: u64,
    /// Acknowledged.
    pub acked: u64,
    /// Certainly not stored, say the clients.
    pub refused: u64,
    /// Neither.
    pub unknown: u64,
    /// Of those, found in the log.
    pub unknown_stored: u64,
    /// Deliveries.
    pub delivered: u64,
    /// Acknowledged and not in the log, or not delivered to who should have had it.
    pub lost: u64,
    /// Stored or delivered twice.
    pub doubled: u64,
    /// Stored or delivered out of order.
    pub reordered: u64,
    /// Messages that clients said are gone.
    pub gaps_told: u64,
    /// Sends under way while something was broken.
    pub hit_by_faults: u64,
    /// Clients.
    pub sessions: u64,
    /// Conversations read back.
    pub conversations: u64,
    /// Changes of the leader seen.
    pub leader_changes: u64,
    /// Faults.
    pub faults: u64,
    /// Largest memory of the cluster's process.
    pub resident_bytes_max: u64,
    /// Most files and sockets of the cluster's process.
    pub files_max: u64,
}

/// How many places lie from one to the other.
fn span(from: u64, to: u64) -> u64 {
    to.saturating_sub(from).saturating_add(1)
}

impl Numbers {
    pub(super) fn count(index: &Index<'_>) -> Self {
        let history = index.history;
        let mut numbers = Self {
            delivered: history.deliveries.len() as u64,
            gaps_told: (history.gaps.iter()).fold(0, |all, gap| {
                u64::saturating_add(all, span(gap.from, gap.to))
            }),
            hit_by_faults: guard::hit(&history.faults, &history.sends),
            sessions: history.sessions.len() as u64,
            conversations: index.logs.len() as u64,
            leader_changes: guard::leader_changes(&history.leaders),
            faults: history.faults.len() as u64,
            resident_bytes_max: history.usage.iter().map(|u| u.1).max().unwrap_or(0),
            files_max: history.usage.iter().map(|u| u.2).max().unwrap_or(0),
            ..Self::default()
        };
        numbers.count_messages(index);
        numbers.count_streams(index);
        numbers
    }

    fn count_messages(&mut self, index: &Index<'_>) {
        let mut stored: HashMap<&str, u64> = HashMap::new();
        for id in index.history.log.iter().filter_map(|e| e.id.as_deref()) {
            *stored.entry(id).or_default() += 1;
        }
        self.doubled += stored.values().map(|times| times - 1).sum::<u64>();
        for (id, message) in &index.messages {
            self.sent += 1;
            self.repeated += u64::from(message.attempts - 1);
            match message.outcome() {
                Outcome::Ok => {
                    self.acked += 1;
                    self.lost += u64::from(!stored.contains_key(id));
                }
                Outcome::Refused => self.refused += 1,
                Outcome::Unknown => {
                    self.unknown += 1;
                    self.unknown_stored += u64::from(stored.contains_key(id));
                }
            }
        }
    }

    fn count_streams(&mut self, index: &Index<'_>) {
        for stream in &index.streams {
            for oddity in &stream.oddities {
                match oddity {
                    Oddity::Doubled(_) => self.doubled += 1,
                    Oddity::Reordered(_) => self.reordered += 1,
                    Oddity::Hole(from, to) => {
                        self.lost = self.lost.saturating_add(span(*from, *to));
                    }
                    Oddity::Stray(_) => {}
                }
            }
            let log = index.logs.get(stream.conversation);
            if let (Some(next), Some(log)) = (stream.reached, log) {
                let missing = log.head.last_seq.saturating_add(1).saturating_sub(next);
                self.lost = self.lost.saturating_add(missing);
            }
        }
        self.reordered += super::order::fifo(index).violations();
        self.reordered += super::order::real_time(index).violations();
    }
}
