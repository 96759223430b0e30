//! Pages of logs, for `history` and `sync`.

use std::sync::Arc;

use antiphon_core::contract::{
    BackendError, BackendErrorKind, BackendResult, Extent, MessageArchive, Record, RecordKind,
    SeqRange,
};
use antiphon_protocol::client::Page;
use antiphon_protocol::{ConversationId, ErrorBody, Message, UserName};

use super::{Caller, refusal};
use crate::server::message::{encoded_bytes, view};
use crate::server::settings::{PAGE_LOOKS_MAX, PAGE_STEP_FIRST, PAGE_STEP_MAX};

/// Where a page begins.
#[derive(Debug, Clone, Copy)]
pub(super) enum From {
    /// The messages before this sequence.
    Before(u64),
    /// The messages after this sequence.
    After(u64),
}

/// Reads a page; `budget` is what the whole answer may still hold, in bytes.
pub(super) async fn page(
    caller: &Caller,
    conversation: &ConversationId,
    from: From,
    limit: usize,
    budget: &mut usize,
) -> Result<Page, ErrorBody> {
    let user = caller.user()?;
    let read = read(caller, conversation, from, limit, *budget).await;
    let (extent, records) = read.map_err(refusal)?;
    if let From::After(seq) = from
        && seq > extent.last
    {
        let message = format!("the conversation ends at {}", extent.last);
        return Err(ErrorBody::new(400, "stale_cursor", message));
    }
    Ok(lay_out(conversation, from, extent, records, &user, budget))
}

/// Reads what the page may show, and little more than `budget` bytes of it.
async fn read(
    caller: &Caller,
    conversation: &ConversationId,
    from: From,
    limit: usize,
    budget: usize,
) -> BackendResult<(Extent, Vec<Record>)> {
    let archive = &caller.node.backends.archive;
    for _ in 0..PAGE_LOOKS_MAX {
        let extent = archive.extent(conversation).await?;
        let (window, newest_first) = window(from, extent, limit);
        let records = read_steps(archive, conversation, window, newest_first, budget);
        if let Some(records) = records.await? {
            return Ok((extent, records));
        }
    }
    let kind = BackendErrorKind::Unavailable;
    Err(BackendError::new(kind, "message_archive.range"))
}

/// Reads a window in steps until it is read or the budget is spent: five hundred long messages
/// would be megabytes, of which the answer holds a fraction. `None` if some of them have been
/// removed since the bounds were read: a page must not claim to be complete then.
async fn read_steps(
    archive: &Arc<dyn MessageArchive>,
    conversation: &ConversationId,
    mut window: SeqRange,
    newest_first: bool,
    budget: usize,
) -> BackendResult<Option<Vec<Record>>> {
    let mut found: Vec<Record> = Vec::new();
    let mut bytes = 0;
    while window.from <= window.to && bytes < budget {
        let rows = step(found.len(), bytes, budget);
        let part = if newest_first {
            let from = (window.to + 1).saturating_sub(rows).max(window.from);
            SeqRange { from, ..window }
        } else {
            let to = window.to.min(window.from + rows - 1);
            SeqRange { to, ..window }
        };
        let rows = part.to - part.from + 1;
        let read = archive.range(conversation, part, rows as usize, newest_first);
        let mut records = read.await?;
        if records.first().map(|record| record.seq) != Some(part.from) {
            return Ok(None);
        }
        bytes += records.iter().map(encoded_bytes).sum::<usize>();
        if newest_first {
            window.to = part.from - 1;
            records.append(&mut found);
            found = records;
        } else {
            let is_short = (records.len() as u64) < rows;
            window.from = part.to + 1;
            found.append(&mut records);
            if is_short {
                break;
            }
        }
    }
    Ok(Some(found))
}

/// How many records to read next: some first, then as many as should fill the budget, within
/// bounds.
fn step(records: usize, bytes: usize, budget: usize) -> u64 {
    match bytes.checked_div(records) {
        None => PAGE_STEP_FIRST,
        Some(average) => {
            let fitting = (budget.saturating_sub(bytes) / average.max(1)) as u64;
            fitting.saturating_add(1).min(PAGE_STEP_MAX)
        }
    }
}

/// The part of a log that a page shows, and whether it is read from its end.
fn window(from: From, extent: Extent, limit: usize) -> (SeqRange, bool) {
    let first = extent.first.max(1);
    match from {
        From::Before(seq) => {
            let to = seq.saturating_sub(1).min(extent.last);
            let low = to.saturating_sub(limit as u64).saturating_add(1);
            let from = low.max(first);
            (SeqRange { from, to }, true)
        }
        From::After(seq) => {
            let from = seq.saturating_add(1).max(first);
            let to = extent.last.min(from.saturating_add(limit as u64 - 1));
            (SeqRange { from, to }, false)
        }
    }
}

fn lay_out(
    conversation: &ConversationId,
    from: From,
    extent: Extent,
    mut records: Vec<Record>,
    user: &UserName,
    budget: &mut usize,
) -> Page {
    let backwards = matches!(from, From::Before(_));
    // One message always fits a whole budget, so the first page of an answer is never empty
    // for want of room; a later one may be, and then says `more`.
    let mut fits = |record: &Record| {
        let rest = budget.checked_sub(encoded_bytes(record));
        rest.map(|rest| *budget = rest).is_some()
    };
    if backwards {
        let cut = records
            .iter()
            .rposition(|record| !fits(record))
            .map_or(0, |at| at + 1);
        records.drain(..cut);
    } else {
        let cut = records
            .iter()
            .position(|record| !fits(record))
            .unwrap_or(records.len());
        records.truncate(cut);
    }
    let (low, high) = (
        records.first().map(|r| r.seq),
        records.last().map(|r| r.seq),
    );
    let (complete, more) = match from {
        From::Before(seq) => {
            let reached = low.unwrap_or(seq);
            (
                extent.first <= 1 || reached > extent.first,
                reached > extent.first.max(1),
            )
        }
        From::After(seq) => {
            let hole = extent.first > seq.saturating_add(1);
            (!hole, high.unwrap_or(seq) < extent.last)
        }
    };
    let seals = records
        .iter()
        .filter(|record| record.kind == RecordKind::Epoch);
    let sealed = seals.map(|record| record.seq).collect();
    let chats = records
        .iter()
        .filter(|record| record.kind == RecordKind::Chat);
    let messages: Vec<Message> = chats.map(|record| view(record, user)).collect();
    Page {
        conversation: conversation.name_for(user),
        messages,
        sealed,
        complete,
        more: more && extent.last > 0,
        first_available_seq: extent.first,
        last_seq: extent.last,
    }
}

#[cfg(test)]
mod tests;
