use antiphon_protocol::RoomName;
use async_trait::async_trait;

use super::BackendResult;

/// Where words are counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RankingScope {
    /// Everywhere.
    Global,
    /// In one room.
    Room(RoomName),
}

/// Words of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordCounts {
    /// The scopes that count them.
    pub scopes: Vec<RankingScope>,
    /// When they were said, in milliseconds since 1970.
    pub at_ms: u64,
    /// Each word with its count.
    pub words: Vec<(String, u64)>,
}

/// The words that are said most.
///
/// Promises: counts fall into time buckets of [`BUCKET_MS`]; buckets older than the longest
/// window are dropped; the number of words a scope and bucket keeps is bounded, and what is
/// dropped is what was said least.
#[async_trait]
pub trait WordRanking: Send + Sync {
    /// Whether the counts have begun anew since the last call of anybody: a new ranking, or
    /// one that was lost. True for one caller, who then counts the archive again.
    async fn claim_rebuild(&self) -> BackendResult<bool>;

    /// Counts words.
    async fn bump(&self, counts: Vec<WordCounts>) -> BackendResult<()>;

    /// The `n` words with the highest counts since `since_ms` (rounded down to a bucket),
    /// highest first, ties by word.
    async fn top(
        &self,
        scope: &RankingScope,
        since_ms: u64,
        n: usize,
    ) -> BackendResult<Vec<(String, u64)>>;
}

/// Length of a bucket, in milliseconds: a minute is fine enough for "the last hour" and
/// coarse enough that a week is 10,080 of them.
pub const BUCKET_MS: u64 = 60_000;
