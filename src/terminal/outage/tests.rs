//! Tests.

use antiphon_core::clock;
use antiphon_protocol::client::ConversationKind;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn broke() -> DisconnectReason {
    DisconnectReason::Closed(Closed::Lost("reset by peer".to_owned()))
}

fn no_answer() -> DisconnectReason {
    DisconnectReason::Closed(Closed::DeadPeer)
}

fn room(last_seq: u64) -> Vec<ConversationSummary> {
    vec![ConversationSummary {
        name: "room:a".to_owned(),
        kind: ConversationKind::Room,
        last_seq,
        read_seq: 0,
        unread: 0,
    }]
}

fn outage() -> Outage {
    let mut outage = Outage::default();
    outage.begins("s1", &room(4));
    outage
}

#[test]
fn a_loss_and_a_return_are_one_line_each_however_long_it_lasts() {
    let mut outage = outage();
    let start = clock::now();
    let lost = outage.lost(&broke(), SECOND * 2, start);
    assert_eq!(
        lost.as_deref(),
        Some("— connection lost (it broke); trying again in 2 s")
    );
    for later in 1..10_000 {
        let now = start + SECOND * later;
        assert_eq!(outage.lost(&no_answer(), SECOND, now), None);
    }
    let back = outage.back("s2", &room(4), start + SECOND * 10_000);
    assert_eq!(back.as_deref(), Some("— back on s2 after 2 h"));
    assert_eq!(outage.due(), None);
}

#[test]
fn the_return_is_told_behind_the_messages_of_the_absence() {
    let mut outage = outage();
    let start = clock::now();
    outage.message("room:a", 5);
    assert!(outage.lost(&no_answer(), SECOND, start).is_some());
    assert_eq!(outage.back("s2", &room(8), start + SECOND * 3), None);
    assert_eq!(outage.message("room:a", 6), None);
    assert_eq!(outage.reached("room:a", 7), None, "a record without words");
    assert_eq!(
        outage.message("room:a", 8).as_deref(),
        Some("— back on s2 after 3 s, 2 messages caught up")
    );
    assert_eq!(outage.message("room:a", 9), None);
}

#[test]
fn messages_that_do_not_come_hold_up_no_word() {
    let mut outage = outage();
    let start = clock::now();
    assert!(outage.lost(&broke(), SECOND, start).is_some());
    assert_eq!(outage.back("s1", &room(6), start + SECOND), None);
    assert_eq!(outage.message("room:a", 5), None);
    assert_eq!(outage.due(), Some(start + SECOND + CATCH_UP_MAX));
    assert_eq!(
        outage.caught_up().as_deref(),
        Some("— back on s1 after 1 s, 1 message caught up")
    );
    assert_eq!(outage.caught_up(), None);
    // A conversation that began in the absence is not one that something is missing of.
    let mut other = room(6);
    other[0].name = "room:b".to_owned();
    assert!(outage.lost(&broke(), SECOND, start).is_some());
    assert!(outage.back("s1", &other, start).is_some());
}

#[test]
fn a_planned_move_is_one_line_unless_it_goes_wrong() {
    let drain = || DisconnectReason::Asked("drain\u{7}".to_owned());
    let restart = || {
        DisconnectReason::Closed(Closed::Server {
            code: RESTART.code,
            reason: "restart".to_owned(),
        })
    };
    let start = clock::now();
    for (reason, why) in [(drain(), "drain"), (restart(), "restart")] {
        let mut outage = outage();
        assert_eq!(outage.lost(&reason, Duration::ZERO, start), None);
        let moved = outage.back("s2", &room(4), start + SECOND);
        assert_eq!(moved, Some(format!("— moved from s1 to s2 ({why})")));
    }
    let mut outage = outage();
    assert_eq!(outage.lost(&drain(), Duration::ZERO, start), None);
    let lost = outage.lost(&no_answer(), SECOND, start + SECOND);
    assert_eq!(
        lost.as_deref(),
        Some("— connection lost (drain); trying again in 1 s")
    );
    let back = outage.back("s2", &room(4), start + SECOND * 9);
    assert_eq!(back.as_deref(), Some("— back on s2 after 9 s"));
    // One that takes long is told when it begins.
    assert!(outage.lost(&drain(), SECOND * 10, start).is_some());
}

#[test]
fn a_connection_that_comes_and_goes_is_no_flood() {
    let mut outage = outage();
    let start = clock::now();
    let mut lines = Vec::new();
    for round in 0..1_000_u32 {
        let now = start + SECOND * round / 20;
        lines.extend(outage.lost(&broke(), Duration::ZERO, now));
        lines.extend(outage.back("s1", &room(4), now));
    }
    assert_eq!(lines.len(), 2 * LOSSES_MAX + 1, "{lines:#?}");
    assert!(lines[2 * LOSSES_MAX].contains("comes and goes"));
    let later = start + LOSSES_WITHIN * 2;
    assert!(outage.lost(&broke(), Duration::ZERO, later).is_some());
    assert!(outage.back("s1", &room(4), later).is_some());
}

#[test]
fn what_a_server_says_is_cleaned_and_counted_without_overflow() {
    let mut outage = outage();
    let now = clock::now();
    let reason = DisconnectReason::Closed(Closed::Server {
        code: 4999,
        reason: "\u{1b}]0;t\u{7}\u{202e}busy\u{9b}2J".repeat(50),
    });
    let line = outage.lost(&reason, SECOND, now).unwrap();
    assert!(!line.chars().any(sanitize::is_steering), "{line:?}");
    assert!(line.chars().count() < 200, "{line}");
    assert_eq!(outage.back("s1", &room(u64::MAX), now), None);
    assert!(outage.message("room:a", u64::MAX).is_some());
}
