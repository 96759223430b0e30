mod sending;
mod states;

use antiphon_protocol::close_code;
use serde_json::{Value, json};

use super::*;
use crate::tests::fake_server::{FakeServer, FakeSocket, delivery, room_summary, within};

fn alice() -> UserName {
    UserName::parse("alice").unwrap()
}

fn room() -> Target {
    Target::Room(RoomName::parse("a").unwrap())
}

fn start(server: &FakeServer, scope: &Shutdown) -> (Client, Events) {
    let credentials = Credentials::Password(alice(), Secret("correct horse".into()));
    Client::builder(server.gateway_url(), credentials).start(scope)
}

/// A client that is logged in, at sequence 10 of its room.
async fn logged_in(server: &FakeServer, scope: &Shutdown) -> (Client, Events, FakeSocket) {
    let (client, mut events) = start(server, scope);
    let (mut socket, id, login) = server.next_login().await;
    assert_eq!(
        login,
        json!({"username": "alice", "password": "correct horse"})
    );
    socket.let_in(&id, "token 1", room_summary(10)).await;
    assert!(
        matches!(within(events.recv()).await, Some(Event::Connected { server }) if server == "s1")
    );
    let Some(Event::ResumeToken { username, token }) = within(events.recv()).await else {
        panic!("no token")
    };
    assert_eq!((username, token), (alice(), Secret("token 1".into())));
    let Some(Event::LoggedIn { conversations, .. }) = within(events.recv()).await else {
        panic!("no login")
    };
    assert_eq!(conversations.len(), 1);
    assert!(within(client.connected()).await);
    (client, events, socket)
}

async fn next_seq(events: &mut Events) -> u64 {
    match within(events.recv()).await {
        Some(Event::Message(message)) => message.seq,
        other => panic!("no message: {other:?}"),
    }
}

fn page(messages: Value, sealed: Value, last_seq: u64) -> Value {
    json!({"conversations": [{
        "conversation": "room:a", "messages": messages, "sealed": sealed, "complete": true,
        "more": false, "firstAvailableSeq": 1, "lastSeq": last_seq,
    }]})
}

/// Pitfall 108: a drop is no end.
#[tokio::test]
async fn a_lost_ack_is_replayed_with_its_id_after_a_resume_by_token() {
    let (server, scope) = (FakeServer::start().await, Shutdown::new());
    let (client, mut events, mut socket) = logged_in(&server, &scope).await;
    let script = async {
        let (_, first) = socket.expect("chat").await;
        // It comes back as a delivery, but its ack is lost with the connection.
        socket.push("chat", delivery(11)).await;
        drop(socket);
        assert_eq!(next_seq(&mut events).await, 11);
        let Some(Event::Disconnected { retry_in, .. }) = within(events.recv()).await else {
            panic!("still connected")
        };
        assert!(retry_in <= crate::limits::BACKOFF_BASE);
        let (mut socket, id, login) = server.next_login().await;
        assert_eq!(login, json!({"resumeToken": "token 1"}));
        socket.let_in(&id, "token 2", room_summary(11)).await;
        let (id, second) = socket.expect("chat").await;
        assert_eq!(second, first);
        socket.ack(&id, 11, true).await;
        socket
    };
    let (sent, _socket) = tokio::join!(client.send(room(), "hi"), script);
    let ack = sent.unwrap();
    assert_eq!((ack.seq, ack.duplicate), (11, true));
}

#[tokio::test]
async fn what_was_missed_is_fetched_and_nothing_comes_twice() {
    let (server, scope) = (FakeServer::start().await, Shutdown::new());
    let (_client, mut events, mut socket) = logged_in(&server, &scope).await;
    socket.push("chat", delivery(11)).await;
    socket.push("chat", delivery(11)).await;
    socket.push("chat", delivery(15)).await;
    let (id, sync) = socket.expect("sync").await;
    assert_eq!(
        sync["cursors"],
        json!([{"conversation": "room:a", "afterSeq": 11}])
    );
    let epoch = json!({"roomName": "a", "kind": "epoch", "seq": 16, "ts": 1});
    socket.push("roomEvent", epoch).await;
    let messages = json!([delivery(12), delivery(15)]);
    socket
        .reply(&id, "sync", page(messages, json!([14]), 15))
        .await;
    socket.push("chat", delivery(17)).await;
    let mut seen = Vec::new();
    while seen.last() != Some(&"17".to_owned()) {
        let event = within(events.recv()).await.unwrap();
        if let Event::Message(message) = &event {
            seen.push(message.seq.to_string());
        } else if let Event::Gap { from, to, .. } = &event {
            seen.push(format!("gap {from}-{to}"));
        } else {
            assert!(matches!(event, Event::RoomEvent(_)), "{event:?}");
        }
    }
    assert_eq!(seen, ["11", "12", "gap 13-13", "15", "17"]);
}

#[tokio::test]
async fn a_position_above_the_cursor_makes_it_ask() {
    let (server, scope) = (FakeServer::start().await, Shutdown::new());
    let (_client, mut events, mut socket) = logged_in(&server, &scope).await;
    let position = json!({"positions": [{"conversation": "room:a", "lastSeq": 12}]});
    socket.push("position", position).await;
    let (id, _) = socket.expect("sync").await;
    socket
        .reply(
            &id,
            "sync",
            page(json!([delivery(11), delivery(12)]), json!([]), 12),
        )
        .await;
    assert_eq!(next_seq(&mut events).await, 11);
    assert_eq!(next_seq(&mut events).await, 12);
}

#[tokio::test]
async fn a_join_s_history_comes_in_order_although_its_reply_is_later() {
    let (server, scope) = (FakeServer::start().await, Shutdown::new());
    let (client, mut events) = start(&server, &scope);
    let (mut socket, id, _) = server.next_login().await;
    socket.let_in(&id, "token", json!([])).await;
    let script = async {
        let (id, _) = socket.expect("joinRoom").await;
        socket.push("chat", delivery(4)).await;
        socket.push("chat", delivery(5)).await;
        let reply = json!({
            "roomName": "a", "conversation": "room:a", "members": 2, "lastSeq": 5,
            "alreadyMember": false,
        });
        socket.reply(&id, "joinRoom", reply).await;
        socket.push("chat", delivery(6)).await;
        socket
    };
    let (joined, _socket) = tokio::join!(client.join_room(RoomName::parse("a").unwrap()), script);
    assert_eq!(joined.unwrap().members, 2);
    let mut seen = Vec::new();
    while seen.len() < 3 {
        if let Event::Message(message) = within(events.recv()).await.unwrap() {
            seen.push(message.seq);
        }
    }
    assert_eq!(seen, [4, 5, 6]);
}

/// The reply to a leave may be seen before what came before it, by a client whose owner is
/// slow; nothing is left out or comes twice for that.
#[tokio::test]
async fn what_came_before_a_leave_comes_whole() {
    let (server, scope) = (FakeServer::start().await, Shutdown::new());
    let credentials = Credentials::Password(alice(), Secret("correct horse".into()));
    let builder = Client::builder(server.gateway_url(), credentials).event_buffer(1);
    let (client, mut events) = builder.start(&scope);
    let (mut socket, id, _) = server.next_login().await;
    socket.let_in(&id, "token", room_summary(10)).await;
    for seq in 11..=30 {
        socket.push("chat", delivery(seq)).await;
    }
    let room = RoomName::parse("a").unwrap();
    let script = async {
        let (id, _) = socket.expect("leaveRoom").await;
        let left = json!({"roomName": "a"});
        socket.reply(&id, "leaveRoom", left).await;
    };
    let (left, ()) = tokio::join!(client.leave_room(room), script);
    left.unwrap();
    // The client's task has taken the order when it answers the next one.
    client.reconnect().await;
    let mut online = client.states();
    online.wait_for(|state| !state.is_online()).await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 20 {
        if let Event::Message(message) = within(events.recv()).await.unwrap() {
            seen.push(message.seq);
        }
    }
    assert_eq!(seen, (11..=30).collect::<Vec<u64>>());
}

#[tokio::test]
async fn codes_that_only_the_user_can_mend_stop_it() {
    for code in [
        close_code::BAD_CREDENTIALS,
        close_code::REPLACED,
        close_code::REVOKED,
    ] {
        let (server, scope) = (FakeServer::start().await, Shutdown::new());
        let (client, mut events, mut socket) = logged_in(&server, &scope).await;
        socket.close(code).await;
        let Some(Event::Stopped {
            reason: StopReason::Closed(closed),
        }) = within(events.recv()).await
        else {
            panic!("not stopped")
        };
        assert_eq!(
            closed,
            crate::Closed::Server {
                code: code.code,
                reason: code.reason.into()
            }
        );
        assert!(within(events.recv()).await.is_none());
        assert_eq!(client.send(room(), "late").await, Err(SendError::Stopped));
    }
}

#[tokio::test]
async fn a_spent_token_falls_back_to_the_password() {
    let (server, scope) = (FakeServer::start().await, Shutdown::new());
    let (_client, mut events, socket) = logged_in(&server, &scope).await;
    drop(socket);
    let (mut socket, id, login) = server.next_login().await;
    assert_eq!(login, json!({"resumeToken": "token 1"}));
    let body = json!({"code": 401, "message": "wrong credentials", "ext": "auth_failed"});
    socket.reply(&id, "error", body).await;
    let (mut socket, id, login) = server.next_login().await;
    assert_eq!(
        login,
        json!({"username": "alice", "password": "correct horse"})
    );
    socket.let_in(&id, "token 2", room_summary(10)).await;
    while !matches!(within(events.recv()).await, Some(Event::LoggedIn { .. })) {}
}

#[tokio::test]
async fn wrong_credentials_stop_it() {
    let (server, scope) = (FakeServer::start().await, Shutdown::new());
    let (_client, mut events) = start(&server, &scope);
    let (mut socket, id, _) = server.next_login().await;
    let body = json!({"code": 401, "message": "wrong credentials", "ext": "auth_failed"});
    socket.reply(&id, "error", body).await;
    let stopped = within(events.recv()).await;
    let Some(Event::Stopped { reason }) = stopped else {
        panic!("not stopped")
    };
    assert_eq!(reason, StopReason::Credentials("wrong credentials".into()));
}

#[tokio::test]
async fn a_draining_server_is_left_when_it_says_so() {
    let (server, scope) = (FakeServer::start().await, Shutdown::new());
    let (client, mut events, mut socket) = logged_in(&server, &scope).await;
    socket
        .push("reconnect", json!({"delayMs": 20, "reason": "drain"}))
        .await;
    assert_eq!(socket.expect_close().await, 1000);
    let Some(Event::Disconnected { reason, retry_in }) = within(events.recv()).await else {
        panic!("still connected")
    };
    assert!(matches!(reason, DisconnectReason::Asked(why) if why == "drain"));
    assert_eq!(retry_in, Duration::ZERO);
    let (mut socket, id, _) = server.next_login().await;
    socket.let_in(&id, "token 2", room_summary(10)).await;
    assert!(within(client.connected()).await);
}

#[tokio::test]
async fn what_is_sent_offline_goes_out_in_order_once_connected() {
    let (server, scope) = (FakeServer::start().await, Shutdown::new());
    let (client, _events) = start(&server, &scope);
    let (one, two) = (client.send(room(), "one"), client.send(room(), "two"));
    let script = async {
        let (mut socket, id, _) = server.next_login().await;
        socket.let_in(&id, "token", room_summary(10)).await;
        for (text, seq) in [("one", 11), ("two", 12)] {
            let (id, chat) = socket.expect("chat").await;
            assert_eq!(chat["message"], text);
            socket.ack(&id, seq, false).await;
        }
        socket
    };
    let (one, two, _socket) = tokio::join!(one, two, script);
    assert_eq!((one.unwrap().seq, two.unwrap().seq), (11, 12));
}

#[tokio::test]
async fn a_message_that_finds_no_connection_in_time_is_not_sent() {
    let (server, scope) = (FakeServer::start().await, Shutdown::new());
    let credentials = Credentials::Open(alice());
    let builder = Client::builder(server.gateway_url(), credentials);
    let (client, _events) = builder
        .send_deadline(Duration::from_millis(30))
        .start(&scope);
    assert_eq!(
        within(client.send(room(), "hi")).await,
        Err(SendError::NotSent)
    );
}

#[tokio::test]
async fn stopping_says_goodbye_and_answers_what_waits() {
    let (server, scope) = (FakeServer::start().await, Shutdown::new());
    let (client, mut events, mut socket) = logged_in(&server, &scope).await;
    let script = async {
        socket.expect("chat").await;
        client.stop();
        assert_eq!(socket.expect_close().await, 1000);
    };
    let (sent, ()) = tokio::join!(client.send(room(), "hi"), script);
    assert!(matches!(sent, Err(SendError::Unknown { .. })));
    let stopped = within(events.recv()).await;
    assert!(matches!(
        stopped,
        Some(Event::Stopped {
            reason: StopReason::Asked
        })
    ));
}
