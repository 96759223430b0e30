use super::*;

fn me() -> UserName {
    UserName::parse("alice").unwrap()
}

fn from_bob(text: &str) -> Message {
    serde_json::from_value(serde_json::json!({
        "from": "bob", "roomName": "a", "message": text, "ts": 45_296_000_u64, "format": "text",
        "conversation": "room:a", "seq": 1, "messageId": "m",
    }))
    .unwrap()
}

#[test]
fn durations() {
    let cases = [
        (0, "0s"),
        (999, "0s"),
        (1_000, "1s"),
        (59_999, "59s"),
        (60_000, "1m"),
        (3_600_000, "1h"),
        (3_661_000, "1h 1m 1s"),
        (86_400_000, "1d"),
        (259_201_000, "3d 1s"),
        (-5, "0s"),
        (i64::MIN, "0s"),
    ];
    for (ms, expected) in cases {
        assert_eq!(duration(ms), expected, "{ms}");
    }
}

#[test]
fn a_message_names_its_place_only_elsewhere() {
    let style = Style::plain();
    assert_eq!(
        message(style, &from_bob("hi"), &me(), Some("room:a")),
        "12:34 bob: hi"
    );
    assert_eq!(
        message(style, &from_bob("hi"), &me(), Some("room:b")),
        "12:34 #a bob: hi"
    );
    assert_eq!(
        message(style, &from_bob("hi"), &me(), None),
        "12:34 #a bob: hi"
    );
    let mut emote = from_bob("waves");
    emote.format = "emote".to_owned();
    assert_eq!(
        message(style, &emote, &me(), Some("room:a")),
        "12:34 * bob waves"
    );
}

#[test]
fn a_hostile_message_stays_text() {
    let line = message(
        Style::colored(),
        &from_bob("\u{1b}]0;x\u{7}\u{9b}2Jhi\nroot: bye"),
        &me(),
        None,
    );
    assert!(line.ends_with(": hi\n      root: bye"), "{line:?}");
}

#[test]
fn mentions_are_whole_words() {
    for yes in ["alice", "hey @Alice!", "(alice)", "ask alice.", "alice: hi"] {
        assert!(mentions(yes, &me()), "{yes}");
    }
    for no in ["malice", "alice2", "alice_b", "al ice", ""] {
        assert!(!mentions(no, &me()), "{no}");
    }
    let line = message(
        Style::plain(),
        &from_bob("hey alice"),
        &me(),
        Some("room:a"),
    );
    assert_eq!(line, "12:34 bob: » hey alice");
}

#[test]
fn a_name_has_one_color_and_plain_style_has_none() {
    assert_eq!(Style::plain().name("bob"), "bob");
    assert_eq!(Style::colored().name("bob"), Style::colored().name("bob"));
    assert!(Style::colored().name("bob").contains("\u{1b}["));
    let colors: std::collections::HashSet<_> = (0..200)
        .map(|n| format!("{:?}", name_color(&format!("user{n}"))))
        .collect();
    assert_eq!(colors.len(), PALETTE.len());
}

#[test]
fn room_events_are_told_and_the_cluster_s_records_are_not() {
    let event = |kind: &str| -> RoomEvent {
        serde_json::from_value(serde_json::json!({
            "roomName": "a", "kind": kind, "username": "alice", "by": "bob", "ts": 0,
        }))
        .unwrap()
    };
    let told = |kind| room_event(Style::plain(), &event(kind), &me());
    assert_eq!(told("joined").as_deref(), Some("00:00 you joined #a"));
    assert_eq!(
        told("kicked").as_deref(),
        Some("00:00 you were removed from #a by bob")
    );
    assert_eq!(
        told("invited").as_deref(),
        Some("00:00 bob invites you to #a: /join a")
    );
    assert_eq!(told("epoch"), None);
}
