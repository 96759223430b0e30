//! From a line to a command. Total: every line is a command or a clear error.

use antiphon_protocol::client::Target;
use antiphon_protocol::{RoomName, UserName};

use super::help::usage_of;
use super::{
    ChatTo, CommandError, Create, GiveUp, Help, History, Invite, Join, Kick, Leave, Members, Msg,
    Online, Pending, Popular, Quit, Retry, Rooms, Say, Search, Stats, TerminalCommand, Unread,
    WhoAmI,
};
use crate::terminal::sanitize;

/// Words that `/popular` gives if no number is named.
const POPULAR_DEFAULT: u64 = 10;
/// Messages that `/history` gives if no number is named.
const HISTORY_DEFAULT: u64 = 20;
/// The most that either gives.
const COUNT_MAX: u64 = 500;
/// Longest command word that an error repeats.
const SHOWN_CHARS_MAX: usize = 40;

/// Reads a line that is not empty.
pub fn parse(line: &str) -> Result<TerminalCommand, CommandError> {
    let Some(command) = line.strip_prefix('/') else {
        return Ok(say(line));
    };
    if command.starts_with('/') {
        return Ok(say(command));
    }
    let (word, rest) = split_word(command);
    let rest = rest.trim();
    if let Some(command) = talk(word, rest)? {
        return Ok(command);
    }
    if let Some(command) = about_rooms(word, rest)? {
        return Ok(command);
    }
    about_the_rest(word, rest)
}

/// An empty text is none.
fn present(text: &str) -> Option<String> {
    Some(text.trim())
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

fn talk(word: &str, rest: &str) -> Result<Option<TerminalCommand>, CommandError> {
    Ok(Some(match word {
        "chat" => chat(rest)?.into(),
        "msg" => {
            let (user, text) = split_word(rest);
            let (user, text) = (user_name(user, "msg")?, present(text));
            Msg { user, text }.into()
        }
        "pending" => nothing(rest, "pending", Pending)?.into(),
        "retry" => nothing(rest, "retry", Retry)?.into(),
        "drop" => nothing(rest, "drop", GiveUp)?.into(),
        _ => return Ok(None),
    }))
}

fn about_rooms(word: &str, rest: &str) -> Result<Option<TerminalCommand>, CommandError> {
    Ok(Some(match word {
        "join" | "joinRoom" => {
            let room = optional_room(rest)?;
            Join { room }.into()
        }
        "leave" => {
            let room = optional_room(rest)?;
            Leave { room }.into()
        }
        "create" => {
            let room = room_name(rest, "create")?;
            Create { room }.into()
        }
        "rooms" => nothing(rest, "rooms", Rooms)?.into(),
        "members" => nothing(rest, "members", Members { room: None })?.into(),
        "invite" => {
            let user = user_name(rest, "invite")?;
            Invite { user, room: None }.into()
        }
        "kick" => {
            let user = user_name(rest, "kick")?;
            Kick { user, room: None }.into()
        }
        _ => return Ok(None),
    }))
}

fn about_the_rest(word: &str, rest: &str) -> Result<TerminalCommand, CommandError> {
    Ok(match word {
        "stats" => {
            let user = user_name(rest, "stats")?;
            Stats { user }.into()
        }
        "whoami" => nothing(rest, "whoami", WhoAmI)?.into(),
        "online" => nothing(rest, "online", Online)?.into(),
        "popular" => {
            let count = count(rest, "popular", POPULAR_DEFAULT)?;
            Popular { count }.into()
        }
        "history" => {
            let count = count(rest, "history", HISTORY_DEFAULT)?;
            let conversation = None;
            History {
                count,
                conversation,
            }
            .into()
        }
        "search" => {
            let words = present(rest).ok_or_else(|| usage("search"))?;
            Search { words }.into()
        }
        "unread" => nothing(rest, "unread", Unread)?.into(),
        "help" | "?" => {
            let topic = present(rest.trim_start_matches('/'));
            Help { topic }.into()
        }
        "quit" | "exit" => nothing(rest, "quit", Quit)?.into(),
        unknown => {
            let shown = sanitize::line(unknown);
            let shown = shown.chars().take(SHOWN_CHARS_MAX).collect();
            return Err(CommandError::Unknown(shown));
        }
    })
}

fn say(text: &str) -> TerminalCommand {
    Say {
        text: text.to_owned(),
        target: None,
    }
    .into()
}

fn split_word(text: &str) -> (&str, &str) {
    text.split_once(char::is_whitespace).unwrap_or((text, ""))
}

fn usage(command: &'static str) -> CommandError {
    CommandError::Usage(usage_of(command))
}

/// The ancestor's form: `/chat USER TEXT` or `/chat room:NAME TEXT`.
fn chat(rest: &str) -> Result<ChatTo, CommandError> {
    let (to, text) = split_word(rest);
    let text = text.trim();
    if to.is_empty() || text.is_empty() {
        return Err(usage("chat"));
    }
    let target = match to.strip_prefix("room:").or_else(|| to.strip_prefix('#')) {
        Some(room) => Target::Room(room_name(room, "chat")?),
        None => Target::User(user_name(to, "chat")?),
    };
    Ok(ChatTo {
        target,
        text: text.to_owned(),
    })
}

fn nothing<T>(rest: &str, command: &'static str, parsed: T) -> Result<T, CommandError> {
    if rest.is_empty() {
        Ok(parsed)
    } else {
        Err(usage(command))
    }
}

fn user_name(raw: &str, command: &'static str) -> Result<UserName, CommandError> {
    let raw = raw.strip_prefix('@').unwrap_or(raw);
    if raw.is_empty() {
        return Err(usage(command));
    }
    UserName::parse(raw).map_err(|error| not_a_name(raw, &error))
}

fn room_name(raw: &str, command: &'static str) -> Result<RoomName, CommandError> {
    let raw = raw.strip_prefix('#').unwrap_or(raw);
    if raw.is_empty() {
        return Err(usage(command));
    }
    RoomName::parse(raw).map_err(|error| not_a_name(raw, &error))
}

fn not_a_name(raw: &str, error: &antiphon_protocol::name::NameError) -> CommandError {
    let shown = sanitize::line(raw).chars().take(SHOWN_CHARS_MAX).collect();
    CommandError::Name(shown, error.to_string())
}

fn optional_room(rest: &str) -> Result<Option<RoomName>, CommandError> {
    if rest.is_empty() {
        Ok(None)
    } else {
        room_name(rest, "join").map(Some)
    }
}

fn count(rest: &str, command: &'static str, default: u64) -> Result<u64, CommandError> {
    if rest.is_empty() {
        return Ok(default);
    }
    let count: u64 = rest.parse().map_err(|_| usage(command))?;
    if count == 0 {
        Err(usage(command))
    } else {
        Ok(count.min(COUNT_MAX))
    }
}
