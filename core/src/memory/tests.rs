use antiphon_protocol::limits::RECENT_MAX;
use antiphon_protocol::{ClientId, ConversationId, MessageId, RoomName, UserName};

use super::*;
use crate::conformance;
use crate::contract::*;
use std::sync::Arc;

#[tokio::test]
async fn coordinator_keeps_its_promises() {
    conformance::coordinator::all(|| async {
        Arc::new(MemoryCoordinator::new(0)) as Arc<dyn Coordinator>
    })
    .await;
}

/// What it has told stays, and what happens meanwhile is noticed afterwards.
#[tokio::test]
async fn a_coordinator_that_is_away_says_so_and_tells_nothing_new() {
    let coordinator = MemoryCoordinator::new(0);
    let record = |name: &str| NodeRecord {
        name: name.to_owned(),
        cluster_addr: "a:1".to_owned(),
        client_host: "a".to_owned(),
        client_port: 1,
    };
    let one = coordinator.register(record("one")).await.unwrap();
    let two = coordinator.register(record("two")).await.unwrap();
    let mut leads = one.campaign().await.unwrap();
    let mut follows = two.campaign().await.unwrap();
    let (view, contact) = (coordinator.view(), coordinator.contact());
    let before = view.borrow().clone();
    leads.mark_unchanged();
    follows.mark_unchanged();
    coordinator.set_away(true);
    assert!(matches!(*contact.borrow(), Contact::Suspended { .. }));
    let refused = coordinator.register(record("three")).await.err();
    assert!(refused.is_some_and(|error| error.is_retryable()));
    assert!(two.resign().await.is_err() && two.deregister().await.is_err());
    drop(one);
    assert_eq!(*view.borrow(), before);
    assert!(!leads.has_changed().unwrap() && !follows.has_changed().unwrap());
    coordinator.set_away(false);
    assert_eq!(*contact.borrow(), Contact::Connected);
    assert_eq!(*leads.borrow(), Leadership::Lost);
    assert!(matches!(*follows.borrow(), Leadership::Leader { .. }));
    assert_eq!(view.borrow().members.len(), 1);
}

/// Pitfall 81: a list that is not renewed ends.
#[tokio::test]
async fn server_directory_keeps_its_promises() {
    conformance::server_directory::all(|| async {
        Arc::new(MemoryServerDirectory::new()) as Arc<dyn ServerDirectory>
    })
    .await;
}

/// Pitfalls 45 and 46: entries of an ended registration don't count, also when they come late.
#[tokio::test]
async fn session_registry_keeps_its_promises() {
    conformance::session_registry::all(|| async {
        Arc::new(MemorySessionRegistry::new()) as Arc<dyn SessionRegistry>
    })
    .await;
}

#[tokio::test]
async fn recent_messages_keep_their_promises() {
    conformance::recent_messages::all(|| async {
        Arc::new(MemoryRecentMessages::new()) as Arc<dyn RecentMessages>
    })
    .await;
}

/// Pitfall 98: words count by the time at which they were said.
#[tokio::test]
async fn word_ranking_keeps_its_promises() {
    conformance::word_ranking::all(|| async {
        Arc::new(MemoryWordRanking::new()) as Arc<dyn WordRanking>
    })
    .await;
}

fn node(name: &str) -> NodeRecord {
    NodeRecord {
        name: name.to_owned(),
        cluster_addr: "127.0.0.1:1".to_owned(),
        client_host: "127.0.0.1".to_owned(),
        client_port: 2,
    }
}

#[tokio::test]
async fn candidates_are_elected_in_order_at_once_and_numbers_begin_at_the_base() {
    let coordinator = MemoryCoordinator::new(100);
    let one = coordinator.register(node("one")).await.unwrap();
    let two = coordinator.register(node("two")).await.unwrap();
    let three = coordinator.register(node("three")).await.unwrap();
    let incarnations = [&one, &two, &three].map(|node| node.id().incarnation);
    assert_eq!(incarnations, [101, 102, 103]);
    let third = three.campaign().await.unwrap();
    let first = one.campaign().await.unwrap();
    let second = two.campaign().await.unwrap();
    assert_eq!(*third.borrow(), Leadership::Leader { epoch: 104 });
    three.resign().await.unwrap();
    assert_eq!(*third.borrow(), Leadership::Follower);
    assert_eq!(*first.borrow(), Leadership::Leader { epoch: 105 });
    one.deregister().await.unwrap();
    assert_eq!(*first.borrow(), Leadership::Lost);
    assert_eq!(*second.borrow(), Leadership::Leader { epoch: 106 });
    assert_eq!(coordinator.epoch_base(), 106);
    let view = coordinator.view().borrow().clone();
    assert_eq!(view.members.keys().collect::<Vec<_>>(), ["three", "two"]);
    assert_eq!(
        view.leader,
        Some(Leader {
            id: two.id(),
            epoch: 106
        })
    );
}

/// Pitfall 66: a name is free again at once, and what is left of the old one does not disturb.
#[tokio::test]
async fn an_expired_registration_is_lost_for_good() {
    let coordinator = MemoryCoordinator::new(0);
    let one = coordinator.register(node("one")).await.unwrap();
    let told = one.campaign().await.unwrap();
    assert!(coordinator.clone().expire("one"));
    assert!(!coordinator.expire("one"));
    assert_eq!(*told.borrow(), Leadership::Lost);
    assert_eq!(*coordinator.view().borrow(), ClusterView::default());
    assert_eq!(*one.campaign().await.unwrap().borrow(), Leadership::Lost);
    let again = coordinator.register(node("one")).await.unwrap();
    drop(one);
    assert_eq!(coordinator.view().borrow().members["one"].id, again.id());
}

#[tokio::test]
async fn a_second_candidacy_is_refused() {
    let coordinator = MemoryCoordinator::new(0);
    let one = coordinator.register(node("one")).await.unwrap();
    one.campaign().await.unwrap();
    assert_eq!(
        one.campaign().await.unwrap_err().kind,
        BackendErrorKind::Conflict
    );
}

#[tokio::test]
async fn a_spent_counter_refuses_registrations_rather_than_going_back() {
    let coordinator = MemoryCoordinator::new(u64::MAX);
    let refused = coordinator
        .register(node("one"))
        .await
        .err()
        .expect("no number is left");
    assert_eq!(refused.kind, BackendErrorKind::Corrupt);
}

/// Pitfall 70.
#[tokio::test]
async fn a_view_is_published_once_for_each_change() {
    let coordinator = MemoryCoordinator::new(0);
    let mut view = coordinator.view();
    let one = coordinator.register(node("one")).await.unwrap();
    assert!(view.has_changed().unwrap());
    view.mark_unchanged();
    one.resign().await.unwrap();
    assert!(!view.has_changed().unwrap(), "nothing changed");
}

fn message(room: &str, seq: u64, body_bytes: usize) -> Record {
    Record {
        conversation: conversation(room),
        seq,
        epoch: 1,
        kind: RecordKind::Chat,
        sender: UserName::parse("ann").unwrap(),
        client_id: ClientId::parse(&seq.to_string()).unwrap(),
        message_id: MessageId(seq.to_string()),
        body_hash: [0; 16],
        ts_ms: seq,
        format: "text".to_owned(),
        body: "x".repeat(body_bytes),
    }
}

fn conversation(room: &str) -> ConversationId {
    ConversationId::Room(RoomName::parse(room).unwrap())
}

#[tokio::test]
async fn the_conversation_used_least_recently_leaves_a_full_cache() {
    let cache = MemoryRecentMessages::with_bounds(2, usize::MAX);
    cache
        .push(&[message("one", 1, 1), message("two", 1, 1)])
        .await
        .unwrap();
    assert!(
        cache
            .latest(&conversation("one"), 1)
            .await
            .unwrap()
            .is_some()
    );
    cache.push(&[message("three", 1, 1)]).await.unwrap();
    assert!(
        cache
            .latest(&conversation("two"), 1)
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        cache
            .latest(&conversation("one"), 1)
            .await
            .unwrap()
            .is_some()
    );
    assert!(
        cache
            .latest(&conversation("three"), 1)
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn a_cache_is_bounded_in_bytes() {
    let cache = MemoryRecentMessages::with_bounds(100, 10_000);
    for room in ["one", "two", "three"] {
        cache
            .push(&[message(room, 1, 4_000), message(room, 1, 4_000)])
            .await
            .unwrap();
    }
    assert!(
        cache
            .latest(&conversation("one"), 1)
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        cache
            .latest(&conversation("two"), 1)
            .await
            .unwrap()
            .is_some()
    );
    let long: Vec<_> = (0..2 * RECENT_MAX as u64)
        .map(|seq| message("four", seq, 10))
        .collect();
    let roomy = MemoryRecentMessages::with_bounds(100, 20_000);
    roomy.push(&long).await.unwrap();
    let kept = roomy
        .latest(&conversation("four"), 100)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(kept.len(), RECENT_MAX, "what was trimmed no longer counts");
}
