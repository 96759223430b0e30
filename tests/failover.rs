//! A server stops, leader or not: rooms go on, and nothing acknowledged is lost.

use std::collections::BTreeMap;
use std::time::Duration;

use antiphon_core::clock;
use serde_json::{Value, json};

use crate::harness::{Client, Cluster, DEADLINE, FAST, Options, wait_until};

/// What the design promises for a leader that is told to stop, with room for a busy machine.
const HANDOVER_MAX: Duration = Duration::from_secs(10);

fn texts(messages: &[Value]) -> BTreeMap<u64, String> {
    let entry = |m: &Value| {
        (
            m["seq"].as_u64().unwrap(),
            m["message"].as_str().unwrap().to_owned(),
        )
    };
    messages.iter().map(entry).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn row_13_another_leads_and_rooms_go_on() {
    let cluster = Cluster::start(&Options::set(FAST));
    let leader = cluster.leader().clone();
    let (first, second) = (
        cluster.followers()[0].clone(),
        cluster.followers()[1].clone(),
    );
    let mut alice = Client::join(&first.client, "alice").await;
    let mut bob = Client::join(&second.client, "bob").await;
    alice.ok("createRoom", json!({"roomName": "garden"})).await;
    bob.ok("joinRoom", json!({"roomName": "garden"})).await;
    let mut acked = BTreeMap::new();
    for number in 0..50 {
        let text = format!("before {number}");
        let ack = alice.say("garden", &text, &format!("b-{number}")).await;
        acked.insert(ack["seq"].as_u64().unwrap(), text);
    }

    // Sends go on while the leader stops: each is acknowledged, or refused with a hint.
    let mut pending = Vec::new();
    for number in 0..50 {
        let text = format!("during {number}");
        let data =
            json!({"roomName": "garden", "message": text, "clientId": format!("d-{number}")});
        pending.push((alice.send("chat", data.clone()).await, text, data));
        if number == 10 {
            cluster.stop_server(&leader.name);
        }
    }
    let stopped = clock::now();
    for (id, text, data) in pending {
        let frame = alice.reply(id).await;
        let ack = if frame.action == "ack" {
            frame.data
        } else {
            assert_eq!(frame.data["retryable"], true, "{}", frame.data);
            assert!(frame.data["retryAfterMs"].is_u64(), "{}", frame.data);
            alice.ok("chat", data).await
        };
        acked.insert(ack["seq"].as_u64().unwrap(), text);
    }
    let text = "after".to_owned();
    let ack = alice.say("garden", &text, "after").await;
    assert!(
        stopped.elapsed() < HANDOVER_MAX,
        "rooms stood still for {:?}",
        stopped.elapsed()
    );
    acked.insert(ack["seq"].as_u64().unwrap(), text);
    assert_eq!(acked.len(), 101, "no two messages at one place");

    for client in [&mut alice, &mut bob] {
        let (messages, sealed) = client.history("room:garden").await;
        assert_eq!(texts(&messages), acked);
        let mut log: Vec<u64> = acked.keys().copied().chain(sealed).collect();
        log.sort_unstable();
        assert_eq!(
            log,
            (1..=log.len() as u64).collect::<Vec<_>>(),
            "dense from 1"
        );
    }
    check_what_bob_saw(&mut bob, &acked).await;
}

/// Live deliveries may be lost with the leader; then `sync` fills the hole. Never twice, never
/// out of order.
async fn check_what_bob_saw(bob: &mut Client, acked: &BTreeMap<u64, String>) {
    bob.delivery("after").await;
    let live = bob.deliveries();
    let sequences: Vec<u64> = live.iter().map(|m| m["seq"].as_u64().unwrap()).collect();
    assert!(sequences.is_sorted_by(|a, b| a < b), "{sequences:?}");
    let mut seen = texts(&live);
    let cursors =
        json!({"cursors": [{"conversation": "room:garden", "afterSeq": 0}], "limit": 500});
    let synced = bob.ok("sync", cursors).await;
    let page = &synced["conversations"][0];
    assert_eq!(page["complete"], true);
    seen.extend(texts(page["messages"].as_array().unwrap()));
    assert_eq!(&seen, acked);
}

#[tokio::test]
async fn row_64_two_leaders_in_a_row_may_stop() {
    let cluster = Cluster::start(&Options {
        servers: Some(4),
        ..Options::set(FAST)
    });
    let last = cluster.followers().last().unwrap().client.clone();
    let mut alice = Client::join(&last, "alice").await;
    alice.ok("createRoom", json!({"roomName": "garden"})).await;
    let mut said = Vec::new();
    let mut leader = Some(cluster.leader().name.clone());
    let mut others: Vec<String> = cluster.followers().iter().map(|s| s.name.clone()).collect();
    others.pop();
    for round in 0..3 {
        let text = format!("round {round}");
        let ack = alice.say("garden", &text, &format!("r-{round}")).await;
        said.push((ack["seq"].as_u64().unwrap(), text));
        // First the leader, then all others but the one that alice is on: one of them leads.
        let name = leader.take().or_else(|| others.pop()).unwrap();
        cluster.stop_server(&name);
    }
    let ack = alice.say("garden", "alone", "r-alone").await;
    said.push((ack["seq"].as_u64().unwrap(), "alone".to_owned()));
    let (messages, _) = alice.history("room:garden").await;
    assert_eq!(texts(&messages), said.into_iter().collect());
}

#[tokio::test]
async fn the_users_of_a_stopped_server_are_told_and_move() {
    let cluster = Cluster::start(&Options::default());
    let stopped = cluster.followers()[0].clone();
    let mut alice = Client::join(&stopped.client, "alice").await;
    let mut bob = Client::join(&cluster.leader().client.clone(), "bob").await;
    bob.ok("createRoom", json!({"roomName": "garden"})).await;
    alice.ok("joinRoom", json!({"roomName": "garden"})).await;
    cluster.stop_server(&stopped.name);
    let is_reconnect = |frame: &antiphon_protocol::ServerFrame| frame.action == "reconnect";
    let told = alice
        .next_matching("reconnect", DEADLINE, is_reconnect)
        .await;
    assert!(told.data["delayMs"].is_u64());
    let closed = alice.closed(DEADLINE).await;
    assert!(matches!(closed.code, Some(1012 | 4500)), "{closed:?}");
    bob.say("garden", "while you were moving", "b-1").await;

    let entry = wait_until("another server", DEADLINE, || async {
        let entry = cluster.get("/server").await.json();
        let addr = format!("{}:{}", entry["host"].as_str().unwrap(), entry["port"]);
        if addr == stopped.client {
            Err(addr)
        } else {
            Ok(addr)
        }
    })
    .await;
    let mut alice = Client::connect(&entry).await;
    alice.login("alice").await;
    let (messages, _) = alice.history("room:garden").await;
    assert_eq!(messages.last().unwrap()["message"], "while you were moving");
    bob.say("garden", "welcome back", "b-2").await;
    alice.delivery("welcome back").await;
}

#[tokio::test]
async fn direct_messages_survive_the_leader() {
    let cluster = Cluster::start(&Options::default());
    let (first, second) = (
        cluster.followers()[0].clone(),
        cluster.followers()[1].clone(),
    );
    let mut alice = Client::join(&first.client, "alice").await;
    let mut bob = Client::join(&second.client, "bob").await;
    cluster.stop_server(&cluster.leader().name.clone());
    for number in 0..20 {
        let text = format!("m{number}");
        let data = json!({"to": "bob", "message": text, "clientId": text});
        assert_eq!(alice.ok("chat", data).await["seq"], number + 1);
    }
    let (messages, _) = bob.history("user:alice").await;
    assert_eq!(messages.len(), 20);
}

#[tokio::test]
async fn row_61_and_62_membership_and_rooms_stand_through_changes() {
    let cluster = Cluster::start(&Options::default());
    let last = cluster.followers()[0].client.clone();
    let mut alice = Client::join(&last, "alice").await;
    for number in 0..10 {
        alice
            .ok("createRoom", json!({"roomName": format!("r{number}")}))
            .await;
    }
    let leader = cluster.leader().name.clone();
    let mut bob = Client::join(&last, "bob").await;
    let mut joins = Vec::new();
    for number in 0..10 {
        joins.push((
            number,
            bob.send("joinRoom", json!({"roomName": format!("r{number}")}))
                .await,
        ));
    }
    cluster.stop_server(&leader);
    for (number, id) in joins {
        let frame = bob.reply(id).await;
        if frame.action == "error" {
            assert_eq!(frame.data["retryable"], true, "{}", frame.data);
            bob.ok("joinRoom", json!({"roomName": format!("r{number}")}))
                .await;
        }
    }
    for number in 0..10 {
        let text = format!("hello {number}");
        alice
            .say(&format!("r{number}"), &text, &format!("a-{number}"))
            .await;
        bob.delivery(&text).await;
        let members = alice
            .ok("roomMembers", json!({"roomName": format!("r{number}")}))
            .await;
        assert_eq!(members["members"].as_array().unwrap().len(), 2, "{members}");
    }
}
