//! What the screen shows of the line that is being typed.
//!
//! The editor works out where things stand from widths of whole graphemes, and writes what was
//! typed as it is. Terminals break rows between characters, so that an emoji made of several
//! would be torn where the editor believes it whole, and a pasted control character would be
//! obeyed. So what is shown is made here: rows are filled up where the editor breaks them, and
//! what is no letter is shown as nothing, or as a box where the editor counts a column.

use rustyline::GraphemeClusterMode;
use unicode_segmentation::UnicodeSegmentation;

use super::super::sanitize;

/// Columns of a tab, which is shown as a space.
pub(super) const TAB_COLUMNS: u8 = 1;
/// Shown for what the editor counts and nobody should see.
const BOX: char = '\u{fffd}';
const ESCAPE: &str = "\u{1b}";

/// A place on the screen, from the first row of the prompt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) row: usize,
    pub(super) column: usize,
}

/// The rest of an escape sequence as the editor counts it: not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sequence {
    None,
    Begun,
    Parameters,
}

/// What the screen can do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) columns: usize,
    pub(super) mode: GraphemeClusterMode,
}

impl Window {
    /// How `text` is shown from `start` on, and where it ends. `text` is one of the pieces for
    /// which the editor works out a place: the prompt, the line up to the cursor, the rest.
    pub(super) fn show(self, text: &str, start: Place) -> (String, Place) {
        let mut shown = String::with_capacity(text.len());
        let mut place = start;
        let mut sequence = Sequence::None;
        for grapheme in text.graphemes(true) {
            if grapheme == "\n" {
                shown.push('\n');
                place = Place {
                    row: place.row + 1,
                    column: 0,
                };
                continue;
            }
            let (counted, next) = self.counted(grapheme, sequence);
            let in_sequence = sequence != Sequence::None || next != Sequence::None;
            sequence = next;
            if place.column + counted > self.columns {
                let rest = self.columns.saturating_sub(place.column);
                shown.extend(std::iter::repeat_n(' ', rest));
                place = Place {
                    row: place.row + 1,
                    column: 0,
                };
            }
            place.column += counted;
            if !in_sequence {
                self.push(grapheme, counted, &mut shown);
            }
        }
        if place.column == self.columns {
            place = Place {
                row: place.row + 1,
                column: 0,
            };
        }
        (shown, place)
    }

    fn push(self, grapheme: &str, counted: usize, shown: &mut String) {
        if grapheme == "\t" {
            return shown.push(' ');
        }
        let harmless: String = grapheme.chars().filter(|char| self.shows(*char)).collect();
        let lacking = counted.saturating_sub(usize::from(self.mode.width(&harmless)));
        shown.push_str(&harmless);
        shown.extend(std::iter::repeat_n(BOX, lacking));
    }

    /// Terminals disagree on what joins emoji and picks their style. Without it they are shown
    /// apart and as wide as the editor counts them, everywhere; what is sent keeps it.
    fn shows(self, char: char) -> bool {
        let joins = matches!(char, '\u{200d}' | '\u{fe00}'..='\u{fe0f}');
        let apart = self.mode == GraphemeClusterMode::WcWidth;
        !(sanitize::is_steering(char) || joins && apart)
    }

    /// The editor's own count.
    fn counted(self, grapheme: &str, sequence: Sequence) -> (usize, Sequence) {
        match sequence {
            Sequence::Begun if grapheme == "[" => (0, Sequence::Parameters),
            Sequence::Begun => (0, Sequence::None),
            Sequence::Parameters => {
                let goes_on = grapheme == ";" || grapheme.starts_with(|c: char| c.is_ascii_digit());
                let next = if goes_on {
                    Sequence::Parameters
                } else {
                    Sequence::None
                };
                (0, next)
            }
            Sequence::None if grapheme == "\t" => (usize::from(TAB_COLUMNS), Sequence::None),
            Sequence::None if grapheme == ESCAPE => (0, Sequence::Begun),
            Sequence::None => (usize::from(self.mode.width(grapheme)), Sequence::None),
        }
    }
}

#[cfg(test)]
mod tests;
