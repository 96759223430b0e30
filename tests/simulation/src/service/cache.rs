//! The cache: directory, sessions, recent messages, words. What it holds, it may lose.

mod directory;
mod session;

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use antiphon_core::contract::{
    BackendError, BackendErrorKind, BackendResult, RankingScope, RecentMessages, Record,
    WordCounts, WordRanking,
};
use antiphon_core::memory::{MemoryRecentMessages, MemoryWordRanking};
use antiphon_protocol::ConversationId;
use async_trait::async_trait;

pub(super) use directory::CachedDirectory;
pub(super) use session::start as start_sessions;

use super::line::Line;
use super::world::Answer;

/// As the production client has it.
const CALL_DEADLINE: Duration = Duration::from_millis(300);
/// For a call that may take several times as long as others.
const LONG_CALL_DEADLINE: Duration = Duration::from_millis(1_200);

/// The cache.
#[derive(Default)]
pub(super) struct Cache {
    directory: directory::Published,
    sessions: session::Registry,
    recent: Arc<MemoryRecentMessages>,
    ranking: Arc<MemoryWordRanking>,
    /// Counts its outages: whoever waits for an answer then won't get it.
    pub(super) life: u64,
    pub(super) is_down: bool,
    pub(super) hangs: bool,
}

impl Cache {
    pub(super) fn set_down(&mut self, is_down: bool) {
        if is_down && !self.is_down {
            self.life += 1;
        }
        self.is_down = is_down;
    }

    pub(super) fn flush(&mut self) {
        self.directory = directory::Published::default();
        self.sessions = session::Registry::default();
        self.recent = Arc::default();
        self.ranking = Arc::default();
    }
}

/// The answer of an implementation in memory, which never waits.
fn at_once<T>(now_us: u64, answer: impl Future<Output = BackendResult<T>>) -> Answer<T> {
    let answer = pin!(answer);
    let kind = match answer.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(value)) => return Answer::at_once(now_us, value),
        Poll::Ready(Err(BackendError { kind, .. })) => kind,
        Poll::Pending => BackendErrorKind::Timeout,
    };
    Answer::refused(now_us, kind)
}

/// [`RecentMessages`] of a host.
#[derive(Debug)]
pub(super) struct CachedRecent(pub(super) Line);

#[async_trait]
impl RecentMessages for CachedRecent {
    async fn push(&self, records: &[Record]) -> BackendResult<()> {
        let records = records.to_vec();
        self.0
            .call("recent_messages.push", CALL_DEADLINE, move |world, now| {
                at_once(now, world.cache.recent.push(&records))
            })
            .await
    }

    async fn latest(
        &self,
        conversation: &ConversationId,
        limit: usize,
    ) -> BackendResult<Option<Vec<Record>>> {
        let conversation = conversation.clone();
        self.0
            .call(
                "recent_messages.latest",
                CALL_DEADLINE,
                move |world, now| at_once(now, world.cache.recent.latest(&conversation, limit)),
            )
            .await
    }
}

/// [`WordRanking`] of a host.
#[derive(Debug)]
pub(super) struct CachedRanking(pub(super) Line);

#[async_trait]
impl WordRanking for CachedRanking {
    async fn claim_rebuild(&self) -> BackendResult<bool> {
        self.0
            .call("word_ranking.claim_rebuild", CALL_DEADLINE, |world, now| {
                at_once(now, world.cache.ranking.claim_rebuild())
            })
            .await
    }

    async fn bump(&self, counts: Vec<WordCounts>) -> BackendResult<()> {
        self.0
            .call("word_ranking.bump", CALL_DEADLINE, move |world, now| {
                at_once(now, world.cache.ranking.bump(counts))
            })
            .await
    }

    async fn top(
        &self,
        scope: &RankingScope,
        since_ms: u64,
        n: usize,
    ) -> BackendResult<Vec<(String, u64)>> {
        let scope = scope.clone();
        self.0
            .call("word_ranking.top", LONG_CALL_DEADLINE, move |world, now| {
                at_once(now, world.cache.ranking.top(&scope, since_ms, n))
            })
            .await
    }
}
