use super::*;
use proptest::prelude::*;
use std::sync::OnceLock;

use crate::words::WordFilter;

fn stop() -> &'static StopWords {
    static STOP: OnceLock<StopWords> = OnceLock::new();
    STOP.get_or_init(StopWords::builtin)
}

fn check(text: &str, expected: &[&str]) {
    assert_eq!(popular_words(text, stop()), expected, "of {text:?}");
}

/// Pitfall 95.
#[test]
fn pitfall_95_english() {
    check("The world, WORLD, world!", &["world", "world", "world"]);
    check(
        "The deploy's green; I don't think we'll roll back.",
        &["deploy", "green", "roll"],
    );
    check("", &[]);
    check("  ,,, !!! ... 42 3.14 2024-01-01 ", &[]);
    check("a b c x Y", &[]);
    check(
        "'quoted' (bracketed) *bold* rust.",
        &["quoted", "bracketed", "bold", "rust"],
    );
}

/// Pitfall 95.
#[test]
fn pitfall_95_chinese() {
    check("今天北京的天气真的很好！", &["今天", "北京", "天气"]);
    check(
        "我们在杭州大学学习 Rust 语言",
        &["杭州大学", "学习", "rust", "语言"],
    );
    check("，。！？", &[]);
}

#[test]
fn addresses_and_mentions_do_not_count() {
    check("deploy https://example.com/path?q=word now", &["deploy"]);
    check("docs: www.example.com/guide", &["docs"]);
    check("看https://example.com/北京", &[]);
    check(
        "mail sam.smith@example.com, ping @user7 deploy",
        &["mail", "ping", "deploy"],
    );
}

/// Pitfall 96.
#[test]
fn pitfall_96_masked_words_do_not_count() {
    let filter = WordFilter::builtin();
    for text in [
        "fuck this deploy",
        "sh1t deploy",
        "deploy 傻逼",
        "bitch, deploy!",
    ] {
        check(&filter.mask(text), &["deploy"]);
    }
    check("f**k b*tch deploy", &["deploy"]);
}

#[test]
fn counts_and_lengths_are_bounded() {
    check(&"x".repeat(WORD_CHARS_MAX + 1), &[]);
    assert_eq!(
        popular_words(&"deploy ".repeat(2_000), stop()).len(),
        POPULAR_WORDS_MAX
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_counts_is_a_word(text in ".{0,80}") {
        for word in popular_words(&text, stop()) {
            prop_assert!(word.contains(char::is_alphabetic));
            prop_assert!(!stop().contains(&word) && !word.contains(MASK));
            prop_assert!(word.chars().count() <= WORD_CHARS_MAX);
        }
    }
}
