use super::*;

fn session(n: u64, bytes: usize) -> LocalSession {
    LocalSession {
        id: SessionId(format!("s{n}")),
        login_at_ms: n,
        connection: ConnectionId(n),
        outbound: Arc::new(Outbound::new(bytes, 4)),
    }
}

fn user(name: &str) -> UserName {
    UserName::parse(name).expect("a name")
}

fn taken(outbound: &Outbound) -> (Vec<String>, Option<CloseCode>) {
    let mut frames = Vec::new();
    let close = outbound.take(usize::MAX, &mut frames);
    (frames.iter().map(ToString::to_string).collect(), close)
}

/// Pitfalls 39 and 41: closing one session ends that one and no other.
#[test]
fn unbinding_is_by_session_and_tells_the_last_one() {
    let sessions = Sessions::default();
    let alice = user("alice");
    assert!(sessions.bind(alice.clone(), session(1, 100)));
    assert!(!sessions.bind(alice.clone(), session(2, 100)));
    assert!(!sessions.unbind(&alice, &SessionId("s1".into())));
    assert!(!sessions.unbind(&alice, &SessionId("s1".into())));
    assert_eq!(sessions.of(&alice).len(), 1);
    assert!(sessions.unbind(&alice, &SessionId("s2".into())));
    assert!(sessions.of(&alice).is_empty());
}

#[test]
fn the_sender_gets_its_own_copy_and_the_origin_can_be_left_out() {
    let sessions = Sessions::default();
    let (alice, bob) = (user("alice"), user("bob"));
    for (n, who) in [(1, &alice), (2, &alice), (3, &bob)] {
        sessions.bind(who.clone(), session(n, 100));
    }
    let (plain, own) = (Utf8Bytes::from("plain"), Utf8Bytes::from("own"));
    let refused = sessions.push_all(
        [&alice, &bob].into_iter(),
        &plain,
        Some((&alice, &own)),
        Some(ConnectionId(1)),
    );
    assert_eq!(refused, 0);
    let got: Vec<_> = [&alice, &bob]
        .iter()
        .flat_map(|who| sessions.of(who))
        .map(|s| taken(&s.outbound).0)
        .collect();
    assert_eq!(
        got,
        [vec![], vec!["own".to_owned()], vec!["plain".to_owned()]]
    );
}

/// Pitfall 19: a reader that stands still has a bound, and is told to come back.
#[test]
fn a_full_queue_closes_as_a_slow_consumer() {
    let full = session(1, 10).outbound;
    assert!(full.push("12345".into()));
    assert!(full.push("12345".into()));
    assert!(!full.push("x".into()));
    assert_eq!(taken(&full), (vec![], Some(SLOW_CONSUMER)));
    assert!(!full.push("y".into()));

    let many = session(2, 1_000).outbound;
    assert!((0..4).all(|_| many.push("x".into())));
    assert!(!many.push("x".into()));
}

#[test]
fn what_is_queued_is_written_before_the_close() {
    let outbound = session(1, 100).outbound;
    outbound.push("last words".into());
    outbound.close(antiphon_protocol::close_code::RESTART);
    outbound.close(antiphon_protocol::close_code::REPLACED);
    let mut frames = Vec::new();
    assert_eq!(outbound.take(1, &mut frames), None);
    assert_eq!(frames.len(), 1);
    assert_eq!(
        outbound.take(1, &mut frames),
        Some(antiphon_protocol::close_code::RESTART)
    );
}

#[tokio::test(start_paused = true)]
async fn ready_wakes_for_frames_and_for_the_end() {
    let outbound = session(1, 100).outbound;
    let waits = tokio::time::timeout(std::time::Duration::from_secs(1), outbound.ready());
    assert!(waits.await.is_err());
    outbound.push("x".into());
    outbound.ready().await;
}

#[test]
fn older_sessions_end_and_the_newer_one_stays() {
    let sessions = Sessions::default();
    let alice = user("alice");
    for n in 1..=3 {
        sessions.bind(alice.clone(), session(n, 1_000));
    }
    sessions.end(&alice, 3, EndReason::Replaced, Some(ConnectionId(2)));
    let closes: Vec<_> = sessions
        .of(&alice)
        .iter()
        .map(|s| taken(&s.outbound).1)
        .collect();
    assert_eq!(closes, [Some(REPLACED), None, None]);
}

/// A page may be bigger than all the events that may wait; who asks for one while others talk
/// keeps its connection.
#[test]
fn answers_do_not_count_against_the_bound_of_events() {
    let outbound = Outbound::new(8, 4);
    outbound.push_reply("a page of many messages".into());
    assert!(outbound.push("an event".into()));
    assert_eq!(outbound.waiting_bytes(), 8);
    assert_eq!(taken(&outbound).0.len(), 2);
    assert_eq!(outbound.waiting_bytes(), 0);
    assert!(outbound.push("an event".into()));
    assert!(!outbound.push("2".into()));
    assert_eq!(taken(&outbound).1, Some(SLOW_CONSUMER));
}
