//! The words that are said most.

use std::sync::Arc;

use antiphon_protocol::RoomName;
use antiphon_protocol::limits::POPULAR_WINDOW_SECONDS_MAX;

use super::eventually;
use crate::clock;
use crate::contract::{BUCKET_MS, RankingScope, WordCounts, WordRanking};

const WINDOW_MS: u64 = POPULAR_WINDOW_SECONDS_MAX * 1_000;

/// Every promise.
pub async fn all<Fut: Future<Output = Arc<dyn WordRanking>>>(make: impl Fn() -> Fut) {
    one_caller_is_told_to_rebuild(&*make().await).await;
    without_words_there_is_no_ranking(&*make().await).await;
    counts_add_up_and_the_highest_come_first(&*make().await).await;
    ties_are_ordered_by_word(&*make().await).await;
    only_as_many_as_asked_for_are_told(&*make().await).await;
    scopes_are_counted_apart(&*make().await).await;
    a_window_begins_with_a_bucket(&*make().await).await;
    a_word_counts_over_buckets(&*make().await).await;
    what_is_older_than_the_longest_window_is_dropped(&*make().await).await;
    a_flood_of_words_leaves_what_is_said_most(&*make().await).await;
}

fn room(name: &str) -> RankingScope {
    RankingScope::Room(RoomName::parse(name).expect("a name"))
}

fn said(at_ms: u64, scopes: &[RankingScope], words: &[(&str, u64)]) -> WordCounts {
    WordCounts {
        scopes: scopes.to_vec(),
        at_ms,
        words: words
            .iter()
            .map(|&(word, count)| (word.to_owned(), count))
            .collect(),
    }
}

async fn bump(store: &dyn WordRanking, counts: Vec<WordCounts>) {
    store.bump(counts).await.expect("counted");
}

async fn ranks(
    store: &dyn WordRanking,
    scope: &RankingScope,
    since_ms: u64,
    n: usize,
    expected: &[(&str, u64)],
) {
    let what = format!("{scope:?} since {since_ms} ranks {expected:?}");
    eventually(&what, async || {
        let top = store.top(scope, since_ms, n).await.expect("an answer");
        let top: Vec<_> = top
            .iter()
            .map(|(word, count)| (word.as_str(), *count))
            .collect();
        (top == expected).then_some(())
    })
    .await;
}

/// The beginning of a bucket that is a few minutes old.
fn a_while_ago() -> u64 {
    (clock::unix_ms() / BUCKET_MS - 10) * BUCKET_MS
}

/// A ranking that is new is rebuilt by one.
pub async fn one_caller_is_told_to_rebuild(store: &dyn WordRanking) {
    assert!(store.claim_rebuild().await.expect("an answer"));
    assert!(!store.claim_rebuild().await.expect("an answer"));
}

/// Neither in a scope that was never heard of nor after a message without words.
pub async fn without_words_there_is_no_ranking(store: &dyn WordRanking) {
    bump(store, Vec::new()).await;
    bump(
        store,
        vec![said(clock::unix_ms(), &[RankingScope::Global], &[])],
    )
    .await;
    ranks(store, &RankingScope::Global, 0, 10, &[]).await;
    ranks(store, &room("lobby"), 0, 10, &[]).await;
}

/// Within one call and over several, whatever the script.
pub async fn counts_add_up_and_the_highest_come_first(store: &dyn WordRanking) {
    let now = clock::unix_ms();
    let scope = [RankingScope::Global];
    let first = said(now, &scope, &[("hello", 1), ("你好", 2)]);
    bump(store, vec![first, said(now, &scope, &[("hello", 3)])]).await;
    bump(store, vec![said(now, &scope, &[("你好", 5), ("it's", 1)])]).await;
    let expected = [("你好", 7), ("hello", 4), ("it's", 1)];
    ranks(store, &scope[0], a_while_ago(), 10, &expected).await;
}

/// So that an answer doesn't flicker.
pub async fn ties_are_ordered_by_word(store: &dyn WordRanking) {
    let scope = [RankingScope::Global];
    let words = [("pear", 2), ("apple", 2), ("fig", 3), ("banana", 2)];
    bump(store, vec![said(clock::unix_ms(), &scope, &words)]).await;
    let expected = [("fig", 3), ("apple", 2), ("banana", 2), ("pear", 2)];
    ranks(store, &scope[0], a_while_ago(), 10, &expected).await;
    ranks(store, &scope[0], a_while_ago(), 2, &expected[..2]).await;
}

/// None, if none.
pub async fn only_as_many_as_asked_for_are_told(store: &dyn WordRanking) {
    let scope = [RankingScope::Global];
    bump(
        store,
        vec![said(
            clock::unix_ms(),
            &scope,
            &[("a", 3), ("b", 2), ("c", 1)],
        )],
    )
    .await;
    ranks(store, &scope[0], 0, 100, &[("a", 3), ("b", 2), ("c", 1)]).await;
    ranks(store, &scope[0], 0, 1, &[("a", 3)]).await;
    ranks(store, &scope[0], 0, 0, &[]).await;
}

/// A message counts in each of its scopes and in no other.
pub async fn scopes_are_counted_apart(store: &dyn WordRanking) {
    let now = clock::unix_ms();
    let (lobby, attic) = (room("lobby"), room("attic"));
    let in_lobby = said(now, &[RankingScope::Global, lobby.clone()], &[("word", 1)]);
    let in_attic = said(now, &[RankingScope::Global, attic.clone()], &[("word", 2)]);
    bump(
        store,
        vec![in_lobby, in_attic, said(now, &[], &[("nowhere", 1)])],
    )
    .await;
    ranks(store, &RankingScope::Global, 0, 10, &[("word", 3)]).await;
    ranks(store, &lobby, 0, 10, &[("word", 1)]).await;
    ranks(store, &attic, 0, 10, &[("word", 2)]).await;
}

/// The window's begin is rounded down to one; what came before it doesn't count.
pub async fn a_window_begins_with_a_bucket(store: &dyn WordRanking) {
    let scope = [RankingScope::Global];
    let start = a_while_ago();
    let before = said(start - 1, &scope, &[("before", 9)]);
    let first = said(start, &scope, &[("first", 3)]);
    let last = said(start + BUCKET_MS - 1, &scope, &[("last", 2)]);
    let after = said(start + BUCKET_MS, &scope, &[("after", 1)]);
    bump(store, vec![before, first, last, after]).await;
    let inside = [("first", 3), ("last", 2), ("after", 1)];
    ranks(store, &scope[0], start, 10, &inside).await;
    ranks(store, &scope[0], start + BUCKET_MS - 1, 10, &inside).await;
    ranks(store, &scope[0], start + BUCKET_MS, 10, &inside[2..]).await;
    ranks(store, &scope[0], start - 1, 1, &[("before", 9)]).await;
}

/// The sum over the window decides, not the best bucket.
pub async fn a_word_counts_over_buckets(store: &dyn WordRanking) {
    let scope = [RankingScope::Global];
    let start = a_while_ago();
    let steady = (0..5).map(|i| said(start + i * BUCKET_MS, &scope, &[("steady", 2)]));
    bump(store, steady.collect()).await;
    bump(store, vec![said(start, &scope, &[("burst", 9)])]).await;
    ranks(store, &scope[0], start, 2, &[("steady", 10), ("burst", 9)]).await;
    ranks(store, &scope[0], start + 3 * BUCKET_MS, 2, &[("steady", 4)]).await;
}

/// Also if somebody asks for a longer window.
pub async fn what_is_older_than_the_longest_window_is_dropped(store: &dyn WordRanking) {
    let scope = [RankingScope::Global];
    let now = clock::unix_ms();
    let old = said(now - WINDOW_MS - 2 * BUCKET_MS, &scope, &[("old", 9)]);
    let young = said(now - WINDOW_MS + 2 * BUCKET_MS, &scope, &[("young", 1)]);
    bump(store, vec![old, young]).await;
    ranks(store, &scope[0], 0, 10, &[("young", 1)]).await;
}

/// The number of words that are kept is bounded.
pub async fn a_flood_of_words_leaves_what_is_said_most(store: &dyn WordRanking) {
    const FLOOD: usize = 20_000;
    let scope = [RankingScope::Global];
    let at = a_while_ago();
    bump(
        store,
        vec![said(at, &scope, &[("often", 500), ("again", 400)])],
    )
    .await;
    for part in 0..20 {
        let words = (0..FLOOD / 20)
            .map(|i| (format!("word-{part}-{i}"), 1))
            .collect();
        bump(
            store,
            vec![WordCounts {
                scopes: scope.to_vec(),
                at_ms: at,
                words,
            }],
        )
        .await;
    }
    bump(store, vec![said(at, &scope, &[("often", 1)])]).await;
    ranks(store, &scope[0], at, 2, &[("often", 501), ("again", 400)]).await;
    eventually("the flood is cut", async || {
        let kept = store
            .top(&scope[0], at, 2 * FLOOD)
            .await
            .expect("an answer")
            .len();
        (kept < FLOOD / 2).then_some(())
    })
    .await;
}
