//! The last messages of each conversation, within one process. The conversations that were
//! neither written nor read for longest leave first when the cache is full.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use antiphon_protocol::ConversationId;
use antiphon_protocol::limits::RECENT_MAX;
use async_trait::async_trait;

use crate::contract::{BackendResult, RecentMessages, Record};
use crate::memory::lock;

/// Most conversations cached.
const CONVERSATIONS_MAX: usize = 10_000;
/// Most bytes cached, as [`record_bytes`] counts them. A full conversation of the longest
/// messages is under 2 MiB, so that one always fits.
const CACHE_BYTES_MAX: usize = 128 * 1024 * 1024;
/// What a record takes besides its strings, generously.
const RECORD_OVERHEAD_BYTES: usize = 256;

/// An in-process cache of recent messages.
#[derive(Debug)]
pub struct MemoryRecentMessages {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    conversations_max: usize,
    bytes_max: usize,
    bytes: usize,
    /// Rises with every use.
    clock: u64,
    cached: HashMap<ConversationId, Cached>,
    by_use: BTreeMap<u64, ConversationId>,
}

#[derive(Debug, Default)]
struct Cached {
    used: u64,
    records: BTreeMap<u64, Record>,
}

impl Default for MemoryRecentMessages {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryRecentMessages {
    /// An empty cache.
    pub fn new() -> Self {
        Self::with_bounds(CONVERSATIONS_MAX, CACHE_BYTES_MAX)
    }

    pub(super) fn with_bounds(conversations_max: usize, bytes_max: usize) -> Self {
        let state = State {
            conversations_max,
            bytes_max,
            bytes: 0,
            clock: 0,
            cached: HashMap::new(),
            by_use: BTreeMap::new(),
        };
        Self {
            state: Mutex::new(state),
        }
    }
}

fn record_bytes(record: &Record) -> usize {
    RECORD_OVERHEAD_BYTES + record.format.len() + record.body.len()
}

impl State {
    fn touch(&mut self, conversation: &ConversationId) {
        let Some(cached) = self.cached.get_mut(conversation) else {
            return;
        };
        self.by_use.remove(&cached.used);
        self.clock += 1;
        cached.used = self.clock;
        self.by_use.insert(self.clock, conversation.clone());
    }

    fn push(&mut self, record: &Record) {
        let cached = self.cached.entry(record.conversation.clone()).or_default();
        self.bytes += record_bytes(record);
        if let Some(replaced) = cached.records.insert(record.seq, record.clone()) {
            self.bytes -= record_bytes(&replaced);
        }
        while cached.records.len() > RECENT_MAX {
            if let Some((_, oldest)) = cached.records.pop_first() {
                self.bytes -= record_bytes(&oldest);
            }
        }
        self.touch(&record.conversation);
        self.trim();
    }

    fn trim(&mut self) {
        while self.cached.len() > self.conversations_max || self.bytes > self.bytes_max {
            let Some((_, conversation)) = self.by_use.pop_first() else {
                return;
            };
            if let Some(evicted) = self.cached.remove(&conversation) {
                self.bytes -= evicted.records.values().map(record_bytes).sum::<usize>();
            }
        }
    }

    fn latest(&mut self, conversation: &ConversationId, limit: usize) -> Option<Vec<Record>> {
        self.touch(conversation);
        let records = &self.cached.get(conversation)?.records;
        let skipped = records.len().saturating_sub(limit);
        Some(records.values().skip(skipped).cloned().collect())
    }
}

#[async_trait]
impl RecentMessages for MemoryRecentMessages {
    async fn push(&self, records: &[Record]) -> BackendResult<()> {
        let mut state = lock(&self.state);
        for record in records {
            state.push(record);
        }
        Ok(())
    }

    async fn latest(
        &self,
        conversation: &ConversationId,
        limit: usize,
    ) -> BackendResult<Option<Vec<Record>>> {
        Ok(lock(&self.state).latest(conversation, limit))
    }
}
