use antiphon_protocol::{ClientId, ConversationId, MessageId, UserName};
use async_trait::async_trait;
use sha2::{Digest, Sha256};

use super::BackendResult;

/// What a row of the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordKind {
    /// A message.
    Chat,
    /// A new leader's mark; has no text.
    Epoch,
}

/// One row of a conversation's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The conversation.
    pub conversation: ConversationId,
    /// The place in it, from 1, without holes.
    pub seq: u64,
    /// The term under which it was written; 0 in a direct conversation.
    pub epoch: u64,
    /// What it is.
    pub kind: RecordKind,
    /// Who sent it; in an epoch record, a fixed name that nobody can register.
    pub sender: UserName,
    /// The sender's id of it.
    pub client_id: ClientId,
    /// The server's id of it.
    pub message_id: MessageId,
    /// SHA-256 of format and text as the sender sent them, cut to 16 bytes: tells a retry
    /// from another message under the same id.
    pub body_hash: [u8; 16],
    /// Server time, in milliseconds since 1970.
    pub ts_ms: u64,
    /// The format.
    pub format: String,
    /// The text, as delivered.
    pub body: String,
}

/// The hash by which a retry is told from another message under the same id.
pub fn body_hash(format: &str, body: &str) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update(format.as_bytes());
    hash.update([0]);
    hash.update(body.as_bytes());
    let full: [u8; 32] = hash.finalize().into();
    *full.first_chunk().expect("32 is more than 16")
}

/// What became of one record of an append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppendOutcome {
    /// Durable at its sequence.
    Stored,
    /// The sender's id is in the log already, at this record. Nothing was written.
    DuplicateClientId(Box<Record>),
    /// The sequence is taken; this is the top of the log. Nothing was written.
    SequenceTaken(Tail),
    /// An earlier record of the same conversation in the same call was not stored, so this
    /// one was not tried.
    NotTried,
}

/// The top of a conversation's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail {
    /// The highest sequence.
    pub seq: u64,
    /// That record's epoch.
    pub epoch: u64,
}

/// A closed window of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeqRange {
    /// First sequence wanted.
    pub from: u64,
    /// Last sequence wanted.
    pub to: u64,
}

/// The bounds of a conversation's log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extent {
    /// The first sequence still there; 0 if there is none.
    pub first: u64,
    /// The highest sequence; 0 if there is none.
    pub last: u64,
}

/// What a call of [`MessageArchive::trim`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trimmed {
    /// How many records were removed.
    pub removed: u64,
    /// The key behind which the next call goes on; `None` if every log has been looked at.
    pub next: Option<String>,
}

/// The log of every conversation.
///
/// Promises: a record is durable (synced to disk, or majority-journaled) when `append` says
/// `Stored`; (conversation, seq) and (conversation, sender, client id) are each unique, for
/// ever; nothing is overwritten. Only `trim` removes, and only the oldest: what is left of a
/// log is dense up to its top. An error of kind `Timeout` means that the batch may have
/// been stored, wholly or up to some record of each conversation.
#[async_trait]
pub trait MessageArchive: Send + Sync {
    /// Names this log; another database, or one restored from a backup under a new name, has
    /// another. Clients' cursors hold only within one log.
    fn log_id(&self) -> String;

    /// Appends records, in order within each conversation. The first record of a conversation
    /// that is not stored ends that conversation's part of the batch.
    async fn append(&self, records: Vec<Record>) -> BackendResult<Vec<AppendOutcome>>;

    /// The top of a log; `None` if it is empty.
    async fn tail(&self, conversation: &ConversationId) -> BackendResult<Option<Tail>>;

    /// The bounds of a log.
    async fn extent(&self, conversation: &ConversationId) -> BackendResult<Extent>;

    /// The records in a window, by sequence; at most `limit`, counted from the low end, or
    /// from the high end if `newest_first`. The result is in ascending order either way.
    async fn range(
        &self,
        conversation: &ConversationId,
        window: SeqRange,
        limit: usize,
        newest_first: bool,
    ) -> BackendResult<Vec<Record>>;

    /// The first sequence whose time is at least `ts_ms`; `None` if all are older.
    async fn seq_at(&self, conversation: &ConversationId, ts_ms: u64)
    -> BackendResult<Option<u64>>;

    /// The record with that client id.
    async fn find(
        &self,
        conversation: &ConversationId,
        sender: &UserName,
        client_id: &ClientId,
    ) -> BackendResult<Option<Record>>;

    /// How many chat records of others than `viewer` lie behind `after_seq`, counted up to
    /// `max`.
    async fn unread(
        &self,
        conversation: &ConversationId,
        viewer: &UserName,
        after_seq: u64,
        max: u64,
    ) -> BackendResult<u64>;

    /// The direct conversations that a user has a part in, by key.
    async fn direct_conversations(&self, user: &UserName) -> BackendResult<Vec<ConversationId>>;

    /// Chat records that have all the words of `text` (as the word tools cut them; every part
    /// of a Chinese text is found), in any of the conversations, newest first. A text without
    /// words finds nothing.
    async fn search(
        &self,
        conversations: &[ConversationId],
        text: &str,
        limit: usize,
    ) -> BackendResult<Vec<Record>>;

    /// Chat records of all conversations since a time, newest first, at most `limit`: for
    /// rebuilding caches.
    async fn since(&self, ts_ms: u64, limit: usize) -> BackendResult<Vec<Record>>;

    /// Removes the oldest records, log by log in the order of the conversations' keys, from
    /// the first key behind `after` on: of each log those that are older than `before_ms`
    /// and have only such before them, but never its newest. One call removes at most `limit`
    /// records and looks at a bounded number of logs; a call that failed may have removed some
    /// of them, and the next one goes on from there. Several callers may be at it at once.
    ///
    /// `before_ms` lies an hour or more behind every server's clock: for so long a writer may
    /// trust in what it saw of a log's top.
    async fn trim(&self, before_ms: u64, after: &str, limit: usize) -> BackendResult<Trimmed>;

    /// How many records there are in all.
    async fn count(&self) -> BackendResult<u64>;
}
