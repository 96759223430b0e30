//! C10 and C11: how long a fault lasts for users, and what the process takes.

use std::collections::{BTreeMap, HashMap};

use super::guard::merged;
use super::index::Index;
use super::tally::Tally;
use super::{
    FILES_MAX, FILES_PER_USER_MAX, GROWTH_BYTES_MAX, GROWTH_BYTES_PER_USER_MAX, RECOVERY_MAX_US,
    Recovery,
};
use crate::torture::history::{Fault, History, Outcome};

/// When rooms acknowledged messages, and until when there was load on them.
struct Rooms {
    acked: Vec<u64>,
    load_end: u64,
}

impl Rooms {
    fn new(history: &History) -> Self {
        let of_rooms = (history.sends.iter()).filter(|s| s.conversation.starts_with("room:"));
        let acked = (of_rooms.clone()).filter(|send| send.outcome == Outcome::Ok);
        let mut acked: Vec<u64> = acked.map(|send| send.end).collect();
        acked.sort_unstable();
        // What is only repeated after the end of the load is none.
        let mut firsts: HashMap<&str, u64> = HashMap::new();
        for send in of_rooms {
            let first = firsts.entry(&send.id).or_insert(send.begin);
            *first = send.begin.min(*first);
        }
        let load_end = firsts.into_values().max().unwrap_or(0);
        Self { acked, load_end }
    }

    /// The longest time without an acknowledgment from when all was mended to when there is no
    /// load any more, or something breaks again; `None` if no acknowledgment comes after it.
    fn recovered(&self, mended: u64, again: u64) -> Option<u64> {
        let first = self.acked.partition_point(|at| *at < mended);
        self.acked.get(first)?;
        let until = again.min(self.load_end);
        let within = self.acked[first..].iter().take_while(|at| **at < until);
        let mut before = mended;
        let mut longest = 0;
        for at in within.chain([&until]) {
            longest = longest.max(at.saturating_sub(before));
            before = *at;
        }
        Some(longest)
    }
}

/// For each fault of servers, how rooms stood it. Faults that overlap are mended when the last
/// of them is; one that lasts to the end is timed from its beginning.
pub(super) fn recoveries(history: &History) -> Vec<Recovery> {
    let rooms = Rooms::new(history);
    let mended = |fault: &Fault| {
        let end = if fault.lasting {
            fault.begin
        } else {
            fault.end
        };
        end.max(fault.begin)
    };
    let faults: Vec<&Fault> = (history.faults.iter())
        .filter(|fault| fault.kind.is_of_servers())
        .collect();
    let groups = merged(faults.iter().map(|fault| (fault.begin, mended(fault))));
    let mut recovered = Vec::with_capacity(groups.len());
    for (at, (_, end)) in groups.iter().enumerate() {
        let again = groups.get(at + 1).map_or(u64::MAX, |(begin, _)| *begin);
        recovered.push(rooms.recovered(*end, again));
    }
    let of_fault = |fault: &&Fault| {
        let group = groups.partition_point(|(begin, _)| *begin <= fault.begin) - 1;
        Recovery {
            kind: fault.kind,
            begin: fault.begin,
            lasted_us: mended(fault) - fault.begin,
            still_us: stood_still(&rooms.acked, fault.begin, mended(fault)),
            recovered_us: recovered[group],
        }
    };
    faults.iter().map(of_fault).collect()
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
        let in_time = (recovery.recovered_us).is_some_and(|took| took <= RECOVERY_MAX_US);
        tally.expect(in_time, || {
            let words = recovery.kind.words();
            match recovery.recovered_us {
                Some(took) => {
                    let ms = took / 1_000;
                    format!("{words}: when it was mended, rooms took nothing for {ms} ms")
                }
                None => format!("{words}: no room took a message after it"),
            }
        });
    }
    tally
}

/// C11.
pub(super) fn usage(index: &Index<'_>) -> Tally {
    let run = &index.history.run;
    let judges_process = run.own_cluster && run.tells_usage;
    if !judges_process && run.queue_bytes_max.is_none() {
        return Tally::not_judged();
    }
    let mut tally = Tally::default();
    if judges_process {
        process(index.history, &mut tally);
    }
    for (server, bytes) in &index.history.queues {
        let bytes_max = run.queue_bytes_max.unwrap_or(u64::MAX);
        tally.expect(*bytes <= bytes_max, || {
            format!("{bytes} bytes waited for a client of {server}; at most {bytes_max} may")
        });
    }
    tally
}

fn process(history: &History, tally: &mut Tally) {
    let users = u64::from(history.run.users);
    let mut first: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    for (process, bytes, files) in &history.usage {
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
}
