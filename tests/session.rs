//! Who one is, and for how long.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Client, Cluster, DEADLINE, FAST, Options, PASSWORD, RawSocket, is_offline};

#[tokio::test]
async fn row_22_and_38_a_wrong_password_and_an_unknown_user_are_refused_alike() {
    let cluster = Cluster::start(&Options::default());
    drop(Client::join(cluster.server(0), "alice").await);
    let mut client = Client::connect(cluster.server(1)).await;
    let mut answers = Vec::new();
    for name in ["alice", "nobody"] {
        let data = json!({"username": name, "password": "not the password"});
        let (action, answer) = client.request("login", data).await;
        assert_eq!(
            (action.as_str(), &answer["ext"]),
            ("error", &json!("auth_failed"))
        );
        answers.push(answer);
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0]["code"], 401);
    let none = client.refused("login", json!({"username": "alice"})).await;
    assert!(none == "auth_failed" || none == "missing_field", "{none}");
    assert_eq!(client.login("alice").await["username"], "alice");
}

#[tokio::test]
async fn wrong_passwords_end_the_connection_at_last() {
    let cluster = Cluster::start(&Options::default());
    drop(Client::join(cluster.server(0), "alice").await);
    let mut client = Client::connect(cluster.server(0)).await;
    let data = json!({"username": "alice", "password": "not the password"});
    for _ in 0..10 {
        let Ok(id) = client.try_send("login", &data).await else {
            break;
        };
        let Ok(frame) = client.try_reply(id).await else {
            break;
        };
        let ext = frame.data["ext"].as_str().unwrap().to_owned();
        assert!(ext == "auth_failed" || ext == "rate_limited", "{ext}");
    }
    assert_eq!(client.closed(DEADLINE).await.code, Some(4401));
}

#[tokio::test]
async fn row_25_nothing_but_hello_register_login_and_ping_works_before_login() {
    let cluster = Cluster::start(&Options::default());
    for (action, data) in [
        ("chat", json!({"to": "alice", "message": "x"})),
        ("joinRoom", json!({"roomName": "garden"})),
        ("createRoom", json!({"roomName": "garden"})),
        ("history", json!({"conversation": "room:garden"})),
        ("userInfo", json!({"username": "alice"})),
        ("popular", json!({"n": 5})),
        ("online", json!({})),
        ("logout", json!({})),
    ] {
        let mut client = Client::connect(cluster.server(0)).await;
        assert_eq!(
            client.refused(action, data).await,
            "not_authenticated",
            "{action}"
        );
        client.ok("ping", json!({})).await;
        assert!(client.ok("hello", json!({})).await["limits"]["frameBytesMax"].is_u64());
    }
}

#[tokio::test]
async fn row_33_and_35_session_ids_are_random_and_nodes_are_opaque() {
    let cluster = Cluster::start(&Options::default());
    let mut client = Client::join(cluster.server(0), "alice").await;
    let mut second = Client::connect(cluster.server(1)).await;
    let session = |reply: &Value| reply["sessionId"].as_str().unwrap().to_owned();
    let id = session(&second.login("alice").await);
    assert!(
        id.len() >= 32 && id.bytes().all(|b| b.is_ascii_hexdigit()),
        "{id}"
    );
    let mut third = Client::connect(cluster.server(1)).await;
    assert_ne!(session(&third.login("alice").await), id);
    let info = client.ok("userInfo", json!({"username": "alice"})).await;
    assert_eq!(info["isOnline"], true);
    let node = info["nodeId"].as_str().unwrap();
    assert!(!node.contains(':') && !node.contains("127"), "{node}");
}

#[tokio::test]
async fn row_39_somebody_who_left_is_offline_within_a_second() {
    let cluster = Cluster::start(&Options::set(FAST));
    let mut alice = Client::join(cluster.server(0), "alice").await;
    let bob = Client::join(cluster.server(1), "bob").await;
    let about_bob = || json!({"username": "bob"});
    let mut watcher = Client::join(cluster.server(2), "carol").await;
    assert_eq!(watcher.ok("userInfo", about_bob()).await["isOnline"], true);
    drop(bob);
    let left = antiphon_core::clock::now();
    loop {
        let (action, answer) = alice.request("userInfo", about_bob()).await;
        if action == "error" {
            assert_eq!(
                (&answer["code"], &answer["ext"]),
                (&json!(404), &json!("user_offline"))
            );
            break;
        }
        assert!(
            left.elapsed() < Duration::from_secs(1),
            "still online: {answer}"
        );
    }
}

#[tokio::test]
async fn row_41_and_42_a_late_close_never_ends_another_session() {
    let cluster = Cluster::start(&Options::default());
    let mut watcher = Client::join(cluster.server(0), "watcher").await;
    for round in 0..5 {
        let first = Client::join(cluster.server(round), "alice").await;
        let mut second = Client::join(cluster.server(round + 1), "alice").await;
        drop(first);
        // The watcher's message reaches the one that is left.
        let text = format!("round {round}");
        let data = json!({"to": "alice", "message": text, "clientId": format!("w-{round}")});
        watcher.ok("chat", data).await;
        second.delivery(&text).await;
        assert_eq!(
            watcher.ok("userInfo", json!({"username": "alice"})).await["isOnline"],
            true
        );
    }
}

#[tokio::test]
async fn row_43_a_connection_has_one_identity() {
    let cluster = Cluster::start(&Options::default());
    drop(Client::join(cluster.server(0), "bob").await);
    let mut alice = Client::join(cluster.server(0), "alice").await;
    let data = json!({"username": "bob", "password": PASSWORD});
    assert_eq!(alice.refused("login", data).await, "already_logged_in");
    let (_, answer) = alice.request("userInfo", json!({"username": "bob"})).await;
    assert_eq!(answer["code"], 404);
}

#[tokio::test]
async fn row_48_a_dead_peer_is_noticed() {
    let settings = [
        ("limits.ping_interval_ms", "300"),
        ("limits.pong_timeout_ms", "200"),
    ];
    let cluster = Cluster::start(&Options::set(&settings));
    let mut alive = Client::join(cluster.server(1), "alive").await;
    drop(Client::join(cluster.server(0), "quiet").await);
    let mut quiet = RawSocket::upgraded(cluster.server(0)).await;
    let login =
        json!({"id": 1, "action": "login", "data": {"username": "quiet", "password": PASSWORD}});
    quiet.text(&login.to_string()).await;
    // The raw socket answers no ping.
    assert_eq!(quiet.closed().await.code, Some(4304));
    is_offline(cluster.server(2), "quiet").await;
    alive.ok("ping", json!({})).await;
}

#[tokio::test]
async fn who_does_not_log_in_is_closed() {
    let cluster = Cluster::start(&Options::set(&[("auth.login_timeout_ms", "500")]));
    let mut idle = Client::connect(cluster.server(0)).await;
    assert_eq!(idle.closed(DEADLINE).await.code, Some(4408));
}

#[tokio::test]
async fn kick_oldest_closes_the_older_connection_and_refuse_the_newer() {
    let cluster = Cluster::start(&Options::set(&[("auth.session_policy", "kick_oldest")]));
    let mut old = Client::join(cluster.server(0), "alice").await;
    let mut new = Client::join(cluster.server(1), "alice").await;
    assert_eq!(old.closed(DEADLINE).await.code, Some(4409));
    assert!(old.pushes().iter().any(|frame| frame.action == "kicked"));
    new.ok("ping", json!({})).await;
    assert!(!new.is_closed());
    drop(cluster);

    let cluster = Cluster::start(&Options::set(&[("auth.session_policy", "refuse")]));
    let mut old = Client::join(cluster.server(0), "alice").await;
    let mut new = Client::connect(cluster.server(1)).await;
    let data = json!({"username": "alice", "password": PASSWORD});
    assert_eq!(new.refused("login", data).await, "already_online");
    old.ok("ping", json!({})).await;
}

#[tokio::test]
async fn a_resume_token_works_on_any_server() {
    let cluster = Cluster::start(&Options::default());
    drop(Client::join(cluster.server(0), "alice").await);
    let mut client = Client::connect(cluster.server(0)).await;
    let token = client.login("alice").await["resumeToken"].clone();
    drop(client);
    let resume = |token: &Value| json!({"resumeToken": token});
    let mut client = Client::connect(cluster.server(1)).await;
    let reply = client.ok("login", resume(&token)).await;
    assert_eq!(reply["username"], "alice");
    assert_ne!(reply["resumeToken"], token);
    // The answer with the new token may have been lost, so for a short while the old one works.
    let mut retry = Client::connect(cluster.server(2)).await;
    assert_eq!(retry.ok("login", resume(&token)).await["username"], "alice");
    let mut guess = Client::connect(cluster.server(2)).await;
    assert_eq!(
        guess.refused("login", resume(&json!("AAAAAAAAAAAA"))).await,
        "auth_failed"
    );
}

#[tokio::test]
async fn logout_revokes_the_token_and_says_goodbye() {
    let cluster = Cluster::start(&Options::default());
    drop(Client::join(cluster.server(0), "alice").await);
    let mut client = Client::connect(cluster.server(0)).await;
    let token = client.login("alice").await["resumeToken"].clone();
    client.ok("logout", json!({})).await;
    assert_eq!(client.closed(DEADLINE).await.code, Some(1000));
    let mut again = Client::connect(cluster.server(0)).await;
    assert_eq!(
        again.refused("login", json!({"resumeToken": token})).await,
        "auth_failed"
    );
}

#[tokio::test]
async fn a_changed_password_is_the_only_one() {
    let cluster = Cluster::start(&Options::default());
    let mut alice = Client::join(cluster.server(0), "alice").await;
    let wrong = json!({"oldPassword": "not the password", "newPassword": "battery staple"});
    assert_eq!(alice.refused("changePassword", wrong).await, "auth_failed");
    let change = json!({"oldPassword": PASSWORD, "newPassword": "battery staple"});
    alice.ok("changePassword", change).await;
    let mut client = Client::connect(cluster.server(1)).await;
    let old = json!({"username": "alice", "password": PASSWORD});
    assert_eq!(client.refused("login", old).await, "auth_failed");
    client
        .ok(
            "login",
            json!({"username": "alice", "password": "battery staple"}),
        )
        .await;
}
