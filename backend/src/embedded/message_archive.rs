//! The message log.

mod append;
mod query;
mod record;
mod search_index;
mod trim;

use std::sync::Arc;

use antiphon_core::contract::{
    AppendOutcome, BackendResult, Extent, MessageArchive, Record, RecordKind, SeqRange, Tail,
    Trimmed,
};
use antiphon_protocol::{ClientId, ConversationId, UserName};
use async_trait::async_trait;
use rusqlite::Connection;

use super::{Store, words};

pub(super) use append::Top;
pub(super) use query::verify;
pub(super) use search_index::{Searchable, mend};

/// [`MessageArchive`] on the embedded database.
pub(super) struct EmbeddedMessageArchive(pub(super) Arc<Store>);

#[async_trait]
impl MessageArchive for EmbeddedMessageArchive {
    fn log_id(&self) -> String {
        self.0.log_id.clone()
    }

    async fn append(&self, records: Vec<Record>) -> BackendResult<Vec<AppendOutcome>> {
        let rows = records.len();
        // Cutting words and summing is the caller's work, not the writer's.
        let entries: Vec<append::Entry> = records.into_iter().map(append::Entry::new).collect();
        let work = move |writing: &mut super::Writing<'_>| append::append(writing, entries);
        self.0.write("message_archive.append", rows, work).await
    }

    async fn tail(&self, conversation: &ConversationId) -> BackendResult<Option<Tail>> {
        let conversation = conversation.clone();
        let work = move |connection: &Connection| {
            let Some(id) = record::conversation_id(connection, &conversation)? else {
                return Ok(None);
            };
            let newest = query::newest(connection, id, &conversation)?;
            Ok(newest.map(|row| Tail {
                seq: row.record.seq,
                epoch: row.record.epoch,
            }))
        };
        self.0.read("message_archive.tail", work).await
    }

    async fn extent(&self, conversation: &ConversationId) -> BackendResult<Extent> {
        let conversation = conversation.clone();
        let work = move |connection: &Connection| query::extent(connection, &conversation);
        self.0.read("message_archive.extent", work).await
    }

    async fn range(
        &self,
        conversation: &ConversationId,
        window: SeqRange,
        limit: usize,
        newest_first: bool,
    ) -> BackendResult<Vec<Record>> {
        let conversation = conversation.clone();
        let work = move |connection: &Connection| {
            query::range(connection, &conversation, window, limit, newest_first)
        };
        self.0.read("message_archive.range", work).await
    }

    async fn seq_at(
        &self,
        conversation: &ConversationId,
        ts_ms: u64,
    ) -> BackendResult<Option<u64>> {
        let conversation = conversation.clone();
        let work = move |connection: &Connection| query::seq_at(connection, &conversation, ts_ms);
        self.0.read("message_archive.seq_at", work).await
    }

    async fn find(
        &self,
        conversation: &ConversationId,
        sender: &UserName,
        client_id: &ClientId,
    ) -> BackendResult<Option<Record>> {
        let (conversation, sender) = (conversation.clone(), sender.clone());
        let client_id = client_id.clone();
        let work = move |connection: &Connection| {
            let Some(id) = record::conversation_id(connection, &conversation)? else {
                return Ok(None);
            };
            record::by_client_id(connection, id, &conversation, &sender, &client_id)
        };
        self.0.read("message_archive.find", work).await
    }

    async fn unread(
        &self,
        conversation: &ConversationId,
        viewer: &UserName,
        after_seq: u64,
        max: u64,
    ) -> BackendResult<u64> {
        let (conversation, viewer) = (conversation.clone(), viewer.clone());
        let work = move |connection: &Connection| {
            query::unread(connection, &conversation, &viewer, after_seq, max)
        };
        self.0.read("message_archive.unread", work).await
    }

    async fn direct_conversations(&self, user: &UserName) -> BackendResult<Vec<ConversationId>> {
        let user = user.clone();
        let work = move |connection: &Connection| query::direct_conversations(connection, &user);
        self.0
            .read("message_archive.direct_conversations", work)
            .await
    }

    async fn search(
        &self,
        conversations: &[ConversationId],
        text: &str,
        limit: usize,
    ) -> BackendResult<Vec<Record>> {
        let Some(words) = words::query(text) else {
            return Ok(Vec::new());
        };
        let conversations = conversations.to_vec();
        let work =
            move |connection: &Connection| query::search(connection, &conversations, &words, limit);
        self.0.read("message_archive.search", work).await
    }

    async fn since(&self, ts_ms: u64, limit: usize) -> BackendResult<Vec<Record>> {
        let work = move |connection: &Connection| query::since(connection, ts_ms, limit);
        self.0.read("message_archive.since", work).await
    }

    async fn trim(&self, before_ms: u64, after: &str, limit: usize) -> BackendResult<Trimmed> {
        let after = after.to_owned();
        let work =
            move |connection: &Connection| trim::plan(connection, before_ms, after, limit.max(1));
        let trim::Plan { doomed, next } = self.0.read("message_archive.trim", work).await?;
        let removed = match doomed.len() {
            0 => 0,
            rows => {
                let work = move |writing: &mut super::Writing<'_>| trim::remove(writing, doomed);
                self.0.write("message_archive.trim", rows, work).await?
            }
        };
        Ok(Trimmed { removed, next })
    }

    async fn count(&self) -> BackendResult<u64> {
        self.0.read("message_archive.count", query::count).await
    }
}

/// A kind as the database keeps it.
fn kind_number(kind: RecordKind) -> u64 {
    match kind {
        RecordKind::Chat => 0,
        RecordKind::Epoch => 1,
    }
}
