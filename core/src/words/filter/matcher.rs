//! Finds the terms of a list in a folded text.

use std::collections::HashSet;
use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, MatchKind};

use super::{Found, with_marks};
use crate::words::fold::{Folded, is_cjk, is_word_char};
use crate::words::list::{FilterError, Term};

/// The terms of one list.
#[derive(Debug)]
pub(super) struct Matcher {
    /// Each term once.
    pub(super) terms: Vec<Term>,
    words: Automaton,
    cjk: Automaton,
}

#[derive(Debug)]
struct Automaton {
    /// `None` without terms.
    search: Option<AhoCorasick>,
    /// The term of each pattern.
    terms: Vec<usize>,
}

impl Matcher {
    pub(super) fn new(terms: Vec<Term>) -> Result<Self, FilterError> {
        let mut seen = HashSet::new();
        let once = |term: &Term| seen.insert(term.folded.clone());
        let terms: Vec<Term> = terms.into_iter().filter(once).collect();
        let is_all_cjk = |index: &usize| terms[*index].folded.chars().all(is_cjk);
        let (cjk, words): (Vec<usize>, Vec<usize>) = (0..terms.len()).partition(is_all_cjk);
        let words = Automaton::new(&terms, words)?;
        let cjk = Automaton::new(&terms, cjk)?;
        Ok(Self { terms, words, cjk })
    }

    /// Every place of every term, in order. `squeezed` is the text for CJK terms.
    pub(super) fn find(
        &self,
        text: &str,
        folded: &Folded<'_>,
        squeezed: Option<&Folded<'_>>,
    ) -> Vec<Found> {
        let mut found = Vec::new();
        self.words.each(&folded.text, |range, term| {
            if is_whole(&folded.text, &range) {
                found.push(found_at(text, folded, range, term));
            }
        });
        if let Some(squeezed) = squeezed {
            self.cjk.each(&squeezed.text, |range, term| {
                found.push(found_at(text, squeezed, range, term));
            });
        }
        found.sort_unstable();
        found
    }
}

fn found_at(text: &str, folded: &Folded<'_>, range: Range<usize>, term: usize) -> Found {
    let range = with_marks(text, folded.source(range));
    Found {
        start: range.start,
        end: range.end,
        term,
    }
}

/// Whether no word goes on at either end of the range. A CJK character or a symbol there
/// needs no end.
fn is_whole(text: &str, range: &Range<usize>) -> bool {
    let inside = &text[range.clone()];
    let goes_on = |edge: Option<char>, beyond: Option<char>| {
        edge.is_some_and(is_word_char) && beyond.is_some_and(is_word_char)
    };
    !goes_on(
        inside.chars().next(),
        text[..range.start].chars().next_back(),
    ) && !goes_on(inside.chars().next_back(), text[range.end..].chars().next())
}

impl Automaton {
    fn new(all: &[Term], terms: Vec<usize>) -> Result<Self, FilterError> {
        if terms.is_empty() {
            return Ok(Self {
                search: None,
                terms,
            });
        }
        let search = AhoCorasickBuilder::new()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .build(terms.iter().map(|&term| &all[term].folded))
            .map_err(|source| FilterError::Compile { source })?;
        Ok(Self {
            search: Some(search),
            terms,
        })
    }

    fn each(&self, text: &str, mut on_match: impl FnMut(Range<usize>, usize)) {
        let Some(search) = &self.search else { return };
        for found in search.find_overlapping_iter(text) {
            on_match(found.range(), self.terms[found.pattern().as_usize()]);
        }
    }
}
