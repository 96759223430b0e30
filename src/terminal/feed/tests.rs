//! Tests.

use std::time::Duration;

use antiphon_client::{Closed, DisconnectReason, StopReason};
use antiphon_protocol::RoomName;
use antiphon_protocol::client::Target;
use antiphon_protocol::message::Notice;
use proptest::prelude::*;

use super::*;

fn state() -> State {
    let mut state = State::default();
    state.logged_in("alice", &[]);
    state
}

fn shown(event: Event, state: &mut State) -> Vec<String> {
    let painter = Painter::utc(false);
    let mut shown = lines(event, state, painter);
    shown.extend(settled(state, painter));
    shown
}

fn message(from: &str, conversation: &str, seq: u64, text: &str) -> Message {
    let mut message = crate::terminal::state::tests::message(from, conversation, seq, None);
    message.message = text.to_owned();
    message.ts = clock::unix_ms();
    message.room_name = conversation.trim_start_matches("room:").to_owned();
    message
}

/// What is shown of a message, without its time.
fn said(message: Message, state: &mut State) -> Vec<String> {
    let shown = lines(Event::Message(message), state, Painter::utc(false));
    let without_time = shown.iter().map(|line| match line.split_once(' ') {
        Some((time, rest)) if time.contains(':') => rest.to_owned(),
        Some(_) | None => line.clone(),
    });
    without_time.collect()
}

fn room_line(kind: RoomEventKind, user: &str, by: Option<&str>, state: &mut State) -> Vec<String> {
    let event = RoomEvent {
        room_name: RoomName::parse("a").unwrap(),
        kind,
        username: Some(UserName::parse(user).unwrap()),
        by: by.map(|by| UserName::parse(by).unwrap()),
        reason: None,
        seq: None,
        ts: 60_000,
    };
    shown(Event::RoomEvent(event), state)
}

#[test]
fn a_loss_is_one_line_however_long_it_lasts() {
    let state = &mut state();
    let loss = || Event::Disconnected {
        reason: DisconnectReason::Closed(Closed::Lost("reset by peer".to_owned())),
        retry_in: Duration::from_secs(2),
    };
    assert_eq!(
        shown(loss(), state),
        ["— connection lost (it broke); trying again in 2 s"]
    );
    assert!(shown(loss(), state).is_empty());
    assert!(
        shown(
            Event::Connected {
                server: "s\u{7}2".to_owned()
            },
            state
        )
        .is_empty()
    );
    let back = Event::LoggedIn {
        username: UserName::parse("alice").unwrap(),
        conversations: Vec::new(),
        log_replaced: false,
    };
    assert_eq!(shown(back, state), ["— back on s2 after 0 s"]);
    let restart = Event::Disconnected {
        reason: DisconnectReason::Closed(Closed::Server {
            code: 1012,
            reason: "restart\u{9b}2J".to_owned(),
        }),
        retry_in: Duration::ZERO,
    };
    assert!(
        shown(restart, state).is_empty(),
        "a planned move is one line"
    );
    let moved = Event::LoggedIn {
        username: UserName::parse("alice").unwrap(),
        conversations: Vec::new(),
        log_replaced: false,
    };
    assert_eq!(shown(moved, state), ["— back on s2 (restart)"]);
}

#[test]
fn joins_and_leaves_are_one_line_and_change_the_rooms() {
    let state = &mut state();
    assert!(room_line(RoomEventKind::Joined, "alice", None, state).is_empty());
    assert!(state.rooms.contains("a"));
    assert_eq!(
        room_line(RoomEventKind::Joined, "bob", None, state),
        ["00:01 #a bob joined"]
    );
    assert_eq!(
        room_line(RoomEventKind::Left, "bob", None, state),
        ["00:01 #a bob left"]
    );
    assert_eq!(
        room_line(RoomEventKind::Kicked, "alice", Some("bob"), state),
        ["00:01 #a you were removed by bob"]
    );
    assert!(!state.rooms.contains("a"));
    assert!(room_line(RoomEventKind::Epoch, "bob", None, state).is_empty());
}

#[test]
fn the_end_is_told_and_kept() {
    let state = &mut state();
    let reason = StopReason::Credentials("no".to_owned());
    let said = shown(
        Event::Stopped {
            reason: reason.clone(),
        },
        state,
    );
    assert_eq!(said, ["— not logged in: no; press Enter to leave"]);
    assert_eq!(state.stopped, Some(reason));
    assert!(
        shown(
            Event::Stopped {
                reason: StopReason::Asked
            },
            state
        )
        .is_empty()
    );
}

#[test]
fn a_hole_that_cannot_be_filled_is_marked() {
    let hole = Event::Gap {
        conversation: "room:a".to_owned(),
        from: 3,
        to: 5,
    };
    assert_eq!(
        shown(hole, &mut state()),
        ["— #a: messages 3 to 5 are gone"]
    );
}

#[test]
fn words_of_others_are_cleaned() {
    let notice = Event::Notice(Notice {
        message: "\u{1b}]0;x\u{7}\u{202e}hello".to_owned(),
    });
    assert_eq!(shown(notice, &mut state()), ["— hello"]);
}

#[test]
fn who_came_is_told_once_however_many_rooms_are_shared() {
    let state = &mut state();
    let presence = |is_online| {
        Event::Presence(Presence {
            username: UserName::parse("bob").unwrap(),
            is_online,
        })
    };
    assert_eq!(shown(presence(true), state), ["— bob is on line"]);
    assert!(shown(presence(true), state).is_empty());
    assert_eq!(shown(presence(false), state), ["— bob has gone"]);
    assert!(shown(presence(false), state).is_empty());
    assert_eq!(shown(presence(true), state), ["— bob is on line"]);
}

#[test]
fn other_rooms_are_told_once_and_counted() {
    let state = &mut state();
    state.make_current(Target::Room(RoomName::parse("a").unwrap()));
    assert_eq!(said(message("bob", "room:a", 1, "x"), state), ["#a bob  x"]);
    assert_eq!(
        said(message("bob", "room:b", 1, "x"), state),
        ["— #b has something new: /next shows it"]
    );
    assert!(said(message("bob", "room:b", 2, "x"), state).is_empty());
    // What names the user, what is private, and what the user said are shown wherever they are.
    assert_eq!(
        said(message("bob", "room:b", 3, "alice?"), state),
        ["#b bob » alice?"]
    );
    assert_eq!(
        said(message("bob", "user:bob", 1, "psst"), state),
        ["@bob bob  psst"]
    );
    assert_eq!(
        said(message("alice", "room:b", 4, "yes"), state),
        ["#b alice  yes"]
    );
    assert_eq!(state.prompt(), "#a (»#b 3, @bob 1) › ");
    let reply_to = state.reply_to.clone().unwrap();
    assert_eq!(reply_to.name, None);
    // What is on the screen already is not shown again.
    assert!(said(message("bob", "room:a", 1, "x"), state).is_empty());
}

#[test]
fn who_speaks_is_told_to_have_come_before() {
    let state = &mut state();
    let joined = |user: &str| {
        Event::RoomEvent(RoomEvent {
            room_name: RoomName::parse("a").unwrap(),
            kind: RoomEventKind::Joined,
            username: Some(UserName::parse(user).unwrap()),
            by: None,
            reason: None,
            seq: None,
            ts: 60_000,
        })
    };
    let painter = Painter::utc(false);
    assert!(lines(joined("bob"), state, painter).is_empty());
    assert!(lines(joined("carol"), state, painter).is_empty());
    assert_eq!(
        said(message("dave", "room:a", 1, "x"), state),
        ["#a dave  x"]
    );
    assert_eq!(
        said(message("carol", "room:a", 2, "x"), state),
        ["#a bob and carol joined", "#a carol  x"]
    );
}

#[test]
fn of_those_who_come_and_go_only_the_present_are_told() {
    let state = &mut state();
    let presence = |user: &str, is_online| {
        Event::Presence(Presence {
            username: UserName::parse(user).unwrap(),
            is_online,
        })
    };
    state.make_current(Target::Room(RoomName::parse("a").unwrap()));
    assert!(shown(presence("bob", true), state).is_empty());
    said(message("bob", "room:a", 1, "x"), state);
    assert_eq!(shown(presence("bob", false), state), ["— bob has gone"]);
    state.make_current(Target::User(UserName::parse("carol").unwrap()));
    assert!(shown(presence("bob", true), state).is_empty());
    assert_eq!(
        shown(presence("carol", true), state),
        ["— carol is on line"]
    );
}

#[test]
fn another_day_gets_a_line() {
    let state = &mut state();
    let mut old = message("bob", "room:a", 1, "x");
    old.ts = 1_700_000_000_000;
    let painter = Painter::utc(false);
    assert_eq!(
        lines(Event::Message(old.clone()), state, painter),
        ["── Tuesday, 14 November 2023 ──", "22:13 #a bob  x"]
    );
    (old.seq, old.ts) = (2, old.ts + 1);
    assert_eq!(
        lines(Event::Message(old), state, painter),
        ["22:13 #a bob  x"]
    );
    assert_eq!(said(message("bob", "room:a", 3, "x"), state).len(), 2);
}

#[test]
fn the_bell_rings_for_the_user_only_and_only_if_it_is_on() {
    let state = &mut state();
    let rings = |message, state: &mut State| {
        said(message, state);
        std::mem::take(&mut state.rings)
    };
    assert!(!rings(message("bob", "room:a", 1, "alice!"), state));
    state.bell = true;
    assert!(rings(message("bob", "room:a", 2, "alice!"), state));
    assert!(rings(message("bob", "user:bob", 1, "psst\u{7}"), state));
    assert!(!rings(message("bob", "room:a", 3, "hello\u{7}"), state));
    assert!(!rings(message("alice", "room:a", 4, "alice"), state));
}

/// A login with these words in every name.
fn hostile_login(words: &str) -> Event {
    Event::LoggedIn {
        username: UserName::parse("alice").unwrap(),
        conversations: vec![
            antiphon_protocol::client::ConversationSummary {
                name: format!("room:{words}"),
                kind: antiphon_protocol::client::ConversationKind::Room,
                last_seq: u64::MAX,
                read_seq: 0,
                unread: u64::MAX,
            },
            antiphon_protocol::client::ConversationSummary {
                name: words.to_owned(),
                kind: antiphon_protocol::client::ConversationKind::User,
                last_seq: u64::MAX,
                read_seq: u64::MAX,
                unread: 1,
            },
        ],
        log_replaced: true,
    }
}

/// Everything that a server can make the client say, with these words in every place.
fn hostile_events(words: &str) -> Vec<Event> {
    let server = || words.to_owned();
    let message = |format: &str| {
        let text = serde_json::json!({
            "from": "bob", "roomName": words, "message": words, "ts": u64::MAX,
            "format": format, "conversation": words, "seq": 7, "messageId": words,
        });
        serde_json::from_value(text).map(Event::Message).ok()
    };
    let event = |kind| {
        Event::RoomEvent(RoomEvent {
            room_name: RoomName::parse("a").unwrap(),
            kind,
            username: Some(UserName::parse("bob").unwrap()),
            by: Some(UserName::parse("eve").unwrap()),
            reason: Some(server()),
            seq: Some(u64::MAX),
            ts: u64::MAX,
        })
    };
    let body = antiphon_protocol::ErrorBody::new(500, "x", server());
    let closed = |code| Closed::Server {
        code,
        reason: server(),
    };
    let lost = |reason| Event::Disconnected {
        reason,
        retry_in: Duration::MAX,
    };
    let mut events = vec![
        Event::Notice(Notice { message: server() }),
        event(RoomEventKind::Joined),
        event(RoomEventKind::Left),
        event(RoomEventKind::Kicked),
        event(RoomEventKind::Invited),
        event(RoomEventKind::Epoch),
        Event::Gap {
            conversation: server(),
            from: 0,
            to: u64::MAX,
        },
        lost(DisconnectReason::Asked(server())),
        lost(DisconnectReason::Closed(closed(1012))),
        Event::Connected { server: server() },
        hostile_login(words),
        lost(DisconnectReason::Closed(closed(4999))),
        lost(DisconnectReason::Closed(Closed::Lost(server()))),
        lost(DisconnectReason::Login(
            antiphon_client::RequestError::Refused(body.clone()),
        )),
        Event::Stopped {
            reason: StopReason::Credentials(server()),
        },
        Event::Stopped {
            reason: StopReason::Closed(closed(4403)),
        },
        Event::Stopped {
            reason: StopReason::Refused(body),
        },
    ];
    events.extend(message("text"));
    events.extend(message("emote"));
    events.extend(message(words));
    events
}

proptest! {
    /// No word of anybody's, in any field of any event, steers the terminal; and not only
    /// because the way to the screen drops what it should not have got.
    #[test]
    fn no_word_of_anybodys_steers_the_terminal(
        words in "(\\PC|[\\x00-\\x9f]|\u{1b}[\\[\\]P_^X]|\u{202e}|\u{2028}|\u{301}|@alice){0,40}"
    ) {
        let state = &mut state();
        for event in hostile_events(&words) {
            let name = format!("{event:?}");
            for line in shown(event, state) {
                for char in line.chars() {
                    let steers = char != '\n' && sanitize::is_steering(char);
                    prop_assert!(!steers, "{char:?} in {line:?} of {name}");
                }
                let fakes = line.split('\n').skip(1).any(|line| !line.starts_with(sanitize::INDENT));
                prop_assert!(!fakes, "a line of its own in {line:?} of {name}");
            }
            prop_assert!(!state.prompt().chars().any(sanitize::is_steering));
        }
    }
}
