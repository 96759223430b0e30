//! Tests.

use antiphon_protocol::UserName;
use antiphon_protocol::id::MessageId;

use super::*;

fn message(from: &str, conversation: &str, text: &str) -> Message {
    Message {
        from: UserName::parse(from).unwrap(),
        room_name: String::new(),
        message: text.to_owned(),
        ts: 1_700_000_000_000,
        format: "text".to_owned(),
        conversation: conversation.to_owned(),
        seq: 1,
        message_id: MessageId("m".to_owned()),
        client_id: None,
    }
}

/// Pitfall 110.
#[test]
fn durations_are_the_two_largest_units() {
    let golden = [
        (0, "0s"),
        (999, "0s"),
        (1_000, "1s"),
        (59_999, "59s"),
        (60_000, "1m"),
        (61_000, "1m 1s"),
        (3_599_999, "59m 59s"),
        (3_600_000, "1h"),
        (86_399_999, "23h 59m"),
        (86_400_000, "1d"),
        (273_601_000, "3d 4h"),
        (-1, "0s"),
        (i64::MIN, "0s"),
        (i64::MAX, "106751991167d 7h"),
    ];
    for (ms, shown) in golden {
        assert_eq!(duration(ms), shown, "{ms}");
    }
}

#[test]
fn a_message_is_one_line_with_time_place_name_and_text() {
    let plain = Painter::new(false);
    let said = message("alice", "room:room1", "hello");
    assert_eq!(plain.message(&said, "bob"), "22:13 #room1 alice  hello");
    let direct = message("alice", "user:alice", "hello");
    assert_eq!(plain.message(&direct, "bob"), "22:13 @alice alice  hello");
    let mention = message("alice", "room:room1", "hello Bob!");
    assert_eq!(
        plain.message(&mention, "bob"),
        "22:13 #room1 alice » hello Bob!"
    );
    let lines = message("alice", "room:room1", "one\ntwo\u{1b}[2J");
    assert_eq!(
        plain.message(&lines, "bob"),
        "22:13 #room1 alice  one\n      two"
    );
}

#[test]
fn a_name_is_mentioned_only_as_a_word() {
    assert!(mentions("@bob look", "bob"));
    assert!(mentions("BOB, look", "bob"));
    assert!(!mentions("bobby", "bob"));
    assert!(!mentions("bob-2", "bob"));
    assert!(!mentions("anything", ""));
}

#[test]
fn a_name_keeps_its_color_and_no_color_means_none() {
    let (painted, plain) = (Painter::new(true), Painter::new(false));
    assert_eq!(painted.name("alice"), painted.name("alice"));
    assert_ne!(painted.name("alice"), "alice");
    assert!(!painted.name("alice\u{1b}]0;x\u{7}").contains(']'));
    let all = [
        plain.name("a"),
        plain.dim("b"),
        plain.bold("c"),
        plain.error("d"),
    ];
    assert_eq!(all.concat(), "abcd");
}

#[test]
fn rows_are_counted_as_the_line_editor_draws_them() {
    assert_eq!(rows("", 10), 1);
    assert_eq!(rows("123456789", 10), 1);
    assert_eq!(rows("1234567890", 10), 2);
    assert_eq!(rows("12345678901", 10), 2);
    assert_eq!(rows("ab\ncd", 10), 2);
    assert_eq!(rows("123456789世", 10), 2);
    assert_eq!(rows("x", 0), 2);
}
