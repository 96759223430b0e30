//! C10 and C11: how long a fault lasts for users, and what the process takes.

use std::collections::BTreeMap;

use super::index::Index;
use super::tally::Tally;
use super::{
    FILES_MAX, FILES_PER_USER_MAX, GROWTH_BYTES_MAX, GROWTH_BYTES_PER_USER_MAX, RECOVERY_MAX_US,
    Recovery,
};
use crate::torture::history::{History, Outcome};

/// For each fault of servers, the longest time around it in which no room took a message.
pub(super) fn recoveries(history: &History) -> Vec<Recovery> {
    let is_of_room = |conversation: &str| conversation.starts_with("room:");
    let acked = history
        .sends
        .iter()
        .filter(|send| send.outcome == Outcome::Ok && is_of_room(&send.conversation));
    let mut acked: Vec<u64> = acked.map(|send| send.end).collect();
    acked.sort_unstable();
    let faults = history.faults.iter().filter(|f| f.kind.is_of_servers());
    faults
        .map(|fault| Recovery {
            kind: fault.kind,
            begin: fault.begin,
            lasted_us: fault.end.saturating_sub(fault.begin),
            still_us: stood_still(&acked, fault.begin, fault.end.max(fault.begin)),
        })
        .collect()
}

/// The longest time between two acknowledgments, of those that touch a span; `None` if there
/// is none behind the span.
fn stood_still(acked: &[u64], begin: u64, end: u64) -> Option<u64> {
    let first = acked.partition_point(|at| *at < begin).checked_sub(1);
    let last = acked.partition_point(|at| *at <= end);
    acked.get(last)?;
    let mut before = first.map_or(begin, |first| acked[first]);
    let mut longest = 0;
    for at in &acked[first.map_or(0, |first| first + 1)..=last] {
        longest = longest.max(at.saturating_sub(before));
        before = *at;
    }
    Some(longest)
}

/// C10.
pub(super) fn recovery(index: &Index<'_>) -> Tally {
    if !index.history.run.own_cluster {
        return Tally::not_judged();
    }
    let mut tally = Tally::default();
    for recovery in recoveries(index.history) {
        let limit = recovery.lasted_us.saturating_add(RECOVERY_MAX_US);
        let in_time = recovery.still_us.is_some_and(|took| took <= limit);
        tally.expect(in_time, || {
            let words = recovery.kind.words();
            match recovery.still_us {
                Some(took) => format!("{words}: rooms stood still for {} ms", took / 1_000),
                None => format!("{words}: no room took a message after it"),
            }
        });
    }
    tally
}

/// C11.
pub(super) fn usage(index: &Index<'_>) -> Tally {
    let run = &index.history.run;
    if !run.own_cluster || !run.tells_usage {
        return Tally::not_judged();
    }
    let mut tally = Tally::default();
    let users = u64::from(run.users);
    let mut first: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    for (process, bytes, files) in &index.history.usage {
        let (bytes_before, files_before) = *first.entry(*process).or_insert((*bytes, *files));
        let bytes_max =
            bytes_before.saturating_add(GROWTH_BYTES_MAX + users * GROWTH_BYTES_PER_USER_MAX);
        let files_max = files_before.saturating_add(FILES_MAX + users * FILES_PER_USER_MAX);
        tally.expect(*bytes <= bytes_max && *files <= files_max, || {
            format!(
                "process {process} took {bytes} bytes and {files} files; at most {bytes_max} and \
                 {files_max} were expected"
            )
        });
    }
    tally
}
