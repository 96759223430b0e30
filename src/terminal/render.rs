//! How things look as lines: the only place that adds colors, always behind
//! [`super::sanitize`].

mod duration;

use antiphon_protocol::Message;
use owo_colors::{AnsiColors, OwoColorize};

use super::command::CommandError;
use super::sanitize;

pub use duration::duration;

/// Colors that are readable on dark and light screens; none of them means anything.
const PALETTE: &[AnsiColors] = &[
    AnsiColors::Cyan,
    AnsiColors::Green,
    AnsiColors::Yellow,
    AnsiColors::Blue,
    AnsiColors::Magenta,
    AnsiColors::BrightCyan,
    AnsiColors::BrightGreen,
    AnsiColors::BrightBlue,
    AnsiColors::BrightMagenta,
];
const MINUTES_A_DAY: u64 = 24 * 60;

/// Paints, or leaves plain.
#[derive(Debug, Clone, Copy)]
pub struct Painter {
    color: bool,
}

impl Painter {
    /// With or without colors.
    pub fn new(color: bool) -> Self {
        Self { color }
    }

    /// Words that matter less.
    pub fn dim(self, text: &str) -> String {
        if self.color {
            text.dimmed().to_string()
        } else {
            text.to_owned()
        }
    }

    /// Words that matter more.
    pub fn bold(self, text: &str) -> String {
        if self.color {
            text.bold().to_string()
        } else {
            text.to_owned()
        }
    }

    /// Something went wrong.
    pub fn error(self, text: &str) -> String {
        if self.color {
            text.red().to_string()
        } else {
            text.to_owned()
        }
    }

    /// Why a command did nothing.
    pub fn command_error(self, error: &CommandError) -> String {
        let words = sanitize::line(&error.to_string());
        if matches!(error, CommandError::Cancelled) {
            self.dim(&format!("— {words}"))
        } else {
            self.error(&format!("! {words}"))
        }
    }

    /// A user's name, always in the same color.
    pub fn name(self, name: &str) -> String {
        let name = sanitize::line(name);
        if self.color {
            let color = PALETTE[stable_hash(&name) % PALETTE.len()];
            name.color(color).to_string()
        } else {
            name
        }
    }

    /// A message as one line: time, conversation, name, text. `viewer` is who looks at it.
    pub fn message(self, message: &Message, viewer: &str) -> String {
        let time = self.dim(&time_of_day(message.ts));
        let place = self.dim(&label(&message.conversation));
        let name = self.name(message.from.as_str());
        let text = sanitize::text(&message.message);
        let own = message.from.as_str() == viewer;
        if message.format == "emote" {
            return format!("{time} {place} * {name} {text}");
        }
        if !own && mentions(&message.message, viewer) {
            let mark = self.bold("»");
            return format!("{time} {place} {name} {mark} {}", self.bold(&text));
        }
        format!("{time} {place} {name}  {text}")
    }
}

/// `#room` or `@user`, cleaned, of `room:NAME` or `user:NAME`.
pub fn label(conversation: &str) -> String {
    let clean = sanitize::line(conversation);
    if let Some(room) = clean.strip_prefix("room:") {
        format!("#{room}")
    } else if let Some(user) = clean.strip_prefix("user:") {
        format!("@{user}")
    } else {
        clean
    }
}

/// `HH:MM` in UTC.
pub fn time_of_day(unix_ms: u64) -> String {
    let minute = unix_ms / 60_000 % MINUTES_A_DAY;
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

/// Whether `text` holds the name as a word of its own.
pub fn mentions(text: &str, name: &str) -> bool {
    let (text, name) = (text.to_lowercase(), name.to_lowercase());
    if name.is_empty() {
        return false;
    }
    let part_of_name = |char: char| char.is_alphanumeric() || matches!(char, '_' | '-');
    text.match_indices(&name).any(|(at, found)| {
        let before = text[..at].chars().next_back();
        let behind = text[at + found.len()..].chars().next();
        !before.is_some_and(part_of_name) && !behind.is_some_and(part_of_name)
    })
}

/// FNV-1a: the same on every machine and in every version.
fn stable_hash(text: &str) -> usize {
    let hash = text.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    usize::try_from(hash).unwrap_or_default()
}

/// How many rows a text takes on a screen of `columns`, the cursor being behind it.
pub fn rows(text: &str, columns: usize) -> usize {
    let columns = columns.max(1);
    let (mut row, mut column) = (1, 0);
    for char in text.chars() {
        if char == '\n' {
            (row, column) = (row + 1, 0);
            continue;
        }
        let width = unicode_width::UnicodeWidthChar::width(char).unwrap_or(0);
        if column + width > columns {
            (row, column) = (row + 1, 0);
        }
        column += width;
    }
    // The line editor moves on when the last column is taken.
    if column >= columns { row + 1 } else { row }
}

#[cfg(test)]
mod tests;
