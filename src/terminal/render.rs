//! How things look as lines: the only place that adds colors, always behind
//! [`super::sanitize`].

mod duration;
mod layout;
mod time;

use antiphon_protocol::Message;
use owo_colors::{OwoColorize, XtermColors};

use super::command::CommandError;
use super::sanitize;

pub use duration::duration;
pub use layout::{bars, cells_per_row, cut, fill, in_columns, width, wrap};
pub use time::{Day, Zone, day_in_words};

/// Colors of the 256 that are readable on dark and light screens, none of them red or yellow,
/// which mean something. Many, so that few people share one.
const PALETTE: &[u8] = &[
    31, 35, 37, 61, 62, 65, 66, 67, 68, 71, 72, 73, 97, 98, 104, 106, 130, 132, 133, 134, 137, 139,
    168, 169, 170, 173,
];

/// Paints, or leaves plain; knows whose time is shown.
#[derive(Debug, Clone, Copy)]
pub struct Painter {
    color: bool,
    zone: Zone,
}

impl Painter {
    /// With or without colors.
    pub fn new(color: bool) -> Self {
        Self {
            color,
            zone: Zone::System,
        }
    }

    /// With UTC, whatever this machine's time zone is.
    #[cfg(test)]
    pub(crate) fn utc(color: bool) -> Self {
        Self {
            color,
            zone: Zone::Utc,
        }
    }

    /// Whose time is shown.
    pub fn zone(self) -> Zone {
        self.zone
    }

    /// What asks for a look: the mark of a mention, what is new.
    pub fn signal(self, text: &str) -> String {
        if self.color {
            text.yellow().bold().to_string()
        } else {
            text.to_owned()
        }
    }

    /// The prompt: of another color while there is no connection.
    pub fn prompt(self, prompt: &str, connected: bool) -> String {
        if connected {
            self.bold(prompt)
        } else {
            self.signal(prompt)
        }
    }

    /// A command that was typed.
    pub fn typed(self, text: &str) -> String {
        self.dim(&format!("› {}", sanitize::text(text)))
    }

    /// A line between other lines.
    pub fn divider(self, words: &str) -> String {
        self.dim(&format!("── {words} ──"))
    }

    /// The line between what was read and what was not.
    pub fn new_divider(self, count: u64) -> String {
        self.signal(&format!("── {count} new ──"))
    }

    /// The line in front of another day.
    pub fn day_divider(self, day: Day) -> String {
        self.divider(&day_in_words(day))
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
            name.color(color_of(&name)).to_string()
        } else {
            name
        }
    }

    /// A user's name whose beginning, folded, is marked.
    fn name_beginning(self, name: &str, beginning: &str) -> String {
        let clean = sanitize::line(name);
        let length = starts_folded(&clean, &beginning.to_lowercase());
        match length.filter(|length| self.color && *length > 0) {
            Some(length) => {
                let color = color_of(&clean);
                let (begin, rest) = clean.split_at(length);
                format!("{}{}", begin.color(color).bold(), rest.color(color))
            }
            None => self.name(name),
        }
    }

    /// A name in a list, looked at by `viewer`.
    pub fn listed(self, name: &str, viewer: &str, beginning: &str) -> String {
        if name == viewer {
            self.own_name(name)
        } else {
            self.name_beginning(name, beginning)
        }
    }

    /// A bar of a chart.
    pub fn bar(self, bar: &str) -> String {
        if self.color {
            bar.cyan().to_string()
        } else {
            bar.to_owned()
        }
    }

    /// The viewer's own name: unlike any other.
    pub fn own_name(self, name: &str) -> String {
        self.bold(&sanitize::line(name))
    }

    /// A message as one line: time, conversation, name, text. `viewer` is who looks at it.
    pub fn message(self, message: &Message, viewer: &str) -> String {
        let time = self.zone.time_of_day(message.ts);
        self.message_at(message, viewer, &time, &[])
    }

    /// A message as one line behind `time`, with some words (in lower case) marked.
    pub fn message_at(
        self,
        message: &Message,
        viewer: &str,
        time: &str,
        marked: &[String],
    ) -> String {
        let time = self.dim(time);
        let place = self.dim(&label(&message.conversation));
        let own = message.from.as_str() == viewer;
        let name = if own {
            self.own_name(message.from.as_str())
        } else {
            self.name(message.from.as_str())
        };
        let text = self.with_marks(&sanitize::text(&message.message), marked);
        if message.format == "emote" {
            return format!("{time} {place} * {name} {text}");
        }
        if !own && mentions(&message.message, viewer) {
            let mark = self.signal("»");
            let text = if marked.is_empty() {
                self.bold(&text)
            } else {
                text
            };
            return format!("{time} {place} {name} {mark} {text}");
        }
        format!("{time} {place} {name}  {text}")
    }

    /// Clean text with the places marked where one of the words stands.
    pub fn with_marks(self, text: &str, words: &[String]) -> String {
        if !self.color || words.is_empty() {
            return text.to_owned();
        }
        let mut marked = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let found = words.iter().find_map(|word| starts_folded(rest, word));
            match found.filter(|length| *length > 0) {
                Some(length) => {
                    let found = &rest[..length];
                    marked.push_str(&found.bold().underline().to_string());
                    rest = &rest[length..];
                }
                None => {
                    marked.push(first);
                    rest = &rest[first.len_utf8()..];
                }
            }
        }
        marked
    }
}

/// How many bytes of `text` are `word`, which is in lower case.
fn starts_folded(text: &str, word: &str) -> Option<usize> {
    let mut wanted = word.chars().peekable();
    for (at, char) in text.char_indices() {
        if wanted.peek().is_none() {
            return Some(at);
        }
        for lower in char.to_lowercase() {
            if wanted.next() != Some(lower) {
                return None;
            }
        }
    }
    wanted.peek().is_none().then_some(text.len())
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

/// Whether `text` holds the name as a word of its own.
pub fn mentions(text: &str, name: &str) -> bool {
    let (text, name) = (text.to_lowercase(), name.to_lowercase());
    if name.is_empty() {
        return false;
    }
    let edges = || Some((name.chars().next()?, name.chars().next_back()?));
    let Some((first, last)) = edges() else {
        return false;
    };
    text.match_indices(&name).any(|(at, found)| {
        let before = text[..at].chars().next_back();
        let behind = text[at + found.len()..].chars().next();
        let marked = before == Some('@');
        !before.is_some_and(|before| goes_on(before, first))
            && !behind.is_some_and(|behind| {
                // Behind a name in a script without blanks, words follow at once.
                goes_on(behind, last) && !(marked && is_wide(last))
            })
    })
}

/// Whether a neighbor makes another name of a name that begins or ends with `edge`. Scripts
/// without blanks stand right beside others.
fn goes_on(neighbor: char, edge: char) -> bool {
    let part_of_name = neighbor.is_alphanumeric() || matches!(neighbor, '_' | '-');
    part_of_name && is_wide(neighbor) == is_wide(edge)
}

fn is_wide(char: char) -> bool {
    unicode_width::UnicodeWidthChar::width(char) == Some(2)
}

fn color_of(name: &str) -> XtermColors {
    XtermColors::from(PALETTE[stable_hash(name) % PALETTE.len()])
}

/// FNV-1a: the same on every machine and in every version.
fn stable_hash(text: &str) -> usize {
    let hash = text.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    usize::try_from(hash).unwrap_or_default()
}

#[cfg(test)]
mod tests;
