//! The word filter: masks whole words of a list, and CJK terms wherever they stand.
//!
//! A text is folded (`fold`), the terms are found in the folded text by one automaton for
//! words and one for CJK terms, and each hit is carried back to the bytes that it came from.
//! All hits that count are masked, so masking a masked text changes nothing. The work is
//! linear in the text.

use std::borrow::Cow;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation};

use super::MASK;
use super::fold::{Folded, is_cjk, is_dropped, is_word_char};
use super::leet::{self, LeetIndex};
use super::list::{self, FilterError, Term};
use matcher::Matcher;

mod matcher;

const MASKED_EN: &str = include_str!("../../words/masked.en.txt");
const MASKED_ZH: &str = include_str!("../../words/masked.zh.txt");
const ALLOWED: &str = include_str!("../../words/allowed.txt");

/// Where the lists of a filter come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilterSources {
    /// Files of terms to mask.
    pub masked: Vec<PathBuf>,
    /// Files of terms that are never masked.
    pub allowed: Vec<PathBuf>,
    /// Whether the compiled-in lists count too.
    pub builtin: bool,
}

/// Why a piece of a text is masked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// Which bytes of the text.
    pub range: Range<usize>,
    /// The term of the list.
    pub term: String,
    /// The list: a file, or `builtin`.
    pub source: Arc<str>,
    /// What stands there instead.
    pub masked_as: String,
}

/// Lists of terms, ready to be found.
#[derive(Debug)]
pub struct WordFilter {
    masked: Matcher,
    allowed: Matcher,
    leet: LeetIndex,
}

/// A term found: its bytes in the original.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    start: usize,
    end: usize,
    term: usize,
}

impl WordFilter {
    /// The compiled-in lists.
    pub fn builtin() -> Self {
        Self::load(&FilterSources {
            builtin: true,
            ..FilterSources::default()
        })
        .expect("the compiled-in lists are tested")
    }

    /// Reads and compiles lists.
    pub fn load(sources: &FilterSources) -> Result<Self, FilterError> {
        let mut masked = Vec::new();
        let mut allowed = Vec::new();
        if sources.builtin {
            masked.extend(list::builtin(MASKED_EN));
            masked.extend(list::builtin(MASKED_ZH));
            allowed.extend(list::builtin(ALLOWED));
        }
        for file in &sources.masked {
            masked.extend(list::read(file)?);
        }
        for file in &sources.allowed {
            allowed.extend(list::read(file)?);
        }
        Self::compile(masked, allowed)
    }

    fn compile(masked: Vec<Term>, allowed: Vec<Term>) -> Result<Self, FilterError> {
        let masked = Matcher::new(masked)?;
        let mut leet = LeetIndex::default();
        for (index, term) in masked.terms.iter().enumerate() {
            leet.add(&term.folded, index);
        }
        Ok(Self {
            masked,
            allowed: Matcher::new(allowed)?,
            leet,
        })
    }

    /// The text with each grapheme of a hit replaced by [`MASK`]; all else is byte for byte
    /// as it was. Borrowed if nothing hits.
    pub fn mask<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let found = self.find(text);
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut masked = String::with_capacity(text.len());
        let mut done = 0;
        for range in merge(&found) {
            masked.push_str(&text[done..range.start]);
            masked.push_str(&mask_of(&text[range.clone()]));
            done = range.end;
        }
        masked.push_str(&text[done..]);
        Cow::Owned(masked)
    }

    /// Every hit with its reason, by place. Hits may overlap.
    pub fn explain(&self, text: &str) -> Vec<Hit> {
        let hit = |found: Found| {
            let range = found.start..found.end;
            let term = &self.masked.terms[found.term];
            Hit {
                masked_as: mask_of(&text[range.clone()]),
                range,
                term: term.raw.clone(),
                source: term.source.clone(),
            }
        };
        self.find(text).into_iter().map(hit).collect()
    }

    /// The hits that count, by place, each once.
    fn find(&self, text: &str) -> Vec<Found> {
        let folded = Folded::new(text);
        let squeezed = squeeze(&folded);
        let mut found = self.masked.find(text, &folded, squeezed.as_ref());
        let mut allowed = None;
        if !found.is_empty() {
            let terms = Allowed::new(self.allowed.find(text, &folded, squeezed.as_ref()));
            found.retain(|hit| !terms.protects(hit));
            allowed = Some(terms);
        }
        let mut with_digits = self.find_leet(text, &folded, &found);
        if !with_digits.is_empty() {
            let allowed = allowed.unwrap_or_else(|| {
                Allowed::new(self.allowed.find(text, &folded, squeezed.as_ref()))
            });
            with_digits.retain(|hit| !allowed.protects(hit));
            found.append(&mut with_digits);
            found.sort_unstable();
        }
        found.dedup();
        found
    }

    /// Hits of words with digits or symbols for letters. What `found` holds ends a word, as
    /// the mask that replaces it does.
    fn find_leet(&self, text: &str, folded: &Folded<'_>, found: &[Found]) -> Vec<Found> {
        let mut hits = Vec::new();
        if !folded.text.chars().any(leet::is_stand_in) {
            return hits;
        }
        let taken = merge(found);
        let mut taken = taken.iter().peekable();
        let mut chars = Vec::new();
        let mut sources: Vec<Range<usize>> = Vec::new();
        let end = std::iter::once((' ', text.len()..text.len()));
        for (c, source) in folded.chars().chain(end) {
            while taken.next_if(|range| range.end <= source.start).is_some() {}
            let is_free = taken.peek().is_none_or(|range| source.end <= range.start);
            if is_free && (is_word_char(c) || leet::is_stand_in(c)) {
                chars.push(c);
                sources.push(source);
                continue;
            }
            self.leet.find(&chars, |hit| {
                let start = sources[hit.range.start].start;
                let end = sources[hit.range.end - 1].end;
                let range = with_marks(text, start..end);
                hits.push(Found {
                    start: range.start,
                    end: range.end,
                    term: hit.term,
                });
            });
            chars.clear();
            sources.clear();
        }
        hits.sort_unstable();
        hits
    }
}

/// Where allowed terms stand in a text. One protects the hits that overlap it, unless the
/// hit holds it whole and more.
struct Allowed {
    /// In order.
    ranges: Vec<Found>,
    /// The highest end of the ranges up to each one.
    ends: Vec<usize>,
}

impl Allowed {
    fn new(ranges: Vec<Found>) -> Self {
        let mut highest = 0;
        let rising = |range: &Found| {
            highest = highest.max(range.end);
            highest
        };
        let ends = ranges.iter().map(rising).collect();
        Self { ranges, ends }
    }

    fn protects(&self, hit: &Found) -> bool {
        let reach = |before: usize| {
            let count = self.ranges.partition_point(|range| range.start < before);
            count.checked_sub(1).map_or(0, |last| self.ends[last])
        };
        let is_same = |range: &Found| (range.start, range.end).cmp(&(hit.start, hit.end));
        reach(hit.start) > hit.start
            || reach(hit.end) > hit.end
            || self.ranges.binary_search_by(is_same).is_ok()
    }
}

/// The CJK characters of a text with the marks between them left out, for terms that are
/// written with spaces or marks in between; `None` if there are none.
fn squeeze<'t>(folded: &Folded<'_>) -> Option<Folded<'t>> {
    /// Most marks between two characters that are read over.
    const NOISE_CHARS_MAX: usize = 2;
    /// Ends what may match.
    const BREAK: char = '\n';

    if folded.text.is_ascii() || !folded.text.chars().any(is_cjk) {
        return None;
    }
    let mut squeezed = Folded::empty(folded.text.len());
    let mut noise = 0;
    let mut is_broken = true;
    for (c, source) in folded.chars() {
        if is_cjk(c) {
            squeezed.push_folded(c, &source);
            noise = 0;
            is_broken = false;
            continue;
        }
        noise = if is_noise(c) {
            noise + 1
        } else {
            NOISE_CHARS_MAX + 1
        };
        if noise > NOISE_CHARS_MAX && !is_broken {
            squeezed.push_folded(BREAK, &source);
            is_broken = true;
        }
    }
    Some(squeezed)
}

/// Marks that may stand inside a CJK term. Marks that end a clause are not among them, and
/// neither is [`MASK`].
fn is_noise(c: char) -> bool {
    matches!(
        c,
        ' ' | '\t'
            | '.'
            | '-'
            | '_'
            | '~'
            | '^'
            | '='
            | '+'
            | '|'
            | '/'
            | '\\'
            | '\''
            | '"'
            | '`'
            | '#'
            | '&'
            | '·'
            | '•'
            | '・'
            | '、'
            | '…'
            | '—'
            | '–'
            | '〜'
            | '※'
            | '★'
            | '☆'
    )
}

fn mask_of(hit: &str) -> String {
    hit.graphemes(true).map(|_| MASK).collect()
}

/// The ranges of hits (in order) that overlap or touch, as one each.
fn merge(found: &[Found]) -> Vec<Range<usize>> {
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(found.len());
    for hit in found {
        match merged.last_mut() {
            Some(last) if hit.start <= last.end => last.end = last.end.max(hit.end),
            Some(_) | None => merged.push(hit.start..hit.end),
        }
    }
    merged
}

/// The range with the marks and invisible characters that belong to its last character.
/// Nothing that counts in the folded text is taken in: the neighbors of a hit must look the
/// same before and after masking.
fn with_marks(text: &str, range: Range<usize>) -> Range<usize> {
    let mut end = range.end;
    for c in text[range.end..].chars() {
        let mut cursor = GraphemeCursor::new(end, text.len(), true);
        if !is_dropped(c) || cursor.is_boundary(text, 0).unwrap_or(true) {
            break;
        }
        end += c.len_utf8();
    }
    range.start..end
}

#[cfg(test)]
mod tests;
