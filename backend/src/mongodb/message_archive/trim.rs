//! Removing the oldest records of the logs.
//!
//! A log's conversation is told first where the log will begin, and then the records before
//! that place are removed. Whoever misses a record on the way learns from the conversation
//! that it is no damage. A call that ends between the two leaves records which the next call
//! finds before the beginning, and removes.

use antiphon_core::contract::Trimmed;
use futures_util::TryStreamExt;
use mongodb::bson::doc;

use super::super::Store;
use super::super::failure::Failure;
use super::super::limits::TRIM_LOGS_MAX;
use super::super::number::{bound, read, stored};
use super::document::{Conversation, Mark, mark_fields};
use super::page::closed;

/// What was done to one log.
struct Step {
    removed: u64,
    /// Nothing is left to do.
    done: bool,
}

/// Removes up to `rows` records from the logs behind a key.
pub(super) async fn trim(
    store: &Store,
    before_ms: u64,
    after: &str,
    rows: u64,
) -> Result<Trimmed, Failure> {
    let finding = store.conversations.find(doc! { "key": { "$gt": after } });
    let finding = finding.sort(doc! { "key": 1 }).limit(TRIM_LOGS_MAX);
    let logs: Vec<Conversation> = finding.await?.try_collect().await?;
    let is_last = logs.len() < usize::try_from(TRIM_LOGS_MAX).unwrap_or(usize::MAX);
    let (mut removed, mut looked_at) = (0, after.to_owned());
    for log in logs {
        let step = trim_log(store, &log, before_ms, rows.saturating_sub(removed)).await?;
        removed += step.removed;
        if !step.done {
            let next = Some(looked_at);
            return Ok(Trimmed { removed, next });
        }
        looked_at = log.key;
    }
    let next = (!is_last).then_some(looked_at);
    Ok(Trimmed { removed, next })
}

async fn trim_log(
    store: &Store,
    log: &Conversation,
    before_ms: u64,
    rows: u64,
) -> Result<Step, Failure> {
    let removed = 0;
    let first = read(log.first, "conversations")?;
    let Some(lowest) = lowest(store, &log.key, first).await? else {
        // Empty, or somebody else is at it.
        return Ok(Step {
            removed,
            done: true,
        });
    };
    let left = read(lowest.seq, "messages")?;
    let is_old = |mark: &Mark| read(mark.ts_max_ms, "messages").map(|latest| latest < before_ms);
    if left == first && !is_old(&lowest)? {
        return Ok(Step {
            removed,
            done: true,
        });
    }
    let Some(beyond) = rows.checked_sub(1) else {
        return Ok(Step {
            removed,
            done: false,
        });
    };
    if left < first {
        // A call has ended before it was through.
        let to = left.saturating_add(beyond).min(first - 1);
        let removed = remove(store, &log.key, left, to).await?;
        return Ok(Step {
            removed,
            done: false,
        });
    }
    let window = marks(store, &log.key, first, first.saturating_add(rows)).await?;
    // What follows the last one is not known, so that one stays.
    let (mut end, mut done) = (first, true);
    for mark in &window {
        end = read(mark.seq, "messages")?;
        done = !is_old(mark)?;
        if done {
            break;
        }
    }
    done |= end < first.saturating_add(rows);
    if end == first {
        return Ok(Step { removed, done });
    }
    begin_at(store, &log.key, end).await?;
    let removed = remove(store, &log.key, first, end - 1).await?;
    Ok(Step { removed, done })
}

/// The lowest record up to a place.
async fn lowest(store: &Store, key: &str, to: u64) -> Result<Option<Mark>, Failure> {
    let finding = store.marks.find_one(closed(key, 0, to));
    let finding = finding.sort(doc! { "seq": 1 });
    Ok(finding.projection(mark_fields()).await?)
}

/// The records of a closed window, ascending.
async fn marks(store: &Store, key: &str, from: u64, to: u64) -> Result<Vec<Mark>, Failure> {
    let finding = store.marks.find(closed(key, from, to));
    let finding = finding.sort(doc! { "seq": 1 }).projection(mark_fields());
    Ok(finding.await?.try_collect().await?)
}

/// Tells where a log will begin. It never goes back.
async fn begin_at(store: &Store, key: &str, first: u64) -> Result<(), Failure> {
    let filter = doc! { "key": key, "first": { "$lt": bound(first) } };
    let update = doc! { "$set": { "first": stored(first)? } };
    store.conversations.update_one(filter, update).await?;
    Ok(())
}

async fn remove(store: &Store, key: &str, from: u64, to: u64) -> Result<u64, Failure> {
    let removing = store.messages.delete_many(closed(key, from, to));
    Ok(removing.await?.deleted_count)
}
