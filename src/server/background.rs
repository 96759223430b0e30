//! Off the path of a message: stored records feed the recent messages and the popular words,
//! and after a start the popular words are rebuilt from the archive.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use antiphon_core::clock;
use antiphon_core::contract::{Backends, RankingScope, Record, WordCounts};
use antiphon_core::error_chain::ErrorChain;
use antiphon_core::shutdown::Shutdown;
use antiphon_core::words::Words;
use antiphon_protocol::ConversationId;
use antiphon_protocol::client::Visibility;
use tokio::sync::{mpsc, watch};
use tracing::{debug, info, warn};

use super::room::Stored;
use super::settings::Settings;

/// Most messages that a start reads again to rebuild the popular words.
const REBUILD_MESSAGES_MAX: usize = 200_000;
/// How often the leader looks whether the popular words are to be counted again.
const REBUILD_INTERVAL: Duration = Duration::from_secs(5);
/// Stored batches taken in one go.
const BATCHES_MAX: usize = 64;

/// Counts and caches.
#[derive(Debug, Clone)]
pub(crate) struct Background {
    backends: Backends,
    words: Arc<Words>,
    count_direct: bool,
}

impl Background {
    /// Counts with these words into these backends.
    pub(crate) fn new(backends: Backends, words: Arc<Words>, settings: &Settings) -> Self {
        Self {
            backends,
            words,
            count_direct: settings.count_direct_messages,
        }
    }

    /// Takes what was stored until the server stops and the queue is empty.
    pub(crate) async fn run(self, mut stored: mpsc::Receiver<Stored>, scope: Shutdown) {
        let mut batches = Vec::with_capacity(BATCHES_MAX);
        loop {
            tokio::select! {
                biased;
                taken = stored.recv_many(&mut batches, BATCHES_MAX) => {
                    if taken == 0 {
                        return;
                    }
                    self.take(std::mem::take(&mut batches)).await;
                }
                () = scope.stopping() => return,
            }
        }
    }

    async fn take(&self, batches: Vec<Stored>) {
        let mut counts = Vec::new();
        for stored in batches {
            if let Err(error) = self.backends.recent.push(&stored.records).await {
                // A store that is away says so itself, once.
                debug!(error = %ErrorChain(&error), "could not cache recent messages");
            }
            counts.extend(
                stored
                    .records
                    .iter()
                    .filter_map(|r| self.count(r, stored.visibility)),
            );
        }
        self.bump(counts).await;
    }

    async fn bump(&self, counts: Vec<WordCounts>) {
        if counts.is_empty() {
            return;
        }
        if let Err(error) = self.backends.ranking.bump(counts).await {
            debug!(error = %ErrorChain(&error), "could not count words");
        }
    }

    /// Words of a public room count everywhere and in the room, those of a private room only
    /// there, those of direct messages not at all unless the operator wants it.
    fn count(&self, record: &Record, visibility: Visibility) -> Option<WordCounts> {
        let scopes = match (&record.conversation, visibility) {
            (ConversationId::Room(room), Visibility::Public) => {
                vec![RankingScope::Global, RankingScope::Room(room.clone())]
            }
            (ConversationId::Room(room), Visibility::Private) => {
                vec![RankingScope::Room(room.clone())]
            }
            (ConversationId::Direct(..), _) if self.count_direct => vec![RankingScope::Global],
            (ConversationId::Direct(..), _) => return None,
        };
        let mut words: BTreeMap<String, u64> = BTreeMap::new();
        for word in self.words.popular_words(&record.body) {
            *words.entry(word).or_default() += 1;
        }
        let words: Vec<(String, u64)> = words.into_iter().collect();
        (!words.is_empty()).then_some(WordCounts {
            scopes,
            at_ms: record.ts_ms,
            words,
        })
    }

    /// Has the words of the window counted again, from the archive, whenever the ranking has
    /// begun anew: after the start of the one in memory, or after a loss of Redis. What is
    /// said meanwhile may count twice.
    pub(crate) async fn keep_rebuilt(
        self,
        settings: Settings,
        mut leading: watch::Receiver<Option<u64>>,
    ) {
        let mut ticks = clock::interval(REBUILD_INTERVAL);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                changed = leading.changed() => if changed.is_err() { return },
            }
            if leading.borrow_and_update().is_some() {
                self.rebuild_if_new(&settings).await;
            }
        }
    }

    /// See [`Background::keep_rebuilt`]. A ranking that does not answer is left for later.
    pub(crate) async fn rebuild_if_new(&self, settings: &Settings) {
        if matches!(self.backends.ranking.claim_rebuild().await, Ok(true)) {
            self.rebuild(settings).await;
        }
    }

    async fn rebuild(&self, settings: &Settings) {
        let since = clock::unix_ms().saturating_sub(settings.popular_window.as_millis() as u64);
        let records = match self
            .backends
            .archive
            .since(since, REBUILD_MESSAGES_MAX)
            .await
        {
            Ok(records) => records,
            Err(error) => {
                warn!(error = %ErrorChain(&error), "could not rebuild the popular words");
                return;
            }
        };
        let messages = records.len();
        let mut visibilities: BTreeMap<String, Visibility> = BTreeMap::new();
        let mut counts = Vec::new();
        for record in &records {
            let visibility = self
                .visibility(&mut visibilities, &record.conversation)
                .await;
            counts.extend(visibility.and_then(|visibility| self.count(record, visibility)));
        }
        self.bump(counts).await;
        info!(messages, "popular words rebuilt");
    }

    async fn visibility(
        &self,
        known: &mut BTreeMap<String, Visibility>,
        conversation: &ConversationId,
    ) -> Option<Visibility> {
        let ConversationId::Room(room) = conversation else {
            return Some(Visibility::Private);
        };
        if let Some(visibility) = known.get(room.as_str()) {
            return Some(*visibility);
        }
        let record = self.backends.rooms.get(room).await.ok()??;
        known.insert(room.to_string(), record.visibility);
        Some(record.visibility)
    }
}
