//! C4 and C5: the order in a log is one that its senders saw.

use std::collections::HashMap;

use super::index::Index;
use super::tally::Tally;

/// C4. A message without an answer to its first attempt is left out: a client says that what
/// is sent after that may come before it.
pub(super) fn fifo(index: &Index<'_>) -> Tally {
    let mut tally = Tally::default();
    for (conversation, log) in &index.logs {
        let mut last: HashMap<u32, (u64, &str)> = HashMap::new();
        for entry in &log.entries {
            let Some((id, message)) = entry
                .id
                .as_deref()
                .and_then(|id| index.messages.get_key_value(id))
            else {
                continue;
            };
            if message.late_retry {
                continue;
            }
            let newest = last.entry(message.session).or_insert((message.number, id));
            if newest.1 == *id {
                continue;
            }
            tally.expect(message.number > newest.0, || {
                format!(
                    "{} sent {id} before {}, and {conversation} has it behind, at {}",
                    message.user, newest.1, entry.seq
                )
            });
            if message.number > newest.0 {
                *newest = (message.number, id);
            }
        }
    }
    tally
}

/// C5.
pub(super) fn real_time(index: &Index<'_>) -> Tally {
    let mut tally = Tally::default();
    for (conversation, log) in &index.logs {
        // The earliest acknowledgment of anything behind the place that is looked at.
        let mut earliest: Option<(u64, &str)> = None;
        for entry in log.entries.iter().rev() {
            let Some(id) = entry.id.as_deref() else {
                continue;
            };
            let Some(message) = index.messages.get(id) else {
                continue;
            };
            if let Some((acked, before)) = earliest {
                tally.expect(acked >= message.begin, || {
                    format!(
                        "{id} was sent after {before} was acknowledged, and {conversation} has \
                         it in front, at {}",
                        entry.seq
                    )
                });
            }
            if let Some((_, end)) = message.acked
                && earliest.is_none_or(|(acked, _)| end < acked)
            {
                earliest = Some((end, id));
            }
        }
    }
    tally
}
