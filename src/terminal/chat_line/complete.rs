//! Completion of the word at the cursor, from what is known already: never a round trip.

use std::collections::BTreeSet;

use super::super::command::{EMOJI, TOPICS};
use super::super::state::State;
use antiphon_protocol::client::Target;

/// The most that is offered.
const OFFERED_MAX: usize = 50;
/// What `/chat` puts in front of a room.
const ROOM_MARK: &str = "room:";

/// Where the word begins, and what it may become.
pub(super) fn candidates(line: &str, at: usize, state: &State) -> (usize, Vec<String>) {
    let typed = line.get(..at).unwrap_or(line);
    let start = typed.rfind(char::is_whitespace).map_or(0, |space| {
        space + typed[space..].chars().next().map_or(0, char::len_utf8)
    });
    let (before, word) = typed.split_at(start);
    // A blank follows, unless there is one already.
    let blank = if line[typed.len()..].starts_with(' ') {
        ""
    } else {
        " "
    };
    let offered = words(before, word, state).into_iter().take(OFFERED_MAX);
    (
        start,
        offered.map(|word| format!("{word}{blank}")).collect(),
    )
}

fn words(before: &str, word: &str, state: &State) -> Vec<String> {
    if before.is_empty() && word.starts_with('/') {
        return commands(word);
    }
    if let Some(rest) = word.strip_prefix('@') {
        return marked("@", users(rest, state));
    }
    if let Some(rest) = word.strip_prefix('#') {
        return marked("#", rooms(rest, state));
    }
    if let Some(rest) = word.strip_prefix(':').filter(|rest| !rest.is_empty()) {
        let fitting = EMOJI.iter().filter(|(name, _)| name.starts_with(rest));
        return fitting.map(|(name, _)| format!(":{name}:")).collect();
    }
    argument(before, word, state)
}

fn marked(mark: &str, names: Vec<String>) -> Vec<String> {
    let names = names.into_iter().map(|name| format!("{mark}{name}"));
    names.collect()
}

fn commands(word: &str) -> Vec<String> {
    let names = TOPICS.iter().flat_map(|topic| {
        let aliases = topic.aliases.iter().map(|alias| (*alias).to_owned());
        std::iter::once(format!("/{}", topic.name)).chain(aliases)
    });
    names.filter(|name| name.starts_with(word)).collect()
}

/// The arguments of a command are of their kind.
fn argument(before: &str, word: &str, state: &State) -> Vec<String> {
    let mut said = before.split_whitespace();
    let command = said.next().unwrap_or_default();
    let nth = said.count();
    match (command, nth) {
        ("/chat", 0) => {
            let mut names = match word.strip_prefix(ROOM_MARK) {
                Some(rest) => marked(ROOM_MARK, rooms(rest, state)),
                None => users(word, state),
            };
            if !word.is_empty() && ROOM_MARK.starts_with(word) {
                names.extend(marked(ROOM_MARK, rooms("", state)));
            }
            names
        }
        ("/msg" | "/stats" | "/kick" | "/online" | ":pu", 0) | ("/invite", _) => users(word, state),
        ("/join" | "/joinRoom" | "/leave" | "/popular", 0) => rooms(word, state),
        ("/help" | "/?", 0) => {
            let names = TOPICS.iter().map(|topic| topic.name.to_owned());
            names.filter(|name| name.starts_with(word)).collect()
        }
        ("/rooms" | "/members", 0) => fixed(word, "next"),
        ("/create", 0) => fixed(word, "--private"),
        ("/search", 0) => fixed(word, "--all"),
        ("/delay" | ":delay", 0) => fixed(word, "cancel"),
        _ => Vec::new(),
    }
}

/// A word that is offered once its beginning is there.
fn fixed(word: &str, only: &str) -> Vec<String> {
    let fits = !word.is_empty() && only.starts_with(word);
    fits.then(|| only.to_owned()).into_iter().collect()
}

/// Those of the current conversation first, the user last.
fn users(word: &str, state: &State) -> Vec<String> {
    let near: Vec<&String> = match &state.current {
        Some(Target::Room(room)) => state.names.members(room.as_str()).collect(),
        Some(Target::User(_)) | None => Vec::new(),
    };
    let near_names: BTreeSet<&str> = near.iter().map(|name| name.as_str()).collect();
    let far = state
        .names
        .users
        .iter()
        .filter(|name| !near_names.contains(name.as_str()));
    let mut found = starting(word, near.iter().copied().chain(far));
    found.sort_by_key(|name| *name == state.me);
    found
}

fn rooms(word: &str, state: &State) -> Vec<String> {
    let seen = state.names.rooms.difference(&state.rooms);
    starting(word, state.rooms.iter().chain(seen))
}

fn starting<'a>(word: &str, names: impl Iterator<Item = &'a String>) -> Vec<String> {
    let word = word.to_lowercase();
    let fitting = names.filter(|name| name.to_lowercase().starts_with(&word));
    fitting.cloned().collect()
}

#[cfg(test)]
mod tests;
