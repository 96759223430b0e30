//! The guard against an empty pass: a run that did little proves little.

use super::index::Index;
use super::tally::Tally;
use crate::torture::history::{Fault, History, Outcome, Send, TermEnd};

/// A run of a minute must have so many acknowledgments; a shorter one in proportion.
const ACKS_A_MINUTE_MIN: u64 = 1_000;
/// And so many sends under way while something is broken.
const HIT_A_MINUTE_MIN: u64 = 100;
const MINUTE_MS: u64 = 60_000;

/// In proportion to the run, at least one, at most what a minute must have.
fn share(a_minute: u64, duration_ms: u64) -> u64 {
    (a_minute * duration_ms.min(MINUTE_MS) / MINUTE_MS).max(1)
}

/// Spans, those that overlap or touch as one, in order.
pub(super) fn merged(spans: impl Iterator<Item = (u64, u64)>) -> Vec<(u64, u64)> {
    let mut spans: Vec<(u64, u64)> = spans.collect();
    spans.sort_unstable();
    let mut merged: Vec<(u64, u64)> = Vec::new();
    for (begin, end) in spans {
        match merged.last_mut() {
            Some((_, until)) if *until >= begin => *until = end.max(*until),
            _ => merged.push((begin, end)),
        }
    }
    merged
}

/// Sends that were under way while something was broken.
pub(super) fn hit(faults: &[Fault], sends: &[Send]) -> u64 {
    let spans = merged(faults.iter().map(|fault| (fault.begin, fault.end)));
    let is_hit = |send: &&Send| {
        let at = spans.partition_point(|(_, end)| *end < send.begin);
        spans.get(at).is_some_and(|(begin, _)| *begin <= send.end)
    };
    sends.iter().filter(is_hit).count() as u64
}

/// Changes of the leader that were seen.
pub(super) fn leader_changes(leaders: &[(String, u64, u64)]) -> u64 {
    leaders.len().saturating_sub(1) as u64
}

/// How many terms the faults must have ended; what was broken at the same time counts once.
fn terms_ended(history: &History) -> u64 {
    let led = |fault: &Fault| {
        let seen = (history.leaders.iter()).take_while(|(_, _, at)| *at <= fault.begin);
        seen.last().is_some_and(|(name, ..)| *name == fault.target)
    };
    let ends = |fault: &&Fault| match fault.kind.ends_term() {
        TermEnd::Surely => true,
        TermEnd::OfTarget => led(fault),
        TermEnd::NotSurely => false,
    };
    let ending = history.faults.iter().filter(ends);
    merged(ending.map(|fault| (fault.begin, fault.end))).len() as u64
}

pub(super) fn judge(index: &Index<'_>) -> Tally {
    let mut tally = Tally::default();
    let history = index.history;
    let duration_ms = history.run.duration_ms;
    tally.expect(history.is_whole, || "the history breaks off".to_owned());
    let acked = history.sends.iter().filter(|s| s.outcome == Outcome::Ok);
    let (acked, acked_min) = (acked.count() as u64, share(ACKS_A_MINUTE_MIN, duration_ms));
    tally.expect(acked >= acked_min, || {
        format!("only {acked} sends were acknowledged; a run of this length needs {acked_min}")
    });
    let hit = hit(&history.faults, &history.sends);
    let hit_min = share(HIT_A_MINUTE_MIN, duration_ms);
    tally.expect(hit >= hit_min, || {
        format!("only {hit} sends were under way during faults; it needs {hit_min}")
    });
    if history.run.own_cluster {
        tally.expect(!history.leaders.is_empty(), || {
            "nobody was seen to lead".to_owned()
        });
        let changes = leader_changes(&history.leaders);
        let ended = terms_ended(history);
        // Who leads is looked at now and then, so that a short term may not be seen.
        let changes_min = ended.div_ceil(2);
        tally.expect(changes >= changes_min, || {
            format!("the leader changed {changes} times only, though {ended} faults end its term")
        });
    }
    let conversations = history.sends.iter().map(|send| send.conversation.as_str());
    let mut unread: Vec<&str> = conversations
        .filter(|conversation| !index.logs.contains_key(conversation))
        .collect();
    unread.sort_unstable();
    unread.dedup();
    tally.expect(unread.is_empty(), || {
        format!("not read back: {}", unread.join(", "))
    });
    tally
}
