//! Tests.

use antiphon_protocol::RoomName;

use super::*;

fn state() -> State {
    let mut state = State::default();
    state.logged_in("alan", &[]);
    for user in ["alice", "alan", "bob", "王芳"] {
        state.names.saw_user(user);
    }
    state.rooms.insert("room1".to_owned());
    state.names.saw_room("rust");
    state.names.saw_room("花园");
    state
}

#[test]
fn each_kind_of_word_is_completed_from_its_names() {
    let state = state();
    let golden: &[(&str, usize, &[&str])] = &[
        ("/jo", 0, &["/join ", "/joinRoom "]),
        ("hello @al", 6, &["@alice ", "@alan "]),
        ("see #ru", 4, &["#rust "]),
        ("plain al", 6, &[]),
        ("世界 @b", 7, &["@bob "]),
        ("你好 @王", 7, &["@王芳 "]),
        ("#花", 0, &["#花园 "]),
        ("nice :tad", 5, &[":tada: "]),
        ("at 10:", 3, &[]),
        ("/HELP", 0, &[]),
    ];
    for (line, start, offered) in golden {
        let (at, found) = candidates(line, line.len(), &state);
        assert_eq!(
            (at, found.as_slice()),
            (*start, &own(offered)[..]),
            "{line}"
        );
    }
}

fn own(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn arguments_are_of_the_commands_kind() {
    let state = state();
    let golden: &[(&str, &[&str])] = &[
        ("/msg b", &["bob "]),
        ("/msg @b", &["@bob "]),
        ("/msg bob al", &[]),
        ("/invite bob ali", &["alice "]),
        ("/chat b", &["bob "]),
        ("/chat r", &["room:room1 ", "room:rust ", "room:花园 "]),
        ("/chat room:ru", &["room:rust "]),
        ("/join r", &["room1 ", "rust "]),
        ("/popular r", &["room1 ", "rust "]),
        ("/help jo", &["join "]),
        ("/rooms n", &["next "]),
        ("/search --", &["--all "]),
        ("/create --", &["--private "]),
        ("/create ", &[]),
    ];
    for (line, offered) in golden {
        assert_eq!(
            candidates(line, line.len(), &state).1,
            own(offered),
            "{line}"
        );
    }
}

#[test]
fn members_of_the_current_room_come_first() {
    let mut state = state();
    for name in ["zoe", "alina"] {
        state.names.saw_user(name);
    }
    state.names.saw_member("room1", "alina");
    state.make_current(Target::Room(RoomName::parse("room1").unwrap()));
    let found = candidates("hi @al", 6, &state).1;
    assert_eq!(found, own(&["@alina ", "@alice ", "@alan "]));
}

#[test]
fn the_word_at_the_cursor_is_meant_and_a_blank_is_not_doubled() {
    let state = state();
    assert_eq!(candidates("/msg b later", 6, &state).1, ["bob"]);
    assert_eq!(candidates("hi @b, there", 5, &state).1, ["@bob "]);
}
