//! Appending: each conversation's part of a call is one ordered insert at the places behind
//! its log's top (parts of a single record share an insert); the two unique indexes decide.
//!
//! An insert is tried only where the record before is known to be durable, so that a log
//! can't get a hole, and the server ends an ordered insert at the first record it refuses.
//! After a refusal the log is read to tell what it means: the record that is in the way may be
//! this call's own (the driver sends a write again when it got no answer), which its `_id`
//! tells; it may be an earlier send of the same message; or somebody else's.

use std::collections::HashMap;

use antiphon_core::clock;
use antiphon_core::contract::{AppendOutcome, BackendErrorKind, Record, Tail};
use antiphon_protocol::ConversationId;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use mongodb::bson::doc;
use mongodb::options::WriteConcern;
use tracing::debug;

use super::super::Store;
use super::super::failure::{Effect, Failure, is_duplicate, refusals};
use super::super::limits::{
    CONFLICT_WAIT, CONVERSATIONS_AT_ONCE, HINT_EVERY, INSERT_DOCUMENTS_MAX, INSERT_ROUNDS_MAX,
};
use super::super::number::{read, stored};
use super::bounds;
use super::document::{Conversation, Message, SEQ_LIMIT, by_client_id};
use super::tops::Known;

/// The records of one conversation, with their places in the call.
struct Part {
    conversation: ConversationId,
    key: String,
    places: Vec<usize>,
    /// The sequences as they were asked for.
    seqs: Vec<u64>,
    messages: Vec<Message>,
    /// How many can be stored: the first of them is the next of the log, and each follows
    /// the one before.
    run: usize,
    /// How many are stored.
    stored: usize,
    /// What ended the part early.
    end: Option<AppendOutcome>,
}

/// Appends records; each conversation's part ends at its first record that is not stored.
pub(super) async fn append(
    store: &Store,
    records: Vec<Record>,
) -> Result<Vec<AppendOutcome>, Failure> {
    let count = records.len();
    let mut parts = parts(&records)?;
    drop(records);
    if let Err(failure) = append_parts(store, &mut parts).await {
        for part in &parts {
            store.tops.forget(&part.key);
        }
        let wrote = parts.iter().any(|part| part.stored > 0);
        return Err(match wrote {
            true => Failure::Partly(Box::new(failure)),
            false => failure,
        });
    }
    let mut outcomes = vec![AppendOutcome::NotTried; count];
    for part in parts {
        for place in &part.places[..part.stored] {
            outcomes[*place] = AppendOutcome::Stored;
        }
        if let (Some(place), Some(end)) = (part.places.get(part.stored), part.end) {
            outcomes[*place] = end;
        }
    }
    Ok(outcomes)
}

async fn append_parts(store: &Store, parts: &mut [Part]) -> Result<(), Failure> {
    let steps = parts.iter_mut().map(|part| prepare(store, part).boxed());
    let prepared = all(steps.collect()).await;
    prepared.map_err(Failure::before_writing)?;
    insert_singles(store, parts).await?;
    let steps = parts.iter_mut().map(|part| finish(store, part).boxed());
    all(steps.collect()).await
}

/// Takes every step, some at a time; of the failures, the one that leaves the most open.
async fn all(steps: Vec<BoxFuture<'_, Result<(), Failure>>>) -> Result<(), Failure> {
    let steps = stream::iter(steps).buffer_unordered(CONVERSATIONS_AT_ONCE);
    let ended: Vec<Result<(), Failure>> = steps.collect().await;
    let failures = ended.into_iter().filter_map(Result::err);
    let is_open = |failure: &Failure| failure.kind(Effect::Write) == BackendErrorKind::Timeout;
    failures.max_by_key(is_open).map_or(Ok(()), Err)
}

/// Sorts the records by conversation, and makes their documents.
fn parts(records: &[Record]) -> Result<Vec<Part>, Failure> {
    let mut parts: Vec<Part> = Vec::new();
    let mut found: HashMap<&ConversationId, usize> = HashMap::new();
    for (place, record) in records.iter().enumerate() {
        let part = *found.entry(&record.conversation).or_insert_with(|| {
            parts.push(Part {
                conversation: record.conversation.clone(),
                key: record.conversation.key(),
                places: Vec::new(),
                seqs: Vec::new(),
                messages: Vec::new(),
                run: 0,
                stored: 0,
                end: None,
            });
            parts.len() - 1
        });
        let part = &mut parts[part];
        part.places.push(place);
        part.seqs.push(record.seq);
        part.messages.push(Message::new(record)?);
    }
    Ok(parts)
}

/// Looks at what stands before a part's first record, and so at how many can be stored.
async fn prepare(store: &Store, part: &mut Part) -> Result<(), Failure> {
    let Some(mut latest) = before(store, part).await? else {
        return Ok(());
    };
    let follows = |(seq, wanted): &(&u64, u64)| **seq == *wanted && *wanted <= SEQ_LIMIT;
    part.run = part
        .seqs
        .iter()
        .zip(part.seqs[0]..)
        .take_while(follows)
        .count();
    for message in &mut part.messages {
        latest = latest.max(message.ts_max_ms);
        message.ts_max_ms = latest;
    }
    Ok(())
}

/// Stores those parts that are a single record each in one insert: none of them waits for
/// another, so their order doesn't matter. What is refused is left for [`finish`].
async fn insert_singles(store: &Store, parts: &mut [Part]) -> Result<(), Failure> {
    let mut singles: Vec<&mut Part> = parts.iter_mut().filter(|part| part.run == 1).collect();
    if singles.len() < 2 {
        return Ok(());
    }
    for chunk in singles.chunks_mut(INSERT_DOCUMENTS_MAX) {
        let messages = chunk.iter().map(|part| &part.messages[0]);
        let inserting = store.messages.insert_many(messages).ordered(false);
        let refused = match inserting.await {
            Ok(_) => Vec::new(),
            Err(error) => match refusals(&error) {
                Some(refused) => refused.duplicates,
                None => return Err(error.into()),
            },
        };
        for (place, part) in chunk.iter_mut().enumerate() {
            part.stored = usize::from(!refused.contains(&place));
        }
    }
    Ok(())
}

/// Stores what is left of a part, and tells why the rest can't be stored.
async fn finish(store: &Store, part: &mut Part) -> Result<(), Failure> {
    let mut rounds = 0;
    while part.stored < part.run && part.end.is_none() {
        rounds += 1;
        if rounds > INSERT_ROUNDS_MAX + part.run / INSERT_DOCUMENTS_MAX {
            return Err(Failure::Outrun(rounds));
        }
        insert(store, part).await?;
    }
    note(store, part).await;
    if part.end.is_none() && part.stored < part.messages.len() {
        refuse(store, part).await?;
    }
    Ok(())
}

/// The latest time up to the record before the part's first; `None` if there is no such
/// record, so that the first one can't be stored.
async fn before(store: &Store, part: &Part) -> Result<Option<i64>, Failure> {
    let Some(before) = part.seqs[0].checked_sub(1).filter(|seq| *seq < SEQ_LIMIT) else {
        return Ok(None);
    };
    let known = store.tops.get(&part.key);
    let trusted = |known: &Known| known.seq == before && known.is_trusted();
    if let Some(known) = known.filter(trusted) {
        return Ok(Some(known.ts_max_ms));
    }
    if before == 0 {
        // A log that has begun has its first place taken, also if that record is removed.
        let begins = known.is_none() && found(store, &part.conversation).await?;
        return Ok(begins.then_some(0));
    }
    let found = bounds::look_at(store, &part.key, &[before]).await?;
    Ok(found.first().map(|mark| mark.ts_max_ms))
}

/// Makes the document of a conversation, if there is none. False if its first record is gone.
async fn found(store: &Store, conversation: &ConversationId) -> Result<bool, Failure> {
    let key = conversation.key();
    if let Some(there) = bounds::conversation(store, &key).await? {
        return Ok(there.first == 1);
    }
    let making = store
        .conversations
        .insert_one(Conversation::new(conversation));
    match making.await {
        Ok(_) => Ok(true),
        Err(error) if is_duplicate(&error) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// One ordered insert of what is left of the run.
async fn insert(store: &Store, part: &mut Part) -> Result<(), Failure> {
    let end = part.run.min(part.stored + INSERT_DOCUMENTS_MAX);
    let batch = &part.messages[part.stored..end];
    match store.messages.insert_many(batch).ordered(true).await {
        Ok(_) => {
            part.stored = end;
            Ok(())
        }
        Err(error) => {
            let refused = refusals(&error);
            let Some(first) = refused.and_then(|refused| refused.duplicates.first().copied())
            else {
                return Err(error.into());
            };
            part.stored += first.min(batch.len() - 1);
            explain(store, part).await
        }
    }
}

/// Why the record behind the stored ones was refused.
async fn explain(store: &Store, part: &mut Part) -> Result<(), Failure> {
    let message = &part.messages[part.stored];
    let place = [read(message.seq, "messages")?];
    let (sender, client_id) = (message.sender.as_str(), message.client_id.as_str());
    let (there, existing) = tokio::try_join!(
        bounds::look_at(store, &part.key, &place),
        by_client_id(store, &part.key, sender, client_id),
    )?;
    if there.first().is_some_and(|there| there.id == message.id) {
        part.stored += 1;
        return Ok(());
    }
    if let Some(existing) = existing {
        let existing = Box::new(existing.into_record()?);
        part.end = Some(AppendOutcome::DuplicateClientId(existing));
        return Ok(());
    }
    if there.is_empty() {
        // It is not durable yet, and so not to be seen: in a moment it is, or it is gone.
        clock::sleep(CONFLICT_WAIT).await;
        return Ok(());
    }
    part.end = Some(taken(store, &part.key).await?);
    Ok(())
}

/// The outcome of a record that can't be the next one of its log.
async fn refuse(store: &Store, part: &mut Part) -> Result<(), Failure> {
    let message = &part.messages[part.stored];
    let (sender, client_id) = (message.sender.as_str(), message.client_id.as_str());
    let existing = by_client_id(store, &part.key, sender, client_id).await?;
    part.end = Some(match existing {
        Some(existing) => AppendOutcome::DuplicateClientId(Box::new(existing.into_record()?)),
        None => taken(store, &part.key).await?,
    });
    Ok(())
}

async fn taken(store: &Store, key: &str) -> Result<AppendOutcome, Failure> {
    let tail = match bounds::top(store, key).await? {
        Some(top) => top.tail()?,
        None => Tail { seq: 0, epoch: 0 },
    };
    Ok(AppendOutcome::SequenceTaken(tail))
}

/// Remembers the top, and notes it in the conversation every now and then.
async fn note(store: &Store, part: &Part) {
    let Some(last) = part.messages[..part.stored].last() else {
        return;
    };
    let (first, seq) = (part.seqs[0], last.seq.unsigned_abs());
    let known = Known::now(seq, last.ts_max_ms);
    store.tops.raise(&part.key, known);
    if (first - 1) / HINT_EVERY == seq / HINT_EVERY {
        return;
    }
    let Ok(hint) = stored(seq) else { return };
    let noting = store
        .conversations
        .update_one(doc! { "key": &part.key }, doc! { "$max": { "hint": hint } });
    let quick = WriteConcern::builder()
        .w(mongodb::options::Acknowledgment::Nodes(1))
        .build();
    if let Err(error) = noting.write_concern(quick).await {
        // The top is found without it.
        debug!(%error, "the top of a log was not noted");
    }
}
