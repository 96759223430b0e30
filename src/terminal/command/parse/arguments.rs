//! The kinds of arguments.

use antiphon_protocol::name::NameError;
use antiphon_protocol::{RoomName, UserName};

use super::super::help::{shown, usage_of};
use super::CommandError;

/// The most messages, words or pages that are asked for.
const COUNT_MAX: u64 = 500;
/// People invited at once.
const USERS_MAX: usize = 50;

/// The first word, and what follows.
pub(super) fn split_word(text: &str) -> (&str, &str) {
    text.split_once(char::is_whitespace).unwrap_or((text, ""))
}

pub(super) fn usage(command: &'static str) -> CommandError {
    CommandError::Usage(usage_of(command))
}

/// An empty text is none.
pub(super) fn present(text: &str) -> Option<String> {
    Some(text.trim())
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

pub(super) fn text(raw: &str, command: &'static str) -> Result<String, CommandError> {
    present(raw).ok_or_else(|| usage(command))
}

pub(super) fn nothing<T>(rest: &str, command: &'static str, parsed: T) -> Result<T, CommandError> {
    if rest.is_empty() {
        Ok(parsed)
    } else {
        Err(usage(command))
    }
}

/// Whether the next page is asked for.
pub(super) fn next(rest: &str, command: &'static str) -> Result<bool, CommandError> {
    match rest {
        "" => Ok(false),
        "next" => Ok(true),
        _ => Err(usage(command)),
    }
}

/// On, off, or neither.
pub(super) fn switch(rest: &str, command: &'static str) -> Result<Option<bool>, CommandError> {
    match rest {
        "" => Ok(None),
        "on" => Ok(Some(true)),
        "off" => Ok(Some(false)),
        _ => Err(usage(command)),
    }
}

pub(super) fn user_name(raw: &str, command: &'static str) -> Result<UserName, CommandError> {
    let raw = raw.strip_prefix('@').unwrap_or(raw);
    if raw.is_empty() {
        return Err(usage(command));
    }
    UserName::parse(raw).map_err(|error| not_a_name(raw, &error))
}

pub(super) fn user_names(rest: &str, command: &'static str) -> Result<Vec<UserName>, CommandError> {
    let names = rest.split([',', ' ']).filter(|name| !name.is_empty());
    let names = names.take(USERS_MAX).map(|name| user_name(name, command));
    names.collect()
}

pub(super) fn room_name(raw: &str, command: &'static str) -> Result<RoomName, CommandError> {
    let raw = raw.strip_prefix('#').unwrap_or(raw);
    if raw.is_empty() {
        return Err(usage(command));
    }
    RoomName::parse(raw).map_err(|error| not_a_name(raw, &error))
}

fn not_a_name(raw: &str, error: &NameError) -> CommandError {
    CommandError::Name(shown(raw), error.to_string())
}

pub(super) fn optional_room(rest: &str) -> Result<Option<RoomName>, CommandError> {
    if rest.is_empty() {
        Ok(None)
    } else {
        room_name(rest, "join").map(Some)
    }
}

pub(super) fn number(raw: &str, command: &'static str) -> Result<u64, CommandError> {
    raw.trim().parse().map_err(|_| usage(command))
}

pub(super) fn count(rest: &str, command: &'static str, default: u64) -> Result<u64, CommandError> {
    if rest.is_empty() {
        return Ok(default);
    }
    match number(rest, command)? {
        0 => Err(usage(command)),
        count => Ok(count.min(COUNT_MAX)),
    }
}
