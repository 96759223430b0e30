//! Finding records by their words, and by time over all conversations.

use std::collections::BTreeSet;

use antiphon_core::contract::{Extent, Record, RecordKind};
use antiphon_protocol::ConversationId;
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use mongodb::bson::{Document, doc};

use super::super::Store;
use super::super::failure::Failure;
use super::super::limits::{CONVERSATIONS_AT_ONCE, SEARCH_GROWTH, SEARCH_WINDOW};
use super::super::number::{bound, limit, stored};
use super::bounds;
use super::document::{Mark, Message, kind_number, mark_fields};
use super::page::closed;

/// A place where all words are; in the order of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Hit {
    ts_max_ms: i64,
    /// The conversation's place in the call.
    conversation: usize,
    seq: i64,
}

/// Chat records with every one of the words, newest first.
pub(super) async fn search(
    store: &Store,
    conversations: &[ConversationId],
    words: &[String],
    rows: usize,
) -> Result<Vec<Record>, Failure> {
    let keys: BTreeSet<String> = conversations.iter().map(ConversationId::key).collect();
    let keys: Vec<String> = keys.into_iter().collect();
    let search = |place: usize| search_one(store, place, &keys[place], words, rows).boxed();
    let searches: Vec<_> = (0..keys.len()).map(search).collect();
    let searches = stream::iter(searches).buffer_unordered(CONVERSATIONS_AT_ONCE);
    let mut hits: Vec<Hit> = searches.try_concat().await?;
    hits.sort_unstable_by(|a, b| b.cmp(a));
    hits.truncate(rows);
    fetch(store, &keys, &hits).await
}

/// The newest places of a log where all words are, up to `rows`: by closed windows from the
/// top down, each wider than the one before.
async fn search_one(
    store: &Store,
    place: usize,
    key: &str,
    words: &[String],
    rows: usize,
) -> Result<Vec<Hit>, Failure> {
    let Extent { first, last } = bounds::extent(store, key).await?;
    // One equality for each word: any of them can be looked up in the index, with the window.
    let has_all: Vec<Document> = words.iter().map(|word| doc! { "words": word }).collect();
    let mut found: Vec<Hit> = Vec::new();
    let (mut to, mut width) = (last, SEARCH_WINDOW);
    while to >= first && to > 0 && found.len() < rows {
        let from = first.max(to.saturating_sub(width - 1));
        let mut filter = closed(key, from, to);
        filter.insert("$and", has_all.clone());
        let finding = store.marks.find(filter).sort(doc! { "seq": -1 });
        let finding = finding.projection(mark_fields());
        let window = finding.limit(limit(rows - found.len())).await?;
        let window: Vec<Mark> = window.try_collect().await?;
        found.extend(window.into_iter().map(|mark| Hit {
            ts_max_ms: mark.ts_max_ms,
            conversation: place,
            seq: mark.seq,
        }));
        to = from - 1;
        width = width.saturating_mul(SEARCH_GROWTH);
    }
    Ok(found)
}

/// The records of the hits, in their order.
async fn fetch(store: &Store, keys: &[String], hits: &[Hit]) -> Result<Vec<Record>, Failure> {
    let of = |place: usize| -> Vec<i64> {
        let own = hits.iter().filter(|hit| hit.conversation == place);
        own.map(|hit| hit.seq).collect()
    };
    let places: BTreeSet<usize> = hits.iter().map(|hit| hit.conversation).collect();
    let read = |place| fetch_one(store, place, &keys[place], of(place)).boxed();
    let reads: Vec<_> = places.into_iter().map(read).collect();
    let reads = stream::iter(reads).buffer_unordered(CONVERSATIONS_AT_ONCE);
    let mut found: Vec<(usize, Message)> = reads.try_concat().await?;
    found.sort_by_key(|(place, message)| (*place, message.seq));
    let mut records = Vec::with_capacity(hits.len());
    for hit in hits {
        let wanted = (hit.conversation, hit.seq);
        match found.binary_search_by_key(&wanted, |(place, message)| (*place, message.seq)) {
            Ok(at) => records.push(found[at].1.clone().into_record()?),
            Err(_) => gone(store, &keys[hit.conversation], hit).await?,
        }
    }
    Ok(records)
}

/// Whether a hit was removed since it was found: anything else is damage.
async fn gone(store: &Store, key: &str, hit: &Hit) -> Result<(), Failure> {
    let Extent { first, .. } = bounds::extent(store, key).await?;
    if hit.seq < stored(first)? {
        return Ok(());
    }
    Err(Failure::Damaged("messages"))
}

/// The records at some places of one log.
async fn fetch_one(
    store: &Store,
    place: usize,
    key: &str,
    seqs: Vec<i64>,
) -> Result<Vec<(usize, Message)>, Failure> {
    let filter = doc! { "conversation": key, "seq": { "$in": seqs } };
    let finding = store.messages.find(filter);
    let found = finding.projection(doc! { "words": 0 }).await?;
    let found: Vec<Message> = found.try_collect().await?;
    Ok(found.into_iter().map(|message| (place, message)).collect())
}

/// Chat records of all conversations since a time, newest first.
pub(super) async fn since(store: &Store, ts_ms: u64, rows: usize) -> Result<Vec<Record>, Failure> {
    if rows == 0 {
        return Ok(Vec::new());
    }
    let filter = doc! {
        "kind": kind_number(RecordKind::Chat),
        "ts_ms": { "$gte": bound(ts_ms) },
    };
    let finding = store.messages.find(filter);
    let finding = finding.sort(doc! { "ts_ms": -1, "seq": -1 });
    let finding = finding.projection(doc! { "words": 0 });
    let found = finding.limit(limit(rows)).await?;
    let records = found
        .err_into()
        .and_then(async |found: Message| found.into_record());
    records.try_collect().await
}
