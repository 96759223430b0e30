//! Tests.

use antiphon_protocol::ClientId;
use antiphon_protocol::client::ConversationKind;
use antiphon_protocol::id::MessageId;
use antiphon_protocol::{RoomName, UserName};

use super::*;

pub(crate) fn message(
    from: &str,
    conversation: &str,
    seq: u64,
    client_id: Option<&str>,
) -> Message {
    Message {
        from: UserName::parse(from).unwrap(),
        room_name: String::new(),
        message: "words".to_owned(),
        ts: 0,
        format: "text".to_owned(),
        conversation: conversation.to_owned(),
        seq,
        message_id: MessageId(seq.to_string()),
        client_id: client_id.map(|id| ClientId::parse(id).unwrap()),
    }
}

fn room(name: &str) -> Target {
    Target::Room(RoomName::parse(name).unwrap())
}

fn summary(name: &str, unread: u64) -> ConversationSummary {
    ConversationSummary {
        name: name.to_owned(),
        kind: ConversationKind::Room,
        last_seq: 9,
        read_seq: 9 - unread,
        unread,
    }
}

#[test]
fn the_prompt_names_the_conversation_and_what_is_unread_elsewhere() {
    let mut state = State::default();
    assert_eq!(state.prompt(), "› ");
    state.logged_in("alice", &[summary("room:a", 0), summary("user:bob", 2)]);
    assert_eq!(state.prompt(), "(@bob 2) › ");
    state.make_current(room("a"));
    assert_eq!(state.prompt(), "#a (@bob 2) › ");
    state.saw_message(&message("bob", "room:a", 1, None));
    state.saw_message(&message("alice", "room:b", 1, None));
    assert_eq!(state.prompt(), "#a (@bob 2) › ");
    state.saw_message(&message("bob", "room:b", 2, None));
    assert_eq!(state.prompt(), "#a (#b 1, @bob 2) › ");
    for other in ["room:c", "room:d"] {
        state.saw_message(&message("bob", other, 1, None));
    }
    assert_eq!(state.prompt(), "#a (#b 1, #c 1, +2) › ");
    state.left("a");
    assert_eq!(state.current, None);
}

#[test]
fn the_server_is_told_once_what_was_read() {
    let mut state = State::default();
    state.logged_in("alice", &[]);
    state.saw_message(&message("bob", "room:a", 3, None));
    assert_eq!(state.take_read_mark(), None);
    state.make_current(room("a"));
    assert_eq!(state.take_read_mark().map(|read| read.seq), Some(3));
    assert_eq!(state.take_read_mark(), None);
    state.saw_message(&message("bob", "room:a", 4, None));
    assert_eq!(state.take_read_mark().map(|read| read.seq), Some(4));
}
