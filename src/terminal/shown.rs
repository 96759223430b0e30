//! A line on its way to the screen. A [`Shown`] holds nothing but text, line breaks and our own
//! colors, whoever wrote it and whatever was forgotten before.
//!
//! [`super::sanitize`] makes the words of others readable; this makes sure.

use super::sanitize;

const ESCAPE: char = '\u{1b}';
/// Longest sequence that paints.
const PAINT_BYTES_MAX: usize = 16;

/// A line, or several, that may go to the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown(String);

impl Shown {
    /// Keeps text, line breaks and paint. All else is dropped.
    pub fn new(line: &str) -> Self {
        let harmless = |char| char == '\n' || !sanitize::is_steering(char);
        if line.chars().all(harmless) {
            return Self(line.to_owned());
        }
        let mut shown = String::with_capacity(line.len());
        let mut rest = line;
        while let Some(char) = rest.chars().next() {
            let paint = paint_at(rest);
            let length = paint.map_or(char.len_utf8(), str::len);
            match paint {
                Some(paint) => shown.push_str(paint),
                None if harmless(char) => shown.push(char),
                None => {}
            }
            rest = &rest[length..];
        }
        Self(shown)
    }

    /// Several, each on its own line.
    pub fn joined(lines: &[Self]) -> Self {
        let lines: Vec<&str> = lines.iter().map(Self::as_str).collect();
        Self(lines.join("\n"))
    }

    /// The text with its paint.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The sequence at the beginning of `text` that sets colors and weights, if it is one. Blinking
/// and hidden text are none of ours.
fn paint_at(text: &str) -> Option<&str> {
    let parameters = text.strip_prefix(ESCAPE)?.strip_prefix('[')?;
    let end = parameters
        .find(|char: char| !char.is_ascii_digit() && char != ';')
        .filter(|end| *end <= PAINT_BYTES_MAX && parameters[*end..].starts_with('m'))?;
    let numbers = &parameters[..end];
    let is_ours = is_color_of_a_name(numbers) || numbers.split(';').all(is_paint);
    is_ours.then(|| &text[..ESCAPE.len_utf8() + 1 + end + 1])
}

/// Weights and the sixteen colors.
fn is_paint(number: &str) -> bool {
    match number.parse() {
        Ok(number) => {
            matches!(number, 0..=4 | 7 | 22..=24 | 27 | 30..=37 | 39 | 90..=97 | 40..=47 | 49 | 100..=107)
        }
        Err(_) => number.is_empty(),
    }
}

/// One of the 256 colors, for letters only.
fn is_color_of_a_name(numbers: &str) -> bool {
    let index = numbers.strip_prefix("38;5;");
    index.is_some_and(|index| index.parse::<u8>().is_ok())
}

#[cfg(test)]
mod tests;
