//! Tests.

use antiphon_protocol::client::Target;
use antiphon_protocol::{RoomName, UserName};
use proptest::prelude::*;

use super::*;

fn room(name: &str) -> RoomName {
    RoomName::parse(name).unwrap()
}

fn user(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}

fn parsed(line: &str) -> TerminalCommand {
    parse(line).unwrap_or_else(|error| panic!("{line}: {error}"))
}

#[test]
fn the_ancestors_commands_are_understood() {
    let to_user = ChatTo {
        target: Target::User(user("bob")),
        text: "hello there".to_owned(),
    };
    assert_eq!(parsed("/chat bob hello there"), to_user.into());
    let to_room = ChatTo {
        target: Target::Room(room("room1")),
        text: "hello".to_owned(),
    };
    assert_eq!(parsed("/chat room:room1 hello"), to_room.into());
    assert_eq!(parsed("/stats bob"), Stats { user: user("bob") }.into());
    assert_eq!(parsed("/popular"), Popular { count: 10 }.into());
    assert_eq!(parsed("/popular 3"), Popular { count: 3 }.into());
    assert_eq!(
        parsed("/joinRoom room1"),
        Join {
            room: Some(room("room1"))
        }
        .into()
    );
    assert_eq!(parsed("/whoami"), WhoAmI.into());
    assert_eq!(parsed("/exit"), Quit.into());
    assert_eq!(parsed("/help"), Help { topic: None }.into());
    assert_eq!(parsed("/?"), Help { topic: None }.into());
}

#[test]
fn our_commands_are_understood() {
    assert_eq!(parsed("/join"), Join { room: None }.into());
    assert_eq!(
        parsed("/join #room1"),
        Join {
            room: Some(room("room1"))
        }
        .into()
    );
    assert_eq!(parsed("/leave"), Leave { room: None }.into());
    assert_eq!(
        parsed("/create room1"),
        Create {
            room: room("room1")
        }
        .into()
    );
    assert_eq!(parsed("/rooms"), Rooms.into());
    assert_eq!(parsed("/members"), Members { room: None }.into());
    assert_eq!(
        parsed("/invite @bob"),
        Invite {
            user: user("bob"),
            room: None
        }
        .into()
    );
    assert_eq!(
        parsed("/kick bob"),
        Kick {
            user: user("bob"),
            room: None
        }
        .into()
    );
}

#[test]
fn our_commands_for_talking_and_reading_are_understood() {
    assert_eq!(parsed("/online"), Online.into());
    assert_eq!(
        parsed("/msg bob"),
        Msg {
            user: user("bob"),
            text: None
        }
        .into()
    );
    let with_text = Msg {
        user: user("bob"),
        text: Some("one  two".to_owned()),
    };
    assert_eq!(parsed("/msg bob  one  two "), with_text.into());
    assert_eq!(
        parsed("/history 5"),
        History {
            count: 5,
            conversation: None
        }
        .into()
    );
    assert_eq!(
        parsed("/history 99999"),
        History {
            count: 500,
            conversation: None
        }
        .into()
    );
    assert_eq!(
        parsed("/search two words"),
        Search {
            words: "two words".to_owned()
        }
        .into()
    );
    assert_eq!(parsed("/unread"), Unread.into());
    assert_eq!(parsed("/quit"), Quit.into());
    assert_eq!(
        parsed("/help join"),
        Help {
            topic: Some("join".to_owned())
        }
        .into()
    );
    assert_eq!(
        parsed("/help /join"),
        Help {
            topic: Some("join".to_owned())
        }
        .into()
    );
}

#[test]
fn text_is_text_and_two_slashes_are_one() {
    let say = |text: &str| {
        TerminalCommand::from(Say {
            text: text.to_owned(),
            target: None,
        })
    };
    assert_eq!(parsed("hello /all"), say("hello /all"));
    assert_eq!(parsed("//usr/bin"), say("/usr/bin"));
    assert_eq!(parsed("one\ntwo"), say("one\ntwo"));
}

#[test]
fn what_is_wrong_is_one_clear_line() {
    let golden = [
        (
            "/nonsense x",
            "there is no command /nonsense; /help lists them",
        ),
        ("/", "there is no command /; /help lists them"),
        (
            "/chat bob",
            "usage: /chat USER TEXT or /chat room:NAME TEXT",
        ),
        ("/stats", "usage: /stats USER"),
        ("/popular many", "usage: /popular [N]"),
        ("/popular 0", "usage: /popular [N]"),
        ("/search", "usage: /search WORDS"),
        ("/quit now", "usage: /quit"),
        ("/create", "usage: /create ROOM"),
        ("/msg", "usage: /msg USER [TEXT]"),
    ];
    for (line, words) in golden {
        assert_eq!(parse(line).unwrap_err().to_string(), words, "{line}");
    }
    assert!(matches!(parse("/join a b"), Err(CommandError::Name(..))));
}

#[test]
fn the_chain_and_the_table_are_as_documented() {
    let commands = commands();
    assert_eq!(
        commands.interceptors(),
        ["spoken_errors", "current_conversation", "connection"]
    );
    let mut actions = TerminalCommand::ACTIONS.to_vec();
    actions.sort_unstable();
    assert_eq!(commands.actions(), actions);
}

#[test]
fn every_command_has_its_help_and_every_help_its_command() {
    for topic in TOPICS {
        for name in std::iter::once(&topic.name).chain(topic.aliases) {
            let unknown = matches!(parse(&format!("/{name}")), Err(CommandError::Unknown(_)));
            assert!(!unknown, "/help tells of /{name}");
        }
        assert!(topic.usage.starts_with(&format!("/{}", topic.name)));
    }
    for action in TerminalCommand::ACTIONS
        .iter()
        .filter(|action| **action != "say")
    {
        assert!(
            TOPICS.iter().any(|topic| topic.name == *action),
            "/help lacks {action}"
        );
    }
}

proptest! {
    #[test]
    fn every_line_is_a_command_or_one_harmless_line(line in "/?.{0,80}") {
        if let Err(error) = parse(&line) {
            prop_assert!(!error.to_string().chars().any(char::is_control));
        }
    }
}
