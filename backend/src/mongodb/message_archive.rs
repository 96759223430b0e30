//! The message log.
//!
//! A conversation's log is dense from its first record on; so its top is found by looking at
//! a few places, and a page of it is a closed window of sequences. No query of a log is
//! without both bounds: what a query costs never depends on how long the log is.

mod append;
mod bounds;
mod document;
mod page;
mod search;
mod tops;
mod trim;

use std::sync::Arc;

use antiphon_core::contract::{
    AppendOutcome, BackendResult, Extent, MessageArchive, Record, SeqRange, Tail, Trimmed,
};
use antiphon_core::words::query_tokens;
use antiphon_protocol::{ClientId, ConversationId, UserName};
use async_trait::async_trait;
use mongodb::bson::doc;

use super::Store;

pub(super) use document::{Conversation, Mark, Message, Place};
pub(super) use tops::Tops;

/// [`MessageArchive`] on MongoDB.
pub(super) struct MongoMessageArchive(pub(super) Arc<Store>);

#[async_trait]
impl MessageArchive for MongoMessageArchive {
    fn log_id(&self) -> String {
        self.0.log_id.clone()
    }

    async fn append(&self, records: Vec<Record>) -> BackendResult<Vec<AppendOutcome>> {
        let work = append::append(&self.0, records);
        self.0.write("message_archive.append", work).await
    }

    async fn tail(&self, conversation: &ConversationId) -> BackendResult<Option<Tail>> {
        let work = async {
            let top = bounds::top(&self.0, &conversation.key()).await?;
            top.map(|top| top.tail()).transpose()
        };
        self.0.read("message_archive.tail", work).await
    }

    async fn extent(&self, conversation: &ConversationId) -> BackendResult<Extent> {
        let key = conversation.key();
        let work = bounds::extent(&self.0, &key);
        self.0.read("message_archive.extent", work).await
    }

    async fn range(
        &self,
        conversation: &ConversationId,
        window: SeqRange,
        limit: usize,
        newest_first: bool,
    ) -> BackendResult<Vec<Record>> {
        let work = page::range(&self.0, conversation, window, limit, newest_first);
        self.0.read("message_archive.range", work).await
    }

    async fn seq_at(
        &self,
        conversation: &ConversationId,
        ts_ms: u64,
    ) -> BackendResult<Option<u64>> {
        let work = page::seq_at(&self.0, conversation, ts_ms);
        self.0.read("message_archive.seq_at", work).await
    }

    async fn find(
        &self,
        conversation: &ConversationId,
        sender: &UserName,
        client_id: &ClientId,
    ) -> BackendResult<Option<Record>> {
        let work = async {
            let (key, sender) = (conversation.key(), sender.as_str());
            let found = document::by_client_id(&self.0, &key, sender, client_id.as_str());
            found.await?.map(Message::into_record).transpose()
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
        let work = page::unread(&self.0, conversation, viewer, after_seq, max);
        self.0.read("message_archive.unread", work).await
    }

    async fn direct_conversations(&self, user: &UserName) -> BackendResult<Vec<ConversationId>> {
        let work = bounds::of_user(&self.0, user);
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
        let words = query_tokens(text);
        if words.is_empty() || limit == 0 {
            return Ok(Vec::new());
        }
        let work = search::search(&self.0, conversations, &words, limit);
        self.0.read("message_archive.search", work).await
    }

    async fn since(&self, ts_ms: u64, limit: usize) -> BackendResult<Vec<Record>> {
        let work = search::since(&self.0, ts_ms, limit);
        self.0.scan("message_archive.since", work).await
    }

    async fn trim(&self, before_ms: u64, after: &str, limit: usize) -> BackendResult<Trimmed> {
        let work = trim::trim(&self.0, before_ms, after, limit.max(1) as u64);
        self.0.write("message_archive.trim", work).await
    }

    async fn count(&self) -> BackendResult<u64> {
        let work = async { Ok(self.0.messages.count_documents(doc! {}).await?) };
        self.0.scan("message_archive.count", work).await
    }
}
