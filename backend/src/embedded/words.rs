//! The words of the search index. The index gets text that is cut already, so that a Chinese
//! word of two characters is found as well as an English one.

use std::collections::BTreeSet;

use antiphon_core::contract::{Record, RecordKind};
use antiphon_core::words::{index_tokens, query_tokens};

/// What the index stores for a record: nothing for one that nobody wrote.
pub(super) fn of_record(record: &Record) -> String {
    match record.kind {
        RecordKind::Chat => indexed(&record.body),
        RecordKind::Epoch => String::new(),
    }
}

/// What the index stores for a text: each word once, parted by spaces.
fn indexed(text: &str) -> String {
    unique_words(&index_tokens(text))
        .into_iter()
        .collect::<Vec<_>>()
        .join(" ")
}

/// The query for rows that have every word of a text; `None` if it has no words. Each word is
/// quoted, so that no text is ever query syntax.
pub(super) fn query(text: &str) -> Option<String> {
    let quoted: Vec<String> = unique_words(&query_tokens(text))
        .into_iter()
        .map(|word| format!("\"{word}\""))
        .collect();
    (!quoted.is_empty()).then(|| quoted.join(" "))
}

fn unique_words(tokens: &[String]) -> BTreeSet<String> {
    tokens
        .iter()
        .map(|token| shielded(token))
        .filter(|word| !word.is_empty())
        .collect()
}

/// The index's own tokenizer would split a word at ASCII punctuation; a private-use character
/// in its stead keeps the word whole.
fn shielded(token: &str) -> String {
    let shield = |c: char| {
        if c.is_ascii() && !c.is_ascii_alphanumeric() {
            char::from_u32(0xE000 + u32::from(c)).expect("a private-use character")
        } else {
            c
        }
    };
    token.chars().map(shield).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_unique_and_han_runs_give_pairs() {
        assert_eq!(
            indexed("The cat, the CAT 我爱北京"),
            "cat the 京 北 北京 我 我爱 爱 爱北"
        );
        assert_eq!(query("北京"), Some("\"北京\"".to_owned()));
        assert_eq!(query(" \"*()"), None);
    }

    #[test]
    fn punctuation_inside_a_word_never_splits_it() {
        assert_eq!(shielded("don't"), "don\u{e027}t");
        assert_eq!(shielded("a\"b c"), "a\u{e022}b\u{e020}c");
    }
}
