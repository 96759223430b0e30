//! Messages: acknowledged, stamped by the server, stored once, delivered as stored.

use serde_json::json;

use crate::harness::{Client, Cluster, DEADLINE, FAST, Options, wait_until};

#[tokio::test]
async fn a_direct_message_crosses_servers_and_is_stamped_by_the_server() {
    let cluster = Cluster::start(&Options::default());
    let mut alice = Client::join(cluster.server(0), "alice").await;
    let mut bob = Client::join(cluster.server(1), "bob").await;
    // Rows 24, 36 and 37: what the client says about itself, the time and the id is ignored.
    let forged = json!({
        "to": "bob", "message": "hello", "clientId": "a-1", "from": "ADMIN", "ts": 4_102_444_800_000_u64,
        "_id": "mine", "messageId": "mine", "seq": 99, "format": "exe", "roomName": "",
    });
    let ack = alice.ok("chat", forged).await;
    assert_eq!(ack["conversation"], "user:bob");
    assert_eq!(ack["seq"], 1);
    assert_eq!(ack["durability"], "stored");
    assert_eq!(ack["duplicate"], false);

    let got = bob.delivery("hello").await;
    assert_eq!(got["from"], "alice");
    assert_eq!(got["roomName"], "");
    assert_eq!(got["conversation"], "user:alice");
    assert_eq!(got["format"], "text");
    assert_eq!(got["seq"], 1);
    assert_eq!(got["messageId"], ack["messageId"]);
    assert_eq!(got["ts"], ack["ts"]);
    assert!(got["ts"].as_u64().unwrap() < 4_102_444_800_000);
    assert_eq!(
        got.get("clientId"),
        None,
        "only the sender's own connections see it"
    );
}

#[tokio::test]
async fn row_51_the_senders_other_connections_get_the_message_with_its_client_id() {
    let cluster = Cluster::start(&Options::default());
    let mut laptop = Client::join(cluster.server(0), "alice").await;
    let mut phone = Client::join(cluster.server(2), "alice").await;
    laptop.ok("createRoom", json!({"roomName": "garden"})).await;
    laptop.say("garden", "from the laptop", "a-1").await;
    let copy = phone.delivery("from the laptop").await;
    assert_eq!(copy["clientId"], "a-1");
    assert_eq!(copy["conversation"], "room:garden");
}

#[tokio::test]
async fn a_retried_send_takes_effect_once_on_any_server() {
    let cluster = Cluster::start(&Options::default());
    let mut first = Client::join(cluster.server(0), "alice").await;
    let mut second = Client::join(cluster.server(1), "alice").await;
    let mut bob = Client::join(cluster.server(2), "bob").await;
    first.ok("createRoom", json!({"roomName": "garden"})).await;
    for target in [json!({"roomName": "garden"}), json!({"to": "bob"})] {
        let mut data = target;
        data["message"] = json!("only once");
        data["clientId"] = json!("a-1");
        let ack = first.ok("chat", data.clone()).await;
        let again = second.ok("chat", data.clone()).await;
        assert_eq!(
            (&again["seq"], &again["messageId"]),
            (&ack["seq"], &ack["messageId"])
        );
        assert_eq!(again["duplicate"], true);
        data["message"] = json!("something else");
        assert_eq!(second.refused("chat", data).await, "client_id_conflict");
    }
    bob.ok("ping", json!({})).await;
    let (stored, _) = bob.history("user:alice").await;
    assert_eq!(stored.len(), 1);
    assert_eq!(bob.deliveries().len(), 1);
}

#[tokio::test]
async fn row_49_and_50_one_message_is_one_row_and_the_replay_equals_the_live_copy() {
    let cluster = Cluster::start(&Options::set(FAST));
    let mut alice = Client::join(cluster.server(0), "alice").await;
    let mut bob = Client::join(cluster.server(1), "bob").await;
    alice.ok("createRoom", json!({"roomName": "garden"})).await;
    bob.ok("joinRoom", json!({"roomName": "garden"})).await;
    let texts = [
        "hello",
        "fuck this",
        "class assignment",
        "ｆｕｃｋ",
        "你好，世界",
        "<b>&amp;\u{1b}[2J",
    ];
    for (number, text) in texts.iter().enumerate() {
        alice.say("garden", text, &format!("a-{number}")).await;
    }
    let live = bob.wait_deliveries(texts.len(), DEADLINE).await;
    let (stored, _) = bob.history("room:garden").await;
    assert_eq!(live, stored);
    assert!(
        !live.iter().any(|message| message["message"] == "fuck this"),
        "masked"
    );
    assert!(
        live.iter()
            .any(|message| message["message"] == "class assignment"),
        "untouched"
    );

    let mut late = Client::join(cluster.server(2), "carol").await;
    late.ok("joinRoom", json!({"roomName": "garden"})).await;
    assert_eq!(late.deliveries(), live);
}

#[tokio::test]
async fn row_52_a_message_to_somebody_away_waits_for_the_next_login() {
    let cluster = Cluster::start(&Options::default());
    let bob = Client::join(cluster.server(1), "bob").await;
    drop(bob);
    let mut alice = Client::join(cluster.server(0), "alice").await;
    let data = json!({"to": "bob", "message": "for later", "clientId": "a-1"});
    assert_eq!(alice.ok("chat", data).await["seq"], 1);

    let mut bob = Client::connect(cluster.server(2)).await;
    let reply = bob.login("bob").await;
    let waiting = reply["conversations"].as_array().unwrap().iter();
    let waiting = waiting
        .clone()
        .find(|c| c["name"] == "user:alice")
        .expect("the conversation");
    assert_eq!(
        (&waiting["lastSeq"], &waiting["unread"]),
        (&json!(1), &json!(1))
    );
    let cursors = json!({"cursors": [{"conversation": "user:alice", "afterSeq": 0}], "limit": 10});
    let synced = bob.ok("sync", cursors).await;
    assert_eq!(
        synced["conversations"][0]["messages"][0]["message"],
        "for later"
    );
    let read = bob
        .ok("read", json!({"conversation": "user:alice", "seq": 1}))
        .await;
    assert_eq!((&read["readSeq"], &read["unread"]), (&json!(1), &json!(0)));
}

#[tokio::test]
async fn row_54_a_message_to_nobody_is_a_typed_error() {
    let cluster = Cluster::start(&Options::default());
    let mut alice = Client::join(cluster.server(0), "alice").await;
    let to = |name: &str| json!({"to": name, "message": "x", "clientId": "a-1"});
    assert_eq!(alice.refused("chat", to("nobody")).await, "user_not_found");
    let into = json!({"roomName": "nowhere", "message": "x", "clientId": "a-2"});
    assert_eq!(alice.refused("chat", into).await, "room_not_found");
    assert_eq!(
        alice
            .refused("joinRoom", json!({"roomName": "nowhere"}))
            .await,
        "room_not_found"
    );
}

#[tokio::test]
async fn row_31_a_private_frame_with_a_rooms_name_is_no_way_into_the_room() {
    let cluster = Cluster::start(&Options::default());
    let mut alice = Client::join(cluster.server(0), "alice").await;
    alice.ok("createRoom", json!({"roomName": "garden"})).await;
    let mut mallory = Client::join(cluster.server(1), "mallory").await;
    let data = json!({"to": "alice", "roomName": "garden", "message": "psst", "clientId": "m-1"});
    assert_eq!(mallory.ok("chat", data).await["conversation"], "user:alice");
    let got = alice.delivery("psst").await;
    assert_eq!(
        (&got["roomName"], &got["conversation"]),
        (&json!(""), &json!("user:mallory"))
    );
}

#[tokio::test]
async fn a_pipelining_sender_keeps_its_order() {
    let cluster = Cluster::start(&Options::set(FAST));
    let mut alice = Client::join(cluster.server(0), "alice").await;
    let mut bob = Client::join(cluster.server(1), "bob").await;
    let mut ids = Vec::new();
    for number in 0..50 {
        let data = json!({"to": "bob", "message": format!("m{number}"), "clientId": format!("a-{number}")});
        ids.push(alice.send("chat", data).await);
    }
    for (number, id) in ids.into_iter().enumerate() {
        assert_eq!(alice.reply(id).await.data["seq"], number + 1);
    }
    let texts: Vec<_> = bob.wait_deliveries(50, DEADLINE).await;
    for (number, message) in texts.iter().enumerate() {
        assert_eq!(message["message"], format!("m{number}"));
    }
}

#[tokio::test]
async fn too_fast_is_refused_with_a_time_and_not_applied() {
    let settings = [
        ("limits.messages_per_second", "1"),
        ("limits.message_burst", "40"),
    ];
    let cluster = Cluster::start(&Options::set(&settings));
    let mut alice = Client::join(cluster.server(0), "alice").await;
    let mut bob = Client::join(cluster.server(1), "bob").await;
    let mut ids = Vec::new();
    for number in 0..100 {
        let data = json!({"to": "bob", "message": format!("m{number}"), "clientId": format!("a-{number}")});
        ids.push(alice.send("chat", data).await);
    }
    let mut acked = 0;
    for id in ids {
        let frame = alice.reply(id).await;
        if frame.action == "ack" {
            acked += 1;
        } else {
            assert_eq!(
                (&frame.data["ext"], &frame.data["code"]),
                (&json!("rate_limited"), &json!(429))
            );
            assert!(frame.data["retryAfterMs"].as_u64().unwrap() > 0);
        }
    }
    assert!((1..100).contains(&acked), "{acked}");
    let (stored, _) = bob.history("user:alice").await;
    assert_eq!(stored.len(), acked);
}

#[tokio::test]
async fn a_read_cursor_never_moves_back() {
    let cluster = Cluster::start(&Options::default());
    let mut alice = Client::join(cluster.server(0), "alice").await;
    let mut bob = Client::join(cluster.server(1), "bob").await;
    for number in 0..3 {
        let data = json!({"to": "bob", "message": format!("m{number}"), "clientId": format!("a-{number}")});
        alice.ok("chat", data).await;
    }
    let read = |seq: u64| json!({"conversation": "user:alice", "seq": seq});
    assert_eq!(bob.ok("read", read(2)).await["unread"], 1);
    assert_eq!(bob.ok("read", read(1)).await["readSeq"], 2);
    wait_until("the cursor on another server", DEADLINE, || async {
        let mut other = Client::connect(cluster.server(2)).await;
        let reply = other.login("bob").await;
        let summary = reply["conversations"][0].clone();
        if summary["readSeq"] == 2 {
            Ok(())
        } else {
            Err(summary.to_string())
        }
    })
    .await;
}

#[tokio::test]
async fn an_answer_keeps_its_bound_whatever_its_messages_look_like_in_json() {
    const ANSWER_BYTES_MAX: usize = 1024 * 1024;
    const MESSAGES: u64 = 24;
    let cluster = Cluster::start(&Options::set(FAST));
    let mut alice = Client::join(cluster.server(0), "alice").await;
    alice.ok("createRoom", json!({"roomName": "garden"})).await;
    // Six bytes each in JSON: an honest client sends few of them, another one a page full.
    let text = "\u{1}".repeat(8_000);
    for at in 1..=MESSAGES {
        alice.say("garden", &text, &format!("a-{at}")).await;
    }
    let page = alice
        .ok("history", json!({"conversation": "room:garden"}))
        .await;
    assert!(page.to_string().len() < ANSWER_BYTES_MAX);
    assert_eq!(page["more"], true, "the rest is asked for");

    // Each cursor alone would bring a page; the first one brings something in any case.
    let cursors = vec![json!({"conversation": "room:garden", "afterSeq": 0}); 200];
    let answer = alice.ok("sync", json!({"cursors": cursors})).await;
    assert!(answer.to_string().len() < ANSWER_BYTES_MAX);
    let pages = answer["conversations"].as_array().unwrap();
    assert_eq!(pages.len(), 200);
    assert_eq!(pages[0]["messages"][0]["seq"], 1);
    assert_eq!(pages[199]["messages"], json!([]));
    assert_eq!(pages[199]["more"], true);

    // What a joiner sees first leaves room for what the room says meanwhile.
    let mut bob = Client::join(cluster.server(1), "bob").await;
    let joined = bob.ok("joinRoom", json!({"roomName": "garden"})).await;
    assert_eq!(joined["lastSeq"], MESSAGES);
    let seen = bob.deliveries();
    assert_eq!(seen.last().unwrap()["seq"], MESSAGES);
    let bytes: usize = seen.iter().map(|message| message.to_string().len()).sum();
    assert!(bytes < ANSWER_BYTES_MAX, "{} messages", seen.len());
}
