//! C1, C2, C3 and C8: what the log must hold, and what it must not.

use std::collections::HashMap;

use super::index::Index;
use super::stream::Oddity;
use super::tally::Tally;
use crate::torture::history::Outcome;

/// C1.
pub(super) fn lost(index: &Index<'_>) -> Tally {
    let mut tally = Tally::default();
    for (id, message) in &index.messages {
        let Some((seq, _)) = message.acked else {
            continue;
        };
        let there = index.id_at(message.conversation, seq);
        tally.expect(there == Some(id), || {
            let holds = there.unwrap_or("nothing");
            format!(
                "{id} of {} was acknowledged at {seq} of {}, which holds {holds}",
                message.user, message.conversation
            )
        });
    }
    for log in index.logs.values() {
        if !log.head.complete {
            tally.fail(|| format!("messages of {} are gone", log.head.conversation));
        }
    }
    tally
}

/// C2.
pub(super) fn duplicate(index: &Index<'_>) -> Tally {
    let mut tally = Tally::default();
    let mut first: HashMap<&str, (&str, u64)> = HashMap::new();
    for (conversation, log) in &index.logs {
        for entry in &log.entries {
            let Some(id) = entry.id.as_deref() else {
                continue;
            };
            let before = first.insert(id, (conversation, entry.seq));
            tally.expect(before.is_none(), || {
                let (place, seq) = before.unwrap_or_default();
                format!(
                    "{id} is stored at {seq} of {place} and at {} of {conversation}",
                    entry.seq
                )
            });
        }
    }
    let mut repeated = false;
    for (id, message) in &index.messages {
        repeated |= message.attempts > 1;
        for seq in &message.moved_to {
            let at = message.acked.map_or(0, |(seq, _)| seq);
            tally.fail(|| format!("{id} was acknowledged at {at} and, sent again, at {seq}"));
        }
    }
    for stream in &index.streams {
        for oddity in &stream.oddities {
            if let Oddity::Doubled(seq) = oddity {
                tally.fail(|| {
                    format!(
                        "client {} ({}) got {seq} of {} twice",
                        stream.session, stream.user, stream.conversation
                    )
                });
            }
        }
    }
    tally.needs(repeated, "no message was sent twice");
    tally.needs(!first.is_empty(), "the log that was read back is empty");
    tally
}

/// C3.
pub(super) fn dense(index: &Index<'_>) -> Tally {
    let mut tally = Tally::default();
    for (conversation, log) in &index.logs {
        let mut expected = log.head.base.saturating_add(1);
        for entry in &log.entries {
            tally.expect(entry.seq == expected, || {
                format!("{conversation} goes on with {}, not {expected}", entry.seq)
            });
            expected = entry.seq.saturating_add(1);
        }
        let terms = (log.entries.iter()).filter_map(|entry| Some((entry.seq, entry.epoch?)));
        let mut newest = 0;
        for (seq, epoch) in terms {
            tally.expect(epoch >= newest, || {
                format!("{seq} of {conversation} is of term {epoch}, behind one of {newest}")
            });
            newest = epoch.max(newest);
        }
        let end = expected.saturating_sub(1);
        tally.expect(end == log.head.last_seq, || {
            let said = log.head.last_seq;
            format!("{conversation} ends at {end}, and is said to end at {said}")
        });
    }
    for pair in index.history.leaders.windows(2) {
        let [(before, older, _), (after, newer, _)] = pair else {
            continue;
        };
        tally.expect(newer > older, || {
            format!("{after} led in term {newer} after {before} in term {older}")
        });
    }
    tally.needs(
        index.logs.values().any(|log| !log.entries.is_empty()),
        "the log that was read back is empty",
    );
    tally
}

/// C8.
pub(super) fn phantom(index: &Index<'_>) -> Tally {
    let mut tally = Tally::default();
    let mut look = |id: &str, from: &str, conversation: &str, place: &str, seq: u64| {
        let message = index.messages.get(id);
        let why = match message {
            None => Some("that nobody sent"),
            Some(message) if message.outcome() == Outcome::Refused => Some("that was refused"),
            Some(message) if message.conversation != conversation => Some("of another place"),
            Some(message) if message.user != from => Some("of another sender"),
            Some(_) => None,
        };
        tally.expect(why.is_none(), || {
            let why = why.unwrap_or_default();
            format!("{place} {seq} of {conversation} as {id} of {from}, a message {why}")
        });
    };
    for entry in &index.history.log {
        if let (Some(id), Some(from)) = (&entry.id, &entry.from) {
            look(id, from, &entry.conversation, "stored at", entry.seq);
        }
    }
    let began: HashMap<&str, u64> = (index.logs.iter())
        .map(|(conversation, log)| (*conversation, log.head.base))
        .collect();
    for delivery in &index.history.deliveries {
        // What was there before the run is not the run's.
        if began.get(delivery.conversation.as_str()) < Some(&delivery.seq) {
            let (id, from) = (&delivery.id, &delivery.from);
            look(
                id,
                from,
                &delivery.conversation,
                "delivered at",
                delivery.seq,
            );
        }
    }
    tally
}
