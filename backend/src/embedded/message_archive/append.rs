//! Appending, on the writer's thread.

use std::collections::HashSet;

use antiphon_core::contract::{AppendOutcome, Record, Tail};
use rusqlite::Connection;

use super::super::failure::Failure;
use super::super::limits::TAILS_CACHED_MAX;
use super::super::schema::SEQ_LIMIT;
use super::super::writer::Writing;
use super::super::{stored, words};
use super::{kind_number, query, record};

/// A record ready to be stored.
pub(super) struct Entry {
    record: Record,
    key: String,
    words: String,
    checksum: i64,
}

impl Entry {
    /// Cuts the words and makes the checksum.
    pub(super) fn new(record: Record) -> Self {
        let words = words::of_record(&record);
        let (key, checksum) = (record.conversation.key(), record::sum(&record));
        Self {
            record,
            key,
            words,
            checksum,
        }
    }
}

/// The top of a log, as the writer remembers it. The writer is the only one to write, so it
/// is right as long as no transaction was taken back.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Top {
    conversation: i64,
    seq: u64,
    epoch: u64,
    ts_max_ms: u64,
}

/// Appends records; each conversation's part ends at its first record that is not stored.
pub(super) fn append(
    writing: &mut Writing<'_>,
    entries: Vec<Entry>,
) -> Result<Vec<AppendOutcome>, Failure> {
    let words_before = writing.words.len();
    let result = append_all(writing, entries);
    if result.is_err() {
        // The rows are taken back, and so is what was remembered of them.
        writing.tops.clear();
        writing.words.truncate(words_before);
    }
    result
}

fn append_all(
    writing: &mut Writing<'_>,
    entries: Vec<Entry>,
) -> Result<Vec<AppendOutcome>, Failure> {
    let mut ended = HashSet::new();
    let mut outcomes = Vec::with_capacity(entries.len());
    for entry in entries {
        if ended.contains(&entry.key) {
            outcomes.push(AppendOutcome::NotTried);
            continue;
        }
        let key = entry.key.clone();
        let outcome = append_one(writing, entry)?;
        if outcome != AppendOutcome::Stored {
            ended.insert(key);
        }
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

fn append_one(writing: &mut Writing<'_>, entry: Entry) -> Result<AppendOutcome, Failure> {
    let Entry {
        record,
        key,
        words,
        checksum,
    } = entry;
    let mut top = match writing.tops.get(&key) {
        Some(top) => *top,
        None => load(writing.connection, &record)?,
    };
    // Only the next sequence is free: one beyond it would leave a hole.
    let is_next = record.seq == top.seq + 1 && record.seq <= SEQ_LIMIT;
    if is_next {
        if top.conversation == 0 {
            top.conversation = record::add_conversation(writing.connection, &record.conversation)?;
        }
        let ts_max_ms = top.ts_max_ms.max(record.ts_ms);
        let row_id = record::row_id(top.conversation, record.seq);
        if insert(writing.connection, row_id, ts_max_ms, &record, checksum)? {
            let top = Top {
                seq: record.seq,
                epoch: record.epoch,
                ts_max_ms,
                ..top
            };
            remember(writing, key, top);
            if !words.is_empty() {
                writing.words.push((row_id, words));
            }
            return Ok(AppendOutcome::Stored);
        }
    }
    let Record {
        conversation,
        sender,
        client_id,
        ..
    } = &record;
    let id = top.conversation;
    let connection = writing.connection;
    let existing = record::by_client_id(connection, id, conversation, sender, client_id)?;
    match existing {
        Some(existing) => Ok(AppendOutcome::DuplicateClientId(Box::new(existing))),
        None if is_next => Err(Failure::Damaged("messages_by_client_id")),
        None => Ok(AppendOutcome::SequenceTaken(Tail {
            seq: top.seq,
            epoch: top.epoch,
        })),
    }
}

/// The top of a log; conversation 0 if it is empty.
fn load(connection: &Connection, record: &Record) -> Result<Top, Failure> {
    let empty = Top {
        conversation: 0,
        seq: 0,
        epoch: 0,
        ts_max_ms: 0,
    };
    let Some(id) = record::conversation_id(connection, &record.conversation)? else {
        return Ok(empty);
    };
    let newest = query::newest(connection, id, &record.conversation)?;
    // A conversation is made with its first record.
    let newest = newest.ok_or(Failure::Damaged("messages"))?;
    let record::Stored { record, ts_max_ms } = newest;
    Ok(Top {
        conversation: id,
        seq: record.seq,
        epoch: record.epoch,
        ts_max_ms,
    })
}

fn remember(writing: &mut Writing<'_>, key: String, top: Top) {
    if writing.tops.len() >= TAILS_CACHED_MAX {
        writing.tops.clear();
    }
    writing.tops.insert(key, top);
}

/// False if the sender's id is there already.
fn insert(
    connection: &Connection,
    row_id: i64,
    ts_max_ms: u64,
    record: &Record,
    checksum: i64,
) -> Result<bool, Failure> {
    let sql = "INSERT INTO messages (id, conversation, sender, client_id, ts_ms, ts_max_ms, epoch, \
               kind, message_id, body_hash, format, body, checksum) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) \
               ON CONFLICT (conversation, sender, client_id) DO NOTHING";
    let row = rusqlite::params![
        row_id,
        record::conversation_of(row_id),
        record.sender.as_str(),
        record.client_id.as_str(),
        stored(record.ts_ms),
        stored(ts_max_ms),
        stored(record.epoch),
        stored(kind_number(record.kind)),
        record.message_id.as_str(),
        &record.body_hash[..],
        record.format,
        record.body,
        checksum,
    ];
    Ok(connection.prepare_cached(sql)?.execute(row)? == 1)
}
