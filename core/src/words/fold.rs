//! Folding: the form of a text in which words are compared, with the way back to the bytes
//! that each character came from.

use std::borrow::Cow;
use std::ops::Range;

use unicode_normalization::char::decompose_compatible;

use super::confusable;

/// Characters that have no look of their own and hide words: zero-width ones, direction
/// marks, soft hyphens, fillers, variation selectors, tags.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(u32::from(c),
        0x00AD | 0x034F | 0x061C | 0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x180B..=0x180F
        | 0x200B..=0x200F | 0x202A..=0x202E | 0x2060..=0x206F | 0x3164 | 0xFE00..=0xFE0F
        | 0xFEFF | 0xFFA0 | 0xE0000..=0xE0FFF)
}

/// Marks over and under Latin, Greek and Cyrillic letters. Marks of scripts that spell with
/// them (Devanagari, kana, …) are not noise.
fn is_noise_mark(c: char) -> bool {
    matches!(u32::from(c),
        0x0300..=0x036F | 0x0483..=0x0489 | 0x1AB0..=0x1AFF | 0x1DC0..=0x1DFF
        | 0x20D0..=0x20FF | 0xFE20..=0xFE2F)
}

/// Whether folding leaves a character out.
pub(super) fn is_dropped(c: char) -> bool {
    is_invisible(c) || is_noise_mark(c)
}

/// Han characters.
pub(super) fn is_han(c: char) -> bool {
    matches!(u32::from(c),
        0x3005..=0x3007 | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF
        | 0x20000..=0x3FFFD)
}

/// Characters of scripts that write without spaces between words, or whose words carry
/// particles: Han, kana, Hangul. Terms of them match inside longer runs.
pub(super) fn is_cjk(c: char) -> bool {
    is_han(c)
        || matches!(u32::from(c),
            0x1100..=0x11FF | 0x3041..=0x309F | 0x30A1..=0x30FA | 0x30FC..=0x30FF
            | 0x3105..=0x318E | 0x31F0..=0x31FF
            | 0xAC00..=0xD7FB)
}

/// Letters and digits of scripts whose words are apart.
pub(super) fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() && !is_cjk(c)
}

/// Where a folded character came from.
#[derive(Debug, Clone)]
struct Origin {
    /// Its place in the folded text.
    at: usize,
    /// The bytes of the original character.
    source: Range<usize>,
}

/// A folded text. ASCII text is borrowed as it is, case included: matchers fold ASCII case
/// themselves, so that most texts are compared without a copy.
#[derive(Debug)]
pub(super) struct Folded<'t> {
    /// The text to compare.
    pub(super) text: Cow<'t, str>,
    /// One entry a character of `text`; empty if `text` has the original's offsets.
    origins: Vec<Origin>,
}

impl<'t> Folded<'t> {
    /// Folds a text.
    pub(super) fn new(original: &'t str) -> Self {
        if original.is_ascii() {
            return Self {
                text: Cow::Borrowed(original),
                origins: Vec::new(),
            };
        }
        let mut folded = Self::empty(original.len());
        for (start, c) in original.char_indices() {
            folded.push(c, start..start + c.len_utf8());
        }
        folded
    }

    /// Nothing yet, with room for a text of `bytes`.
    pub(super) fn empty(bytes: usize) -> Self {
        Self {
            text: Cow::Owned(String::with_capacity(bytes)),
            origins: Vec::with_capacity(bytes / 2),
        }
    }

    /// Adds a character as it is.
    pub(super) fn push_folded(&mut self, c: char, source: &Range<usize>) {
        self.origins.push(Origin {
            at: self.text.len(),
            source: source.clone(),
        });
        self.text.to_mut().push(c);
    }

    /// The characters with the original bytes of each.
    pub(super) fn chars(&self) -> impl Iterator<Item = (char, Range<usize>)> {
        self.text
            .char_indices()
            .enumerate()
            .map(|(index, (at, c))| {
                let source = self
                    .origins
                    .get(index)
                    .map_or(at..at + 1, |o| o.source.clone());
                (c, source)
            })
    }

    /// The original bytes of a non-empty range of `text`.
    pub(super) fn source(&self, range: Range<usize>) -> Range<usize> {
        if self.origins.is_empty() {
            return range;
        }
        let index = |at: usize| {
            self.origins
                .partition_point(|o| o.at <= at)
                .saturating_sub(1)
        };
        let first = &self.origins[index(range.start)].source;
        let last = &self.origins[index(range.end.saturating_sub(1))].source;
        first.start..last.end
    }

    fn push(&mut self, c: char, source: Range<usize>) {
        if c.is_ascii() {
            return self.push_folded(c.to_ascii_lowercase(), &source);
        }
        if is_dropped(c) {
            return;
        }
        if is_cjk(c) && (c as u32) < 0xF900 {
            return self.push_folded(c, &source);
        }
        let mut parts = Parts::default();
        decompose_compatible(c, |part| parts.add(part));
        if !parts.are_of_one_kind() {
            // E.g. a/c in one character: a mark between words, not two letters.
            return self.push_folded(c, &source);
        }
        for part in parts.folded.chars() {
            self.push_folded(part, &source);
        }
    }
}

/// What one original character decomposes into.
#[derive(Debug, Default)]
struct Parts {
    folded: String,
    word_chars: usize,
    cjk: usize,
}

impl Parts {
    fn add(&mut self, part: char) {
        if is_dropped(part) {
            return;
        }
        for lower in part.to_lowercase().filter(|&c| !is_noise_mark(c)) {
            let expanded = match lower {
                'ß' => ['s', 's'],
                'æ' => ['a', 'e'],
                'œ' => ['o', 'e'],
                c => [confusable::fold(c), '\0'],
            };
            for c in expanded.into_iter().filter(|&c| c != '\0') {
                self.word_chars += usize::from(is_word_char(c));
                self.cjk += usize::from(is_cjk(c));
                self.folded.push(c);
            }
        }
    }

    fn are_of_one_kind(&self) -> bool {
        let all = self.folded.chars().count();
        all <= 1 || self.word_chars == all || self.cjk == all
    }
}
