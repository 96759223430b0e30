use super::*;
use proptest::prelude::*;

fn check(text: &str, expected: &[&str]) {
    assert_eq!(index_tokens(text), expected, "of {text:?}");
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

fn finds(text: &str, query: &str) -> bool {
    let found = index_tokens(text);
    query_tokens(query)
        .iter()
        .all(|token| found.contains(token))
}

/// Ecosystem, finding 10.
#[test]
fn finding_10_every_part_of_a_chinese_text_is_found() {
    let text = "我在北京大学读书，研究生命起源";
    for query in [
        "北京",
        "大学",
        "北京大学",
        "读书",
        "书",
        "研究生",
        "我在北京 读书",
    ] {
        assert!(finds(text, query), "{query}");
    }
    for query in ["京北", "上海", "北学"] {
        assert!(!finds(text, query), "{query}");
    }
    assert!(finds("我喜欢鲎龘的照片", "鲎龘"));
    check("用Rust写", &["用", "rust", "写"]);
}

#[test]
fn counts_and_lengths_are_bounded() {
    check(&"x".repeat(1_000), &[&"x".repeat(TOKEN_CHARS_MAX)]);
    let many: String = (0..3 * TOKENS_MAX).map(|n| format!("w{n} ")).collect();
    assert_eq!(index_tokens(&many).len(), TOKENS_MAX);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn tokens_are_words_in_normal_form(text in ".{0,80}") {
        for token in index_tokens(&text) {
            prop_assert!(token.contains(char::is_alphanumeric));
            prop_assert!(token.chars().count() <= TOKEN_CHARS_MAX);
            prop_assert_eq!(normalize(&token), token);
        }
    }

    #[test]
    fn a_text_is_found_by_itself(text in "[a-z我北京大学的是 .,!]{0,40}") {
        prop_assert_eq!(index_tokens(&text), index_tokens(&text.to_uppercase()));
        prop_assert!(finds(&text, &text));
    }
}
