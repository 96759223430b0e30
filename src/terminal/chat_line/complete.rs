//! Completion of the word at the cursor, from what is known already: never a round trip.

use std::collections::BTreeSet;

use super::super::command::TOPICS;
use super::super::state::State;

/// The most that is offered.
const OFFERED_MAX: usize = 50;

/// Where the word begins, and what it may become.
pub(super) fn candidates(line: &str, at: usize, state: &State) -> (usize, Vec<String>) {
    let typed = line.get(..at).unwrap_or(line);
    let start = typed.rfind(char::is_whitespace).map_or(0, |space| {
        space + typed[space..].chars().next().map_or(0, char::len_utf8)
    });
    let word = &typed[start..];
    if start == 0 && word.starts_with('/') {
        return (start, commands(word));
    }
    let (mark, names) = if let Some(rest) = word.strip_prefix('@') {
        ("@", starting(rest, &state.users))
    } else if let Some(rest) = word.strip_prefix('#') {
        ("#", rooms(rest, state))
    } else {
        ("", argument(&typed[..start], word, state))
    };
    let offered = names.into_iter().take(OFFERED_MAX);
    (
        start,
        offered.map(|name| format!("{mark}{name} ")).collect(),
    )
}

fn commands(word: &str) -> Vec<String> {
    let names = TOPICS
        .iter()
        .flat_map(|topic| std::iter::once(topic.name).chain(topic.aliases.iter().copied()));
    let names = names.map(|name| format!("/{name} "));
    names.filter(|name| name.starts_with(word)).collect()
}

/// The first argument of a command is of its kind.
fn argument(before: &str, word: &str, state: &State) -> Vec<String> {
    match before.trim_end() {
        "/msg" | "/chat" | "/stats" | "/invite" | "/kick" => starting(word, &state.users),
        "/join" | "/joinRoom" | "/leave" => rooms(word, state),
        _ => Vec::new(),
    }
}

fn rooms(word: &str, state: &State) -> Vec<String> {
    let all: BTreeSet<String> = state.rooms.union(&state.rooms_seen).cloned().collect();
    starting(word, &all)
}

fn starting(word: &str, names: &BTreeSet<String>) -> Vec<String> {
    let word = word.to_lowercase();
    let fitting = names
        .iter()
        .filter(|name| name.to_lowercase().starts_with(&word));
    fitting.cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        let mut state = State::default();
        for user in ["alice", "alan", "bob"] {
            state.saw_user(user);
        }
        state.rooms.insert("room1".to_owned());
        state.saw_room("rust");
        state
    }

    #[test]
    fn each_kind_of_word_is_completed_from_its_names() {
        let state = state();
        let complete = |line: &str| candidates(line, line.len(), &state);
        assert_eq!(
            complete("/jo"),
            (0, vec!["/join ".to_owned(), "/joinRoom ".to_owned()])
        );
        assert_eq!(
            complete("hello @al"),
            (6, vec!["@alan ".to_owned(), "@alice ".to_owned()])
        );
        assert_eq!(complete("see #ru"), (4, vec!["#rust ".to_owned()]));
        assert_eq!(complete("/msg b"), (5, vec!["bob ".to_owned()]));
        assert_eq!(
            complete("/join r"),
            (6, vec!["room1 ".to_owned(), "rust ".to_owned()])
        );
        assert_eq!(complete("plain al"), (6, Vec::new()));
        assert_eq!(complete("世界 @b"), (7, vec!["@bob ".to_owned()]));
        assert_eq!(candidates("/msg b later", 6, &state).1, ["bob "]);
    }
}
