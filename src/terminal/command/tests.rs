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

fn popular(count: u64, room: Option<RoomName>) -> Popular {
    Popular { count, room }
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
    assert_eq!(parsed("/popular"), popular(10, None).into());
    assert_eq!(parsed("/popular 3"), popular(3, None).into());
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
    let create = |private, topic: &str| Create {
        room: room("room1"),
        private,
        topic: topic.to_owned(),
    };
    assert_eq!(parsed("/create room1"), create(false, "").into());
    assert_eq!(
        parsed("/create --private #room1 all about  it"),
        create(true, "all about  it").into()
    );
    assert_eq!(parsed("/rooms"), Rooms { next: false }.into());
    assert_eq!(parsed("/rooms next"), Rooms { next: true }.into());
    let members = |next| Members { room: None, next };
    assert_eq!(parsed("/members"), members(false).into());
    assert_eq!(parsed("/members next"), members(true).into());
    let invite = |users: &[&str]| Invite {
        users: users.iter().map(|name| user(name)).collect(),
        room: None,
    };
    assert_eq!(parsed("/invite"), invite(&[]).into());
    assert_eq!(
        parsed("/invite @bob, carol dave"),
        invite(&["bob", "carol", "dave"]).into()
    );
    let kick = |reason: Option<&str>| Kick {
        user: user("bob"),
        reason: reason.map(str::to_owned),
        room: None,
    };
    assert_eq!(parsed("/kick bob"), kick(None).into());
    assert_eq!(parsed("/kick bob too loud"), kick(Some("too loud")).into());
}

#[test]
fn our_commands_for_talking_and_reading_are_understood() {
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
    let history = |count, older| History {
        count,
        older,
        conversation: None,
    };
    assert_eq!(parsed("/history 5"), history(5, false).into());
    assert_eq!(parsed("/history 99999"), history(500, false).into());
    assert_eq!(parsed("/older"), history(20, true).into());
    let search = |words: &str, all| Search {
        words: words.to_owned(),
        all,
    };
    assert_eq!(
        parsed("/search two words"),
        search("two words", false).into()
    );
    assert_eq!(parsed("/search --all two"), search("two", true).into());
    assert_eq!(parsed("/next"), Next.into());
}

#[test]
fn the_rest_of_our_commands_is_understood() {
    assert_eq!(
        parsed("/popular room1"),
        popular(10, Some(room("room1"))).into()
    );
    assert_eq!(parsed("/popular #5 3"), popular(3, Some(room("5"))).into());
    let reply = Reply {
        text: "yes, later".to_owned(),
    };
    assert_eq!(parsed("/reply yes, later"), reply.into());
    let me = Me {
        text: "waves".to_owned(),
        target: None,
    };
    assert_eq!(parsed("/me waves"), me.into());
    let edit = Edit {
        text: String::new(),
        target: None,
    };
    assert_eq!(parsed("/edit"), edit.into());
    assert_eq!(parsed("/emoji 2"), Emoji { page: 2 }.into());
    assert_eq!(parsed("/reconnect"), Reconnect.into());
    assert_eq!(parsed("/clear"), Clear.into());
    assert_eq!(parsed("/bell"), Bell { on: None }.into());
    assert_eq!(parsed("/bell off"), Bell { on: Some(false) }.into());
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
            topic: Some("/join".to_owned())
        }
        .into()
    );
}

#[test]
fn messages_are_delayed_in_both_orders_of_the_words() {
    let add = Delay::Add {
        seconds: 5,
        text: "see you".to_owned(),
        target: None,
    };
    assert_eq!(parsed("/delay 5 see you"), add.clone().into());
    assert_eq!(parsed(":delay see you 5"), add.into());
    assert_eq!(parsed("/delay"), Delay::List.into());
    assert_eq!(parsed("/delay cancel"), Delay::Cancel(None).into());
    assert_eq!(parsed("/delay cancel 2"), Delay::Cancel(Some(2)).into());
    for wrong in [
        "/delay soon",
        "/delay see you",
        "/delay 5",
        "/delay cancel x",
    ] {
        assert!(
            matches!(parse(wrong), Err(CommandError::Usage(_))),
            "{wrong}"
        );
    }
    assert!(matches!(
        parse("/delay 86401 x"),
        Err(CommandError::Refused(_))
    ));
}

#[test]
fn cims_commands_are_understood_and_smileys_are_said() {
    let online = |prefix: &str, next| Online {
        prefix: prefix.to_owned(),
        next,
    };
    assert_eq!(parsed("/online"), online("", false).into());
    assert_eq!(parsed("/online next"), online("", true).into());
    assert_eq!(parsed(":olu"), online("", false).into());
    assert_eq!(parsed(":pu al"), online("al", false).into());
    assert_eq!(parsed(":all"), Help { topic: None }.into());
    assert_eq!(parsed(":info"), WhoAmI.into());
    assert_eq!(parsed(":emoji 2"), Emoji { page: 2 }.into());
    for quit in [":q!", ":q", ":qa"] {
        assert_eq!(parsed(quit), Quit.into());
    }
    let search = Search {
        words: "two words".to_owned(),
        all: false,
    };
    assert_eq!(parsed(":q two words"), search.into());
    for said in [":)", ":smile: hello", ":ai", ":D", ": all"] {
        assert!(matches!(parsed(said), TerminalCommand::Say(_)), "{said}");
    }
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
        ("/popular a many", "usage: /popular [ROOM] [N]"),
        ("/popular 0", "usage: /popular [ROOM] [N]"),
        ("/search", "usage: /search [--all] WORDS"),
        ("/search --all", "usage: /search [--all] WORDS"),
        ("/jion", "there is no command /jion; did you mean /join?"),
        (
            "/hisotry 5",
            "there is no command /hisotry; did you mean /history?",
        ),
        ("/quit now", "usage: /quit"),
        ("/create", "usage: /create [--private] ROOM [TOPIC]"),
        ("/rooms all", "usage: /rooms [next]"),
        ("/me", "usage: /me DOES SOMETHING"),
        ("/emoji 0", "usage: /emoji [PAGE]"),
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
        let name = format!("/{}", topic.name);
        for spelling in std::iter::once(&name.as_str()).chain(topic.aliases) {
            let parsed = parse(spelling);
            let unknown = matches!(
                parsed,
                Err(CommandError::Unknown(_) | CommandError::Misspelled(..))
            );
            let said = matches!(parsed, Ok(TerminalCommand::Say(_)));
            assert!(!unknown && !said, "/help tells of {spelling}");
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

#[test]
fn the_documentation_tells_of_every_command_and_spelling() {
    let page = include_str!("../../../docs/terminal.md");
    for topic in TOPICS {
        let usage = topic.usage.replace(" or ", "` or `");
        assert!(page.contains(&format!("`{usage}`")), "{usage}");
        for alias in topic.aliases {
            assert!(page.contains(&format!("`{alias}`")), "{alias}");
        }
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
