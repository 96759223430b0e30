use super::*;
use crate::torture::history::{
    Delivery, Fault, FaultKind, Gap, LogEntry, LogHead, Membership, Outcome, Place, Run, Send,
    Session,
};

/// C0, C10 and C11.
mod run;

const ROOM: &str = "room:r";
const PAIR: &str = "direct:ada,bob";

fn send(session: u32, id: &str, times: (u64, u64), seq: Option<u64>) -> Send {
    let number = id[1..].parse().unwrap();
    Send {
        session,
        user: if session == 1 { "ada" } else { "bob" }.to_owned(),
        conversation: if id.starts_with('d') { PAIR } else { ROOM }.to_owned(),
        id: id.to_owned(),
        number,
        begin: times.0,
        end: times.1,
        outcome: seq.map_or(Outcome::Unknown, |_| Outcome::Ok),
        seq,
        why: None,
    }
}

fn delivery(session: u32, id: &str, from: &str, seq: u64, at: u64) -> Delivery {
    Delivery {
        session,
        conversation: if id.starts_with('d') { PAIR } else { ROOM }.to_owned(),
        seq,
        from: from.to_owned(),
        id: id.to_owned(),
        at,
    }
}

fn entry(conversation: &str, seq: u64, told: Option<(&str, &str)>) -> LogEntry {
    LogEntry {
        conversation: conversation.to_owned(),
        seq,
        from: told.map(|(from, _)| from.to_owned()),
        id: told.map(|(_, id)| id.to_owned()),
        epoch: None,
    }
}

fn membership(joins: bool, times: (u64, u64), seq: Option<u64>) -> Membership {
    Membership {
        session: 2,
        user: "bob".to_owned(),
        conversation: ROOM.to_owned(),
        joins,
        begin: times.0,
        end: times.1,
        outcome: Outcome::Ok,
        seq,
    }
}

fn session(session: u32, user: &str) -> Session {
    let place = Place {
        conversation: ROOM.to_owned(),
        seq: 0,
    };
    Session {
        session,
        user: user.to_owned(),
        at: 1,
        places: vec![place],
    }
}

fn head(conversation: &str, last_seq: u64) -> LogHead {
    LogHead {
        conversation: conversation.to_owned(),
        base: 0,
        last_seq,
        complete: true,
    }
}

fn run() -> Run {
    Run {
        seed: 1,
        duration_ms: 60,
        users: 2,
        rooms: 1,
        rate: 4,
        servers: 3,
        own_cluster: true,
        tells_usage: true,
        queue_bytes_max: Some(1_000),
        ..Run::of_this_build()
    }
}

/// Ada and Bob in a room and in private. A new leader's mark is at 3; m2 is sent twice; nobody
/// answered m4, which is stored; m8 is refused; Bob is away while m6 is said.
fn good() -> History {
    let mut history = History::new(run());
    history.sessions = vec![session(1, "ada"), session(2, "bob")];
    let refused = Send {
        outcome: Outcome::Refused,
        ..send(1, "m8", (92, 95), None)
    };
    history.sends = vec![
        send(1, "m1", (10, 20), Some(1)),
        send(1, "m2", (30, 40), Some(2)),
        send(2, "m3", (50, 60), Some(4)),
        send(1, "m2", (62, 64), Some(2)),
        send(1, "d3", (70, 75), Some(1)),
        send(1, "m4", (80, 90), None),
        refused,
        send(1, "m6", (120, 130), Some(6)),
        send(1, "m7", (160, 170), Some(7)),
    ];
    history.memberships = vec![
        membership(false, (100, 110), None),
        membership(true, (140, 150), Some(6)),
    ];
    let ada = [
        ("m1", 1),
        ("m2", 2),
        ("m3", 4),
        ("m4", 5),
        ("m6", 6),
        ("m7", 7),
    ];
    let bob = [("m1", 1), ("m2", 2), ("m3", 4), ("m4", 5)];
    // The last messages come again with the join.
    let again = [("m3", 4), ("m4", 5), ("m6", 6), ("m7", 7)];
    let author = |id: &str| if id == "m3" { "bob" } else { "ada" };
    for (session, told, at) in [(1, &ada[..], 171), (2, &bob[..], 91), (2, &again[..], 151)] {
        let told = told
            .iter()
            .map(|(id, seq)| delivery(session, id, author(id), *seq, at));
        history.deliveries.extend(told);
    }
    history.deliveries.push(delivery(1, "d3", "ada", 1, 76));
    history.deliveries.push(delivery(2, "d3", "ada", 1, 76));
    history.faults = vec![Fault {
        kind: FaultKind::Kill,
        target: String::new(),
        begin: 61,
        end: 68,
        lasting: false,
    }];
    history.leaders = vec![("s1".to_owned(), 1, 0), ("s2".to_owned(), 2, 69)];
    history.usage = vec![(0, 1_000, 10), (0, 2_000, 12)];
    history.healed = Some(180);
    history.heads = vec![head(ROOM, 7), head(PAIR, 1)];
    history.log = vec![
        entry(ROOM, 1, Some(("ada", "m1"))),
        entry(ROOM, 2, Some(("ada", "m2"))),
        entry(ROOM, 3, None),
        entry(ROOM, 4, Some(("bob", "m3"))),
        entry(ROOM, 5, Some(("ada", "m4"))),
        entry(ROOM, 6, Some(("ada", "m6"))),
        entry(ROOM, 7, Some(("ada", "m7"))),
        entry(PAIR, 1, Some(("ada", "d3"))),
    ];
    history.is_whole = true;
    history
}

fn status(verdict: &Verdict, checker: Checker) -> Status {
    let of = |finding: &&Finding| finding.checker == checker;
    verdict.findings.iter().find(of).unwrap().status
}

/// The checker says `wanted` of the history that `spoil` has been at.
#[track_caller]
fn check(checker: Checker, wanted: Status, spoil: impl FnOnce(&mut History)) {
    let mut history = good();
    spoil(&mut history);
    let verdict = judge(&history);
    assert_eq!(status(&verdict, checker), wanted, "{:#?}", verdict.findings);
    assert!(!verdict.passed);
}

#[track_caller]
fn fails(checker: Checker, spoil: impl FnOnce(&mut History)) {
    check(checker, Status::Failed, spoil);
}

#[track_caller]
fn empty(checker: Checker, spoil: impl FnOnce(&mut History)) {
    check(checker, Status::Empty, spoil);
}

fn delivered(history: &History, session: u32, id: &str) -> usize {
    let of = |told: &Delivery| told.session == session && told.id == id;
    history.deliveries.iter().position(of).unwrap()
}

#[test]
fn a_good_history_passes_every_checker() {
    let verdict = judge(&good());
    assert!(verdict.passed, "{:#?}", verdict.findings);
    let n = &verdict.numbers;
    assert_eq!((n.sent, n.repeated, n.acked, n.refused), (8, 1, 6, 1));
    assert_eq!((n.unknown, n.unknown_stored, n.delivered), (1, 1, 16));
    assert_eq!((n.lost, n.doubled, n.reordered), (0, 0, 0));
    assert_eq!(verdict.recoveries[0].still_us, Some(66));
}

#[test]
fn c1_acknowledged_and_absent() {
    fails(Checker::Lost, |h| h.log[1].id = Some("m4".to_owned()));
    fails(Checker::Lost, |h| drop(h.log.remove(6)));
    fails(Checker::Lost, |h| h.sends[0].seq = Some(2));
    fails(Checker::Lost, |h| h.heads[0].complete = false);
    empty(Checker::Lost, |h| h.sends.clear());
}

#[test]
fn c2_stored_or_delivered_twice() {
    fails(Checker::Duplicate, |h| {
        h.log.insert(7, entry(ROOM, 8, Some(("ada", "m7"))));
    });
    // The retry has another place than the first attempt.
    fails(Checker::Duplicate, |h| h.sends[3].seq = Some(4));
    fails(Checker::Duplicate, |h| {
        let at = delivered(h, 1, "m2");
        h.deliveries.insert(at, h.deliveries[at].clone());
    });
    empty(Checker::Duplicate, |h| drop(h.sends.remove(3)));
    empty(Checker::Duplicate, |h| h.log.clear());
}

#[test]
fn c3_a_hole_in_the_log_and_a_term_that_falls() {
    fails(Checker::Dense, |h| drop(h.log.remove(2)));
    fails(Checker::Dense, |h| h.log.swap(0, 1));
    fails(Checker::Dense, |h| h.heads[0].last_seq = 8);
    fails(Checker::Dense, |h| h.leaders[1].1 = 1);
    fails(Checker::Dense, |h| {
        (h.log[0].epoch, h.log[1].epoch) = (Some(2), Some(1));
    });
    empty(Checker::Dense, |h| h.heads.clear());
}

#[test]
fn c4_one_sender_s_messages_change_places() {
    fails(Checker::Fifo, |h| {
        (h.log[0].id, h.log[1].id) = (h.log[1].id.clone(), h.log[0].id.clone());
    });
    fails(Checker::Fifo, |h| h.sends[8].number = 5);
    empty(Checker::Fifo, |h| h.log.clear());
}

#[test]
fn c4_a_message_without_an_answer_may_be_passed() {
    let mut history = good();
    (history.log[4].id, history.log[5].id) = (Some("m6".to_owned()), Some("m4".to_owned()));
    assert_eq!(status(&judge(&history), Checker::Fifo), Status::Passed);
}

#[test]
fn c5_behind_an_acknowledgment_and_in_front_of_it() {
    // Another's message this time, so that no sender's own order is broken.
    fails(Checker::RealTime, |h| {
        (h.sends[2].begin, h.sends[2].end) = (175, 179);
    });
    empty(Checker::RealTime, |h| h.log.clear());
}

#[test]
fn c6_two_see_different_things() {
    let spoilt = |spoil: fn(&mut Delivery)| {
        move |h: &mut History| {
            let at = delivered(h, 2, "m4");
            spoil(&mut h.deliveries[at]);
        }
    };
    fails(Checker::Agreement, spoilt(|told| told.id = "m6".to_owned()));
    fails(
        Checker::Agreement,
        spoilt(|told| told.from = "bob".to_owned()),
    );
    fails(Checker::Agreement, spoilt(|told| told.seq = 3));
    fails(Checker::Agreement, spoilt(|told| told.seq = 99));
    empty(Checker::Agreement, |h| h.deliveries.clear());
}

#[test]
fn c6_two_deliveries_change_places() {
    fails(Checker::Agreement, |h| {
        let at = delivered(h, 1, "m2");
        h.deliveries.swap(at, at + 1);
    });
}

#[test]
fn c7_a_delivery_is_missing() {
    for id in ["m1", "m2", "m6", "m7", "d3"] {
        fails(Checker::Completeness, |h| {
            let at = delivered(h, 1, id);
            h.deliveries.remove(at);
        });
    }
    // Bob came back at 6: nothing behind that may be missing.
    fails(Checker::Completeness, |h| {
        h.deliveries
            .retain(|told| told.session == 1 || told.id != "m7");
    });
    empty(Checker::Completeness, |h| h.ended = vec![1, 2]);
    empty(Checker::Completeness, |h| h.healed = None);
}

#[test]
fn c7_a_gap_that_is_told_is_no_silent_one() {
    let mut history = good();
    let at = delivered(&history, 1, "m3");
    history.deliveries.remove(at);
    history.gaps.push(Gap {
        session: 1,
        conversation: ROOM.to_owned(),
        from: 3,
        to: 4,
        at: 171,
    });
    assert_eq!(
        status(&judge(&history), Checker::Completeness),
        Status::Passed
    );
    history.gaps[0].session = 2;
    assert_eq!(
        status(&judge(&history), Checker::Completeness),
        Status::Failed
    );
}

#[test]
fn c7_what_comes_too_late_has_not_come() {
    fails(Checker::Completeness, |h| {
        let at = delivered(h, 1, "m7");
        h.deliveries[at].at = 180 + CATCH_UP_MAX_US + 1;
    });
}

#[test]
fn c8_refused_or_never_sent_and_there() {
    fails(Checker::Phantom, |h| h.log[6].id = Some("m8".to_owned()));
    fails(Checker::Phantom, |h| h.log[6].id = Some("m9".to_owned()));
    fails(Checker::Phantom, |h| h.log[6].from = Some("bob".to_owned()));
    fails(Checker::Phantom, |h| {
        let at = delivered(h, 1, "m7");
        h.deliveries[at].id = "m8".to_owned();
    });
    fails(Checker::Phantom, |h| {
        h.sends[8].conversation = PAIR.to_owned()
    });
    empty(Checker::Phantom, |h| {
        h.log.clear();
        h.deliveries.clear();
    });
}

#[test]
fn c9_delivered_to_who_has_left() {
    fails(Checker::Access, |h| {
        h.deliveries.push(delivery(2, "m6", "ada", 6, 135));
    });
    fails(Checker::Access, |h| {
        h.sessions[1].places.clear();
    });
    empty(Checker::Access, |h| h.memberships.clear());
}

#[test]
fn c11_over_the_bounds() {
    fails(Checker::Bounds, |h| {
        h.usage.push((0, 2_000 + 2 * GROWTH_BYTES_MAX, 12));
    });
    fails(Checker::Bounds, |h| h.usage.push((0, 2_000, 1_000)));
    fails(Checker::Bounds, |h| h.queues.push(("s1".to_owned(), 1_001)));
    fails(Checker::Bounds, |h| {
        h.run.tells_usage = false;
        h.queues = vec![("s1".to_owned(), 1_000), ("s2".to_owned(), 2_000)];
    });
    empty(Checker::Bounds, |h| h.usage.clear());
}

#[test]
fn servers_of_others_are_not_judged() {
    let mut history = good();
    history.run.queue_bytes_max = None;
    history.run.own_cluster = false;
    history.leaders.clear();
    history.usage.clear();
    let verdict = judge(&history);
    assert!(verdict.passed, "{:#?}", verdict.findings);
    assert_eq!(status(&verdict, Checker::Recovery), Status::NotJudged);
    assert_eq!(status(&verdict, Checker::Bounds), Status::NotJudged);
}

/// Numbers of a history may be anything.
#[test]
fn absurd_numbers_are_judged_too() {
    for seq in [0, u64::MAX] {
        let mut history = good();
        history.heads[0].base = seq;
        history.log[1].seq = seq;
        history.deliveries[2].seq = seq;
        history.sends[1].seq = Some(seq);
        history.memberships[1].seq = Some(seq);
        history.sessions[0].places[0].seq = seq;
        history.faults[0].end = seq;
        history.healed = Some(seq);
        history.gaps.push(Gap {
            session: 1,
            conversation: ROOM.to_owned(),
            from: 0,
            to: seq,
            at: seq,
        });
        assert!(!judge(&history).passed);
    }
}

/// Another client of the same user has joined.
#[test]
fn c9_a_join_is_the_user_s_and_not_one_client_s() {
    let mut history = good();
    let places = vec![];
    history.sessions.push(Session {
        session: 3,
        user: "bob".to_owned(),
        at: 145,
        places,
    });
    let told = [("m6", 6), ("m7", 7)].map(|(id, seq)| delivery(3, id, "ada", seq, 172));
    history.deliveries.extend(told);
    history.deliveries.push(delivery(3, "d3", "ada", 1, 173));
    let verdict = judge(&history);
    assert!(verdict.passed, "{:#?}", verdict.findings);
    history.memberships.retain(|membership| !membership.joins);
    assert_eq!(status(&judge(&history), Checker::Access), Status::Failed);
}
