//! Sessions that end, servers that fall silent, replies that are lost.

use antiphon_core::clock;
use antiphon_core::contract::{BackendErrorKind, Coordinator, Leadership};
use antiphon_test_services::ZooKeeper;

use super::harness::{
    Candidate, SESSION, connect, connected, driver, eventually, led_by, record, seen, suspended,
};
use super::proxy::{Proxy, Way};

/// The operation's number in ZooKeeper's protocol.
const CREATE2: i32 = 15;
const DELETE: i32 = 2;

/// Cut off beyond its session it keeps what it knew, since it can't tell; heard again, it
/// learns that it is lost, and the one that was elected meanwhile has the higher epoch.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_cut_off_is_lost_when_it_hears_of_it() {
    let server = ZooKeeper::start().await;
    for way in [Way::Silent, Way::Refused] {
        let proxy = Proxy::start("127.0.0.1:0", server.address()).await;
        let path = format!("{way:?}");
        let (far, near) = (
            connect(&proxy.url(&path)).await,
            connect(&server.url(&path)).await,
        );
        let mut one = Candidate::join(&far, "one").await;
        let epoch = one.elected().await;
        let mut two = Candidate::join(&near, "two").await;
        let before = seen(&far, "both", |view| view.members.len() == 2).await;
        proxy.set(way);
        suspended(&far).await;
        let next = two.elected().await;
        assert!(next > epoch);
        seen(&near, "the second leads alone", |view| {
            led_by(view, &two.id(), next) && view.members.len() == 1
        })
        .await;
        assert_eq!(one.now(), Leadership::Leader { epoch }, "it can't tell");
        assert_eq!(*far.view().borrow(), before, "the last view stays");
        let error = one.registration.resign().await.unwrap_err();
        assert!(error.is_retryable());
        proxy.set(Way::Open);
        one.lost().await;
        connected(&far).await;
        seen(&far, "the second leads", |view| {
            led_by(view, &two.id(), next)
        })
        .await;
        let mut again = Candidate::join(&far, "one").await;
        assert!(again.id().incarnation > one.id().incarnation);
        two.registration.deregister().await.unwrap();
        assert!(again.elected().await > next);
    }
}

/// A break that is shorter than the session is no event.
#[tokio::test(flavor = "multi_thread")]
async fn a_short_break_keeps_session_and_leadership() {
    let server = ZooKeeper::start().await;
    let proxy = Proxy::start("127.0.0.1:0", server.address()).await;
    let coordinator = connect(&proxy.url("a")).await;
    let mut one = Candidate::join(&coordinator, "one").await;
    let epoch = one.elected().await;
    for _ in 0..3 {
        proxy.set(Way::Refused);
        clock::sleep(SESSION / 6).await;
        proxy.set(Way::Open);
        // Watches are set anew: a change after it is seen.
        let two = coordinator.register(record("two")).await.unwrap();
        let there = |view: &antiphon_core::contract::ClusterView| view.members.len() == 2;
        seen(&coordinator, "a new member", there).await;
        two.deregister().await.unwrap();
        seen(&coordinator, "it left", |view| view.members.len() == 1).await;
        assert_eq!(one.now(), Leadership::Leader { epoch });
    }
}

/// The reply to the making of a node is lost: it is found, not made twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_reply_was_lost_is_found_again() {
    let server = ZooKeeper::start().await;
    let proxy = Proxy::start("127.0.0.1:0", server.address()).await;
    let coordinator = connect(&proxy.url("a")).await;
    let looker = driver(&server.address()).await;
    proxy.lose_reply(CREATE2, "/a/members/one");
    let registration = coordinator.register(record("one")).await.unwrap();
    assert_eq!(proxy.lost(), 1);
    let (_, stat) = looker.get_data("/a/members/one", false).await.unwrap();
    assert_eq!(stat.czxid.unsigned_abs(), registration.id().incarnation);
    proxy.lose_reply(CREATE2, "/a/election/one");
    let told = registration.campaign().await.unwrap();
    assert_eq!(proxy.lost(), 2);
    let mut one = Candidate { registration, told };
    let epoch = one.elected().await;
    let nodes = looker.get_children("/a/election", false).await.unwrap();
    assert_eq!(nodes.len(), 1, "{nodes:?}");
    let stat = looker
        .exists(&format!("/a/election/{}", nodes[0]), false)
        .await;
    assert_eq!(stat.unwrap().unwrap().czxid.unsigned_abs(), epoch);
    // And so it is with its end.
    proxy.lose_reply(DELETE, "/a/election/one");
    one.registration.resign().await.unwrap();
    assert_eq!(proxy.lost(), 3);
    assert_eq!(one.now(), Leadership::Follower);
    let nodes = looker.get_children("/a/election", false).await.unwrap();
    assert!(nodes.is_empty(), "{nodes:?}");
}

/// A resignation that ZooKeeper did not hear is repeated until it does.
#[tokio::test(flavor = "multi_thread")]
async fn a_resignation_that_was_not_heard_is_made_up_for() {
    let server = ZooKeeper::start().await;
    let proxy = Proxy::start("127.0.0.1:0", server.address()).await;
    let (far, near) = (
        connect(&proxy.url("a")).await,
        connect(&server.url("a")).await,
    );
    let mut one = Candidate::join(&far, "one").await;
    let epoch = one.elected().await;
    let mut two = Candidate::join(&near, "two").await;
    proxy.set(Way::Refused);
    let error = one.registration.resign().await.unwrap_err();
    assert_eq!(error.kind, BackendErrorKind::Unavailable);
    assert_eq!(one.now(), Leadership::Follower, "given up at once");
    proxy.set(Way::Open);
    assert!(two.elected().await > epoch);
    seen(&far, "both are members", |view| view.members.len() == 2).await;
}

/// An ensemble that lost its data: zxids begin again, and what was known before does not keep
/// the new state out.
#[tokio::test(flavor = "multi_thread")]
async fn an_ensemble_without_its_data_is_a_new_one() {
    let server = ZooKeeper::start().await;
    let coordinator = connect(&server.url("a")).await;
    let mut one = Candidate::join(&coordinator, "one").await;
    one.elected().await;
    for _ in 0..20 {
        let other = coordinator.register(record("other")).await.unwrap();
        other.deregister().await.unwrap();
    }
    server.kill();
    let data = server.folder().join("data");
    std::fs::remove_dir_all(&data).unwrap();
    std::fs::create_dir(&data).unwrap();
    server.restart().await;
    one.lost().await;
    let mut two = Candidate::join(&coordinator, "two").await;
    let epoch = two.elected().await;
    seen(&coordinator, "the new cluster", |view| {
        led_by(view, &two.id(), epoch) && view.members.len() == 1
    })
    .await;
}

/// Somebody removes everything by hand.
#[tokio::test(flavor = "multi_thread")]
async fn folders_that_were_removed_are_made_again() {
    let server = ZooKeeper::start().await;
    let coordinator = connect(&server.url("a")).await;
    let looker = driver(&server.address()).await;
    let mut one = Candidate::join(&coordinator, "one").await;
    one.elected().await;
    // Two deletions each, since somebody may make them again in between.
    eventually("emptied", async || {
        for folder in ["/a/members", "/a/election"] {
            for child in looker.get_children(folder, false).await.unwrap_or_default() {
                let _ = looker.delete(&format!("{folder}/{child}"), None).await;
            }
            let _ = looker.delete(folder, None).await;
        }
        looker.delete("/a", None).await.is_ok().then_some(())
    })
    .await;
    one.lost().await;
    let mut two = Candidate::join(&coordinator, "two").await;
    let epoch = two.elected().await;
    seen(&coordinator, "a cluster again", |view| {
        led_by(view, &two.id(), epoch) && view.members.len() == 1
    })
    .await;
}
