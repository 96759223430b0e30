//! Digits and symbols in the place of letters: `sh1t`, `a$$hole`.
//!
//! A digit has up to two readings, so words with digits are looked up by their shape: every
//! letter that may be written as a digit, and every such digit, becomes one wildcard. The
//! few terms of that shape are then compared letter by letter. Plain numbers and words that
//! are mostly digits are never read so.

use std::collections::HashMap;
use std::ops::Range;

/// Shorter terms are not read with digits: `FA6` is a thing of its own.
const LEET_CHARS_MIN: usize = 4;
/// Stands for a letter that may be written as a digit or symbol.
const WILDCARD: char = '?';

/// The letters that a digit or symbol may stand for.
fn readings(c: char) -> &'static str {
    match c {
        '0' => "o",
        '1' | '!' | '|' => "il",
        '2' => "z",
        '3' | '€' => "e",
        '4' | '@' => "a",
        '5' | '$' => "s",
        '6' => "bg",
        '7' | '+' => "t",
        '8' => "b",
        '9' => "g",
        _ => "",
    }
}

/// Whether a character other than a letter may be part of a word.
pub(super) fn is_stand_in(c: char) -> bool {
    !readings(c).is_empty()
}

fn shape(c: char) -> char {
    let c = c.to_ascii_lowercase();
    if is_stand_in(c) || "oilzeasbgt".contains(c) {
        WILDCARD
    } else {
        c
    }
}

/// Terms by their shape.
#[derive(Debug, Default)]
pub(super) struct LeetIndex {
    by_shape: HashMap<String, Vec<(Vec<char>, usize)>>,
    chars_max: usize,
}

/// A piece of a word that reads as a term.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LeetHit {
    /// Which characters of the word.
    pub(super) range: Range<usize>,
    /// Which term.
    pub(super) term: usize,
}

impl LeetIndex {
    /// Adds a folded term, if it is one that may be written with digits.
    pub(super) fn add(&mut self, folded: &str, term: usize) {
        let chars: Vec<char> = folded.chars().collect();
        if chars.len() < LEET_CHARS_MIN || !chars.iter().all(char::is_ascii_alphabetic) {
            return;
        }
        self.chars_max = self.chars_max.max(chars.len());
        let key = chars.iter().map(|&c| shape(c)).collect();
        self.by_shape.entry(key).or_default().push((chars, term));
    }

    /// The terms that a run of letters, digits and stand-ins reads as: the run whole, or
    /// without what is not a letter at either end.
    pub(super) fn find(&self, run: &[char], mut on_hit: impl FnMut(LeetHit)) {
        if run.iter().all(|c| c.is_alphabetic()) {
            return;
        }
        let Some(first) = run.iter().position(|c| c.is_alphabetic()) else {
            return;
        };
        let last = run.iter().rposition(|c| c.is_alphabetic()).unwrap_or(first);
        let mut starts = vec![0, first];
        let mut ends = vec![last + 1, run.len()];
        starts.dedup();
        ends.dedup();
        for &start in &starts {
            for &end in &ends {
                self.find_whole(run, start..end, &mut on_hit);
            }
        }
    }

    fn find_whole(&self, run: &[char], range: Range<usize>, on_hit: &mut impl FnMut(LeetHit)) {
        let word = &run[range.clone()];
        let letters = word.iter().filter(|c| c.is_alphabetic()).count();
        let fits = (LEET_CHARS_MIN..=self.chars_max).contains(&word.len());
        if !fits || letters * 2 < word.len() {
            return;
        }
        let key: String = word.iter().map(|&c| shape(c)).collect();
        for (chars, term) in self.by_shape.get(&key).into_iter().flatten() {
            let reads = |(&c, &wanted): (&char, &char)| {
                c.to_ascii_lowercase() == wanted || readings(c).contains(wanted)
            };
            if word.iter().zip(chars).all(reads) {
                on_hit(LeetHit {
                    range: range.clone(),
                    term: *term,
                });
            }
        }
    }
}
