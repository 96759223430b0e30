//! The log of every conversation.

mod logs;

use antiphon_core::contract::{
    AppendOutcome, BackendResult, Extent, MessageArchive, Record, SeqRange, Tail, Trimmed,
};
use antiphon_core::mutant::{self, Mutant};
use antiphon_protocol::{ClientId, ConversationId, UserName};
use async_trait::async_trait;

use super::StoreLine;
use logs::Log;

pub(super) use logs::Logs;

/// [`MessageArchive`] of a host.
#[derive(Debug)]
pub(in super::super) struct Archive(pub(in super::super) StoreLine);

impl Archive {
    /// Reads a log, if there is one.
    async fn of_log<T: Default + Send + 'static>(
        &self,
        operation: &'static str,
        conversation: &ConversationId,
        read: impl FnOnce(&Log) -> T + Send + 'static,
    ) -> BackendResult<T> {
        let key = conversation.key();
        self.0
            .read(operation, move |tables| {
                tables.logs.get(&key).map(read).unwrap_or_default()
            })
            .await
    }
}

#[async_trait]
impl MessageArchive for Archive {
    fn log_id(&self) -> String {
        self.0.log_id()
    }

    async fn append(&self, records: Vec<Record>) -> BackendResult<Vec<AppendOutcome>> {
        // The known mistake: an answer before the sync.
        let early = mutant::is_on(Mutant::AckBeforeCommit);
        self.0
            .write_then(
                "message_archive.append",
                move |tables| Ok(tables.logs.append(&records)),
                early,
            )
            .await
    }

    async fn tail(&self, conversation: &ConversationId) -> BackendResult<Option<Tail>> {
        self.of_log("message_archive.tail", conversation, |log| Some(log.tail()))
            .await
    }

    async fn extent(&self, conversation: &ConversationId) -> BackendResult<Extent> {
        self.of_log("message_archive.extent", conversation, Log::extent)
            .await
    }

    async fn range(
        &self,
        conversation: &ConversationId,
        window: SeqRange,
        limit: usize,
        newest_first: bool,
    ) -> BackendResult<Vec<Record>> {
        let range = move |log: &Log| log.range(window, limit, newest_first);
        self.of_log("message_archive.range", conversation, range)
            .await
    }

    async fn seq_at(
        &self,
        conversation: &ConversationId,
        ts_ms: u64,
    ) -> BackendResult<Option<u64>> {
        let seq_at = move |log: &Log| log.seq_at(ts_ms);
        self.of_log("message_archive.seq_at", conversation, seq_at)
            .await
    }

    async fn find(
        &self,
        conversation: &ConversationId,
        sender: &UserName,
        client_id: &ClientId,
    ) -> BackendResult<Option<Record>> {
        let (sender, client_id) = (sender.clone(), client_id.clone());
        let find = move |log: &Log| log.find(&sender, &client_id).cloned();
        self.of_log("message_archive.find", conversation, find)
            .await
    }

    async fn unread(
        &self,
        conversation: &ConversationId,
        viewer: &UserName,
        after_seq: u64,
        max: u64,
    ) -> BackendResult<u64> {
        let viewer = viewer.clone();
        let unread = move |log: &Log| log.unread(&viewer, after_seq).min(max);
        self.of_log("message_archive.unread", conversation, unread)
            .await
    }

    async fn direct_conversations(&self, user: &UserName) -> BackendResult<Vec<ConversationId>> {
        let user = user.clone();
        self.0
            .read("message_archive.direct_conversations", move |tables| {
                tables.logs.direct_conversations(&user)
            })
            .await
    }

    async fn search(
        &self,
        conversations: &[ConversationId],
        text: &str,
        limit: usize,
    ) -> BackendResult<Vec<Record>> {
        let (conversations, text) = (conversations.to_vec(), text.to_owned());
        self.0
            .read("message_archive.search", move |tables| {
                tables.logs.search(&conversations, &text, limit)
            })
            .await
    }

    async fn since(&self, ts_ms: u64, limit: usize) -> BackendResult<Vec<Record>> {
        self.0
            .read("message_archive.since", move |tables| {
                tables.logs.since(ts_ms, limit)
            })
            .await
    }

    async fn trim(&self, before_ms: u64, after: &str, limit: usize) -> BackendResult<Trimmed> {
        let after = after.to_owned();
        self.0
            .write("message_archive.trim", move |tables| {
                Ok(tables.logs.trim(before_ms, &after, limit.max(1)))
            })
            .await
    }

    async fn count(&self) -> BackendResult<u64> {
        self.0
            .read("message_archive.count", |tables| tables.logs.count())
            .await
    }
}
