//! C9: who has left a room gets nothing of what is said there afterwards.

use std::collections::HashMap;

use super::index::Index;
use super::stream::Oddity;
use super::tally::Tally;
use crate::torture::history::Outcome;

/// When a user was certainly out of a room: from the answer to a leave to the next join.
type Absences<'h> = HashMap<(&'h str, &'h str), Vec<(u64, u64)>>;

fn absences<'h>(index: &Index<'h>) -> Absences<'h> {
    let mut absences: Absences<'_> = HashMap::new();
    for membership in &index.history.memberships {
        let key = (membership.user.as_str(), membership.conversation.as_str());
        let spans = absences.entry(key).or_default();
        if membership.joins {
            if let Some((_, until)) = spans.last_mut() {
                *until = membership.begin.min(*until);
            }
        } else if membership.outcome == Outcome::Ok {
            spans.push((membership.end, u64::MAX));
        }
    }
    absences
}

pub(super) fn judge(index: &Index<'_>) -> Tally {
    let mut tally = Tally::default();
    let absences = absences(index);
    for stream in &index.streams {
        let spans = absences.get(&(stream.user, stream.conversation));
        for delivery in &stream.deliveries {
            let sent = index.messages.get(delivery.id.as_str());
            let (Some(spans), Some(sent)) = (spans, sent) else {
                continue;
            };
            let span = spans.partition_point(|(from, _)| *from <= delivery.at);
            let span = span.checked_sub(1).map(|at| spans[at]);
            let away = span.is_some_and(|(from, until)| delivery.at < until && sent.begin > from);
            tally.expect(!away, || {
                format!(
                    "{} had left {} and got {}, said after that, at {}",
                    stream.user, stream.conversation, delivery.id, delivery.seq
                )
            });
        }
        for oddity in &stream.oddities {
            if let Oddity::Stray(seq) = oddity {
                tally.fail(|| {
                    format!(
                        "client {} ({}) got {seq} of {}, which it had not joined",
                        stream.session, stream.user, stream.conversation
                    )
                });
            }
        }
    }
    tally.needs(
        absences.values().any(|spans| !spans.is_empty()),
        "nobody left a room",
    );
    tally
}
