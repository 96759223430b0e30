//! The same cluster on a real ZooKeeper.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use antiphon_backend::zookeeper::{ZooKeeperCoordinator, ZooKeeperSettings};
use antiphon_core::clock;
use antiphon_core::contract::{Contact, Coordinator};
use antiphon_protocol::client::Visibility;
use antiphon_test_services::{ZooKeeper, ZooKeeperEnsemble};
use serde_json::json;

use super::*;
use crate::server::tests::support::cluster::Proxies;
use crate::server::tests::support::{stores, until};

/// Short, so that the tests are.
const SESSION: Duration = Duration::from_secs(3);
const AWAY: Duration = Duration::from_secs(15);

async fn coordinator(url: &str) -> Arc<dyn Coordinator> {
    let settings = ZooKeeperSettings {
        session_timeout: SESSION,
        ..ZooKeeperSettings::default()
    };
    Arc::new(ZooKeeperCoordinator::connect(url, settings).await.unwrap())
}

/// Three servers, each with its own sessions.
async fn with_hall(urls: [String; 3]) -> TestCluster {
    let mut coordinators = Vec::new();
    for url in urls {
        coordinators.push(coordinator(&url).await);
    }
    let cluster = TestCluster::start_on(Plan::default(), stores().await, coordinators).await;
    cluster.stores.add_users(&NAMES).await;
    let hall = cluster.stores.add_room(HALL, Visibility::Public, &NAMES);
    hall.await;
    cluster
}

/// Everything that is sent while all of ZooKeeper is away is acked, and heard by the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chat_goes_on_while_zookeeper_is_away() {
    let ensemble = ZooKeeperEnsemble::start().await;
    let cluster = with_hall([(); 3].map(|()| ensemble.url("a"))).await;
    let leader = cluster.leader().await;
    let epoch = cluster.epoch(&leader);
    let others: Vec<&String> = cluster.servers.keys().filter(|n| **n != leader).collect();
    let mut alice = Client::login(cluster.client_addr(others[0]), "alice").await;
    let mut bob = Client::login(cluster.client_addr(others[1]), "bob").await;
    alice.say_until_acked(HALL, "before").await;
    let begun = clock::now();
    ensemble.kill();
    let mut said = 0;
    while begun.elapsed() < AWAY {
        said += 1;
        let text = format!("away-{said}");
        let data = json!({"roomName": HALL, "message": text, "clientId": text});
        let reply = alice.ask("chat", data).await.unwrap();
        assert_eq!(reply["action"], "ack", "{reply}");
        while bob.event("chat").await["data"]["message"] != text {}
        clock::sleep(Duration::from_millis(50)).await;
    }
    let mut contact = cluster.stores.backends.coordinator.contact();
    assert_ne!(*contact.borrow(), Contact::Connected);
    ensemble.restart().await;
    until("ZooKeeper is heard again", async || {
        (*contact.borrow_and_update() == Contact::Connected).then_some(())
    })
    .await;
    alice.say_until_acked(HALL, "after").await;
    assert_eq!(cluster.leader().await, leader);
    assert_eq!(cluster.epoch(&leader), epoch);
    assert_eq!(cluster.stores.room_log(HALL).await.len(), said + 2);
    cluster.stop().await;
}

/// The leader alone is cut off from ZooKeeper: another one is elected, the old one stops by
/// itself, nothing acked is lost, and it comes back as a follower.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_zookeeper_does_not_hear_is_replaced_and_stops() {
    let server = ZooKeeper::start().await;
    let way = Proxies::new();
    let proxied = format!("zk://{}/a", way.open(&server.address()).await);
    let cluster = with_hall([proxied, server.url("a"), server.url("a")]).await;
    // The first one to register leads, and it is the one with the proxy.
    assert_eq!(cluster.leader().await, "n1");
    let epoch = cluster.epoch("n1");
    let mut alice = Client::login(cluster.client_addr("n1"), "alice").await;
    let mut bob = Client::login(cluster.client_addr("n2"), "bob").await;
    bob.say_until_acked(HALL, "before").await;
    way.refuses.store(true, Ordering::Relaxed);
    way.cut();
    let begun = clock::now();
    until("another one leads", async || {
        let leads = |name: &str| cluster.servers[name].leading().borrow().is_some();
        (leads("n2") || leads("n3")).then_some(())
    })
    .await;
    bob.say_until_acked(HALL, "by-the-next").await;
    assert!(begun.elapsed() < SESSION * 3, "{:?}", begun.elapsed());
    until("the old one stops", async || {
        let leading = *cluster.servers["n1"].leading().borrow();
        leading.is_none().then_some(())
    })
    .await;
    way.refuses.store(false, Ordering::Relaxed);
    assert_eq!(alice.closed().await, Closed(Some(4301)));
    // Whoever logs in before it has joined anew is sent away again.
    until("n1 is a member again", async || {
        let view = cluster.stores.backends.coordinator.view().borrow().clone();
        let id = view.members.get("n1")?.id.clone();
        (id == cluster.servers["n1"].node.id()).then_some(())
    })
    .await;
    let mut alice = Client::login(cluster.client_addr("n1"), "alice").await;
    alice.say_until_acked(HALL, "back").await;
    while bob.event("chat").await["data"]["message"] != "back" {}
    let leader = cluster.leader().await;
    assert_ne!(leader, "n1");
    assert!(cluster.epoch(&leader) > epoch);
    let log = cluster.stores.room_log(HALL).await;
    assert!(log.iter().map(|record| record.seq).eq(1..=log.len() as u64));
    assert!(log.iter().map(|record| record.epoch).is_sorted());
    cluster.stop().await;
}
