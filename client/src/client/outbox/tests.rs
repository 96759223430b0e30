mod model;

use antiphon_core::clock;
use antiphon_protocol::RoomName;

use super::*;
use crate::limits::OUTBOX_MAX;

const PATIENCE: Duration = Duration::from_secs(60);

fn id(name: &str) -> ClientId {
    ClientId::parse(name).unwrap()
}

fn chat(name: &str, room: &str) -> Chat {
    Chat {
        target: Target::Room(RoomName::parse(room).unwrap()),
        message: "hi".into(),
        format: "text".into(),
        client_id: Some(id(name)),
        after: None,
    }
}

fn new() -> (Outbox<String>, Instant) {
    let now = clock::now();
    (Outbox::new(OUTBOX_MAX, now), now)
}

fn message(name: &str, room: &str, again: bool) -> Queued {
    let (chat, client_id) = (chat(name, room), id(name));
    Queued {
        chat,
        client_id,
        again,
    }
}

fn push(outbox: &mut Outbox<String>, name: &str, room: &str, now: Instant) {
    let message = message(name, room, false);
    let refused = outbox.push(message, name.to_owned(), now, PATIENCE);
    assert!(refused.is_none());
}

/// What goes out, each as `ID` or `ID after ID`.
fn ready(outbox: &mut Outbox<String>, now: Instant) -> Vec<String> {
    let named = |chat: Chat| {
        let id = chat.client_id.unwrap().as_str().to_owned();
        match chat.after {
            Some(after) => format!("{id} after {}", after.as_str()),
            None => id,
        }
    };
    outbox.take_ready(now).into_iter().map(named).collect()
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

fn missing() -> Attempt {
    Attempt::Refused(ErrorBody::retry(409, "predecessor_missing", "no", 100))
}

fn retry(ms: u64) -> Attempt {
    Attempt::Refused(ErrorBody::retry(503, "store_unavailable", "not yet", ms))
}

#[test]
fn all_but_the_first_name_the_one_before_them() {
    let (mut outbox, now) = new();
    for (name, room) in [("1", "a"), ("2", "a"), ("3", "b"), ("4", "a"), ("5", "b")] {
        push(&mut outbox, name, room, now);
    }
    assert_eq!(
        ready(&mut outbox, now),
        ["1", "2 after 1", "3", "4 after 2", "5 after 3"]
    );
    assert_eq!(ready(&mut outbox, now), [""; 0]);
    assert!(matches!(outbox.finish(&id("1"), ack(), now), Some((name, Ok(_))) if name == "1"));
    push(&mut outbox, "6", "a", now);
    assert_eq!(ready(&mut outbox, now), ["6 after 4"]);
}

#[test]
fn windows_are_bounded_for_a_target_and_for_all() {
    let (mut outbox, now) = new();
    for number in 0..OUTBOX_MAX {
        push(&mut outbox, &number.to_string(), "a", now);
    }
    assert_eq!(ready(&mut outbox, now).len(), WINDOW_MAX);
    outbox.finish(&id("0"), ack(), now);
    assert_eq!(
        ready(&mut outbox, now),
        [format!("{WINDOW_MAX} after {}", WINDOW_MAX - 1)]
    );
    let (mut outbox, now) = new();
    let rooms = ["a", "b", "c", "d"];
    for number in 0..OUTBOX_MAX {
        push(&mut outbox, &number.to_string(), rooms[number % 4], now);
    }
    assert_eq!(ready(&mut outbox, now).len(), IN_FLIGHT_MAX);
    assert_eq!(outbox.in_flight(), IN_FLIGHT_MAX);
}

fn limits(in_flight_max: u64, rate: u64, burst: u64) -> Limits {
    serde_json::from_value(serde_json::json!({
        "frameBytesMax": 65536, "messageCharsMax": 8000, "ratePerSecond": rate,
        "rateBurst": burst, "nameCharsMax": 32, "clientIdBytesMax": 64, "pageMax": 500,
        "syncCursorsMax": 1000, "roomsPerUserMax": 100, "inFlightMax": in_flight_max,
        "passwordCharsMin": 8, "loginTimeoutMs": 10000,
    }))
    .unwrap()
}

#[test]
fn the_server_s_limits_are_kept() {
    for (told, window) in [(0, 1), (1, 1), (2, 1), (20, 10), (u64::MAX, WINDOW_MAX)] {
        let (mut outbox, now) = new();
        outbox.connected(&limits(told, 100_000, 100_000), now);
        for number in 0..100 {
            push(&mut outbox, &number.to_string(), "a", now);
        }
        assert_eq!(ready(&mut outbox, now).len(), window, "{told}");
    }
    let (mut outbox, mut now) = new();
    outbox.connected(&limits(256, 10, 13), now);
    for number in 0..30 {
        push(&mut outbox, &number.to_string(), "a", now);
    }
    assert_eq!(ready(&mut outbox, now).len(), 10);
    for number in 10..20 {
        now = outbox.next_wake(true).unwrap();
        let names = ready(&mut outbox, now);
        assert_eq!(names, [format!("{number} after {}", number - 1)]);
    }
}

#[test]
fn a_lost_connection_replays_from_the_first() {
    let (mut outbox, now) = new();
    for name in ["1", "2", "3"] {
        push(&mut outbox, name, "a", now);
    }
    ready(&mut outbox, now);
    outbox.finish(&id("1"), ack(), now);
    outbox.connection_lost(now);
    assert_eq!(outbox.in_flight(), 0);
    assert_eq!(ready(&mut outbox, now), ["2", "3 after 2"]);
}

#[test]
fn nothing_overtakes_what_was_refused_for_now() {
    let (mut outbox, now) = new();
    for name in ["1", "2", "3"] {
        push(&mut outbox, name, "a", now);
    }
    push(&mut outbox, "other", "b", now);
    ready(&mut outbox, now);
    assert!(outbox.finish(&id("1"), retry(2_000), now).is_none());
    assert!(outbox.finish(&id("2"), missing(), now).is_none());
    push(&mut outbox, "4", "a", now);
    push(&mut outbox, "5", "b", now);
    assert_eq!(ready(&mut outbox, now), ["5 after other"]);
    let later = now + Duration::from_millis(2_000);
    assert_eq!(outbox.next_wake(true), Some(later));
    assert_eq!(outbox.next_wake(false), Some(now + PATIENCE));
    // The third is on its way still: it is not sent again before its answer.
    assert_eq!(ready(&mut outbox, later), ["1", "2 after 1", "4 after 3"]);
    assert!(outbox.finish(&id("3"), missing(), later).is_none());
    assert_eq!(ready(&mut outbox, later), [""; 0]);
    let wake = outbox.next_wake(true).unwrap();
    assert_eq!(ready(&mut outbox, wake), ["3 after 2"]);
}

#[test]
fn a_final_refusal_does_not_doom_those_behind_it() {
    let (mut outbox, now) = new();
    for name in ["1", "2", "3"] {
        push(&mut outbox, name, "a", now);
    }
    ready(&mut outbox, now);
    let refused = Attempt::Refused(ErrorBody::new(413, "too_large", "no"));
    let outcome = outbox.finish(&id("2"), refused, now);
    assert!(matches!(outcome, Some((name, Err(SendError::Refused(_)))) if name == "2"));
    assert!(outbox.finish(&id("3"), missing(), now).is_none());
    assert_eq!(ready(&mut outbox, now), ["3 after 1"]);
    outbox.finish(&id("1"), ack(), now);
    assert!(outbox.finish(&id("3"), missing(), now).is_none());
    assert_eq!(ready(&mut outbox, now), ["3"]);
}

#[test]
fn a_refusal_is_certain_only_if_no_attempt_was_lost() {
    let (mut outbox, now) = new();
    let refused = || Attempt::Refused(ErrorBody::new(403, "not_a_member", "no"));
    push(&mut outbox, "1", "a", now);
    push(&mut outbox, "2", "b", now);
    ready(&mut outbox, now);
    let outcome = outbox.finish(&id("1"), refused(), now);
    assert!(matches!(outcome, Some((_, Err(SendError::Refused(_))))));
    assert!(outbox.finish(&id("2"), Attempt::Lost, now).is_none());
    ready(&mut outbox, now + RESEND_DELAY);
    let outcome = outbox.finish(&id("2"), refused(), now);
    assert!(matches!(outcome, Some((_, Err(SendError::Unknown { .. })))));
}

#[test]
fn what_waits_too_long_is_not_sent_or_unknown() {
    let (mut outbox, now) = new();
    outbox.connected(&limits(2, 100_000, 100_000), now);
    push(&mut outbox, "1", "a", now);
    push(&mut outbox, "2", "a", now);
    ready(&mut outbox, now);
    assert_eq!(outbox.next_wake(false), Some(now + PATIENCE));
    assert!(outbox.expire(now).is_empty());
    let outcomes = outbox.expire(now + PATIENCE);
    assert!(matches!(&outcomes[0], (name, Err(SendError::Unknown { .. })) if name == "1"));
    assert_eq!(outcomes[1], ("2".to_owned(), Err(SendError::NotSent)));
    assert_eq!((outbox.len(), outbox.in_flight()), (0, 0));
    // Its late answer is nobody's.
    assert!(outbox.finish(&id("1"), ack(), now).is_none());
    assert_eq!(outbox.in_flight(), 0);
}

#[test]
fn the_queue_is_bounded_and_ids_are_not_queued_twice() {
    let (mut outbox, now) = new();
    for number in 0..OUTBOX_MAX {
        push(&mut outbox, &number.to_string(), "a", now);
    }
    let full = outbox.push(message("more", "a", false), "more".into(), now, PATIENCE);
    assert_eq!(full, Some(("more".into(), Err(SendError::QueueFull))));
    assert_eq!(outbox.stop().len(), OUTBOX_MAX);
    push(&mut outbox, "x", "a", now);
    let twice = outbox.push(message("x", "b", false), "x".into(), now, PATIENCE);
    assert!(matches!(twice, Some((_, Err(SendError::Refused(_))))));
}

#[test]
fn a_refusal_for_its_rate_waits_for_the_server_s_time() {
    let (mut outbox, now) = new();
    outbox.connected(&limits(256, 10, 100), now);
    push(&mut outbox, "1", "a", now);
    push(&mut outbox, "2", "a", now);
    push(&mut outbox, "3", "b", now);
    ready(&mut outbox, now);
    let too_fast = || Attempt::Refused(ErrorBody::retry(429, "rate_limited", "slow", 100));
    for name in ["1", "2", "3"] {
        assert!(outbox.finish(&id(name), too_fast(), now).is_none());
    }
    let later = now + Duration::from_millis(101);
    assert_eq!(ready(&mut outbox, later), ["1"]);
    let wake = outbox.next_wake(true).unwrap();
    assert!(wake > later && wake < later + Duration::from_millis(200));
    assert_eq!(ready(&mut outbox, wake), ["2 after 1"]);
}

/// It may be in the log long since: who named it would pass what stands before it.
#[test]
fn what_is_sent_again_is_named_by_nobody() {
    let (mut outbox, now) = new();
    outbox.connected(&limits(256, 100, 100), now);
    push(&mut outbox, "1", "a", now);
    for name in ["old", "older"] {
        let again = outbox.push(message(name, "a", true), name.into(), now, PATIENCE);
        assert!(again.is_none());
    }
    push(&mut outbox, "2", "a", now);
    assert_eq!(ready(&mut outbox, now), ["1", "old", "older", "2 after 1"]);
}
