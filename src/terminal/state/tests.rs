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
    assert_eq!(state.prompt(), "#a (@bob 2, #b 1) › ");
    for other in ["room:c", "room:d"] {
        state.saw_message(&message("bob", other, 1, None));
    }
    assert_eq!(state.prompt(), "#a (@bob 2, #b 1, +2) › ");
    state.connected = false;
    assert_eq!(state.prompt(), "#a (@bob 2, #b 1, +2) (offline) › ");
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

#[test]
fn what_a_login_counted_is_not_counted_again_when_it_comes() {
    let mut state = State::default();
    state.logged_in("alice", &[summary("room:a", 2)]);
    for seq in [8, 9, 10] {
        state.saw_message(&message("bob", "room:a", seq, None));
    }
    assert_eq!(state.unread.get("room:a"), Some(&3));
}

#[test]
fn a_page_and_what_came_meanwhile_make_one_screen() {
    let mut state = State::default();
    state.logged_in("alice", &[summary("room:a", 3)]);
    state.make_current(room("a"));
    let page: Vec<Message> = (5..=10)
        .map(|seq| message("bob", "room:a", seq, None))
        .collect();
    // 10 came before the page did.
    assert_eq!(state.saw_message(&page[5]), Sight::Shown);
    let fresh = state.not_shown_yet("room:a", &page);
    assert_eq!(fresh.last().map(|message| message.seq), Some(9));
    assert_eq!(
        state.saw_message(&message("bob", "room:a", 11, None)),
        Sight::Shown
    );
    // In another room everything comes behind its page.
    state.make_current(room("b"));
    let page = [message("bob", "room:b", 1, None)];
    assert_eq!(state.not_shown_yet("room:b", &page).len(), 1);
    assert_eq!(state.saw_message(&page[0]), Sight::Known);
}

#[test]
fn another_log_forgets_the_places() {
    let mut state = State::default();
    state.logged_in("alice", &[]);
    state.make_current(room("a"));
    state.saw_message(&message("bob", "room:a", 7, None));
    state.log_replaced();
    assert_eq!(
        state.saw_message(&message("bob", "room:a", 1, None)),
        Sight::Shown
    );
}

#[test]
fn rooms_are_named_up_to_a_dozen() {
    let rooms = |count: usize| (10..10 + count).map(|number| number.to_string()).collect();
    assert_eq!(rooms_in_words(&rooms(0)), "no room");
    assert_eq!(rooms_in_words(&rooms(2)), "#10, #11");
    assert!(rooms_in_words(&rooms(15)).ends_with("#21 and 3 more"));
}
