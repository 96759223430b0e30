//! The ancestor's client, frame by frame as it sends them: no password, its own `from` and
//! `ts`, no acknowledgments.

use antiphon_protocol::ServerFrame;
use serde_json::{Value, json};

use crate::harness::{Client, Cluster, DEADLINE, FAST, Options};

const TS: u64 = 1_700_000_000_000;

async fn login(cluster: &Cluster, server: usize, username: &str) -> Client {
    let mut client = Client::connect(cluster.server(server)).await;
    let frame =
        json!({"id": 1_700_000_000_000_123_u64, "action": "login", "data": {"username": username}});
    client.send_raw(&frame.to_string()).await;
    let reply = client.reply(1_700_000_000_000_123).await;
    assert_eq!(reply.action, "login", "{}", reply.data);
    assert_eq!(reply.data["username"], username);
    assert!(reply.data["sessionId"].is_string());
    client
}

fn chat(from: &str, to: Value, room: &str, message: &str) -> String {
    let is_group = to.is_null();
    json!({"id": TS * 1_000, "action": "chat", "data": {
        "format": "text", "from": from, "to": to, "roomName": room, "ts": TS,
        "isGroup": is_group, "message": message,
    }})
    .to_string()
}

fn join(room: &str, username: &str) -> String {
    json!({"id": 7, "action": "joinRoom",
        "data": {"roomName": room, "username": username, "sourceNode": null}})
    .to_string()
}

#[tokio::test]
async fn a_private_message_arrives_with_an_empty_rooms_name() {
    let cluster = Cluster::start(&Options::open());
    let mut user1 = login(&cluster, 0, "user1").await;
    let mut user2 = login(&cluster, 1, "user2").await;
    user1
        .send_raw(&chat("user1", json!("user2"), "", "hello there"))
        .await;
    let got = user2.delivery("hello there").await;
    assert_eq!(
        (&got["from"], &got["roomName"], &got["format"]),
        (&json!("user1"), &json!(""), &json!("text"))
    );
    assert_ne!(got["ts"], TS, "the server's time, not the client's");
    // Who poses as another is stamped with the own name.
    user1
        .send_raw(&chat("ADMIN", json!("user2"), "", "I am the admin"))
        .await;
    assert_eq!(user2.delivery("I am the admin").await["from"], "user1");
}

#[tokio::test]
async fn a_message_to_somebody_away_is_stored_and_answered_by_404() {
    let cluster = Cluster::start(&Options::open());
    let mut user1 = login(&cluster, 0, "user1").await;
    user1
        .send_raw(&chat("user1", json!("user3"), "", "are you there"))
        .await;
    let is_404 = |frame: &ServerFrame| frame.action == "error" && frame.data["code"] == 404;
    let error = user1.next_matching("error 404", DEADLINE, is_404).await;
    let message = error.data["message"].as_str().unwrap();
    assert!(
        message.contains("user3") && message.contains("not on line"),
        "{message}"
    );
    let mut user3 = login(&cluster, 1, "user3").await;
    let (stored, _) = user3.history("user:user1").await;
    assert_eq!(stored.last().unwrap()["message"], "are you there");
}

#[tokio::test]
async fn a_room_replays_its_last_messages_and_then_goes_on() {
    let cluster = Cluster::start(&Options::open().and(FAST));
    let mut user1 = login(&cluster, 0, "user1").await;
    user1.send_raw(&join("room1", "user1")).await;
    assert_eq!(user1.reply(7).await.action, "joinRoom");
    user1
        .send_raw(&chat("user1", Value::Null, "room1", "first"))
        .await;
    // The sender's own message comes back as an ordinary delivery.
    let own = user1.delivery("first").await;
    assert_eq!(
        (&own["from"], &own["roomName"]),
        (&json!("user1"), &json!("room1"))
    );
    assert_eq!(own.get("clientId"), None, "it named none");

    let mut user2 = login(&cluster, 2, "user2").await;
    user2.send_raw(&join("room1", "user2")).await;
    assert_eq!(user2.reply(7).await.action, "joinRoom");
    let replayed = user2.deliveries();
    assert!(replayed.len() <= 50);
    assert_eq!(
        replayed.last().unwrap()["message"],
        "first",
        "oldest first, before the reply"
    );
    user1
        .send_raw(&chat("user1", Value::Null, "room1", "second"))
        .await;
    assert_eq!(user2.delivery("second").await["roomName"], "room1");
    // A join acts on the session's own user.
    user2.send_raw(&join("room2", "user1")).await;
    assert_eq!(user2.reply(7).await.action, "joinRoom");
    let members = user2
        .ok("roomMembers", json!({"roomName": "room2", "limit": 500}))
        .await;
    assert!(members.to_string().contains("\"user2\""), "{members}");
}

#[tokio::test]
async fn stats_and_popular_answer_as_it_expects() {
    let cluster = Cluster::start(&Options::open());
    let mut user1 = login(&cluster, 0, "user1").await;
    let user2 = login(&cluster, 1, "user2").await;
    let info = user1.ok("userInfo", json!({"username": "user2"})).await;
    assert_eq!(
        (&info["username"], &info["isOnline"]),
        (&json!("user2"), &json!(true))
    );
    assert!(info["loginTime"].is_u64() && info["nodeId"].is_string());
    let (action, away) = user1
        .request("userInfo", json!({"username": "user4"}))
        .await;
    assert_eq!((action.as_str(), &away["code"]), ("error", &json!(404)));
    assert!(away["message"].is_string() && away["ext"].is_string());
    for n in [json!("5"), json!(5), json!("100000")] {
        let answer = user1.ok("popular", json!({"n": n})).await;
        let words: Vec<String> = serde_json::from_value(answer["words"].clone()).unwrap();
        assert_eq!(words.len() % 2, 0, "word, count, word, count");
        let counts: Vec<u64> = words
            .chunks(2)
            .map(|pair| pair[1].parse().unwrap())
            .collect();
        assert!(counts.is_sorted_by(|a, b| a >= b), "{words:?}");
    }
    let (action, answer) = user1.request("popular", json!({"n": "abc"})).await;
    assert_eq!(
        (action.as_str(), &answer["code"]),
        ("error", &json!(400)),
        "row 12"
    );
    drop(user2);
}

/// That client asks for a name again after a 401 and after nothing else, as often as it takes.
#[tokio::test]
async fn a_name_that_is_unknown_or_none_at_all_is_asked_for_again() {
    let cluster = Cluster::start(&Options::open());
    let mut client = Client::connect(cluster.server(0)).await;
    let long = "x".repeat(40);
    for name in [
        "nobody",
        "a b",
        "",
        &long,
        "\u{1b}[2J",
        "__proto__",
        "two words",
        "a:b",
    ] {
        let (action, answer) = client.request("login", json!({"username": name})).await;
        assert_eq!(
            (action.as_str(), &answer["code"]),
            ("error", &json!(401)),
            "{name:?}"
        );
    }
    // It does not trim what was typed.
    let reply = client.ok("login", json!({"username": "user1 "})).await;
    assert_eq!(reply["username"], "user1");
}

#[tokio::test]
async fn a_message_to_oneself_is_shown() {
    let cluster = Cluster::start(&Options::open());
    let mut user1 = login(&cluster, 0, "user1").await;
    user1
        .send_raw(&chat("user1", json!("user1"), "", "note to myself"))
        .await;
    assert_eq!(user1.delivery("note to myself").await["from"], "user1");
}

/// What a person mistypes is answered, and never ends the connection.
#[tokio::test]
async fn typed_mistakes_do_not_end_the_connection() {
    let cluster = Cluster::start(&Options::open());
    let mut user1 = login(&cluster, 0, "user1").await;
    for _ in 0..8 {
        let (action, answer) = user1.request("popular", json!({"n": "abc"})).await;
        assert_eq!(
            (action.as_str(), &answer["ext"]),
            ("error", &json!("invalid_field:n"))
        );
    }
    user1.ok("popular", json!({"n": "3"})).await;
}

#[test]
fn open_login_is_refused_on_an_address_that_others_can_reach() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options::open().and(&[("server.host", "0.0.0.0")]);
    let mut command = crate::harness::cluster::up(folder.path(), &options);
    command
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    let status = crate::harness::cluster::wait_exit(&mut child).expect("an end at once");
    assert_eq!(status.code(), Some(78));
}
