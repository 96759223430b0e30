//! How things look: lines, colors, times. Everything that others wrote passes `sanitize`.

use antiphon_client::Event;
use antiphon_protocol::message::{RoomEvent, RoomEventKind};
use antiphon_protocol::{Message, UserName};
use owo_colors::{AnsiColors, OwoColorize, Stream};

use super::sanitize::{sanitize, sanitize_inline};

const MS_PER_MINUTE: u64 = 60_000;
const MINUTES_PER_DAY: u64 = 24 * 60;
/// Colors of names that can be read on dark and on light ground.
const PALETTE: [AnsiColors; 10] = [
    AnsiColors::Red,
    AnsiColors::Green,
    AnsiColors::Yellow,
    AnsiColors::Blue,
    AnsiColors::Magenta,
    AnsiColors::Cyan,
    AnsiColors::BrightRed,
    AnsiColors::BrightGreen,
    AnsiColors::BrightBlue,
    AnsiColors::BrightMagenta,
];

/// How lines are colored.
#[derive(Debug, Clone, Copy, Default)]
pub struct Style {
    color: bool,
}

impl Style {
    /// Colors if standard output is a terminal that has them and `NO_COLOR` is not set.
    pub fn detect() -> Self {
        let probe = "x"
            .if_supports_color(Stream::Stdout, |text| text.bold())
            .to_string();
        Self {
            color: probe != "x",
        }
    }

    /// Without colors.
    pub fn plain() -> Self {
        Self { color: false }
    }

    /// With colors.
    pub fn colored() -> Self {
        Self { color: true }
    }

    /// For what is not said by people.
    pub fn dim(self, text: &str) -> String {
        if self.color {
            text.dimmed().to_string()
        } else {
            text.to_owned()
        }
    }

    /// For what must be seen.
    pub fn bold(self, text: &str) -> String {
        if self.color {
            text.bold().to_string()
        } else {
            text.to_owned()
        }
    }

    /// A user's name, always in the same color.
    pub fn name(self, name: &str) -> String {
        let name = sanitize_inline(name);
        if self.color {
            name.color(name_color(&name)).to_string()
        } else {
            name
        }
    }
}

/// A name's color: the same on every machine (FNV-1a).
pub fn name_color(name: &str) -> AnsiColors {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    PALETTE[usize::try_from(hash % PALETTE.len() as u64).unwrap_or(0)]
}

/// `HH:MM`, UTC.
pub fn clock_time(unix_ms: u64) -> String {
    let minutes = unix_ms / MS_PER_MINUTE % MINUTES_PER_DAY;
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// A length of time in its units that are not zero, like `3d 1s`. Under a second, and
/// negative (clocks differ), is `0s`.
pub fn duration(ms: i64) -> String {
    let seconds = ms.max(0) / 1_000;
    let units = [
        (seconds / 86_400, "d"),
        (seconds / 3_600 % 24, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
    ];
    let parts = units.iter().filter(|(count, _)| *count > 0);
    let parts: Vec<_> = parts
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    if parts.is_empty() {
        "0s".to_owned()
    } else {
        parts.join(" ")
    }
}

/// `#room` or `@user` for a conversation's name on the wire.
pub fn place_name(conversation: &str) -> String {
    let name = conversation
        .strip_prefix("room:")
        .map(|room| format!("#{room}"));
    let name = name.or_else(|| {
        conversation
            .strip_prefix("user:")
            .map(|user| format!("@{user}"))
    });
    sanitize_inline(&name.unwrap_or_else(|| conversation.to_owned()))
}

/// Whether a text names the user, as a whole word.
pub fn mentions(text: &str, user: &UserName) -> bool {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    let words = text.split(|c: char| !part(c) && c != '.');
    words
        .map(|word| word.trim_matches('.'))
        .any(|word| word.to_lowercase() == user.as_str())
}

/// A message. Its conversation is named unless it is the `current` one.
pub fn message(style: Style, message: &Message, me: &UserName, current: Option<&str>) -> String {
    let time = style.dim(&clock_time(message.ts));
    let elsewhere = current != Some(message.conversation.as_str());
    let place = place_name(&message.conversation);
    let place = if elsewhere {
        format!("{} ", style.dim(&place))
    } else {
        String::new()
    };
    let name = style.name(message.from.as_str());
    let mut text = sanitize(&message.message);
    if message.from != *me && mentions(&message.message, me) {
        text = style.bold(&format!("» {text}"));
    }
    if message.format == "emote" {
        format!("{time} {place}* {name} {text}")
    } else {
        format!("{time} {place}{name}: {text}")
    }
}

/// What happened in a room; `None` for what people need not know.
pub fn room_event(style: Style, event: &RoomEvent, me: &UserName) -> Option<String> {
    let room = sanitize_inline(&format!("#{}", event.room_name));
    let name = |user: &Option<UserName>| match user {
        Some(user) if user == me => "you".to_owned(),
        Some(user) => sanitize_inline(user.as_str()),
        None => "somebody".to_owned(),
    };
    let (who, by) = (name(&event.username), name(&event.by));
    let are = if who == "you" { "were" } else { "was" };
    let text = match event.kind {
        RoomEventKind::Joined => format!("{who} joined {room}"),
        RoomEventKind::Left => format!("{who} left {room}"),
        RoomEventKind::Kicked => format!("{who} {are} removed from {room} by {by}"),
        RoomEventKind::Invited => format!("{by} invites you to {room}: /join {}", event.room_name),
        RoomEventKind::Epoch => return None,
    };
    Some(style.dim(&format!(
        "{} {}",
        clock_time(event.ts),
        sanitize_inline(&text)
    )))
}

/// The state of the connection, one dim line each; `None` for other events.
pub fn connection(style: Style, event: &Event) -> Option<String> {
    let text = match event {
        Event::Connected { server } => format!("connected to {server}"),
        Event::LoggedIn {
            log_replaced: true, ..
        } => "the server's messages were replaced or restored; what follows is new".to_owned(),
        Event::Disconnected { reason, retry_in } => {
            format!("{reason}; reconnecting in {:.1} s", retry_in.as_secs_f32())
        }
        Event::Notice(notice) => notice.message.clone(),
        Event::Gap {
            conversation,
            from,
            to,
        } => {
            let count = to - from + 1;
            format!(
                "{count} older messages of {} are gone",
                place_name(conversation)
            )
        }
        Event::Stopped { reason } => format!("{reason}. Press Enter to leave."),
        Event::LoggedIn { .. } | Event::Message(_) | Event::Presence(_) | Event::RoomEvent(_) => {
            return None;
        }
    };
    Some(style.dim(&format!("— {}", sanitize_inline(&text))))
}

#[cfg(test)]
mod tests;
