//! C6 and C7: what was delivered is what the log holds, all of it, in its order.

use super::CATCH_UP_MAX_US;
use super::index::Index;
use super::stream::Oddity;
use super::tally::Tally;

/// C6.
pub(super) fn agreement(index: &Index<'_>) -> Tally {
    let mut tally = Tally::default();
    for delivery in &index.history.deliveries {
        let Some(log) = index.logs.get(delivery.conversation.as_str()) else {
            tally.fail(|| format!("{} was not read back", delivery.conversation));
            continue;
        };
        if delivery.seq <= log.head.base {
            continue;
        }
        let stored = log.by_seq.get(&delivery.seq);
        let same = stored.is_some_and(|entry| {
            entry.id.as_deref() == Some(&delivery.id)
                && entry.from.as_deref() == Some(&delivery.from)
        });
        tally.expect(same, || {
            let holds = stored.and_then(|entry| entry.id.as_deref());
            format!(
                "client {} got {} of {} at {} of {}, where the log holds {}",
                delivery.session,
                delivery.id,
                delivery.from,
                delivery.seq,
                delivery.conversation,
                holds.unwrap_or("nothing")
            )
        });
    }
    for stream in &index.streams {
        for oddity in &stream.oddities {
            if let Oddity::Reordered(seq) = oddity {
                tally.fail(|| {
                    format!(
                        "client {} ({}) got {seq} of {} after a later one",
                        stream.session, stream.user, stream.conversation
                    )
                });
            }
        }
    }
    tally
}

/// C7.
pub(super) fn completeness(index: &Index<'_>) -> Tally {
    let mut tally = Tally::default();
    let healed = index.history.healed;
    let mut followed = false;
    for stream in &index.streams {
        let who = || {
            format!(
                "client {} ({}), {}",
                stream.session, stream.user, stream.conversation
            )
        };
        for delivery in &stream.deliveries {
            let limit = healed.map(|healed| healed.saturating_add(CATCH_UP_MAX_US));
            let late = limit.is_some_and(|limit| delivery.at > limit);
            tally.expect(!late, || {
                format!("{}: {} came too late", who(), delivery.seq)
            });
        }
        for oddity in &stream.oddities {
            if let Oddity::Hole(from, to) = oddity {
                tally.fail(|| format!("{}: {from} to {to} did not come", who()));
            }
        }
        if let (Some(next), Some(log)) = (stream.reached, index.logs.get(stream.conversation)) {
            followed = true;
            let last = log.head.last_seq;
            tally.expect(next > last, || {
                format!("{}: {next} to {last} did not come by the end", who())
            });
        }
    }
    tally.needs(healed.is_some(), "it is not known when all was mended");
    tally.needs(followed, "no client was there to the end");
    tally.needs(
        !index.history.deliveries.is_empty(),
        "nothing was delivered",
    );
    tally
}
