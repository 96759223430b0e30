//! Where a log begins and ends.
//!
//! The top is found by looking at a few places at a time: first at distances that double,
//! from a place that is known to be there, then at places that cut the rest into equal parts.
//! That is a handful of queries of at most a few dozen keys each, for a log of any length.

use std::collections::HashSet;

use antiphon_core::contract::Extent;
use antiphon_protocol::{ConversationId, UserName};
use futures_util::TryStreamExt;
use futures_util::future::BoxFuture;
use mongodb::bson::doc;

use super::super::Store;
use super::super::failure::Failure;
use super::super::limits::{LOOKS_MAX, PROBES};
use super::super::number::read;
use super::document::{Conversation, Mark, Place, SEQ_LIMIT, mark_fields, place_fields};
use super::tops::Known;

/// The top of a log; `None` if it is empty.
pub(super) async fn top(store: &Store, key: &str) -> Result<Option<Mark>, Failure> {
    if let Some(known) = store.tops.get(key)
        && let Some(top) = climb(store, key, known.seq).await?
    {
        return Ok(Some(top));
    }
    let standing = standing(store, key).await?;
    Ok(standing.map(|(_, top)| top))
}

/// The bounds of a log.
pub(super) async fn extent(store: &Store, key: &str) -> Result<Extent, Failure> {
    let Some((conversation, top)) = standing(store, key).await? else {
        return Ok(Extent::default());
    };
    let (first, last) = (
        read(conversation.first, "conversations")?,
        read(top.seq, "messages")?,
    );
    if first == 0 || first > last {
        return Err(Failure::Damaged("conversations"));
    }
    Ok(Extent { first, last })
}

/// The document of a conversation.
pub(super) async fn conversation(
    store: &Store,
    key: &str,
) -> Result<Option<Conversation>, Failure> {
    Ok(store.conversations.find_one(doc! { "key": key }).await?)
}

/// The direct conversations that a user has a part in, by key; without those whose first
/// record was never stored.
pub(super) async fn of_user(
    store: &Store,
    user: &UserName,
) -> Result<Vec<ConversationId>, Failure> {
    let finding = store.conversations.find(doc! { "users": user.as_str() });
    let found = finding.sort(doc! { "key": 1 }).await?;
    let found: Vec<Conversation> = found.try_collect().await?;
    let is_young = |conversation: &&Conversation| conversation.hint == 0 && conversation.first <= 1;
    let young: Vec<&str> = found
        .iter()
        .filter(is_young)
        .map(|conversation| conversation.key.as_str())
        .collect();
    let firsts = doc! { "conversation": { "$in": young }, "seq": 1_i64 };
    let firsts = store.places.find(firsts).projection(place_fields()).await?;
    let begun: Vec<Place> = firsts.try_collect().await?;
    let begun: HashSet<String> = begun.into_iter().map(|place| place.conversation).collect();
    let is_there =
        |conversation: &Conversation| !is_young(&conversation) || begun.contains(&conversation.key);
    let damaged = || Failure::Damaged("conversations");
    let found = found.into_iter().filter(is_there);
    found
        .map(|conversation| ConversationId::from_key(&conversation.key).ok_or_else(damaged))
        .collect()
}

/// Runs a look at a log, and again if what it missed was removed meanwhile.
pub(super) async fn steadily<'s, T>(
    store: &'s Store,
    key: &'s str,
    look: impl Fn(Extent) -> BoxFuture<'s, Result<T, Failure>>,
) -> Result<T, Failure> {
    let mut bounds = extent(store, key).await?;
    for _ in 0..LOOKS_MAX {
        let failure = match look(bounds).await {
            Err(failure @ Failure::Damaged(_)) => failure,
            other => return other,
        };
        let now = extent(store, key).await?;
        if now.first == bounds.first {
            return Err(failure);
        }
        bounds = now;
    }
    Err(Failure::Outrun(LOOKS_MAX))
}

/// A log's conversation and its top. Where the search begins may be removed between the two;
/// then the conversation tells so.
async fn standing(store: &Store, key: &str) -> Result<Option<(Conversation, Mark)>, Failure> {
    let Some(mut there) = conversation(store, key).await? else {
        return Ok(None);
    };
    for _ in 0..LOOKS_MAX {
        let known = store.tops.get(key).map_or(0, |known| known.seq);
        let first = read(there.first, "conversations")?;
        let hint = read(there.hint, "conversations")?;
        let from = known.max(hint).max(first);
        if let Some(top) = climb(store, key, from).await? {
            return Ok(Some((there, top)));
        }
        let now = conversation(store, key).await?;
        let now = now.ok_or(Failure::Damaged("conversations"))?;
        if now.first == there.first {
            // Made, but its first record was never stored; anything else is damage.
            let is_empty = from == 1 && first == 1;
            return is_empty.then_some(None).ok_or(Failure::Damaged("messages"));
        }
        there = now;
    }
    Err(Failure::Outrun(LOOKS_MAX))
}

/// The highest record, from one that is there upwards; `None` if that one is not.
async fn climb(store: &Store, key: &str, from: u64) -> Result<Option<Mark>, Failure> {
    let steps = (0..u64::BITS).map_while(|power| from.checked_add(1 << power));
    let places: Vec<u64> = std::iter::once(from).chain(steps).collect();
    let Some(mut top) = highest(store, key, &places).await? else {
        return Ok(None);
    };
    let low = read(top.seq, "messages")?;
    let above = places.into_iter().find(|place| *place > low);
    let mut high = above.unwrap_or(SEQ_LIMIT + 1).min(SEQ_LIMIT + 1);
    loop {
        let low = read(top.seq, "messages")?;
        let places = between(low, high);
        if places.is_empty() {
            store.tops.raise(key, Known::now(low, top.ts_max_ms));
            return Ok(Some(top));
        }
        if let Some(found) = highest(store, key, &places).await? {
            top = found;
        }
        let low = read(top.seq, "messages")?;
        high = places
            .into_iter()
            .find(|place| *place > low)
            .unwrap_or(high);
    }
}

/// Up to [`PROBES`] places strictly between two, in equal parts.
pub(super) fn between(low: u64, high: u64) -> Vec<u64> {
    let inside = (high - low).saturating_sub(1);
    let step = inside.div_ceil(PROBES).max(1);
    (1..=PROBES)
        .map_while(|part| step.checked_mul(part)?.checked_add(low))
        .take_while(|place| *place < high)
        .collect()
}

async fn highest(store: &Store, key: &str, places: &[u64]) -> Result<Option<Mark>, Failure> {
    let found = look_at(store, key, places).await?;
    Ok(found.into_iter().max_by_key(|mark| mark.seq))
}

/// The records at some places of a log, by sequence; those that are there.
pub(super) async fn look_at(
    store: &Store,
    key: &str,
    places: &[u64],
) -> Result<Vec<Mark>, Failure> {
    let places: Vec<i64> = places
        .iter()
        .filter_map(|place| i64::try_from(*place).ok())
        .collect();
    let filter = doc! { "conversation": key, "seq": { "$in": places } };
    let finding = store.marks.find(filter);
    let found = finding.projection(mark_fields()).await?;
    let mut found: Vec<Mark> = found.try_collect().await?;
    found.sort_unstable_by_key(|mark| mark.seq);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_places_between_cut_into_equal_parts() {
        assert_eq!(between(7, 8), [0; 0]);
        assert_eq!(between(7, 7), [0; 0]);
        assert_eq!(between(7, 10), [8, 9]);
        assert_eq!(between(0, 33), (1..=32).collect::<Vec<_>>());
        assert_eq!(between(0, 65)[..3], [2, 4, 6]);
        assert_eq!(between(0, 65).len(), 32);
        let wide = between(1 << 40, SEQ_LIMIT);
        assert!(wide.len() <= PROBES as usize && wide.is_sorted());
        assert!(
            wide.iter()
                .all(|place| *place > 1 << 40 && *place < SEQ_LIMIT)
        );
    }
}
