//! Rooms: who is in, who may what, and what a newcomer sees.

use serde_json::json;

use crate::harness::{Client, Cluster, DEADLINE, FAST, Options};

#[tokio::test]
async fn row_26_to_28_a_stranger_can_neither_read_nor_write_nor_look() {
    let cluster = Cluster::start(&Options::default());
    let mut alice = Client::join(cluster.server(0), "alice").await;
    let secret = json!({"roomName": "secret", "visibility": "private"});
    alice.ok("createRoom", secret).await;
    alice.ok("createRoom", json!({"roomName": "garden"})).await;
    let mut mallory = Client::join(cluster.server(1), "mallory").await;
    for room in ["secret", "garden", "nowhere"] {
        let chat = json!({"roomName": room, "message": "x", "clientId": format!("m-{room}")});
        assert_eq!(
            mallory.refused("chat", chat).await,
            "room_not_found",
            "{room}"
        );
        let history = json!({"conversation": format!("room:{room}")});
        assert_eq!(
            mallory.refused("history", history).await,
            "room_not_found",
            "{room}"
        );
        let members = json!({"roomName": room});
        assert_eq!(
            mallory.refused("roomMembers", members).await,
            "room_not_found",
            "{room}"
        );
    }
    for (action, room) in [("joinRoom", "secret"), ("roomInfo", "secret")] {
        assert_eq!(
            mallory.refused(action, json!({"roomName": room})).await,
            "room_not_found"
        );
    }
    let listed = mallory.ok("listRooms", json!({})).await.to_string();
    assert!(
        listed.contains("garden") && !listed.contains("secret"),
        "{listed}"
    );
    // A join acts on the session's own user, whatever the frame says.
    let forged = json!({"roomName": "garden", "username": "bob", "sourceNode": "s1"});
    mallory.ok("joinRoom", forged).await;
    let members = alice
        .ok("roomMembers", json!({"roomName": "garden"}))
        .await
        .to_string();
    assert!(
        members.contains("mallory") && !members.contains("bob"),
        "{members}"
    );
    let (messages, _) = alice.history("room:secret").await;
    assert!(messages.is_empty());
}

#[tokio::test]
async fn row_63_a_room_has_a_whole_life() {
    let cluster = Cluster::start(&Options::default());
    let mut alice = Client::join(cluster.server(0), "alice").await;
    let mut bob = Client::join(cluster.server(1), "bob").await;
    let room = || json!({"roomName": "garden"});
    let made = json!({"roomName": "Garden", "visibility": "private", "topic": "what grows"});
    let info = alice.ok("createRoom", made.clone()).await;
    assert_eq!(
        (&info["roomName"], &info["owner"]),
        (&json!("garden"), &json!("alice"))
    );
    assert_eq!(alice.refused("createRoom", made).await, "name_taken");

    alice
        .ok("invite", json!({"roomName": "garden", "username": "bob"}))
        .await;
    let invited = |frame: &antiphon_protocol::ServerFrame| {
        frame.action == "roomEvent" && frame.data["kind"] == "invited"
    };
    bob.next_matching("the invitation", DEADLINE, invited).await;
    let joined = bob.ok("joinRoom", room()).await;
    assert_eq!(
        (&joined["members"], &joined["alreadyMember"]),
        (&json!(2), &json!(false))
    );
    assert_eq!(bob.ok("joinRoom", room()).await["alreadyMember"], true);
    bob.say("garden", "hello", "b-1").await;
    alice.delivery("hello").await;

    let kick = |who: &str| json!({"roomName": "garden", "username": who, "reason": "enough"});
    assert_eq!(bob.refused("kick", kick("alice")).await, "forbidden");
    alice.ok("kick", kick("bob")).await;
    let chat = json!({"roomName": "garden", "message": "still here?", "clientId": "b-2"});
    assert_eq!(bob.refused("chat", chat).await, "room_not_found");
    alice.say("garden", "only us", "a-1").await;
    alice.delivery("only us").await;

    alice.ok("leaveRoom", room()).await;
    let chat = json!({"roomName": "garden", "message": "gone", "clientId": "a-2"});
    assert_eq!(alice.refused("chat", chat).await, "room_not_found");
    bob.ok("ping", json!({})).await;
    assert!(
        !bob.deliveries()
            .iter()
            .any(|message| message["message"] == "only us")
    );
}

#[tokio::test]
async fn row_60_a_newcomer_misses_nothing_between_replay_and_live() {
    let cluster = Cluster::start(&Options::set(FAST));
    let mut alice = Client::join(cluster.server(0), "alice").await;
    alice.ok("createRoom", json!({"roomName": "garden"})).await;
    for round in 0..10 {
        let mut late = Client::join(cluster.server(round), &format!("late{round}")).await;
        let mut ids = Vec::new();
        for number in 0..20 {
            let text = format!("r{round}-m{number}");
            let data = json!({"roomName": "garden", "message": text, "clientId": text});
            ids.push(alice.send("chat", data).await);
        }
        let joining = late.send("joinRoom", json!({"roomName": "garden"})).await;
        let mut last = 0;
        for id in ids {
            last = alice.reply(id).await.data["seq"].as_u64().unwrap();
        }
        let joined = late.reply(joining).await;
        assert_eq!(joined.action, "joinRoom", "{}", joined.data);
        let text = format!("r{round}-m19");
        late.delivery(&text).await;
        let (stored, _) = late.history("room:garden").await;
        let seen = late.deliveries();
        let first = seen[0]["seq"].as_u64().unwrap();
        let expected: Vec<_> = stored
            .into_iter()
            .filter(|m| (first..=last).contains(&m["seq"].as_u64().unwrap()))
            .collect();
        assert_eq!(seen, expected, "round {round}: no hole and nothing twice");
    }
}

#[tokio::test]
async fn a_join_replays_at_most_fifty_messages_oldest_first() {
    let cluster = Cluster::start(&Options::set(FAST));
    let mut alice = Client::join(cluster.server(0), "alice").await;
    alice.ok("createRoom", json!({"roomName": "garden"})).await;
    for number in 0..60 {
        alice
            .say("garden", &format!("m{number}"), &format!("a-{number}"))
            .await;
    }
    let mut bob = Client::join(cluster.server(1), "bob").await;
    bob.ok("joinRoom", json!({"roomName": "garden"})).await;
    let replayed = bob.deliveries();
    assert_eq!(replayed.len(), 50);
    assert_eq!(replayed[0]["message"], "m10");
    assert_eq!(replayed[49]["message"], "m59");
}

#[tokio::test]
async fn presence_is_told_to_those_who_share_a_room() {
    let cluster = Cluster::start(&Options::default());
    let mut alice = Client::join(cluster.server(0), "alice").await;
    let mut bob = Client::join(cluster.server(1), "bob").await;
    alice.ok("createRoom", json!({"roomName": "garden"})).await;
    bob.ok("joinRoom", json!({"roomName": "garden"})).await;
    let about = |online: bool| {
        move |frame: &antiphon_protocol::ServerFrame| {
            frame.action == "presence"
                && frame.data["username"] == "bob"
                && frame.data["isOnline"] == online
        }
    };
    // Right after an election nobody is said to come or go, so bob may have to try again.
    drop(bob);
    crate::harness::wait_until("presence of bob", DEADLINE, || {
        let addr = cluster.server(1).to_owned();
        let pushes = alice.pushes();
        async move {
            if pushes.iter().any(about(true)) && pushes.iter().any(about(false)) {
                return Ok(());
            }
            drop(Client::join(&addr, "bob").await);
            Err(format!("{} pushes", pushes.len()))
        }
    })
    .await;
}

#[tokio::test]
async fn names_that_look_alike_are_one() {
    let cluster = Cluster::start(&Options::default());
    let mut alice = Client::join(cluster.server(0), "user1").await;
    let account = |name: &str| json!({"username": name, "password": crate::harness::PASSWORD});
    let mut other = Client::connect(cluster.server(1)).await;
    for name in ["USER1", "userl", "ｕｓｅｒ１"] {
        assert_eq!(
            other.refused("register", account(name)).await,
            "name_taken",
            "{name}"
        );
    }
    alice.ok("createRoom", json!({"roomName": "room1"})).await;
    for name in ["ROOM1", "rooml"] {
        assert_eq!(
            alice.refused("createRoom", json!({"roomName": name})).await,
            "name_taken"
        );
    }
}
