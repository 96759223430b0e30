//! People on every server of a cluster of processes.

use antiphon_core::clock;
use serde_json::json;

use crate::harness::real::{RealCluster, metrics};
use crate::harness::{Client, DEADLINE, wait_until};

#[tokio::test(flavor = "multi_thread")]
async fn three_servers_and_two_gateways_are_one_place() {
    let cluster = RealCluster::start(3, 2).await;
    let mut users = Vec::new();
    for (name, server) in [("alice", "s1"), ("bob", "s2"), ("carol", "s3")] {
        users.push(Client::join(cluster.client_addr(server), name).await);
    }
    let [alice, bob, carol] = users.as_mut_slice() else {
        unreachable!("three users")
    };
    alice.ok("createRoom", json!({"roomName": "garden"})).await;
    bob.ok("joinRoom", json!({"roomName": "garden"})).await;
    alice.say("garden", "watermelons are ripe", "a-1").await;
    bob.delivery("watermelons are ripe").await;
    bob.say("garden", "西瓜熟了", "b-1").await;
    alice.delivery("西瓜熟了").await;

    // Who joins later, on another server, sees what was said.
    carol.ok("joinRoom", json!({"roomName": "garden"})).await;
    carol.delivery("watermelons are ripe").await;
    let found = carol
        .ok("search", json!({"words": "西瓜", "limit": 5}))
        .await;
    assert_eq!(found["messages"][0]["message"], "西瓜熟了", "{found}");

    let private = json!({"to": "carol", "message": "only for you", "clientId": "a-2"});
    alice.ok("chat", private).await;
    carol.delivery("only for you").await;
    let info = alice.ok("userInfo", json!({"username": "carol"})).await;
    assert_eq!(
        (&info["isOnline"], &info["nodeId"]),
        (&json!(true), &json!("s3"))
    );
    let online = bob.ok("online", json!({})).await;
    assert_eq!(online["total"], 3, "{online}");

    wait_until("the words counted", DEADLINE, || async {
        // A client of its own, as the look may be repeated.
        let mut asking = Client::connect(cluster.client_addr("s3")).await;
        asking.login("carol").await;
        let popular = asking.ok("popular", json!({"n": 10})).await;
        let words = popular["words"].to_string();
        if words.contains("watermelons") {
            Ok(())
        } else {
            Err(words)
        }
    })
    .await;
    for client in [alice, bob, carol] {
        let (messages, _) = client.history("room:garden").await;
        assert_eq!(messages.len(), 2);
    }

    let status = cluster.status();
    assert_eq!(status["servers"].as_array().unwrap().len(), 3, "{status}");
    assert_eq!(status["usersOnline"], 3, "{status}");
    assert_eq!(status["rooms"], 1, "{status}");
    let leaders = status["servers"].as_array().unwrap().iter();
    let leaders = leaders.filter(|server| server["role"] == "leader").count();
    assert_eq!(leaders, 1, "{status}");
}

/// A message between users on two followers: through the leader once, and on its way nobody
/// asks Redis or ZooKeeper.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_takes_one_hop_and_asks_no_cache() {
    const MESSAGES: u32 = 200;
    let cluster = RealCluster::start(3, 1).await;
    let leader = cluster.leader(None).await;
    let followers = cluster.followers(&leader);
    let mut alice = Client::join(cluster.client_addr(&followers[0]), "alice").await;
    let mut bob = Client::join(cluster.client_addr(&followers[1]), "bob").await;
    let direct = |number: u32| json!({"to": "bob", "message": format!("m{number}"), "clientId": format!("c-{number}")});
    // Names and links are known after the first.
    alice.ok("chat", direct(0)).await;
    bob.delivery("m0").await;

    let count = |samples: &std::collections::BTreeMap<String, f64>, what: &str| {
        let matching = samples.iter().filter(|(name, _)| name.contains(what));
        matching.map(|(_, value)| value).sum::<f64>()
    };
    let mut before = Vec::new();
    for name in cluster.servers.keys() {
        before.push(metrics(&cluster.servers[name]).await);
    }
    let begun = clock::now();
    for number in 1..=MESSAGES {
        alice.ok("chat", direct(number)).await;
    }
    bob.delivery(&format!("m{MESSAGES}")).await;
    let seconds = begun.elapsed().as_secs_f64();
    let mut after = Vec::new();
    for name in cluster.servers.keys() {
        after.push(metrics(&cluster.servers[name]).await);
    }
    let grown = |what: &str| {
        let pairs = before.iter().zip(&after);
        pairs
            .map(|(before, after)| count(after, what) - count(before, what))
            .sum::<f64>()
    };
    let messages = f64::from(MESSAGES);
    assert!(grown("frames_received_total{frame=\"forward\"}") <= messages);
    assert!(
        grown("frames_received_total{frame=\"direct\"}") >= messages,
        "each reached bob's server"
    );
    assert!(
        grown("frames_received_total{frame=\"direct\"}") <= messages,
        "and once"
    );
    // The recent messages are kept off the path, in batches; sessions are looked up never.
    let calls =
        "backend_call_duration_seconds_count{contract=\"session_registry\",operation=\"locate\"";
    assert!((grown(calls) - 0.0).abs() < f64::EPSILON);
    // What the leader publishes twice a second, whatever is said.
    let published = grown("_count{contract=\"server_directory\",operation=\"publish\"");
    assert!(
        published <= seconds * 2.0 + 3.0,
        "{published} in {seconds} s"
    );
    assert!(
        grown("_count{contract=\"recent_messages\",operation=\"push\"") <= messages,
        "a push holds what was stored together"
    );
}
