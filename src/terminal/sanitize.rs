//! What others wrote, made harmless for a terminal: names, rooms, texts, topics, errors.
//!
//! Control characters, whole escape sequences, bidi controls and invisible characters are
//! dropped; a newline becomes an indented continuation, so that nobody can forge a line.
//! Colors are added only behind this.

use std::iter::Peekable;
use std::str::Chars;

/// What a newline in somebody's text becomes.
pub const CONTINUATION: &str = "\n      ";

const ESCAPE: char = '\u{1b}';
const BELL: char = '\u{7}';
const STRING_TERMINATOR: char = '\u{9c}';
const ZERO_WIDTH_JOINER: char = '\u{200d}';
const ZERO_WIDTH_NON_JOINER: char = '\u{200c}';

/// A text that may have several lines.
pub fn sanitize(text: &str) -> String {
    clean(text, CONTINUATION)
}

/// A text that stays on one line: names, topics, errors.
pub fn sanitize_inline(text: &str) -> String {
    clean(text, " ")
}

fn clean(text: &str, newline: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    let mut before = None;
    while let Some(c) = rest.next() {
        match c {
            '\r' if rest.peek() == Some(&'\n') => {}
            '\n' => clean.push_str(newline),
            '\t' => clean.push(' '),
            ESCAPE => skip_escape(&mut rest),
            '\u{9b}' => skip_control_sequence(&mut rest),
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => skip_string(&mut rest),
            ZERO_WIDTH_JOINER => {
                let inside =
                    before.is_some_and(ends_emoji) && rest.peek().is_some_and(begins_emoji);
                if inside {
                    clean.push(c);
                }
            }
            ZERO_WIDTH_NON_JOINER => {
                // Persian and Indic spelling needs it; Latin look-alikes don't.
                let letter = |c: char| !c.is_ascii() && c.is_alphabetic();
                if before.is_some_and(letter) && rest.peek().copied().is_some_and(letter) {
                    clean.push(c);
                }
            }
            c if c.is_control() || is_invisible(c) => {}
            c => clean.push(c),
        }
        before = Some(c);
    }
    clean
}

/// Behind an ESC: a control sequence, a string, or a short sequence.
fn skip_escape(rest: &mut Peekable<Chars<'_>>) {
    match rest.peek() {
        Some('[') => {
            rest.next();
            skip_control_sequence(rest);
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            rest.next();
            skip_string(rest);
        }
        _ => {
            while rest.next_if(|c| (' '..='/').contains(c)).is_some() {}
            rest.next_if(|c| ('0'..='~').contains(c));
        }
    }
}

/// Behind a CSI: parameters, intermediates, one final.
fn skip_control_sequence(rest: &mut Peekable<Chars<'_>>) {
    while rest.next_if(|c| (' '..='?').contains(c)).is_some() {}
    rest.next_if(|c| ('@'..='~').contains(c));
}

/// Behind an OSC, DCS, SOS, PM or APC: everything up to its terminator. Without one, what
/// follows is plain text, since its introducer is gone.
fn skip_string(rest: &mut Peekable<Chars<'_>>) {
    let mut ahead = rest.clone();
    while let Some(c) = ahead.next() {
        let ended = match c {
            BELL | STRING_TERMINATOR => true,
            ESCAPE => ahead.next_if_eq(&'\\').is_some(),
            _ => false,
        };
        if ended {
            *rest = ahead;
            return;
        }
    }
}

fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'   // bidi embeddings, overrides, isolates
        | '\u{2028}' | '\u{2029}'                           // line and paragraph separators
        | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}' // zero-width spaces and joiners
        | '\u{206a}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}' // deprecated and annotation controls
        | '\u{e0000}'..='\u{e007f}'                         // tags: text that nobody sees
    )
}

fn begins_emoji(c: &char) -> bool {
    matches!(c,
        '\u{1f000}'..='\u{1faff}' | '\u{2190}'..='\u{21ff}' | '\u{2300}'..='\u{23ff}'
        | '\u{2600}'..='\u{27bf}' | '\u{2b00}'..='\u{2bff}')
}

fn ends_emoji(c: char) -> bool {
    c == '\u{fe0f}' || begins_emoji(&c)
}

#[cfg(test)]
mod tests;
