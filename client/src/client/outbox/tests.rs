use antiphon_core::clock;
use antiphon_protocol::RoomName;

use super::*;

const PATIENCE: Duration = Duration::from_secs(60);

fn id(name: &str) -> ClientId {
    ClientId::parse(name).unwrap()
}

fn push(outbox: &mut Outbox<&'static str>, name: &'static str, room: &str, now: Instant) {
    let target = Target::Room(RoomName::parse(room).unwrap());
    let client_id = Some(id(name));
    let chat = Chat {
        target,
        message: "hi".into(),
        format: "text".into(),
        client_id,
    };
    assert!(outbox.push(chat, id(name), name, now, PATIENCE).is_none());
}

fn ready(outbox: &mut Outbox<&'static str>, now: Instant) -> Vec<String> {
    let chats = outbox.take_ready(now);
    chats
        .into_iter()
        .map(|chat| chat.client_id.unwrap().as_str().to_owned())
        .collect()
}

fn ack() -> Attempt {
    Attempt::Acked(
        serde_json::from_value(serde_json::json!({
            "conversation": "room:a", "seq": 1, "messageId": "m", "ts": 1,
            "durability": "stored", "duplicate": false,
        }))
        .unwrap(),
    )
}

#[test]
fn each_target_has_one_on_its_way_and_keeps_its_order() {
    let (mut outbox, now) = (Outbox::new(), clock::now());
    push(&mut outbox, "1", "a", now);
    push(&mut outbox, "2", "a", now);
    push(&mut outbox, "3", "b", now);
    assert_eq!(ready(&mut outbox, now), ["1", "3"]);
    assert_eq!(ready(&mut outbox, now), [""; 0]);
    assert!(matches!(
        outbox.finish(&id("1"), ack(), now),
        Some(("1", Ok(_)))
    ));
    assert_eq!(ready(&mut outbox, now), ["2"]);
}

#[test]
fn a_lost_connection_replays_in_order() {
    let (mut outbox, now) = (Outbox::new(), clock::now());
    push(&mut outbox, "1", "a", now);
    push(&mut outbox, "2", "a", now);
    ready(&mut outbox, now);
    outbox.connection_lost(now);
    assert_eq!(ready(&mut outbox, now), ["1"]);
}

#[test]
fn a_retryable_refusal_waits_as_long_as_the_server_says() {
    let (mut outbox, now) = (Outbox::new(), clock::now());
    push(&mut outbox, "1", "a", now);
    ready(&mut outbox, now);
    let body = ErrorBody::retry(503, "not_ready", "not yet", 2_000);
    assert!(
        outbox
            .finish(&id("1"), Attempt::Refused(body), now)
            .is_none()
    );
    assert_eq!(ready(&mut outbox, now), [""; 0]);
    let later = now + Duration::from_millis(2_000);
    assert_eq!(outbox.next_wake(true), Some(later));
    assert_eq!(ready(&mut outbox, later), ["1"]);
}

#[test]
fn a_refusal_is_certain_only_if_no_attempt_was_lost() {
    let (mut outbox, now) = (Outbox::new(), clock::now());
    let refused = || Attempt::Refused(ErrorBody::new(403, "not_a_member", "no"));
    push(&mut outbox, "1", "a", now);
    push(&mut outbox, "2", "b", now);
    ready(&mut outbox, now);
    let outcome = outbox.finish(&id("1"), refused(), now);
    assert!(matches!(outcome, Some(("1", Err(SendError::Refused(_))))));
    assert!(outbox.finish(&id("2"), Attempt::Lost, now).is_none());
    ready(&mut outbox, now + RESEND_DELAY);
    let outcome = outbox.finish(&id("2"), refused(), now);
    assert!(matches!(
        outcome,
        Some(("2", Err(SendError::Unknown { .. })))
    ));
}

#[test]
fn what_waits_too_long_is_not_sent_or_unknown() {
    let (mut outbox, now) = (Outbox::new(), clock::now());
    push(&mut outbox, "1", "a", now);
    push(&mut outbox, "2", "a", now);
    ready(&mut outbox, now);
    assert_eq!(outbox.next_wake(false), Some(now + PATIENCE));
    assert!(outbox.expire(now).is_empty());
    let outcomes = outbox.expire(now + PATIENCE);
    assert!(matches!(outcomes[0], ("1", Err(SendError::Unknown { .. }))));
    assert_eq!(outcomes[1], ("2", Err(SendError::NotSent)));
    assert_eq!(outbox.len(), 0);
}

#[test]
fn the_queue_is_bounded_and_ids_are_not_queued_twice() {
    let (mut outbox, now) = (Outbox::new(), clock::now());
    for number in 0..OUTBOX_MAX {
        let name: &'static str = Box::leak(format!("id{number}").into_boxed_str());
        push(&mut outbox, name, "a", now);
    }
    let target = Target::Room(RoomName::parse("a").unwrap());
    let chat = |name| Chat {
        target: target.clone(),
        message: "x".into(),
        format: "text".into(),
        client_id: Some(id(name)),
    };
    let outcome = outbox.push(chat("more"), id("more"), "more", now, PATIENCE);
    assert_eq!(outcome, Some(("more", Err(SendError::QueueFull))));
    outbox.stop();
    assert!(
        outbox
            .push(chat("x"), id("x"), "x", now, PATIENCE)
            .is_none()
    );
    let outcome = outbox.push(chat("x"), id("x"), "x", now, PATIENCE);
    assert!(matches!(outcome, Some(("x", Err(SendError::Refused(_))))));
}
