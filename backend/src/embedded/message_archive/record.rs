//! Rows of messages and of conversations.

use antiphon_core::contract::{Record, RecordKind};
use antiphon_protocol::{ClientId, ConversationId, MessageId, UserName};
use rusqlite::{Connection, Row};

use super::super::checksum::RowSum;
use super::super::failure::{Failure, optional};
use super::super::schema::{CONVERSATION_LIMIT, SEQ_BITS, SEQ_LIMIT};
use super::kind_number;

/// What [`decode`] reads, in its order; the table is `m`.
pub(super) const COLUMNS: &str = "m.id, m.sender, m.client_id, m.ts_ms, m.ts_max_ms, m.epoch, \
                                  m.kind, m.message_id, m.body_hash, m.format, m.body, m.checksum";

/// A record with what only the store knows of it.
pub(super) struct Stored {
    pub(super) record: Record,
    /// The latest time of this record and all before it. It never falls along a log, so that
    /// a time is found by halving though clocks go back.
    pub(super) ts_max_ms: u64,
}

/// The row id of a record; a sequence above what a row id holds counts as the highest.
pub(super) fn row_id(conversation: i64, seq: u64) -> i64 {
    (conversation << SEQ_BITS) | seq.min(SEQ_LIMIT).cast_signed()
}

/// The sequence in a row id.
pub(super) fn seq_of(row_id: i64) -> u64 {
    row_id.cast_unsigned() & SEQ_LIMIT
}

/// The conversation's number in a row id.
pub(super) fn conversation_of(row_id: i64) -> i64 {
    row_id >> SEQ_BITS
}

/// Reads a row of `conversation`.
pub(super) fn decode(row: &Row<'_>, conversation: &ConversationId) -> Result<Stored, Failure> {
    let damaged = || Failure::Damaged("messages");
    let number = |column: usize| row.get::<_, i64>(column).map(i64::cast_unsigned);
    let sender: String = row.get(1)?;
    let client_id: String = row.get(2)?;
    let kind = match number(6)? {
        0 => RecordKind::Chat,
        1 => RecordKind::Epoch,
        _ => return Err(damaged()),
    };
    let record = Record {
        conversation: conversation.clone(),
        seq: seq_of(row.get(0)?),
        epoch: number(5)?,
        kind,
        sender: UserName::parse(&sender).map_err(|_| damaged())?,
        client_id: ClientId::parse(&client_id).ok_or_else(damaged)?,
        message_id: MessageId(row.get(7)?),
        body_hash: row.get(8)?,
        ts_ms: number(3)?,
        format: row.get(9)?,
        body: row.get(10)?,
    };
    let ts_max_ms = number(4)?;
    if sum(&record) == row.get::<_, i64>(11)? && ts_max_ms >= record.ts_ms {
        Ok(Stored { record, ts_max_ms })
    } else {
        Err(damaged())
    }
}

/// The checksum of a record.
pub(super) fn sum(record: &Record) -> i64 {
    RowSum::new("messages")
        .text(&record.conversation.key())
        .number(record.seq)
        .number(record.epoch)
        .number(kind_number(record.kind))
        .text(record.sender.as_str())
        .text(record.client_id.as_str())
        .text(record.message_id.as_str())
        .bytes(&record.body_hash)
        .number(record.ts_ms)
        .text(&record.format)
        .text(&record.body)
        .finish()
}

/// The record with that client id.
pub(super) fn by_client_id(
    connection: &Connection,
    id: i64,
    conversation: &ConversationId,
    sender: &UserName,
    client_id: &ClientId,
) -> Result<Option<Record>, Failure> {
    let sql = format!(
        "SELECT {COLUMNS} FROM messages m \
         WHERE conversation = ?1 AND sender = ?2 AND client_id = ?3"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let values = (id, sender.as_str(), client_id.as_str());
    let found = optional(statement.query_row(values, |row| Ok(decode(row, conversation))))?;
    let Some(Stored { record, .. }) = found.transpose()? else {
        return Ok(None);
    };
    // The index led here: it must have been right.
    if &record.sender == sender && &record.client_id == client_id {
        Ok(Some(record))
    } else {
        Err(Failure::Damaged("messages_by_client_id"))
    }
}

/// A conversation's number, if it has records.
pub(super) fn conversation_id(
    connection: &Connection,
    conversation: &ConversationId,
) -> Result<Option<i64>, Failure> {
    let key = conversation.key();
    let sql = "SELECT id, key, checksum FROM conversations WHERE key = ?1";
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?));
    let found = optional(connection.prepare_cached(sql)?.query_row([&key], read))?;
    found
        .map(|(id, found, sum)| checked_conversation(id, &found, sum).map(|_| id))
        .transpose()
}

/// Adds a conversation; returns its number.
pub(super) fn add_conversation(
    connection: &Connection,
    conversation: &ConversationId,
) -> Result<i64, Failure> {
    let highest = "SELECT coalesce(max(id), 0) FROM conversations";
    let highest: i64 = connection
        .prepare_cached(highest)?
        .query_row([], |row| row.get(0))?;
    let id = highest + 1;
    if id > CONVERSATION_LIMIT {
        return Err(Failure::Damaged("conversations"));
    }
    let users = match conversation {
        ConversationId::Room(_) => (None, None),
        ConversationId::Direct(a, b) => (Some(a.as_str()), Some(b.as_str())),
    };
    let key = conversation.key();
    let sql = "INSERT INTO conversations (id, key, user_a, user_b, checksum) \
               VALUES (?1, ?2, ?3, ?4, ?5)";
    let row = (id, &key, users.0, users.1, conversation_sum(id, &key));
    connection.prepare_cached(sql)?.execute(row)?;
    Ok(id)
}

/// The conversation of a row, if it is what was written.
pub(super) fn checked_conversation(
    id: i64,
    key: &str,
    sum: i64,
) -> Result<ConversationId, Failure> {
    let whole = conversation_sum(id, key) == sum;
    let conversation = ConversationId::from_key(key).filter(|_| whole);
    conversation.ok_or(Failure::Damaged("conversations"))
}

fn conversation_sum(id: i64, key: &str) -> i64 {
    RowSum::new("conversations")
        .number(id.cast_unsigned())
        .text(key)
        .finish()
}
