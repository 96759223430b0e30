//! Addresses, hosts that don't answer, timeouts that are granted.

use std::time::Duration;

use antiphon_backend::zookeeper::{ZooKeeperCoordinator, ZooKeeperError, ZooKeeperSettings};
use antiphon_core::clock;
use antiphon_core::contract::{BackendErrorKind, Contact, Coordinator};
use antiphon_test_services::ZooKeeper;
use tokio::net::TcpListener;

use super::harness::{Candidate, connect, driver, seen, settings};
use super::proxy::Proxy;

#[tokio::test(flavor = "multi_thread")]
async fn ipv6_a_deep_chroot_and_several_coordinators_make_one_cluster() {
    let server = ZooKeeper::start().await;
    let proxy = Proxy::start("[::1]:0", server.address()).await;
    let six = connect(&proxy.url("deep/down/here/")).await;
    let four = connect(&server.url("deep/down/here")).await;
    let mut one = Candidate::join(&six, "one").await;
    let epoch = one.elected().await;
    let two = Candidate::join(&four, "two").await;
    for coordinator in [&six, &four] {
        let view = seen(coordinator, "both", |view| view.members.len() == 2).await;
        assert_eq!(view.members["two"].id, two.id());
        assert_eq!(view.leader.as_ref().unwrap().id, one.id());
        assert_eq!(view.leader.unwrap().epoch, epoch);
    }
    let looker = driver(&server.address()).await;
    let children = looker.get_children("/deep/down/here", false).await.unwrap();
    assert_eq!(children.len(), 2, "{children:?}");
    // Another chroot is another cluster.
    let other = connect(&server.url("deep")).await;
    assert!(other.view().borrow().members.is_empty());
    assert!(six.close(Duration::from_secs(5)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_refuse_or_stay_silent_are_passed_over() {
    let server = ZooKeeper::start().await;
    // It takes connections and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = silent.local_addr().unwrap();
    let refusing = {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
        closed.local_addr().unwrap()
    };
    // Whichever host is first: each is, sooner or later.
    for round in 0..6 {
        let url = format!("zk://{silent},{refusing},{}/r{round}", server.address());
        let coordinator = connect(&url).await;
        assert_eq!(coordinator.health().contact, Contact::Connected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ensemble_that_does_not_answer_is_an_error_in_time() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("zk://{}/x", silent.local_addr().unwrap());
    let settings = ZooKeeperSettings {
        connect_patience: Duration::from_millis(700),
        ..settings()
    };
    let begun = clock::now();
    let error = ZooKeeperCoordinator::connect(&url, settings)
        .await
        .unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(10));
    let ZooKeeperError::Ensemble(error) = error else {
        panic!("{error:?}");
    };
    assert_eq!(error.kind, BackendErrorKind::Unavailable);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_granted_session_timeout_is_told() {
    let server = ZooKeeper::start().await;
    // The server grants 1 to 10 seconds; the driver can't do with less than 2.
    for (asked, granted) in [(60, 10), (1, 2), (4, 4)] {
        let settings = ZooKeeperSettings {
            session_timeout: Duration::from_secs(asked),
            ..settings()
        };
        let connected = ZooKeeperCoordinator::connect(&server.url("x"), settings).await;
        let health = connected.unwrap().health();
        assert_eq!(health.session_timeout, Duration::from_secs(granted));
    }
}
