//! Cuts text into words.

use std::collections::HashSet;
use std::sync::OnceLock;

use antiphon_protocol::limits::MESSAGE_CHARS_MAX;
use jieba_rs::Jieba;
use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

use super::fold::{is_han, is_invisible};

/// Most different words of one text: Chinese gives at most two for each character of the
/// longest message.
pub const TOKENS_MAX: usize = 2 * MESSAGE_CHARS_MAX;
/// Longest token, in characters; a longer word is cut there, in the index and in the query
/// alike, so that it is found still.
pub const TOKEN_CHARS_MAX: usize = 64;

/// The Chinese dictionary: some 80 ms and 30 MiB, paid at the first Han text.
pub(super) fn dictionary() -> &'static Jieba {
    static DICTIONARY: OnceLock<Jieba> = OnceLock::new();
    DICTIONARY.get_or_init(Jieba::new)
}

/// A stretch of text that is cut in one manner.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Run<'t> {
    /// Han characters only.
    Han(&'t str),
    /// Anything else.
    Other(&'t str),
}

/// NFKC, lower case, without invisible characters, with plain apostrophes.
pub(super) fn normalize(text: &str) -> String {
    let visible = text.nfkc().filter(|&c| !is_invisible(c));
    let lower = visible.flat_map(char::to_lowercase);
    // Lower-casing can undo the composition of a few characters.
    lower
        .map(|c| if c == '’' { '\'' } else { c })
        .nfkc()
        .collect()
}

/// The runs of a text, in order.
pub(super) fn runs(text: &str) -> impl Iterator<Item = Run<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let is_han_run = is_han(rest.chars().next()?);
        let end = rest.find(|c| is_han(c) != is_han_run).unwrap_or(rest.len());
        let (run, behind) = rest.split_at(end);
        rest = behind;
        Some(if is_han_run {
            Run::Han(run)
        } else {
            Run::Other(run)
        })
    })
}

/// The words by which a text is indexed, each once, in order: normalized Unicode words (UAX
/// #29) that have a letter or a digit, and of Han runs every character and every pair of
/// neighbors. A word with inner dots, colons or underscores comes with its parts. At most
/// [`TOKENS_MAX`].
///
/// Pairs rather than words of a dictionary, because how a dictionary cuts depends on what
/// stands around, which a query lacks: so every part of a Chinese text is found, known word
/// or not.
pub fn index_tokens(text: &str) -> Vec<String> {
    cut(text, |tokens, run| {
        let chars: Vec<char> = run.chars().collect();
        for (at, c) in chars.iter().enumerate() {
            tokens.add(&c.to_string());
            if let Some(next) = chars.get(at + 1) {
                tokens.add(&String::from_iter([c, next]));
            }
        }
    })
}

/// The words that a text must have to be found by a query, out of those of [`index_tokens`].
pub fn query_tokens(query: &str) -> Vec<String> {
    cut(query, |tokens, run| {
        let chars: Vec<char> = run.chars().collect();
        if chars.len() == 1 {
            tokens.add(run);
        }
        for pair in chars.windows(2) {
            tokens.add(&String::from_iter(pair));
        }
    })
}

fn cut(text: &str, cut_han: impl Fn(&mut Tokens, &str)) -> Vec<String> {
    let text = normalize(text);
    let mut tokens = Tokens::default();
    for run in runs(&text) {
        match run {
            Run::Han(run) => cut_han(&mut tokens, run),
            Run::Other(run) => {
                for word in run.unicode_words() {
                    add_word(&mut tokens, word);
                }
            }
        }
        if tokens.is_full() {
            break;
        }
    }
    tokens.list
}

fn add_word(tokens: &mut Tokens, word: &str) {
    tokens.add(word);
    let is_joint = |c: char| matches!(c, '.' | ':' | '_' | '·');
    if word.contains(is_joint) {
        for part in word.split(is_joint).filter(|part| !part.is_empty()) {
            tokens.add(part);
        }
    }
}

#[derive(Debug, Default)]
struct Tokens {
    list: Vec<String>,
    seen: HashSet<String>,
}

impl Tokens {
    fn is_full(&self) -> bool {
        self.list.len() >= TOKENS_MAX
    }

    fn add(&mut self, word: &str) {
        let cut = word
            .char_indices()
            .nth(TOKEN_CHARS_MAX)
            .map_or(word.len(), |(at, _)| at);
        let word = &word[..cut];
        let is_word = word.contains(char::is_alphanumeric);
        if is_word && !self.is_full() && self.seen.insert(word.to_owned()) {
            self.list.push(word.to_owned());
        }
    }
}

#[cfg(test)]
mod tests;
