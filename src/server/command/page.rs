//! Pages of logs, for `history` and `sync`.

use antiphon_core::contract::{
    BackendError, BackendErrorKind, BackendResult, Extent, Record, RecordKind, SeqRange,
};
use antiphon_protocol::client::Page;
use antiphon_protocol::{ConversationId, ErrorBody, Message, UserName};

use super::{Caller, refusal};
use crate::server::message::{encoded_bytes, view};
use crate::server::settings::PAGE_LOOKS_MAX;

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
    let read = read(caller, conversation, from, limit).await;
    let (extent, records) = read.map_err(refusal)?;
    if let From::After(seq) = from
        && seq > extent.last
    {
        let message = format!("the conversation ends at {}", extent.last);
        return Err(ErrorBody::new(400, "stale_cursor", message));
    }
    Ok(lay_out(conversation, from, extent, records, &user, budget))
}

async fn read(
    caller: &Caller,
    conversation: &ConversationId,
    from: From,
    limit: usize,
) -> BackendResult<(Extent, Vec<Record>)> {
    let archive = &caller.node.backends.archive;
    for _ in 0..PAGE_LOOKS_MAX {
        let extent = archive.extent(conversation).await?;
        let (window, newest_first) = window(from, extent, limit);
        if window.from > window.to {
            return Ok((extent, Vec::new()));
        }
        let records = archive
            .range(conversation, window, limit, newest_first)
            .await?;
        // The first of them may have been removed since the bounds were read. A page must not
        // claim to be complete then.
        if records.first().map(|record| record.seq) == Some(window.from) {
            return Ok((extent, records));
        }
    }
    let kind = BackendErrorKind::Unavailable;
    Err(BackendError::new(kind, "message_archive.range"))
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
