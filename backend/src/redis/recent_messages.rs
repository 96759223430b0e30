//! The last messages of each conversation: one sorted set each, by sequence, trimmed on every
//! write, gone when nobody has written for a while.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use antiphon_core::contract::{BackendResult, RecentMessages, Record, RecordKind};
use antiphon_core::error_chain::ErrorChain;
use antiphon_protocol::limits::RECENT_MAX;
use antiphon_protocol::{ClientId, ConversationId, MessageId, UserName};
use async_trait::async_trait;
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::codec;
use super::gate::Gate;
use super::key::Keys;
use super::script::{Call, Script, millis};

const PUSH: &str = "recent_messages.push";
const LATEST: &str = "recent_messages.latest";
/// Conversations written at a time.
const AT_ONCE_MAX: usize = 16;

static PUSHING: LazyLock<Script> = LazyLock::new(|| Script::new(&[include_str!("lua/push.lua")]));

pub(super) struct RedisRecentMessages {
    gate: Arc<Gate>,
    keys: Keys,
    ttl: Duration,
}

/// A record; its conversation is in the key.
#[derive(Serialize, Deserialize)]
struct StoredRecord {
    seq: u64,
    epoch: u64,
    is_mark: bool,
    sender: String,
    client_id: String,
    message_id: String,
    body_hash: String,
    ts_ms: u64,
    format: String,
    body: String,
}

impl From<&Record> for StoredRecord {
    fn from(record: &Record) -> Self {
        Self {
            seq: record.seq,
            epoch: record.epoch,
            is_mark: match record.kind {
                RecordKind::Chat => false,
                RecordKind::Epoch => true,
            },
            sender: record.sender.as_str().to_owned(),
            client_id: record.client_id.as_str().to_owned(),
            message_id: record.message_id.as_str().to_owned(),
            body_hash: format!("{:032x}", u128::from_be_bytes(record.body_hash)),
            ts_ms: record.ts_ms,
            format: record.format.clone(),
            body: record.body.clone(),
        }
    }
}

impl StoredRecord {
    /// `None` if it is not one that we would have written.
    fn read(self, conversation: &ConversationId) -> Option<Record> {
        Some(Record {
            conversation: conversation.clone(),
            seq: self.seq,
            epoch: self.epoch,
            kind: if self.is_mark {
                RecordKind::Epoch
            } else {
                RecordKind::Chat
            },
            sender: UserName::parse(&self.sender).ok()?,
            client_id: ClientId::parse(&self.client_id)?,
            message_id: MessageId(self.message_id),
            body_hash: u128::from_str_radix(&self.body_hash, 16)
                .ok()?
                .to_be_bytes(),
            ts_ms: self.ts_ms,
            format: self.format,
            body: self.body,
        })
    }
}

impl RedisRecentMessages {
    pub(super) fn new(gate: Arc<Gate>, keys: Keys, ttl: Duration) -> Self {
        Self { gate, keys, ttl }
    }

    fn key(&self, conversation: &ConversationId) -> String {
        self.keys.key("recent", &conversation.key(), "records")
    }

    /// Of many only the newest would stay, so only they are sent.
    fn pushing(&self, conversation: &ConversationId, records: &BTreeMap<u64, &Record>) -> Call {
        let skipped = records.len().saturating_sub(RECENT_MAX);
        let call = Call::on(&[self.key(conversation)])
            .arg(millis(self.ttl))
            .arg(RECENT_MAX);
        records
            .iter()
            .skip(skipped)
            .fold(call, |call, (seq, record)| {
                call.arg(*seq)
                    .arg(codec::encode(StoredRecord::from(*record)))
            })
    }
}

#[async_trait]
impl RecentMessages for RedisRecentMessages {
    async fn push(&self, records: &[Record]) -> BackendResult<()> {
        let mut grouped: BTreeMap<&ConversationId, BTreeMap<u64, &Record>> = BTreeMap::new();
        for record in records {
            let group = grouped.entry(&record.conversation).or_default();
            group.insert(record.seq, record);
        }
        let calls: Vec<Call> = grouped
            .iter()
            .map(|(conversation, records)| self.pushing(conversation, records))
            .collect();
        let mut outcome = Ok(());
        for calls in calls.chunks(AT_ONCE_MAX) {
            let pushed = calls
                .iter()
                .map(|call| self.gate.run::<bool>(PUSH, &PUSHING, call));
            for pushed in join_all(pushed).await {
                outcome = outcome.and(pushed.map(|_| ()));
            }
        }
        outcome
    }

    async fn latest(
        &self,
        conversation: &ConversationId,
        limit: usize,
    ) -> BackendResult<Option<Vec<Record>>> {
        // One is read even of none, to tell "nothing wanted" from "nothing there".
        let wanted = limit.clamp(1, RECENT_MAX);
        let mut command = redis::cmd("ZRANGE");
        command
            .arg(self.key(conversation))
            .arg(-(wanted as i64))
            .arg(-1);
        let raw: Vec<Vec<u8>> = self.gate.query(LATEST, &command).await?;
        let mut records = Vec::with_capacity(raw.len());
        for raw in &raw {
            let stored: Option<StoredRecord> = codec::decode(raw).unwrap_or_else(|damaged| {
                warn!(error = %ErrorChain(&damaged), "a cached message is damaged");
                None
            });
            // With one that can't be read the rest is not the newest: the archive is asked.
            let Some(record) = stored.and_then(|stored| stored.read(conversation)) else {
                return Ok(None);
            };
            records.push(record);
        }
        if records.is_empty() {
            return Ok(None);
        }
        records.truncate(limit);
        Ok(Some(records))
    }
}
