//! The one function that every text of others passes before it reaches the screen: names,
//! rooms, messages, topics, errors, server names.
//!
//! What it gives holds no control character but line breaks that it wrote itself, no escape
//! sequence or rest of one, nothing that turns the writing direction, and nothing invisible.
//! Colors are added behind it, never before.

use std::iter::Peekable;
use std::str::Chars;

use unicode_width::UnicodeWidthChar;

/// What stands at the beginning of each further line of a message.
pub const INDENT: &str = "      ";
/// Longest text given; the longest message fits.
pub const CHARS_MAX: usize = 16_000;
/// Most lines given; further line breaks become spaces.
pub const LINES_MAX: usize = 100;

/// How much of a text is repeated where it is only mentioned.
const EXCERPT_CHARS_MAX: usize = 40;
/// How much of somebody's reason is repeated.
const REASON_CHARS_MAX: usize = 120;
/// Most marks above and below one letter; no script needs more.
pub const MARKS_MAX: usize = 4;

const ESCAPE: char = '\u{1b}';
const BELL: char = '\u{7}';
const STRING_END: char = '\u{9c}';
const ZERO_WIDTH_JOINER: char = '\u{200d}';
const EMOJI_STYLE: char = '\u{fe0f}';
const COMBINING_ENCLOSING_KEYCAP: char = '\u{20e3}';

/// A text of several lines: each line but the first is indented.
pub fn text(raw: &str) -> String {
    clean(raw, true)
}

/// A text on one line: line breaks become spaces.
pub fn line(raw: &str) -> String {
    clean(raw, false)
}

/// What somebody typed or pasted, without what would steer a terminal: what is sent is what
/// was seen. Line breaks and tabs stay.
pub fn typed(raw: &str) -> String {
    let kept = |char: &char| matches!(char, '\n' | '\t') || !is_steering(*char);
    raw.chars().filter(kept).collect()
}

/// The beginning of a text, on one line.
pub fn excerpt(raw: &str) -> String {
    beginning(raw, EXCERPT_CHARS_MAX)
}

/// Why something did not work, in the words of others: a line or two, not a page.
pub fn reason(raw: &str) -> String {
    beginning(raw, REASON_CHARS_MAX)
}

fn beginning(raw: &str, chars_max: usize) -> String {
    let clean = line(raw);
    let mut beginning: String = clean.chars().take(chars_max).collect();
    if beginning.len() < clean.len() {
        beginning.push('…');
    }
    beginning
}

fn clean(raw: &str, breaks: bool) -> String {
    let mut output = Output {
        text: String::with_capacity(raw.len().min(CHARS_MAX)),
        chars: 0,
        breaks_left: if breaks { LINES_MAX - 1 } else { 0 },
        last: None,
        marks: 0,
    };
    let mut chars = raw.chars().peekable();
    while let Some(char) = chars.next() {
        if output.chars >= CHARS_MAX {
            output.text.push('…');
            break;
        }
        match char {
            ESCAPE => skip_escape(&mut chars),
            '\u{9b}' => skip_control_sequence(&mut chars),
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => skip_string(&mut chars),
            '\n' => output.line_break(),
            '\t' => output.push(' '),
            _ if char.is_control() => {}
            ZERO_WIDTH_JOINER => {
                let next_joins = chars.peek().copied().is_some_and(is_emoji);
                if next_joins
                    && output
                        .last
                        .is_some_and(|last| is_emoji(last) || last == EMOJI_STYLE)
                {
                    output.push(char);
                }
            }
            EMOJI_STYLE => {
                let keycap = chars.peek() == Some(&COMBINING_ENCLOSING_KEYCAP);
                if keycap || output.last.is_some_and(is_emoji) {
                    output.push(char);
                }
            }
            _ if is_invisible(char) => {}
            _ => output.push(char),
        }
    }
    output.text
}

struct Output {
    text: String,
    chars: usize,
    breaks_left: usize,
    last: Option<char>,
    /// On the letter that came last.
    marks: usize,
}

impl Output {
    fn push(&mut self, char: char) {
        if char.width() == Some(0) {
            // A mark without a letter would go onto what stands before the text.
            if self.last.is_none() || self.marks >= MARKS_MAX {
                return;
            }
            self.marks += 1;
        } else {
            self.marks = 0;
        }
        self.text.push(char);
        self.chars += 1;
        self.last = Some(char);
    }

    fn line_break(&mut self) {
        match self.breaks_left.checked_sub(1) {
            Some(left) => {
                self.breaks_left = left;
                self.text.push('\n');
                self.text.push_str(INDENT);
                self.chars += 1 + INDENT.len();
                self.last = None;
            }
            None => self.push(' '),
        }
    }
}

/// Behind an ESC: the rest of the sequence, whatever its kind.
fn skip_escape(chars: &mut Peekable<Chars<'_>>) {
    match chars.peek() {
        Some('[') => {
            chars.next();
            skip_control_sequence(chars);
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            chars.next();
            skip_string(chars);
        }
        Some(_) | None => {
            skip_while(chars, |char| matches!(char, ' '..='/'));
            if chars.peek().is_some_and(|char| matches!(char, '0'..='~')) {
                chars.next();
            }
        }
    }
}

/// Behind a CSI: parameters, intermediates, one final.
fn skip_control_sequence(chars: &mut Peekable<Chars<'_>>) {
    skip_while(chars, |char| matches!(char, '0'..='?'));
    skip_while(chars, |char| matches!(char, ' '..='/'));
    if chars.peek().is_some_and(|char| matches!(char, '@'..='~')) {
        chars.next();
    }
}

/// Behind an OSC, DCS, APC, PM or SOS: up to its end. One that does not end takes the rest of
/// its line with it.
fn skip_string(chars: &mut Peekable<Chars<'_>>) {
    while let Some(char) = chars.peek().copied() {
        match char {
            // The next character begins something of its own, or ends the string with `\`.
            ESCAPE | '\n' => return,
            BELL | STRING_END => {
                chars.next();
                return;
            }
            _ => {
                chars.next();
            }
        }
    }
}

fn skip_while(chars: &mut Peekable<Chars<'_>>, skipped: impl Fn(char) -> bool) {
    while chars.peek().copied().is_some_and(&skipped) {
        chars.next();
    }
}

/// Moves the cursor, changes the terminal's state, turns the direction, or breaks lines.
pub fn is_steering(char: char) -> bool {
    char.is_control()
        || matches!(
            char,
            // Directions.
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}'
            // Line and paragraph separators.
            | '\u{2028}' | '\u{2029}'
        )
}

/// Shows nothing, or steers.
pub(crate) fn is_invisible(char: char) -> bool {
    is_steering(char)
        || matches!(
            char,
            // No width.
            '\u{ad}' | '\u{34f}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200d}'
            | '\u{2060}'..='\u{2065}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
            // Directions of notes, of shorthand and of hieroglyphs.
            | '\u{13430}'..='\u{1345f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            // Letters that show nothing.
            | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{3164}' | '\u{ffa0}'
        )
}

fn is_emoji(char: char) -> bool {
    matches!(
        char,
        '\u{a9}' | '\u{ae}' | '\u{203c}' | '\u{2049}' | '\u{2122}' | '\u{2139}'
        | '\u{2190}'..='\u{21ff}' | '\u{2300}'..='\u{23ff}' | '\u{2460}'..='\u{24ff}'
        | '\u{25a0}'..='\u{27bf}' | '\u{2900}'..='\u{297f}' | '\u{2b00}'..='\u{2bff}'
        | '\u{3030}' | '\u{303d}' | '\u{3297}' | '\u{3299}' | '\u{1f000}'..='\u{1faff}'
    )
}

#[cfg(test)]
mod tests;
