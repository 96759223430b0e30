//! Messages and conversations as they are stored.

use std::collections::BTreeSet;

use antiphon_core::contract::{Record, RecordKind, Tail};
use antiphon_core::words::index_tokens;
use antiphon_protocol::{ClientId, ConversationId, MessageId, UserName};
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Binary, Document, doc};
use serde::{Deserialize, Serialize};

use super::super::Store;
use super::super::failure::Failure;
use super::super::number::{read, stored};
use super::super::user_store::binary;

/// The highest sequence that can be stored.
pub(super) const SEQ_LIMIT: u64 = i64::MAX as u64;

/// A record of a log as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in super::super) struct Message {
    #[serde(rename = "_id")]
    pub(super) id: ObjectId,
    pub(super) conversation: String,
    pub(super) seq: i64,
    epoch: i64,
    kind: i32,
    pub(super) sender: String,
    pub(super) client_id: String,
    message_id: String,
    body_hash: Binary,
    ts_ms: i64,
    /// The latest time of this record and all before it. It never falls along a log, so that
    /// a time is found by halving though clocks go back.
    pub(super) ts_max_ms: i64,
    format: String,
    body: String,
    /// The words by which it is found. They are written only, never read back.
    #[serde(default)]
    words: Vec<String>,
}

/// What the places of a log are looked at for.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(in super::super) struct Mark {
    #[serde(rename = "_id")]
    pub(super) id: ObjectId,
    pub(super) seq: i64,
    pub(super) epoch: i64,
    pub(super) ts_ms: i64,
    pub(super) ts_max_ms: i64,
}

/// What is read of a document for a [`Mark`].
pub(super) fn mark_fields() -> Document {
    doc! { "_id": 1, "seq": 1, "epoch": 1, "ts_ms": 1, "ts_max_ms": 1 }
}

/// Whose a record is.
#[derive(Debug, Deserialize)]
pub(in super::super) struct Place {
    pub(super) conversation: String,
}

/// What is read of a document for a [`Place`].
pub(super) fn place_fields() -> Document {
    doc! { "_id": 0, "conversation": 1 }
}

/// A conversation. It is made before its first record.
#[derive(Debug, Serialize, Deserialize)]
pub(in super::super) struct Conversation {
    #[serde(rename = "_id")]
    pub(super) id: ObjectId,
    pub(super) key: String,
    /// Of a direct conversation, the users who have a part in it.
    pub(super) users: Vec<String>,
    /// The first sequence that is still there.
    pub(super) first: i64,
    /// A sequence that is there, not far below the top: where the search for it begins.
    pub(super) hint: i64,
}

impl Conversation {
    /// A new one.
    pub(super) fn new(conversation: &ConversationId) -> Self {
        let users = match conversation {
            ConversationId::Room(_) => BTreeSet::new(),
            ConversationId::Direct(a, b) => BTreeSet::from([a.as_str(), b.as_str()]),
        };
        Self {
            id: ObjectId::new(),
            key: conversation.key(),
            users: users.into_iter().map(str::to_owned).collect(),
            first: 1,
            hint: 0,
        }
    }
}

impl Mark {
    /// As the top of its log.
    pub(super) fn tail(self) -> Result<Tail, Failure> {
        Ok(Tail {
            seq: read(self.seq, "messages")?,
            epoch: read(self.epoch, "messages")?,
        })
    }
}

impl Message {
    /// The document of a record, with an `_id` of its own. Its `ts_max_ms` is still its own
    /// time.
    pub(super) fn new(record: &Record) -> Result<Self, Failure> {
        let words = match record.kind {
            RecordKind::Chat => index_tokens(&record.body).into_iter().collect(),
            RecordKind::Epoch => BTreeSet::new(),
        };
        let ts_ms = stored(record.ts_ms)?;
        Ok(Self {
            id: ObjectId::new(),
            conversation: record.conversation.key(),
            // One that is too high is refused before it is stored.
            seq: stored(record.seq.min(SEQ_LIMIT))?,
            epoch: stored(record.epoch)?,
            kind: kind_number(record.kind),
            sender: record.sender.as_str().to_owned(),
            client_id: record.client_id.as_str().to_owned(),
            message_id: record.message_id.as_str().to_owned(),
            body_hash: binary(&record.body_hash),
            ts_ms,
            ts_max_ms: ts_ms,
            format: record.format.clone(),
            body: record.body.clone(),
            words: words.into_iter().collect(),
        })
    }

    /// The record of a document.
    pub(super) fn into_record(self) -> Result<Record, Failure> {
        let damaged = || Failure::Damaged("messages");
        let number = |number| read(number, "messages");
        let kind = match self.kind {
            0 => RecordKind::Chat,
            1 => RecordKind::Epoch,
            _ => return Err(damaged()),
        };
        Ok(Record {
            conversation: ConversationId::from_key(&self.conversation).ok_or_else(damaged)?,
            seq: number(self.seq)?,
            epoch: number(self.epoch)?,
            kind,
            sender: UserName::parse(&self.sender).map_err(|_| damaged())?,
            client_id: ClientId::parse(&self.client_id).ok_or_else(damaged)?,
            message_id: MessageId(self.message_id),
            body_hash: self.body_hash.bytes.try_into().map_err(|_| damaged())?,
            ts_ms: number(self.ts_ms)?,
            format: self.format,
            body: self.body,
        })
    }
}

/// The record with that client id.
pub(super) async fn by_client_id(
    store: &Store,
    key: &str,
    sender: &str,
    client_id: &str,
) -> Result<Option<Message>, Failure> {
    let filter = doc! { "conversation": key, "sender": sender, "client_id": client_id };
    let finding = store.messages.find_one(filter);
    Ok(finding.projection(doc! { "words": 0 }).await?)
}

/// A kind as the database keeps it.
pub(super) fn kind_number(kind: RecordKind) -> i32 {
    match kind {
        RecordKind::Chat => 0,
        RecordKind::Epoch => 1,
    }
}
