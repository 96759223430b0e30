//! The words that are said most, within one process. The wall clock says which buckets are
//! too old.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use antiphon_protocol::limits::POPULAR_WINDOW_SECONDS_MAX;
use async_trait::async_trait;

use crate::clock;
use crate::contract::{BUCKET_MS, BackendResult, RankingScope, WordCounts, WordRanking};
use crate::memory::lock;

/// Words that a scope and bucket keeps when it is cut. It is cut at twice this many, so that
/// a new word has time to be said again.
const WORDS_PER_BUCKET_MAX: usize = 1_000;
/// Most scopes; the one that was quiet for longest leaves first.
const SCOPES_MAX: usize = 10_000;
/// Most words of all scopes and buckets together, at some 100 bytes each.
const WORDS_MAX: usize = 1_000_000;
/// Longer words are not counted.
const WORD_BYTES_MAX: usize = 128;
const BUCKETS_KEPT: u64 = POPULAR_WINDOW_SECONDS_MAX * 1_000 / BUCKET_MS;

/// An in-process word ranking.
#[derive(Debug, Default)]
pub struct MemoryWordRanking {
    state: Mutex<State>,
}

type Bucket = HashMap<String, u64>;

#[derive(Debug, Default)]
struct State {
    scopes: HashMap<RankingScope, Scope>,
    words: usize,
    /// Rises with every use.
    clock: u64,
    /// The oldest bucket kept when old ones were last dropped.
    swept: u64,
    /// Somebody was told to rebuild.
    claimed: bool,
}

#[derive(Debug, Default)]
struct Scope {
    used: u64,
    buckets: BTreeMap<u64, Bucket>,
}

impl MemoryWordRanking {
    /// A ranking without words.
    pub fn new() -> Self {
        Self::default()
    }
}

/// The words said most, highest first, ties by word.
fn ranked(bucket: Bucket, n: usize) -> Vec<(String, u64)> {
    let mut words: Vec<_> = bucket.into_iter().collect();
    let order = |a: &(String, u64), b: &(String, u64)| {
        (Reverse(a.1), a.0.as_str()).cmp(&(Reverse(b.1), b.0.as_str()))
    };
    if n < words.len() {
        words.select_nth_unstable_by(n, order);
        words.truncate(n);
    }
    words.sort_unstable_by(order);
    words
}

/// Keeps what is said most; returns how many words went.
fn cut(bucket: &mut Bucket, kept: usize) -> usize {
    let before = bucket.len();
    *bucket = ranked(std::mem::take(bucket), kept).into_iter().collect();
    before - bucket.len()
}

impl State {
    fn bump(&mut self, counts: &WordCounts, oldest: u64) {
        let at = counts.at_ms / BUCKET_MS;
        if at < oldest {
            return;
        }
        for scope in &counts.scopes {
            self.bump_scope(scope, at, &counts.words);
        }
    }

    fn bump_scope(&mut self, scope: &RankingScope, at: u64, words: &[(String, u64)]) {
        if !self.scopes.contains_key(scope) && self.scopes.len() >= SCOPES_MAX {
            self.forget_quietest();
        }
        self.clock += 1;
        let kept = self.scopes.entry(scope.clone()).or_default();
        kept.used = self.clock;
        let bucket = kept.buckets.entry(at).or_default();
        for (word, count) in words
            .iter()
            .filter(|(word, _)| word.len() <= WORD_BYTES_MAX)
        {
            if let Some(sum) = bucket.get_mut(word) {
                *sum = sum.saturating_add(*count);
            } else {
                bucket.insert(word.clone(), *count);
                self.words += 1;
            }
            if bucket.len() >= 2 * WORDS_PER_BUCKET_MAX {
                self.words -= cut(bucket, WORDS_PER_BUCKET_MAX);
            }
        }
    }

    fn forget_quietest(&mut self) {
        let quietest = self.scopes.iter().min_by_key(|(_, scope)| scope.used);
        let Some(scope) = quietest.map(|(scope, _)| scope.clone()) else {
            return;
        };
        if let Some(gone) = self.scopes.remove(&scope) {
            self.words -= gone.buckets.values().map(HashMap::len).sum::<usize>();
        }
    }

    fn drop_older(&mut self, oldest: u64) {
        for scope in self.scopes.values_mut() {
            while let Some(first) = scope.buckets.first_entry().filter(|e| *e.key() < oldest) {
                self.words -= first.remove().len();
            }
        }
        self.scopes.retain(|_, scope| !scope.buckets.is_empty());
    }

    /// Over the bound of all words, every bucket loses its less said half; if that was not
    /// enough, the oldest buckets go.
    fn shrink(&mut self, words_max: usize) {
        if self.words <= words_max {
            return;
        }
        for bucket in self
            .scopes
            .values_mut()
            .flat_map(|scope| scope.buckets.values_mut())
        {
            self.words -= cut(bucket, bucket.len().div_ceil(2));
        }
        while self.words > words_max {
            let first = |scope: &Scope| scope.buckets.keys().next().copied();
            let Some(oldest) = self.scopes.values().filter_map(first).min() else {
                return;
            };
            self.drop_older(oldest + 1);
        }
    }

    fn top(&self, scope: &RankingScope, since: u64, n: usize) -> Vec<(String, u64)> {
        let Some(scope) = self.scopes.get(scope) else {
            return Vec::new();
        };
        let mut sums: HashMap<&str, u64> = HashMap::new();
        for (word, count) in scope.buckets.range(since..).flat_map(|(_, bucket)| bucket) {
            let sum = sums.entry(word).or_default();
            *sum = sum.saturating_add(*count);
        }
        ranked(
            sums.into_iter()
                .map(|(word, sum)| (word.to_owned(), sum))
                .collect(),
            n,
        )
    }
}

fn oldest_kept() -> u64 {
    (clock::unix_ms() / BUCKET_MS).saturating_sub(BUCKETS_KEPT)
}

#[async_trait]
impl WordRanking for MemoryWordRanking {
    async fn claim_rebuild(&self) -> BackendResult<bool> {
        Ok(!std::mem::replace(&mut lock(&self.state).claimed, true))
    }

    async fn bump(&self, counts: Vec<WordCounts>) -> BackendResult<()> {
        let oldest = oldest_kept();
        let mut state = lock(&self.state);
        for counts in &counts {
            state.bump(counts, oldest);
        }
        if state.swept < oldest {
            state.swept = oldest;
            state.drop_older(oldest);
        }
        state.shrink(WORDS_MAX);
        Ok(())
    }

    async fn top(
        &self,
        scope: &RankingScope,
        since_ms: u64,
        n: usize,
    ) -> BackendResult<Vec<(String, u64)>> {
        let since = (since_ms / BUCKET_MS).max(oldest_kept());
        Ok(lock(&self.state).top(scope, since, n))
    }
}

#[cfg(test)]
mod tests;
