//! `after`: a message that names another is written behind it or not at all.

use std::sync::atomic::Ordering;

use antiphon_core::contract::BackendErrorKind;
use antiphon_protocol::client::Visibility;

use super::*;
use crate::server::tests::support::archive::Fault;

fn following(text: &str, predecessor: &str) -> RoomCommand {
    let mut command = chat(text);
    if let RoomCommand::Chat { after, .. } = &mut command {
        *after = Some(client_id(predecessor));
    }
    command
}

async fn hall() -> (Fixture, Term, Link) {
    let f = fixture().await;
    f.stores
        .add_room(HALL, Visibility::Public, &["alice", "bob"])
        .await;
    let (term, link) = f.led(&["alice", "bob"]).await;
    (f, term, link)
}

fn ext(outcome: RoomOutcome) -> String {
    match outcome {
        RoomOutcome::Failed(error) => error.ext,
        RoomOutcome::Ack(ack) => format!("{}", ack.seq),
        other => panic!("neither: {other:?}"),
    }
}

#[tokio::test]
async fn a_run_of_messages_that_follow_each_other_is_one_append() {
    let (f, _term, mut link) = hall().await;
    link.chat("alice", "m0").await;
    let before = f.archive.appends.load(Ordering::Relaxed);
    let mut requests = Vec::new();
    for n in 1..=20 {
        let command = following(&format!("m{n}"), &format!("m{}", n - 1));
        requests.push(link.submit("alice", HALL, command).await);
    }
    for (n, request) in (2..).zip(requests) {
        assert_eq!(ext(link.outcome(request).await), n.to_string());
    }
    let appends = f.archive.appends.load(Ordering::Relaxed) - before;
    assert!(appends <= 20, "{appends}");
}

#[tokio::test]
async fn what_follows_a_message_that_is_not_there_is_refused_for_now() {
    let (f, _term, mut link) = hall().await;
    let error = link.refused("alice", following("two", "one")).await;
    assert_eq!(
        (error.code, error.ext.as_str(), error.retryable),
        (409, "predecessor_missing", true)
    );
    // Those that name a refused one are refused with it, in the same batch or not.
    let second = link.submit("alice", HALL, following("two", "one")).await;
    let third = link.submit("alice", HALL, following("three", "two")).await;
    for request in [second, third] {
        assert_eq!(ext(link.outcome(request).await), "predecessor_missing");
    }
    // Somebody else's message under that id is another message.
    link.chat("bob", "one").await;
    let error = link.refused("alice", following("two", "one")).await;
    assert_eq!(error.ext, "predecessor_missing");
    link.chat("alice", "one").await;
    assert_eq!(ext(link.ask("alice", following("two", "one")).await), "3");
    assert_eq!(f.stores.room_log(HALL).await.len(), 3);
}

#[tokio::test]
async fn a_retry_is_acked_whatever_it_names() {
    let (_f, _term, mut link) = hall().await;
    link.chat("alice", "one").await;
    let again = link.ask("alice", following("one", "never-sent")).await;
    let RoomOutcome::Ack(ack) = again else {
        panic!("not acked: {again:?}")
    };
    assert!(ack.duplicate);
}

#[tokio::test]
async fn a_leader_that_remembers_nothing_asks_the_log() {
    let (f, first, mut link) = hall().await;
    link.chat("alice", "one").await;
    first.leader.end(PATIENCE).await;
    let second = f.leader(EPOCH + 1);
    let mut link = second.link("f1");
    link.up(&f.backends, "alice").await;
    let error = link.refused("alice", following("three", "two")).await;
    assert_eq!(error.ext, "predecessor_missing");
    assert_eq!(ext(link.ask("alice", following("two", "one")).await), "3");
    assert_eq!(ext(link.ask("alice", following("three", "two")).await), "4");
}

/// Whether it was stored or not, the log decides.
#[tokio::test]
async fn an_append_of_unknown_outcome_decides_nothing() {
    let (f, _term, mut link) = hall().await;
    link.chat("alice", "zero").await;
    f.archive.plan([Fault::Refused(BackendErrorKind::Timeout)]);
    let lost = link.submit("alice", HALL, chat("one")).await;
    assert_eq!(ext(link.outcome(lost).await), "unknown_outcome");
    let error = link.refused("alice", following("two", "one")).await;
    assert_eq!(error.ext, "predecessor_missing");
    f.archive.plan([Fault::Done(BackendErrorKind::Timeout)]);
    link.chat("alice", "one").await;
    assert_eq!(ext(link.ask("alice", following("two", "one")).await), "3");
}

#[tokio::test]
async fn a_store_that_can_t_be_asked_is_no_missing_predecessor() {
    let (f, _term, mut link) = hall().await;
    link.chat("alice", "one").await;
    f.archive.unreadable.store(true, Ordering::Relaxed);
    // What is remembered needs no look-up.
    assert_eq!(ext(link.ask("alice", following("two", "one")).await), "2");
    let error = link.refused("alice", following("five", "four")).await;
    assert_eq!(error.ext, "store_unavailable");
}

#[tokio::test]
async fn a_batch_that_is_not_stored_takes_its_followers_with_it() {
    let (f, _term, mut link) = hall().await;
    link.chat("alice", "zero").await;
    f.archive
        .plan([Fault::Refused(BackendErrorKind::Unavailable)]);
    let mut requests = Vec::new();
    for (text, after) in [("one", "zero"), ("two", "one"), ("three", "two")] {
        requests.push(link.submit("alice", HALL, following(text, after)).await);
    }
    let mut ends = Vec::new();
    for request in requests {
        ends.push(ext(link.outcome(request).await));
    }
    // However they were batched, nothing is stored behind a hole.
    assert_eq!(ends[0], "store_unavailable");
    for end in &ends[1..] {
        assert!(
            ["store_unavailable", "predecessor_missing"].contains(&end.as_str()),
            "{ends:?}"
        );
    }
    assert_eq!(f.stores.room_log(HALL).await.len(), 1);
}
