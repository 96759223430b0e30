//! The words of a message that count for the popular words.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use unicode_segmentation::UnicodeSegmentation;

use super::MASK;
use super::fold::is_cjk;
use super::list::{self, FilterError};
use super::segment::{Run, dictionary, normalize, runs};

/// Most words that one message counts.
pub const POPULAR_WORDS_MAX: usize = 512;
/// Longest word that counts, in characters: what is longer is seldom a word.
pub const WORD_CHARS_MAX: usize = 32;

const STOP_WORDS_EN: &str = include_str!("../../words/stop_words.en.txt");
const STOP_WORDS_ZH: &str = include_str!("../../words/stop_words.zh.txt");

/// Words that are too common to be popular.
#[derive(Debug, Clone, Default)]
pub struct StopWords {
    words: HashSet<String>,
}

impl StopWords {
    /// The compiled-in lists, English and Chinese.
    pub fn builtin() -> Self {
        let mut stop = Self::default();
        stop.add(list::builtin(STOP_WORDS_EN));
        stop.add(list::builtin(STOP_WORDS_ZH));
        stop
    }

    /// The words of files alone.
    pub fn load(files: &[PathBuf]) -> Result<Self, FilterError> {
        let mut stop = Self::default();
        files.iter().try_for_each(|file| stop.extend_from(file))?;
        Ok(stop)
    }

    /// Adds the words of a file.
    pub fn extend_from(&mut self, file: &Path) -> Result<(), FilterError> {
        self.add(list::read(file)?);
        Ok(())
    }

    /// Whether a normalized word is one of them.
    pub fn contains(&self, word: &str) -> bool {
        self.words.contains(word)
    }

    fn add(&mut self, terms: Vec<list::Term>) {
        self.words
            .extend(terms.iter().map(|term| normalize(&term.raw)));
    }
}

/// The words of a message that count, normalized, in order, a word as often as it is said.
/// Left out are stop words, single Latin letters, numbers, addresses, mentions, words that
/// the filter masked in part, and words over [`WORD_CHARS_MAX`]. At most
/// [`POPULAR_WORDS_MAX`].
pub fn popular_words(text: &str, stop: &StopWords) -> Vec<String> {
    let text = normalize(text);
    let mut words = Vec::new();
    for chunk in text.split_whitespace() {
        let chunk = without_address(chunk);
        for run in runs(chunk) {
            match run {
                Run::Han(run) => {
                    let cut = dictionary().cut(run, true);
                    words.extend(cut.iter().filter_map(|token| counted(token.word, stop)));
                }
                Run::Other(run) => {
                    let cut = plain_pieces(run).flat_map(|piece| piece.unicode_words());
                    words.extend(cut.filter_map(|word| counted(word, stop)));
                }
            }
            if words.len() >= POPULAR_WORDS_MAX {
                words.truncate(POPULAR_WORDS_MAX);
                return words;
            }
        }
    }
    words
}

/// What stands before an address, a mention or an e-mail address in a chunk without spaces.
fn without_address(chunk: &str) -> &str {
    let starts = ["http://", "https://", "ftp://", "ws://", "wss://", "www."];
    let first = starts.iter().filter_map(|start| chunk.find(start)).min();
    let chunk = &chunk[..first.unwrap_or(chunk.len())];
    let Some(at) = chunk.find('@') else {
        return chunk;
    };
    let name = chunk[..at]
        .rfind(|c: char| !is_mail_char(c))
        .map_or(0, |last| {
            last + chunk[last..].chars().next().map_or(0, char::len_utf8)
        });
    &chunk[..name]
}

fn is_mail_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+')
}

/// The pieces of a run without those that have the mask between letters.
fn plain_pieces(run: &str) -> impl Iterator<Item = &str> {
    let is_edge =
        |c: char| !(c.is_alphanumeric() || c == MASK || c == '\'' || c == '.' || c == '_');
    run.split(is_edge)
        .filter(|piece| !piece.trim_matches(MASK).contains(MASK))
}

fn counted(word: &str, stop: &StopWords) -> Option<String> {
    let word = word.strip_suffix("'s").unwrap_or(word);
    let mut chars = word.chars();
    let first = chars.next()?;
    let is_single = chars.next().is_none();
    let is_too_long = word.chars().nth(WORD_CHARS_MAX).is_some();
    let is_word = word.contains(char::is_alphabetic) && !word.contains(MASK);
    if !is_word || is_too_long || (is_single && !is_cjk(first)) || stop.contains(word) {
        return None;
    }
    Some(word.to_owned())
}

#[cfg(test)]
mod tests;
