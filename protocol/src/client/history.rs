//! Reading what was said: history, sync, search, read cursors.

use serde::{Deserialize, Serialize};

use super::Command;
use crate::error_code::DecodeError;
use crate::fields::Fields;
use crate::limits::{
    NAME_CHARS_MAX, PAGE_DEFAULT, PAGE_MAX, SEARCH_CHARS_MAX, SEQ_MAX, SYNC_CURSORS_MAX,
};
use crate::message::Message;

/// Longest conversation name: `room:` or `user:` and a name, before normalization.
const CONVERSATION_CHARS_MAX: usize = 5 + 4 * NAME_CHARS_MAX;

/// What a user's conversation holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConversationSummary {
    /// `room:NAME` or `user:NAME`.
    pub name: String,
    /// `room` or `user`.
    pub kind: ConversationKind,
    /// Its highest sequence; 0 if nothing was said.
    pub last_seq: u64,
    /// The user's read cursor.
    pub read_seq: u64,
    /// Messages of others behind the cursor, counted up to 1,000.
    pub unread: u64,
}

/// The kind of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ConversationKind {
    /// A room.
    Room,
    /// A direct conversation.
    User,
}

/// `conversations`: the same list that `login` gives.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Conversations {}

/// The reply to `conversations`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationsReply {
    /// Rooms first, then users, each by name.
    pub conversations: Vec<ConversationSummary>,
}

impl Command for Conversations {
    const ACTION: &'static str = "conversations";
    const NO_DATA: bool = true;
    type Reply = ConversationsReply;
    fn decode(_fields: Fields) -> Result<Self, DecodeError> {
        Ok(Self {})
    }
}

/// `history`: a page of one conversation, oldest first. At most one of `beforeSeq`,
/// `afterSeq` and `aroundTs`; none of them is the newest page.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// `room:NAME` or `user:NAME`.
    pub conversation: String,
    /// The messages before this sequence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before_seq: Option<u64>,
    /// The messages after this sequence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_seq: Option<u64>,
    /// The messages around this server time, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub around_ts: Option<u64>,
    /// 1 to 500.
    pub limit: u64,
}

/// The reply to `history`, and one conversation's part of the reply to `sync`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page {
    /// `room:NAME` or `user:NAME`.
    pub conversation: String,
    /// Oldest first.
    pub messages: Vec<Message>,
    /// Sequences within the page that hold no message but a record of the cluster (a new
    /// leader's mark), so that a reader can tell a hole from none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sealed: Vec<u64>,
    /// False if messages that belong in the page are gone for good (retention).
    pub complete: bool,
    /// Whether the conversation goes on behind the page, in the direction of reading.
    pub more: bool,
    /// The first sequence still there; 0 if there is none.
    pub first_available_seq: u64,
    /// The conversation's highest sequence; 0 if nothing was said.
    pub last_seq: u64,
}

impl Command for History {
    const ACTION: &'static str = "history";
    type Reply = Page;
    fn decode(mut fields: Fields) -> Result<Self, DecodeError> {
        let conversation = fields.text("conversation", 1..=CONVERSATION_CHARS_MAX)?;
        let before_seq = fields.number_opt("beforeSeq", 1..=SEQ_MAX)?;
        let after_seq = fields.number_opt("afterSeq", 0..=SEQ_MAX)?;
        let around_ts = fields.number_opt("aroundTs", 0..=SEQ_MAX)?;
        let named = [before_seq, after_seq, around_ts].iter().flatten().count();
        if named > 1 {
            return Err(DecodeError::invalid(
                "beforeSeq",
                "only one of beforeSeq, afterSeq, aroundTs",
            ));
        }
        let limit = fields
            .number_opt("limit", 1..=PAGE_MAX)?
            .unwrap_or(PAGE_DEFAULT);
        Ok(Self {
            conversation,
            before_seq,
            after_seq,
            around_ts,
            limit,
        })
    }
}

/// Where a client stands in one conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cursor {
    /// `room:NAME` or `user:NAME`.
    pub conversation: String,
    /// The highest sequence up to which the client has everything; 0 for nothing.
    pub after_seq: u64,
}

/// `sync`: what the client lacks, in several conversations.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sync {
    /// At most 1,000.
    pub cursors: Vec<Cursor>,
    /// Messages a conversation, 1 to 500. The whole answer holds at most as many as fit
    /// its byte bound; `more` tells what is left.
    pub limit: u64,
}

/// The reply to `sync`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncReply {
    /// In the order of the cursors.
    pub conversations: Vec<Page>,
}

impl Command for Sync {
    const ACTION: &'static str = "sync";
    type Reply = SyncReply;
    fn decode(mut fields: Fields) -> Result<Self, DecodeError> {
        let cursors = fields.list("cursors", SYNC_CURSORS_MAX, |mut cursor| {
            Ok(Cursor {
                conversation: cursor.text("conversation", 1..=CONVERSATION_CHARS_MAX)?,
                after_seq: cursor.number("afterSeq", 0..=SEQ_MAX)?,
            })
        })?;
        let limit = fields
            .number_opt("limit", 1..=PAGE_MAX)?
            .unwrap_or(PAGE_DEFAULT);
        Ok(Self { cursors, limit })
    }
}

/// `search`: messages that have all the words, newest first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Search {
    /// One conversation, or all of the asker's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
    /// 1 to 256 characters.
    pub words: String,
    /// 1 to 500.
    pub limit: u64,
}

/// The reply to `search`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchReply {
    /// Newest first.
    pub messages: Vec<Message>,
}

impl Command for Search {
    const ACTION: &'static str = "search";
    type Reply = SearchReply;
    fn decode(mut fields: Fields) -> Result<Self, DecodeError> {
        Ok(Self {
            conversation: fields.text_opt("conversation", 1..=CONVERSATION_CHARS_MAX)?,
            words: fields.text("words", 1..=SEARCH_CHARS_MAX)?,
            limit: fields
                .number_opt("limit", 1..=PAGE_MAX)?
                .unwrap_or(PAGE_DEFAULT),
        })
    }
}

/// `read`: moves the read cursor forward; it never moves back.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Read {
    /// `room:NAME` or `user:NAME`.
    pub conversation: String,
    /// Everything up to here is read.
    pub seq: u64,
}

/// The reply to `read`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadReply {
    /// `room:NAME` or `user:NAME`.
    pub conversation: String,
    /// The cursor now.
    pub read_seq: u64,
    /// Messages of others behind it, counted up to 1,000.
    pub unread: u64,
}

impl Command for Read {
    const ACTION: &'static str = "read";
    type Reply = ReadReply;
    fn decode(mut fields: Fields) -> Result<Self, DecodeError> {
        Ok(Self {
            conversation: fields.text("conversation", 1..=CONVERSATION_CHARS_MAX)?,
            seq: fields.number("seq", 0..=SEQ_MAX)?,
        })
    }
}
