//! The digest secret: what is made with it is closed to everybody else.

use antiphon_backend::zookeeper::ZooKeeperCoordinator;
use antiphon_core::contract::{BackendErrorKind, Coordinator, Leadership};
use antiphon_test_services::ZooKeeper;
use zookeeper_async::{Acl, CreateMode, ZkError};

use super::harness::{Candidate, connect, connected, driver, record, seen, settings, suspended};

fn with_secret(server: &ZooKeeper, secret: &str) -> String {
    format!("zk://chat:{secret}@{}/a", server.address())
}

/// Pitfall 68: nobody without the secret can depose the leader or pose as a member.
#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_can_neither_read_nor_change_anything() {
    let server = ZooKeeper::start().await;
    let coordinator = connect(&with_secret(&server, "hidden")).await;
    let mut one = Candidate::join(&coordinator, "one").await;
    let epoch = one.elected().await;
    for digest in [None, Some("chat:wrong")] {
        let stranger = driver(&server.address()).await;
        if let Some(digest) = digest {
            stranger.add_auth("digest", digest.into()).await.unwrap();
        }
        let listed = stranger.get_children("/a/election", false).await;
        assert_eq!(listed.unwrap_err(), ZkError::NoAuth);
        let read = stranger.get_data("/a/members/one", false).await;
        assert_eq!(read.unwrap_err(), ZkError::NoAuth);
        let wrote = stranger.set_data("/a/members/one", vec![], None).await;
        assert_eq!(wrote.unwrap_err(), ZkError::NoAuth);
        let opened = Acl::open_unsafe().clone();
        let opened = stranger.set_acl("/a/members", opened, None).await;
        assert_eq!(opened.unwrap_err(), ZkError::NoAuth);
        for path in ["/a/members/one", "/a/members", "/a/election", "/a"] {
            let deleted = stranger.delete(path, None).await;
            let refused = [ZkError::NoAuth, ZkError::NotEmpty];
            assert!(refused.contains(&deleted.unwrap_err()), "{path}");
        }
        for path in ["/a/members/intruder", "/a/election/a.1.t."] {
            let open = Acl::open_unsafe().clone();
            let mode = CreateMode::EphemeralSequential;
            let made = stranger.create(path, vec![], open, mode).await;
            assert_eq!(made.unwrap_err(), ZkError::NoAuth, "{path}");
        }
    }
    assert_eq!(one.now(), Leadership::Leader { epoch });
}

#[tokio::test(flavor = "multi_thread")]
async fn another_secret_is_an_error_that_does_not_tell_it() {
    let server = ZooKeeper::start().await;
    let _first = connect(&with_secret(&server, "hidden")).await;
    let url = with_secret(&server, "guessed");
    let error = ZooKeeperCoordinator::connect(&url, settings())
        .await
        .unwrap_err();
    assert!(!format!("{error:?} {error}").contains("guessed"));
    let antiphon_backend::zookeeper::ZooKeeperError::Ensemble(error) = error else {
        panic!("{error:?}");
    };
    assert_eq!(error.kind, BackendErrorKind::Conflict);
}

/// The driver forgets who it is when its connection breaks.
#[tokio::test(flavor = "multi_thread")]
async fn the_secret_is_told_again_on_a_new_connection() {
    let server = ZooKeeper::start().await;
    let coordinator = connect(&with_secret(&server, "hidden")).await;
    let mut one = Candidate::join(&coordinator, "one").await;
    let epoch = one.elected().await;
    for _ in 0..3 {
        server.kill();
        suspended(&coordinator).await;
        server.restart().await;
        connected(&coordinator).await;
        let two = coordinator.register(record("two")).await.unwrap();
        seen(&coordinator, "the new one", |view| {
            view.members
                .get("two")
                .is_some_and(|member| member.id == two.id())
        })
        .await;
        two.deregister().await.unwrap();
    }
    assert_eq!(one.now(), Leadership::Leader { epoch });
    // It writes over its old session.
    one.registration.resign().await.unwrap();
    seen(&coordinator, "no leader", |view| view.leader.is_none()).await;
}
