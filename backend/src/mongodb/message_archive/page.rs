//! Reading a log: pages, times, unread counts.

use antiphon_core::contract::{Extent, Record, RecordKind, SeqRange};
use antiphon_protocol::{ConversationId, UserName};
use futures_util::{FutureExt, TryStreamExt};
use mongodb::bson::{Document, doc};

use super::super::Store;
use super::super::failure::Failure;
use super::super::limits::{PAGE_RECORDS_MAX, UNREAD_WINDOW_MAX, UNREAD_WINDOW_MIN};
use super::super::number::{bound, read};
use super::bounds;
use super::document::{Message, SEQ_LIMIT, kind_number};

/// The records of a window, ascending. A log has no holes, so one is damage.
pub(super) async fn range(
    store: &Store,
    conversation: &ConversationId,
    window: SeqRange,
    rows: usize,
    newest_first: bool,
) -> Result<Vec<Record>, Failure> {
    let key = conversation.key();
    let Some(page) = page(window, rows, newest_first) else {
        return Ok(Vec::new());
    };
    // A page inside the log, as most are, takes no look at the log's bounds.
    let found = read_page(store, &key, page).await?;
    if is_whole(&found, page) {
        return found.into_iter().map(Message::into_record).collect();
    }
    let look = |bounds| at_the_end(store, &key, bounds, window, rows, newest_first).boxed();
    bounds::steadily(store, &key, look).await
}

/// The page of a window that may reach beyond the log.
async fn at_the_end(
    store: &Store,
    key: &str,
    Extent { first, last }: Extent,
    window: SeqRange,
    rows: usize,
    newest_first: bool,
) -> Result<Vec<Record>, Failure> {
    let inside = SeqRange {
        from: window.from.max(first),
        to: window.to.min(last),
    };
    let Some(page) = page_of(last, inside, rows, newest_first) else {
        return Ok(Vec::new());
    };
    let found = read_page(store, key, page).await?;
    if !is_whole(&found, page) {
        return Err(Failure::Damaged("messages"));
    }
    found.into_iter().map(Message::into_record).collect()
}

fn page_of(last: u64, inside: SeqRange, rows: usize, newest_first: bool) -> Option<SeqRange> {
    if last == 0 {
        return None;
    }
    page(inside, rows, newest_first)
}

/// The part of a window that a page of so many rows takes; `None` if it is empty.
fn page(window: SeqRange, rows: usize, newest_first: bool) -> Option<SeqRange> {
    let from = window.from.max(1);
    let to = window.to.min(SEQ_LIMIT);
    let beyond = (rows as u64).checked_sub(1)?;
    if from > to {
        return None;
    }
    Some(match newest_first {
        true => SeqRange {
            from: from.max(to.saturating_sub(beyond)),
            to,
        },
        false => SeqRange {
            from,
            to: to.min(from.saturating_add(beyond)),
        },
    })
}

fn is_whole(found: &[Message], page: SeqRange) -> bool {
    // Both were looked at as closed windows, so equal numbers mean equal sequences.
    found.len() as u64 == page.to - page.from + 1
}

/// The documents of a page, by closed windows; it ends at the first window that is short.
async fn read_page(store: &Store, key: &str, page: SeqRange) -> Result<Vec<Message>, Failure> {
    let mut found: Vec<Message> = Vec::new();
    let mut from = page.from;
    while from <= page.to {
        let to = page.to.min(from.saturating_add(PAGE_RECORDS_MAX - 1));
        let finding = store.messages.find(closed(key, from, to));
        let finding = finding.sort(doc! { "seq": 1 });
        let finding = finding.projection(doc! { "words": 0 });
        // All in the first answer: what is left of a cursor is gone with its server.
        let window = finding.batch_size(PAGE_RECORDS_MAX as u32 + 1).await?;
        let before = found.len() as u64;
        found.extend(window.try_collect::<Vec<_>>().await?);
        if found.len() as u64 - before < to - from + 1 {
            break;
        }
        from = to + 1;
    }
    Ok(found)
}

/// The filter of a closed window.
pub(super) fn closed(key: &str, from: u64, to: u64) -> Document {
    doc! { "conversation": key, "seq": { "$gte": bound(from), "$lte": bound(to) } }
}

/// The first sequence whose time is at least `ts_ms`, by cutting into parts.
pub(super) async fn seq_at(
    store: &Store,
    conversation: &ConversationId,
    ts_ms: u64,
) -> Result<Option<u64>, Failure> {
    let key = conversation.key();
    let look = |bounds| seq_within(store, &key, bounds, ts_ms).boxed();
    bounds::steadily(store, &key, look).await
}

async fn seq_within(
    store: &Store,
    key: &str,
    Extent { first, last }: Extent,
    ts_ms: u64,
) -> Result<Option<u64>, Failure> {
    let damaged = || Failure::Damaged("messages");
    if last == 0 {
        return Ok(None);
    }
    // All up to `low` are older; the one at `high`, if it is there, is not.
    let (mut low, mut high) = (first - 1, last + 1);
    loop {
        let places = bounds::between(low, high);
        if places.is_empty() {
            break;
        }
        let found = bounds::look_at(store, key, &places).await?;
        if found.len() != places.len() {
            return Err(damaged());
        }
        for mark in found {
            let seq = read(mark.seq, "messages")?;
            if read(mark.ts_max_ms, "messages")? < ts_ms {
                low = seq;
            } else {
                high = seq;
                break;
            }
        }
    }
    if high > last {
        return Ok(None);
    }
    // The first record at which the latest time so far reaches the bound is of that time.
    let found = bounds::look_at(store, key, &[high]).await?;
    let found = found.first().ok_or_else(damaged)?;
    if read(found.ts_ms, "messages")? < ts_ms && high > first {
        return Err(damaged());
    }
    Ok(Some(high))
}

/// Chat records of others behind a sequence, up to `max`, counted in windows that grow.
pub(super) async fn unread(
    store: &Store,
    conversation: &ConversationId,
    viewer: &UserName,
    after_seq: u64,
    max: u64,
) -> Result<u64, Failure> {
    let key = conversation.key();
    if max == 0 || after_seq >= SEQ_LIMIT {
        return Ok(0);
    }
    let Extent { first, last } = bounds::extent(store, &key).await?;
    let (mut counted, mut from) = (0, first.max(after_seq + 1));
    let mut width = max.clamp(UNREAD_WINDOW_MIN, UNREAD_WINDOW_MAX);
    while from <= last && counted < max {
        let to = last.min(from + (width - 1));
        let mut filter = closed(&key, from, to);
        filter.insert("kind", kind_number(RecordKind::Chat));
        filter.insert("sender", doc! { "$ne": viewer.as_str() });
        let counting = store.messages.count_documents(filter);
        counted += counting.limit(max - counted).await?;
        from = to + 1;
        width = UNREAD_WINDOW_MAX.min(width * 2);
    }
    Ok(counted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(from: u64, to: u64, rows: usize, newest_first: bool) -> Option<(u64, u64)> {
        page(SeqRange { from, to }, rows, newest_first).map(|page| (page.from, page.to))
    }

    #[test]
    fn a_page_is_a_closed_window_of_its_rows() {
        assert_eq!(of(5, 12, 3, false), Some((5, 7)));
        assert_eq!(of(5, 12, 3, true), Some((10, 12)));
        assert_eq!(of(5, 6, 9, true), Some((5, 6)));
        assert_eq!(of(0, u64::MAX, 2, false), Some((1, 2)));
        assert_eq!(of(0, u64::MAX, 2, true), Some((SEQ_LIMIT - 1, SEQ_LIMIT)));
        assert_eq!(of(0, u64::MAX, usize::MAX, true), Some((1, SEQ_LIMIT)));
        assert_eq!(of(8, 5, 9, false), None);
        assert_eq!(of(5, 8, 0, false), None);
        assert_eq!(of(u64::MAX, u64::MAX, 9, false), None);
    }
}
