use antiphon_protocol::ConversationId;
use async_trait::async_trait;

use super::{BackendResult, Record};

/// The last messages of each conversation: a cache in front of the archive.
///
/// Promises: at most `RECENT_MAX` (50) records a conversation, trimmed on every write, in the
/// order of their sequences whatever the order of the pushes; a record is there at most once.
#[async_trait]
pub trait RecentMessages: Send + Sync {
    /// Adds records (chat only; the caller leaves out others).
    async fn push(&self, records: &[Record]) -> BackendResult<()>;

    /// The newest `limit` records, oldest first; `None` if the conversation isn't cached, so
    /// that the caller asks the archive.
    async fn latest(
        &self,
        conversation: &ConversationId,
        limit: usize,
    ) -> BackendResult<Option<Vec<Record>>>;
}
