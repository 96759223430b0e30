//! The words that are said most: sorted sets by minute, hour and day.
//!
//! A word is counted in all three. A window begins with minutes up to a full hour, goes on
//! with hours up to a full day, and ends with days, so that a week is under a hundred sets
//! instead of ten thousand.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use antiphon_core::clock;
use antiphon_core::contract::{BUCKET_MS, BackendResult, RankingScope, WordCounts, WordRanking};
use antiphon_protocol::limits::POPULAR_WINDOW_SECONDS_MAX;
use async_trait::async_trait;
use futures_util::future::join_all;

use super::gate::Gate;
use super::key::Keys;
use super::script::{Call, Script};

const CLAIM: &str = "word_ranking.claim_rebuild";
const BUMP: &str = "word_ranking.bump";
const TOP: &str = "word_ranking.top";
/// Longer words are not counted.
const WORD_BYTES_MAX: usize = 128;
/// Words in one call, so that a script is short.
const WORDS_PER_CALL_MAX: usize = 500;
/// Calls at a time.
const AT_ONCE_MAX: usize = 16;
/// Buckets of the longest window.
const BUCKETS_KEPT: u64 = POPULAR_WINDOW_SECONDS_MAX * 1_000 / BUCKET_MS;
/// A set outlives the longest window by this, for clocks that differ.
const SPARE_MS: u64 = 3_600_000;
/// Counts beyond are cut: Redis adds in 64-bit floating point.
const COUNT_MAX: u64 = 1 << 53;

static BUMPING: LazyLock<Script> = LazyLock::new(|| Script::new(&[include_str!("lua/bump.lua")]));
static RANKING: LazyLock<Script> = LazyLock::new(|| Script::new(&[include_str!("lua/top.lua")]));

/// A width of sets.
struct Width {
    label: &'static str,
    /// In buckets of the contract.
    buckets: u64,
    /// Words that a set keeps when it is cut, at twice as many.
    words_max: usize,
}

const MINUTES: Width = Width {
    label: "m",
    buckets: 1,
    words_max: 1_000,
};
const HOURS: Width = Width {
    label: "h",
    buckets: 60,
    words_max: 2_000,
};
const DAYS: Width = Width {
    label: "d",
    buckets: 24 * 60,
    words_max: 4_000,
};
const _: () = assert!(BUCKET_MS == 60_000, "the widths are named after minutes");

pub(super) struct RedisWordRanking {
    gate: Arc<Gate>,
    keys: Keys,
}

/// The sets that make up a window that begins with `since`, up to a day behind `now`.
fn window(since: u64, now: u64) -> Vec<(&'static Width, u64)> {
    let hour = since.div_ceil(HOURS.buckets);
    let day = since.div_ceil(DAYS.buckets);
    let last = (now / DAYS.buckets + 1).max(day);
    let minutes = (since..hour * HOURS.buckets).map(|at| (&MINUTES, at));
    let hours_in_day = DAYS.buckets / HOURS.buckets;
    let hours = (hour..day * hours_in_day).map(|at| (&HOURS, at));
    let days = (day..=last).map(|at| (&DAYS, at));
    minutes.chain(hours).chain(days).collect()
}

fn oldest_kept(now: u64) -> u64 {
    now.saturating_sub(BUCKETS_KEPT)
}

/// A scope's name; a room's can't be the other's, since names have no colon.
fn tag(scope: &RankingScope) -> String {
    match scope {
        RankingScope::Global => "global".to_owned(),
        RankingScope::Room(room) => format!("room:{}", room.as_str()),
    }
}

impl RedisWordRanking {
    pub(super) fn new(gate: Arc<Gate>, keys: Keys) -> Self {
        Self { gate, keys }
    }

    fn key(&self, scope: &RankingScope, width: &Width, at: u64) -> String {
        let rest = format!("{}:{at}", width.label);
        self.keys.key("words", &tag(scope), &rest)
    }

    fn bumping(&self, scope: &RankingScope, at: u64, now: u64, words: &[(&str, u64)]) -> Call {
        let widths = [&MINUTES, &HOURS, &DAYS];
        let keys = widths.map(|width| self.key(scope, width, at / width.buckets));
        let mut call = Call::on(&keys);
        for width in widths {
            let end = (at / width.buckets + 1) * width.buckets + BUCKETS_KEPT;
            let life = end.saturating_sub(now) * BUCKET_MS + SPARE_MS;
            call = call.arg(life).arg(width.words_max);
        }
        words
            .iter()
            .fold(call, |call, (word, count)| call.arg(*word).arg(*count))
    }
}

/// What is said in a bucket of a scope.
type Bucket<'c> = (&'c RankingScope, u64);

#[async_trait]
impl WordRanking for RedisWordRanking {
    async fn claim_rebuild(&self) -> BackendResult<bool> {
        // Gone with the counts, if they go.
        let key = self.keys.key("words", "global", "begun");
        let mut command = redis::cmd("SET");
        command.arg(key).arg(1).arg("NX");
        let set: Option<String> = self.gate.query(CLAIM, &command).await?;
        Ok(set.is_some())
    }

    async fn bump(&self, counts: Vec<WordCounts>) -> BackendResult<()> {
        let now = clock::unix_ms() / BUCKET_MS;
        let mut sums: BTreeMap<Bucket<'_>, BTreeMap<&str, u64>> = BTreeMap::new();
        for counts in &counts {
            let at = counts.at_ms / BUCKET_MS;
            // Neither what no window reaches any more nor what comes from a wrong clock.
            if at < oldest_kept(now) || at > now + DAYS.buckets {
                continue;
            }
            let words = counts.words.iter();
            let words = words.filter(|(word, count)| word.len() <= WORD_BYTES_MAX && *count > 0);
            for (word, count) in words {
                for scope in &counts.scopes {
                    let sum = sums
                        .entry((scope, at))
                        .or_default()
                        .entry(word)
                        .or_default();
                    *sum = sum.saturating_add(*count).min(COUNT_MAX);
                }
            }
        }
        let mut calls = Vec::new();
        for ((scope, at), words) in &sums {
            let words: Vec<(&str, u64)> = words.iter().map(|(word, sum)| (*word, *sum)).collect();
            let parts = words.chunks(WORDS_PER_CALL_MAX);
            calls.extend(parts.map(|part| self.bumping(scope, *at, now, part)));
        }
        let mut outcome = Ok(());
        for calls in calls.chunks(AT_ONCE_MAX) {
            let bumped = calls
                .iter()
                .map(|call| self.gate.run::<bool>(BUMP, &BUMPING, call));
            for bumped in join_all(bumped).await {
                outcome = outcome.and(bumped.map(|_| ()));
            }
        }
        outcome
    }

    async fn top(
        &self,
        scope: &RankingScope,
        since_ms: u64,
        n: usize,
    ) -> BackendResult<Vec<(String, u64)>> {
        if n == 0 {
            return Ok(Vec::new());
        }
        let now = clock::unix_ms() / BUCKET_MS;
        let since = (since_ms / BUCKET_MS).max(oldest_kept(now));
        let sum = self.keys.key("words", &tag(scope), "sum");
        let sets = window(since, now);
        let sets = sets.iter().map(|(width, at)| self.key(scope, width, *at));
        let keys: Vec<String> = std::iter::once(sum).chain(sets).collect();
        let call = Call::on(&keys).arg(n);
        let top: Vec<(String, f64)> = self.gate.run_long(TOP, &RANKING, &call).await?;
        // Negative in the store; too high a sum ends at the highest number.
        let ranked = top.into_iter().map(|(word, count)| (word, -count as u64));
        Ok(ranked.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each bucket from `since` to the last exactly once, and under a hundred sets.
    #[test]
    fn a_window_has_each_of_its_buckets_once() {
        let now = 29_395_000;
        let sinces = (now - 4_000..now + 100).chain([now - BUCKETS_KEPT, 28_000_800, now]);
        for since in sinces.filter(|since| *since >= now - BUCKETS_KEPT) {
            let sets = window(since, now);
            assert!(sets.len() < 100, "{} sets", sets.len());
            let mut next = since;
            for (width, at) in sets {
                assert_eq!(at * width.buckets, next, "since {since}");
                next += width.buckets;
            }
            assert!(next > now);
        }
    }
}
