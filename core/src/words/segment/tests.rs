use super::*;
use proptest::prelude::*;

fn check(text: &str, expected: &[&str]) {
    assert_eq!(tokens(text), expected, "of {text:?}");
}

#[test]
fn english_words_are_folded() {
    check(
        "Hello, WORLD! It’s 2024.",
        &["hello", "world", "it's", "2024"],
    );
    check("ｆｕｌｌ wid\u{200B}th ﬁne", &["full", "width", "fine"]);
    check("🎉 ... !!! ❤️", &[]);
    check("the the The", &["the"]);
    check("Straße CAFÉ", &["straße", "café"]);
}

#[test]
fn joined_words_are_found_by_their_parts() {
    check(
        "server.rs a_b",
        &["server.rs", "server", "rs", "a_b", "a", "b"],
    );
}

/// Ecosystem, finding 10.
#[test]
fn finding_10_two_character_words_are_found_inside_longer_ones() {
    let found = tokens("我在北京大学读书");
    for word in ["北京", "大学", "北京大学", "读书"] {
        assert!(
            found.iter().any(|token| token == word),
            "{word} in {found:?}"
        );
    }
    for query in ["北京", "大学", "北京大学"] {
        assert!(
            tokens(query).iter().all(|token| found.contains(token)),
            "{query}"
        );
    }
    check("猫", &["猫"]);
    check("用Rust写", &["用", "rust", "写"]);
}

#[test]
fn a_word_that_the_dictionary_lacks_is_found_by_its_characters() {
    let found = tokens("我喜欢鲎龘的照片");
    assert!(tokens("鲎龘").iter().all(|token| found.contains(token)));
}

#[test]
fn counts_and_lengths_are_bounded() {
    check(&"x".repeat(1_000), &[&"x".repeat(TOKEN_CHARS_MAX)]);
    let many: String = (0..3 * TOKENS_MAX).map(|n| format!("w{n} ")).collect();
    assert_eq!(tokens(&many).len(), TOKENS_MAX);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn tokens_are_words_in_normal_form(text in ".{0,80}") {
        for token in tokens(&text) {
            prop_assert!(token.contains(char::is_alphanumeric));
            prop_assert!(token.chars().count() <= TOKEN_CHARS_MAX);
            prop_assert_eq!(normalize(&token), token);
        }
    }

    #[test]
    fn a_text_is_found_by_itself(text in "[a-z我北京大学的是 .,!]{0,40}") {
        prop_assert_eq!(tokens(&text), tokens(&text.to_uppercase()));
    }
}
