use std::sync::atomic::Ordering;

use antiphon_core::contract::{BackendErrorKind, MessageArchive, Standing};
use antiphon_protocol::ConversationId;
use antiphon_protocol::client::Visibility;

use super::*;
use crate::server::tests::support::archive::Fault;
use crate::server::tests::support::record;

async fn with_two() -> (Fixture, Term, Link, Link) {
    let f = fixture().await;
    f.stores
        .add_room(HALL, Visibility::Public, &["alice", "bob"])
        .await;
    let (term, link) = f.led(&["alice"]).await;
    let mut other = term.link("f2");
    other.up(&f.backends, "bob").await;
    (f, term, link, other)
}

/// Pitfall 59: what the store did not take did not happen, and nobody is told that it did.
#[tokio::test]
async fn a_change_that_is_not_stored_is_not_told() {
    let (f, _term, mut link, mut other) = with_two().await;
    link.chat("alice", "hello").await;
    let down = BackendErrorKind::Unavailable;
    f.rooms.fail_next_write(down, false);
    let error = link.refused("alice", kick("bob")).await;
    assert_eq!(error.ext, "store_unavailable");
    f.rooms.fail_next_write(down, false);
    other.refused("bob", RoomCommand::Leave).await;
    f.rooms.fail_next_write(down, false);
    link.refused("carol", RoomCommand::Join).await;
    assert_eq!(other.chat("bob", "still here").await.seq, 2);
    assert!(room_events(&link.catch_up().await).is_empty());
    assert!(room_events(&other.catch_up().await).is_empty());
    assert_eq!(
        link.refused("carol", chat("not in")).await.ext,
        "room_not_found"
    );
}

/// C9 where the answer of the store was lost: the truth is read again.
#[tokio::test]
async fn a_kick_whose_outcome_is_unknown_still_takes_effect() {
    let (f, _term, mut link, mut other) = with_two().await;
    link.chat("alice", "before").await;
    f.rooms.fail_next_write(BackendErrorKind::Timeout, true);
    let error = link.refused("alice", kick("bob")).await;
    assert_eq!(error.ext, "unknown_outcome");
    link.chat("alice", "after").await;
    assert_eq!(
        other.refused("bob", chat("late")).await.ext,
        "room_not_found"
    );
    let heard = other.catch_up().await;
    assert_eq!(messages(&heard), [(1, "before".into())]);
    let removed = audience(&heard).iter().any(|change| change.1 == "bob");
    assert!(removed, "bob's server goes on delivering to him");
}

#[tokio::test]
async fn a_room_made_by_a_call_that_timed_out_is_found() {
    let f = fixture().await;
    let (_term, mut link) = f.led(&["alice"]).await;
    f.rooms.fail_next_write(BackendErrorKind::Timeout, true);
    let create = RoomCommand::Create {
        visibility: Visibility::Public,
        topic: String::new(),
    };
    let made = link.submit("alice", HALL, create).await;
    let said = link.submit("alice", HALL, chat("mine")).await;
    let RoomOutcome::Failed(error) = link.outcome(made).await else {
        panic!("created for certain");
    };
    assert_eq!(error.ext, "unknown_outcome");
    assert!(matches!(link.outcome(said).await, RoomOutcome::Ack(_)));
}

/// After an append of unknown outcome the top is not known, and is not taken to be zero.
#[tokio::test]
async fn a_join_after_a_lost_append_tells_the_real_top() {
    let (f, _term, mut link, _other) = with_two().await;
    link.chat("alice", "one").await;
    link.chat("alice", "two").await;
    f.archive.plan([Fault::Refused(BackendErrorKind::Timeout)]);
    let error = link.refused("alice", chat("lost")).await;
    assert_eq!(error.ext, "unknown_outcome");
    let (last_seq, recent) = link.join("carol").await;
    assert_eq!(last_seq, 2);
    assert_eq!(recent.len(), 2);
}

/// Pitfall 16: a store that is away is an answer, not an end.
#[tokio::test]
async fn a_join_that_cannot_be_answered_changes_nothing() {
    let (f, _term, mut link, _other) = with_two().await;
    link.chat("alice", "one").await;
    f.archive.unreadable.store(true, Ordering::Relaxed);
    assert_eq!(
        link.refused("carol", RoomCommand::Join).await.ext,
        "store_unavailable"
    );
    f.archive.unreadable.store(false, Ordering::Relaxed);
    let rooms = &f.stores.backends.rooms;
    let standing = rooms.standing(&room(HALL), &user("carol")).await.unwrap();
    assert_eq!(standing, None);
    assert_eq!(link.join("carol").await.0, 1);
}

#[tokio::test]
async fn a_room_that_cannot_be_read_refuses_and_comes_back() {
    let f = fixture().await;
    f.stores
        .add_room(HALL, Visibility::Public, &["alice"])
        .await;
    let term = f.leader(EPOCH);
    let mut link = term.link("f1");
    link.up(&f.backends, "alice").await;
    f.rooms.unreadable.store(true, Ordering::Relaxed);
    for command in [chat("hello"), RoomCommand::Join, RoomCommand::Leave] {
        let error = link.refused("alice", command).await;
        assert_eq!(error.ext, "store_unavailable");
        assert!(error.retryable);
    }
    f.rooms.unreadable.store(false, Ordering::Relaxed);
    link.chat("alice", "hello").await;
    assert_eq!(messages(&link.catch_up().await), [(1, "hello".into())]);
}

/// A deposed leader can't undo its successor's decisions about members.
#[tokio::test]
async fn a_deposed_leader_changes_no_members() {
    let (f, old, mut old_link, _other) = with_two().await;
    old_link.join("alice").await;
    let new = f.leader(EPOCH + 1);
    let mut new_link = new.link("f3");
    new_link.done("alice", kick("bob")).await;
    let error = old_link.refused("bob", RoomCommand::Leave).await;
    assert_eq!(error.ext, "leader_unavailable");
    assert!(old.leader.scope().is_stopping());
    let rooms = &f.stores.backends.rooms;
    let standing = rooms.standing(&room(HALL), &user("alice")).await.unwrap();
    assert_eq!(standing, Some(Standing::Owner));
}

/// Found by the model of `model.rs`: what a new leader has read of a room holds, also if the
/// one before it has not noticed yet.
#[tokio::test]
async fn a_room_that_was_read_belongs_to_the_new_term() {
    let (f, old, mut old_link, _other) = with_two().await;
    old_link.join("alice").await;
    let new = f.leader(EPOCH + 1);
    let mut new_link = new.link("f3");
    new_link.join("alice").await;
    let error = old_link.refused("alice", kick("bob")).await;
    assert_eq!(error.ext, "leader_unavailable");
    assert!(old.leader.scope().is_stopping());
    new_link.chat("bob", "still in").await;
}

/// Found by the same: a deposed leader that comes to a room behind its successor's record
/// must not write a mark of its own there.
#[tokio::test]
async fn a_leader_that_finds_a_newer_record_writes_nothing() {
    let f = fixture().await;
    f.stores.add_room(HALL, Visibility::Public, &["bob"]).await;
    let old = f.leader(EPOCH);
    let mut old_link = old.link("f1");
    // The row has no newer epoch: the successor has only written to the log.
    let hall = ConversationId::Room(room(HALL));
    f.archive
        .append(vec![record(&hall, 1, EPOCH + 1, "new-1")])
        .await
        .unwrap();
    let error = old_link.refused("bob", chat("too late")).await;
    assert_eq!(error.ext, "leader_unavailable");
    assert!(old.leader.scope().is_stopping());
    assert_eq!(f.stores.room_log(HALL).await.len(), 1);
}
