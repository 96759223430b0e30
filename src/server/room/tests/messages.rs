use std::collections::BTreeSet;

use antiphon_core::contract::RecordKind;
use antiphon_protocol::client::Visibility;
use antiphon_protocol::limits::RECENT_MAX;

use super::*;
use crate::server::room::RoomInput;

#[tokio::test]
async fn a_retry_is_acked_as_such_and_delivered_once() {
    let f = fixture().await;
    f.stores
        .add_room(HALL, Visibility::Public, &["alice"])
        .await;
    let (mut term, mut link) = f.led(&["alice"]).await;
    let first = link.chat("alice", "once").await;
    let again = link.chat("alice", "once").await;
    assert_eq!((first.seq, again.seq), (1, 1));
    assert_eq!(first.message_id, again.message_id);
    assert!(!first.duplicate && again.duplicate);
    let mut other_text = chat("once");
    if let RoomCommand::Chat { body_hash, .. } = &mut other_text {
        *body_hash = [1; 16];
    }
    assert_eq!(
        link.refused("alice", other_text).await.ext,
        "client_id_conflict"
    );
    assert_eq!(messages(&link.catch_up().await), [(1, "once".into())]);
    assert_eq!(term.stored.try_recv().unwrap().records.len(), 1);
    assert!(term.stored.try_recv().is_err(), "counted once");
}

/// Pitfall 60: between the recent messages and the first delivery nothing is missing, and
/// nothing comes twice, whoever writes meanwhile.
#[tokio::test]
async fn a_joiner_among_writers_sees_every_message_once() {
    for round in 0..8 {
        let f = fixture().await;
        f.stores
            .add_room(HALL, Visibility::Public, &["alice", "bob"])
            .await;
        let (term, mut link) = f.led(&["alice", "bob"]).await;
        let mut joiner = term.link("f2");
        joiner.up(&f.backends, "carol").await;
        let write = async {
            let mut requests = Vec::new();
            for n in 0..40 {
                let who = ["alice", "bob"][n % 2];
                requests.push(link.submit(who, HALL, chat(&format!("m{n}"))).await);
                tokio::task::yield_now().await;
            }
            for request in requests {
                assert!(matches!(link.outcome(request).await, RoomOutcome::Ack(_)));
            }
        };
        let join = async {
            for _ in 0..round * 5 {
                tokio::task::yield_now().await;
            }
            joiner.join("carol").await
        };
        let ((), (last_seq, recent)) = tokio::join!(write, join);
        let mut seen: Vec<u64> = recent.iter().map(|message| message.seq).collect();
        assert_eq!(seen.last().copied().unwrap_or(0), last_seq);
        let delivered = messages(&joiner.catch_up().await);
        seen.extend(delivered.iter().map(|(seq, _)| seq));
        assert_eq!(seen, (1..=40).collect::<Vec<u64>>(), "round {round}");
    }
}

#[tokio::test]
async fn a_new_leader_marks_a_log_once_and_an_empty_one_not_at_all() {
    let f = fixture().await;
    f.stores
        .add_room(HALL, Visibility::Public, &["alice"])
        .await;
    let (first, mut link) = f.led(&["alice"]).await;
    link.chat("alice", "one").await;
    first.leader.end(PATIENCE).await;
    let second = f.leader(EPOCH + 1);
    let mut link = second.link("f1");
    link.up(&f.backends, "alice").await;
    assert_eq!(link.chat("alice", "two").await.seq, 3);
    assert_eq!(link.chat("alice", "three").await.seq, 4);
    let frames = link.catch_up().await;
    assert_eq!(room_events(&frames), [("epoch".into(), String::new())]);
    let log = f.stores.room_log(HALL).await;
    let kinds: Vec<_> = log
        .iter()
        .map(|record| (record.kind, record.epoch))
        .collect();
    assert_eq!(
        kinds,
        [
            (RecordKind::Chat, EPOCH),
            (RecordKind::Epoch, EPOCH + 1),
            (RecordKind::Chat, EPOCH + 1),
            (RecordKind::Chat, EPOCH + 1)
        ]
    );
    // A mark is no message: it is neither counted nor among the recent ones.
    assert_eq!(link.join("alice").await.1.len(), 3);
}

#[tokio::test]
async fn a_deposed_leader_writes_nothing_more() {
    let f = fixture().await;
    f.stores
        .add_room(HALL, Visibility::Public, &["alice", "bob"])
        .await;
    let (old, mut old_link) = f.led(&["alice"]).await;
    let new = f.leader(EPOCH + 1);
    let mut new_link = new.link("f2");
    let mut acked = BTreeSet::new();
    for n in 0..5 {
        acked.insert(old_link.chat("alice", &format!("old {n}")).await.seq);
    }
    acked.insert(new_link.chat("bob", "new").await.seq);
    // The old leader goes on without knowing.
    for n in 5..30 {
        old_link
            .submit("alice", HALL, chat(&format!("old {n}")))
            .await;
    }
    for n in 0..20 {
        acked.insert(new_link.chat("bob", &format!("new {n}")).await.seq);
    }
    let deposed = antiphon_core::clock::timeout(PATIENCE, old.leader.scope().stopping());
    deposed.await.expect("it steps down");
    old.leader.end(PATIENCE).await;
    let log = f.stores.room_log(HALL).await;
    let old_rows = log.iter().filter(|record| record.epoch == EPOCH).count();
    assert_eq!(old_rows, 5, "the deposed leader's appends had an effect");
    assert_eq!(log.len(), 5 + 1 + 21);
    assert!(
        acked
            .iter()
            .all(|seq| log[*seq as usize - 1].kind == RecordKind::Chat)
    );
    while let Ok(frame) = old_link.frames.try_recv() {
        assert!(
            !matches!(
                frame,
                PeerFrame::Result {
                    outcome: RoomOutcome::Ack(_),
                    ..
                }
            ),
            "acked without a place"
        );
    }
    assert!(!new.leader.scope().is_stopping());
}

/// Both write as fast as they can: the log stays dense, its epochs never fall, and exactly
/// the acked messages are in it.
#[tokio::test]
async fn two_leaders_at_once_keep_the_log_dense() {
    let f = fixture().await;
    f.stores
        .add_room(HALL, Visibility::Public, &["alice", "bob"])
        .await;
    let (old, mut old_link) = f.led(&["alice"]).await;
    old_link.chat("alice", "first").await;
    let new = f.leader(EPOCH + 1);
    let mut new_link = new.link("f2");
    // The old one is sent away by its first collision; until then it answers.
    let scope = old.leader.scope();
    let write_old = async {
        let mut acked = 1;
        loop {
            let request = old_link
                .submit("alice", HALL, chat(&format!("old {acked}")))
                .await;
            tokio::select! {
                biased;
                outcome = old_link.outcome(request) => match outcome {
                    RoomOutcome::Ack(_) => acked += 1,
                    other => panic!("neither acked nor left to the new leader: {other:?}"),
                },
                () = scope.stopping() => return acked,
            }
        }
    };
    let write_new = async {
        for n in 0..50 {
            assert!(!new_link.chat("bob", &format!("new {n}")).await.duplicate);
        }
    };
    let both = async { tokio::join!(write_old, write_new) };
    let (acked, ()) = antiphon_core::clock::timeout(PATIENCE, both)
        .await
        .expect("the old leader steps down");
    old.leader.end(PATIENCE).await;
    let log = f.stores.room_log(HALL).await;
    let of_old = log.iter().filter(|record| record.epoch == EPOCH).count();
    assert_eq!(of_old, acked);
    let chats = log.iter().filter(|record| record.kind == RecordKind::Chat);
    assert_eq!(chats.count(), acked + 50);
}

/// Pitfall 84, and what a cache must not do after somebody else wrote.
#[tokio::test]
async fn recent_messages_are_the_last_ones_of_the_log() {
    let f = fixture().await;
    f.stores
        .add_room(HALL, Visibility::Public, &["alice"])
        .await;
    let (_term, mut link) = f.led(&["alice"]).await;
    for n in 1..=RECENT_MAX + 5 {
        link.chat("alice", &format!("m{n}")).await;
    }
    for name in ["bob", "carol"] {
        let (last_seq, recent) = link.join(name).await;
        assert_eq!(last_seq, RECENT_MAX as u64 + 5);
        let seqs: Vec<u64> = recent.iter().map(|message| message.seq).collect();
        assert_eq!(seqs, (6..=last_seq).collect::<Vec<u64>>());
    }
    // A late write of a call that had timed out: not this actor's.
    f.archive
        .plan([crate::server::tests::support::archive::Fault::Behind(EPOCH)]);
    link.chat("alice", "behind it").await;
    let (last_seq, recent) = link.join("dave").await;
    let seqs: Vec<u64> = recent.iter().map(|message| message.seq).collect();
    assert_eq!(
        seqs,
        (last_seq - RECENT_MAX as u64 + 1..=last_seq).collect::<Vec<u64>>()
    );
}

/// A cache that was away for one message, and back for the next.
#[tokio::test]
async fn a_hole_in_the_cache_is_filled_from_the_archive() {
    let f = fixture().await;
    f.stores
        .add_room(HALL, Visibility::Public, &["alice"])
        .await;
    let (old, mut link) = f.led(&["alice"]).await;
    for n in 1..=RECENT_MAX + 5 {
        link.chat("alice", &format!("m{n}")).await;
    }
    old.leader.end(PATIENCE).await;
    let mut log = f.stores.room_log(HALL).await;
    log.retain(|record| record.seq != 30);
    f.backends.recent.push(&log).await.unwrap();
    let (_term, mut link) = f.led(&["alice"]).await;
    let (last_seq, recent) = link.join("bob").await;
    let seqs: Vec<u64> = recent.iter().map(|message| message.seq).collect();
    assert_eq!(seqs, (6..=last_seq).collect::<Vec<u64>>());
}

#[tokio::test]
async fn rooms_that_are_not_there_leave_memory_and_so_do_idle_ones() {
    let f = fixture().await;
    f.stores
        .add_room(HALL, Visibility::Public, &["alice"])
        .await;
    let (term, mut link) = f.led(&["alice"]).await;
    for n in 0..50 {
        let request = link
            .submit("alice", &format!("no-{n}"), chat("hello"))
            .await;
        link.outcome(request).await;
    }
    link.chat("alice", "hello").await;
    let rooms = term.leader.rooms();
    let count = async |wanted: usize| {
        crate::server::tests::support::until("rooms in memory", async || {
            (rooms.in_memory() == wanted).then_some(())
        })
        .await;
    };
    count(1).await;
    // Somebody is on: it stays.
    pass(crate::server::settings::ROOM_IDLE * 2).await;
    link.chat("alice", "still").await;
    count(1).await;
    link.down("alice").await;
    link.catch_up().await;
    pass(crate::server::settings::ROOM_IDLE * 2).await;
    count(0).await;
    // It comes back where it was.
    assert_eq!(link.chat("alice", "again").await.seq, 3);
}

#[tokio::test]
async fn a_stopped_leader_takes_nothing_more() {
    let f = fixture().await;
    f.stores
        .add_room(HALL, Visibility::Public, &["alice"])
        .await;
    let (term, mut link) = f.led(&["alice"]).await;
    link.chat("alice", "one").await;
    term.leader.end(PATIENCE).await;
    let goodbye = loop {
        match link.next().await {
            PeerFrame::Goodbye => break true,
            PeerFrame::Result { .. } => break false,
            _ => {}
        }
    };
    assert!(goodbye);
    link.submit("alice", HALL, chat("two")).await;
    let rooms = term.leader.rooms();
    let input = RoomInput::Recheck(user("alice"), crate::server::room::Told::default());
    antiphon_core::clock::timeout(PATIENCE, rooms.send(&room(HALL), input))
        .await
        .expect("no endless loop");
    assert_eq!(f.stores.room_log(HALL).await.len(), 1);
}
