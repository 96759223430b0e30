//! The coordination service goes away: chat goes on, as far as it may.

use std::sync::atomic::Ordering;
use std::time::Duration;

use antiphon_core::clock;
use antiphon_protocol::client::Visibility;
use serde_json::json;

use super::*;
use crate::server::session::lock;
use crate::server::tests::support::until;

async fn with_hall(plan: Plan) -> TestCluster {
    let cluster = TestCluster::start(plan).await;
    cluster.stores.add_users(&NAMES).await;
    let hall = cluster.stores.add_room(HALL, Visibility::Public, &NAMES);
    hall.await;
    cluster
}

fn a_follower(cluster: &TestCluster, leader: &str) -> String {
    let followers = cluster.servers.keys().find(|name| *name != leader);
    followers.expect("three servers").clone()
}

async fn term_ends(cluster: &TestCluster, leader: &str) {
    until("the term ends", async || {
        let leading = *cluster.servers[leader].leading().borrow();
        leading.is_none().then_some(())
    })
    .await;
}

/// Whether a message to the room is answered soon.
async fn is_answered(client: &mut Client, id: &str) -> bool {
    let data = json!({"roomName": HALL, "message": id, "clientId": id});
    let request = client.send("chat", data).await.unwrap();
    let reply = clock::timeout(Duration::from_millis(300), client.reply(request));
    reply.await.is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_leader_leads_on_and_nobody_is_elected() {
    let mut cluster = with_hall(Plan::default()).await;
    let leader = cluster.leader().await;
    let epoch = cluster.epoch(&leader);
    let follower = a_follower(&cluster, &leader);
    let mut alice = Client::login(cluster.client_addr(&follower), "alice").await;
    let mut bob = Client::login(cluster.client_addr(&leader), "bob").await;
    cluster.stores.coordinator.set_away(true);
    for n in 0..20 {
        let text = format!("away-{n}");
        alice.say_until_acked(HALL, &text).await;
        while bob.event("chat").await["data"]["message"] != text {}
        clock::sleep(Duration::from_millis(25)).await;
    }
    assert_eq!(cluster.epoch(&leader), epoch);
    // A leader that stops meanwhile stops cleanly, and is replaced only afterwards.
    let server = cluster.servers.remove(&leader).unwrap();
    assert!(server.stop().await);
    assert!(!is_answered(&mut alice, "nobody-there").await);
    let led = |cluster: &TestCluster| {
        let mut servers = cluster.servers.values();
        servers.any(|server| server.leading().borrow().is_some())
    };
    assert!(!led(&cluster));
    cluster.stores.coordinator.set_away(false);
    let next = cluster.leader().await;
    assert!(cluster.epoch(&next) > epoch);
    alice.say_until_acked(HALL, "back").await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_majority_of_links_it_stops_until_the_service_is_back() {
    let cluster = with_hall(Plan::default()).await;
    let leader = cluster.leader().await;
    let epoch = cluster.epoch(&leader);
    let mut alice = Client::login(cluster.client_addr(&leader), "alice").await;
    alice.say_until_acked(HALL, "before").await;
    cluster.stores.coordinator.set_away(true);
    alice.say_until_acked(HALL, "with-links").await;
    cluster.proxies.refuses.store(true, Ordering::Relaxed);
    cluster.proxies.cut();
    term_ends(&cluster, &leader).await;
    // The links come back, the service does not: it may have elected somebody.
    cluster.proxies.refuses.store(false, Ordering::Relaxed);
    assert!(!is_answered(&mut alice, "waits").await);
    assert_eq!(*cluster.servers[&leader].leading().borrow(), None);
    cluster.stores.coordinator.set_away(false);
    assert_eq!(cluster.leader().await, leader);
    assert_eq!(cluster.epoch(&leader), epoch, "nobody else was elected");
    // On the connection that it had all the time.
    alice.say_until_acked(HALL, "after").await;
    let mut bob = Client::login(cluster.client_addr(&a_follower(&cluster, &leader)), "bob").await;
    bob.say_until_acked(HALL, "on-a-follower").await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_limit_rooms_are_read_only_and_direct_messages_go_on() {
    let plan = Plan {
        tune: |settings| settings.suspended_max = Duration::from_millis(500),
        ..Plan::default()
    };
    let cluster = with_hall(plan).await;
    let leader = cluster.leader().await;
    let epoch = cluster.epoch(&leader);
    let follower = a_follower(&cluster, &leader);
    let mut alice = Client::login(cluster.client_addr(&follower), "alice").await;
    alice.say_until_acked(HALL, "before").await;
    cluster.stores.coordinator.set_away(true);
    term_ends(&cluster, &leader).await;
    assert!(!is_answered(&mut alice, "too-late").await);
    let history = json!({"conversation": format!("room:{HALL}")});
    let page = alice.ask("history", history).await.unwrap();
    assert_eq!(page["data"]["messages"][0]["message"], "before", "{page}");
    let direct = json!({"to": "bob", "message": "psst", "clientId": "d1"});
    let reply = alice.ask("chat", direct).await.unwrap();
    assert_eq!(reply["data"]["seq"], 1, "{reply}");
    cluster.stores.coordinator.set_away(false);
    assert_eq!(cluster.leader().await, leader);
    assert_eq!(cluster.epoch(&leader), epoch);
    alice.say_until_acked(HALL, "after").await;
    cluster.stop().await;
}

/// It would keep the rooms to itself for ever: the coordination service hears it well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_the_others_cannot_reach_gives_way() {
    let plan = Plan {
        tune: |settings| settings.isolated_max = Duration::from_millis(500),
        ..Plan::default()
    };
    let cluster = with_hall(plan).await;
    let leader = cluster.leader().await;
    let epoch = cluster.epoch(&leader);
    let follower = a_follower(&cluster, &leader);
    let mut alice = Client::login(cluster.client_addr(&follower), "alice").await;
    alice.say_until_acked(HALL, "before").await;
    let unreachable = cluster.servers[&leader].cluster_addr().to_string();
    *lock(&cluster.proxies.refused) = Some(unreachable);
    cluster.proxies.cut();
    term_ends(&cluster, &leader).await;
    alice.say_until_acked(HALL, "after").await;
    let next = cluster.leader().await;
    assert!(next != leader && cluster.epoch(&next) > epoch);
    // It can reach the next one, so it serves again.
    until("the former leader follows", async || {
        cluster.servers[&leader].is_linked().then_some(())
    })
    .await;
    let mut bob = Client::login(cluster.client_addr(&leader), "bob").await;
    bob.say_until_acked(HALL, "on-the-former-leader").await;
    cluster.stop().await;
}
