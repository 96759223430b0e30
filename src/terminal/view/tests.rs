use antiphon_protocol::RoomName;
use serde_json::json;

use super::*;

fn view() -> View {
    View::new(UserName::parse("alice").unwrap())
}

fn room(name: &str) -> Target {
    Target::Room(RoomName::parse(name).unwrap())
}

fn event(from: &str, seq: u64, client_id: Option<&str>) -> Event {
    Event::Message(
        serde_json::from_value(json!({
            "from": from, "roomName": "a", "message": "hi", "ts": 0, "format": "text",
            "conversation": "room:a", "seq": seq, "messageId": "m", "clientId": client_id,
        }))
        .unwrap(),
    )
}

#[test]
fn what_is_said_elsewhere_is_counted_in_the_prompt() {
    let mut view = view();
    assert_eq!(view.prompt(), "antiphon › ");
    view.on_event(Style::plain(), &event("bob", 1, None));
    view.on_event(Style::plain(), &event("alice", 2, None));
    assert_eq!(view.prompt(), "antiphon (1) › ");
    view.go(Some(room("b")));
    assert_eq!(view.prompt(), "#b (1) › ");
    view.go(Some(room("a")));
    assert_eq!(view.prompt(), "#a › ");
    assert_eq!(view.take_read(), Some(("room:a".to_owned(), 2)));
    assert_eq!(view.take_read(), None);
    view.left("a");
    assert_eq!(view.prompt(), "antiphon › ");
}

#[test]
fn a_line_typed_here_is_not_printed_again_unless_it_was_changed() {
    let mut view = view();
    view.go(Some(room("a")));
    let id = |name| ClientId::parse(name).unwrap();
    view.remember_own(id("x1"), "hi".to_owned());
    view.remember_own(id("x2"), "darn".to_owned());
    assert_eq!(
        view.on_event(Style::plain(), &event("alice", 1, Some("x1"))),
        None
    );
    let masked = view.on_event(Style::plain(), &event("alice", 2, Some("x2")));
    assert_eq!(masked.as_deref(), Some("00:00 alice: hi"));
    let other_device = view.on_event(Style::plain(), &event("alice", 3, Some("x3")));
    assert_eq!(other_device.as_deref(), Some("00:00 alice: hi"));
}

#[test]
fn own_messages_and_names_are_bounded() {
    let mut view = view();
    for number in 0..OWN_MAX + 5 {
        view.remember_own(ClientId::parse(&number.to_string()).unwrap(), String::new());
    }
    assert_eq!(view.own.len(), OWN_MAX);
    for number in 0..NAMES_MAX + 5 {
        view.learn_user(&number.to_string());
    }
    assert_eq!(view.users().len(), NAMES_MAX);
}
