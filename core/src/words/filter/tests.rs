use super::*;
use crate::words::list::parse;
use proptest::prelude::*;
use std::path::Path;
use std::sync::OnceLock;

mod corpus;
mod lists;

fn filter() -> &'static WordFilter {
    static FILTER: OnceLock<WordFilter> = OnceLock::new();
    FILTER.get_or_init(WordFilter::builtin)
}

fn filter_of(masked: &[&str], allowed: &[&str]) -> WordFilter {
    let terms = |lines: &[&str]| parse(Path::new("test"), lines.join("\n").as_bytes()).unwrap();
    WordFilter::compile(terms(masked), terms(allowed)).unwrap()
}

#[test]
fn explains_range_term_source_and_mask() {
    let text = "né 🎉 fu\u{301}ck! 傻 逼";
    let hits = filter().explain(text);
    let shown: Vec<_> = hits
        .iter()
        .map(|hit| (&text[hit.range.clone()], &*hit.term, &*hit.masked_as))
        .collect();
    assert_eq!(
        shown,
        [("fu\u{301}ck", "fuck", "****"), ("傻 逼", "傻逼", "***")]
    );
    assert!(hits.iter().all(|hit| &*hit.source == "builtin"));
}

#[test]
fn a_longer_term_that_is_no_whole_word_hides_no_shorter_one() {
    let filter = filter_of(&["fuck", "fuck off"], &[]);
    assert_eq!(filter.mask("fuck offer"), "**** offer");
    assert_eq!(filter.mask("fuck off"), "********");
}

#[test]
fn an_allowed_term_wins() {
    let filter = filter_of(
        &["coon", "操你", "日你妈", "bad"],
        &["Maine coon", "体操", "bad"],
    );
    assert_eq!(
        filter.mask("a Maine Coon and a coon"),
        "a Maine Coon and a ****"
    );
    assert_eq!(filter.mask("体操你会吗"), "体操你会吗");
    assert_eq!(filter.mask("操你"), "**");
    assert_eq!(filter.mask("bad"), "bad");
    assert_eq!(
        filter_of(&["sh1t", "shit"], &["sh1t"]).mask("sh1t shit"),
        "sh1t ****"
    );
}

#[test]
fn an_allowed_part_does_not_save_a_longer_term() {
    assert_eq!(
        filter_of(&["son of a bitch"], &["son"]).mask("son of a bitch"),
        "*".repeat(14)
    );
}

#[test]
fn graphemes_count_once_each() {
    assert_eq!(filter().mask("f\u{308}\u{301}u\u{20DD}ck"), "****");
    assert_eq!(filter().mask("ok 👨‍👩‍👧 fuck 👨‍👩‍👧 é"), "ok 👨‍👩‍👧 **** 👨‍👩‍👧 é");
}

#[test]
fn marks_that_end_a_clause_keep_cjk_terms_apart() {
    let filter = filter_of(&["操你"], &[]);
    assert_eq!(filter.mask("操。你好"), "操。你好");
    assert_eq!(filter.mask("操，你"), "操，你");
    assert_eq!(filter.mask("操\n你"), "操\n你");
    assert_eq!(filter.mask("操 - 你"), "操 - 你");
    assert_eq!(filter.mask("操.你x操 你"), "***x***");
}

#[test]
fn what_is_attached_to_a_hit_and_counts_as_a_letter_stays() {
    assert_eq!(filter().mask("傻逼\u{93E}bitch傻逼"), "**\u{93E}bitch**");
    assert_eq!(filter_of(&["@zz", "bad"], &[]).mask("bad@zz"), "******");
}

#[test]
fn nothing_is_copied_when_nothing_hits() {
    for text in ["", "hello 123 w0rld!", "你好，世界", "naïve ﬁne 🎉"] {
        assert!(matches!(filter().mask(text), Cow::Borrowed(_)), "{text}");
    }
}

/// Texts that hold terms, pieces of terms and what breaks or joins them.
fn hostile() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "fuck",
        "FUCK",
        "sh1t",
        "$hit",
        "sh!t",
        "ｆｕｃｋ",
        "傻逼",
        "傻",
        "逼",
        "操",
        "你",
        "妈",
        "我操",
        "作",
        "体",
        "傻b",
        "coon",
        "maine ",
        "Maine coon",
        "son of a ",
        "bitch",
        "b1tch",
        "*",
        "**",
        " ",
        "\u{200B}",
        "\u{301}",
        "\u{200D}",
        "🎉",
        "🇨🇳",
        "@",
        "!",
        "1",
        "$",
        ".",
        "-",
        "_",
        "x",
        "ing",
        "ß",
        "ﬁ",
        "℀",
        "㍿",
        "㏠",
        "\r\n",
        "が",
        "ｶﾞ",
        "한",
        "ा",
        "\u{E33}",
        "\u{D4E}",
        "İ",
        "٠",
        "nmsl",
        "a$$hole",
        "@sshole",
        "\u{600}",
        "с",
        "к",
    ]);
    let text =
        prop_oneof![4 => pieces.prop_map(str::to_owned), 1 => any::<char>().prop_map(String::from)];
    prop::collection::vec(text, 0..14).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn masking_twice_is_masking_once(text in hostile()) {
        let once = filter().mask(&text).into_owned();
        let twice = filter().mask(&once).into_owned();
        prop_assert_eq!(&once, &twice, "of {:?}", text);
    }

    #[test]
    fn outside_the_hits_nothing_changes(text in hostile()) {
        let mut expected = String::new();
        let mut done = 0;
        for hit in merge(&filter().find(&text)) {
            expected.push_str(&text[done..hit.start]);
            expected.extend(text[hit.clone()].graphemes(true).map(|_| MASK));
            done = hit.end;
        }
        expected.push_str(&text[done..]);
        let masked = filter().mask(&text);
        prop_assert_eq!(&masked, &expected);
        prop_assert_eq!(masked.graphemes(true).count(), text.graphemes(true).count());
    }

    #[test]
    fn no_text_makes_it_panic(text in ".{0,200}") {
        let hits = filter().explain(&text);
        prop_assert!(hits.iter().all(|hit| text.get(hit.range.clone()).is_some()));
    }

    #[test]
    fn innocent_ascii_is_untouched(words in prop::collection::vec("(the|Essex|class|hello|analysis|[0-9]{1,9}|[,.!?]|assignment)", 0..30)) {
        let text = words.join(" ");
        prop_assert_eq!(filter().mask(&text), &*text);
    }

    #[test]
    fn a_word_within_letters_is_no_word(before in "[a-z]{1,5}", after in "[a-z]{1,5}") {
        let filter = filter_of(&["qwzkj"], &[]);
        let text = format!("{before}qwzkj{after}");
        prop_assert_eq!(filter.mask(&text), &*text);
    }
}
