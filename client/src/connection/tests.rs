use antiphon_protocol::client::{Chat, Ping, Popular, Target};
use antiphon_protocol::close_code;
use serde_json::json;

use super::*;
use crate::tests::fake_server::{FakeServer, FakeSocket, delivery, within};

async fn open(scope: &Shutdown) -> (Connection, ServerEvents, FakeSocket) {
    let server = FakeServer::start().await;
    let entry = server.entry();
    let (opened, socket) = tokio::join!(Connection::open(&entry, scope), server.accept());
    let (connection, events) = opened.unwrap();
    (connection, events, socket)
}

#[tokio::test]
async fn replies_find_their_requests_in_any_order() {
    let scope = Shutdown::new();
    let (connection, _events, mut socket) = open(&scope).await;
    let popular = connection.request(Popular {
        n: 1,
        room_name: None,
        window_seconds: None,
    });
    let ping = connection.request(Ping {});
    let script = async {
        let (first, _) = socket.expect("popular").await;
        let (second, _) = socket.expect("ping").await;
        socket
            .write(&json!({"re": 999, "action": "pong", "data": {"serverTimeMs": 1}}))
            .await;
        socket
            .reply(&second, "pong", json!({"serverTimeMs": 7}))
            .await;
        socket
            .reply(&first, "popular", json!({"words": ["hi", "3"]}))
            .await;
    };
    let (popular, ping, ()) = tokio::join!(popular, ping, script);
    assert_eq!(popular.unwrap().words, ["hi", "3"]);
    assert_eq!(ping.unwrap().server_time_ms, 7);
}

#[tokio::test]
async fn errors_and_wrong_replies_are_typed() {
    let scope = Shutdown::new();
    let (connection, _events, mut socket) = open(&scope).await;
    let script = async {
        let (id, _) = socket.expect("ping").await;
        let body =
            json!({"code": 429, "message": "slow down", "ext": "too_fast", "retryable": true});
        socket.reply(&id, "error", body).await;
        let (id, _) = socket.expect("ping").await;
        socket
            .reply(&id, "popular", json!({"serverTimeMs": 1}))
            .await;
        let (id, _) = socket.expect("ping").await;
        socket
            .reply(&id, "pong", json!({"serverTimeMs": "now"}))
            .await;
    };
    let requests = async {
        let error = connection.request(Ping {}).await.unwrap_err();
        assert_eq!(error.refusal().map(|body| body.code), Some(429));
        for _ in 0..2 {
            let error = connection.request(Ping {}).await.unwrap_err();
            assert!(matches!(error, RequestError::BadReply("ping")), "{error}");
        }
    };
    tokio::join!(script, requests);
    let target = Target::Room(antiphon_protocol::RoomName::parse("a").unwrap());
    let message = "x".repeat(FRAME_BYTES_MAX);
    let chat = Chat {
        target,
        message,
        format: "text".into(),
        client_id: None,
        after: None,
    };
    assert!(matches!(
        connection.request(chat).await,
        Err(RequestError::TooLarge)
    ));
}

#[tokio::test(start_paused = true)]
async fn a_request_has_a_deadline() {
    let scope = Shutdown::new();
    let (connection, _events, mut socket) = open(&scope).await;
    connection.set_dead_peer(Duration::from_secs(3_600));
    let (reply, _) = tokio::join!(connection.request(Ping {}), socket.expect("ping"));
    assert!(matches!(reply, Err(RequestError::Deadline)));
}

/// Pitfall 107.
#[tokio::test]
async fn events_come_in_order_and_junk_is_skipped() {
    let scope = Shutdown::new();
    let (_connection, mut events, mut socket) = open(&scope).await;
    socket.push("chat", delivery(1)).await;
    socket.write_text("{".to_owned()).await;
    socket.push("chat", json!({"from": 7})).await;
    socket.push("future", json!({})).await;
    socket
        .push("notice", json!({"message": "hello", "unknown": [1]}))
        .await;
    let ServerEvent::Chat(message) = within(events.recv()).await.unwrap() else {
        panic!("no chat")
    };
    assert_eq!(message.message, "text 1");
    assert_eq!(
        within(events.recv()).await,
        Some(ServerEvent::Unknown("future".into()))
    );
    assert!(matches!(
        within(events.recv()).await,
        Some(ServerEvent::Notice(_))
    ));
}

#[tokio::test]
async fn the_close_code_reaches_requests_and_owner() {
    let scope = Shutdown::new();
    let (connection, mut events, mut socket) = open(&scope).await;
    let script = async {
        socket.expect("ping").await;
        socket.close(close_code::REPLACED).await;
    };
    let (reply, ()) = tokio::join!(connection.request(Ping {}), script);
    let expected = Closed::Server {
        code: 4409,
        reason: "replaced".into(),
    };
    assert!(matches!(reply, Err(RequestError::Closed(closed)) if closed == expected));
    assert_eq!(within(connection.closed()).await, expected);
    assert_eq!(expected.after(), AfterClose::Stop);
    assert_eq!(within(events.recv()).await, None);
    let late = connection.request(Ping {}).await;
    assert!(matches!(late, Err(RequestError::Closed(closed)) if closed == expected));
}

#[tokio::test]
async fn a_goodbye_is_said_and_a_lost_socket_is_noticed() {
    let scope = Shutdown::new();
    let (connection, _events, mut socket) = open(&scope).await;
    connection.close();
    assert_eq!(socket.expect_close().await, 1000);
    assert_eq!(within(connection.closed()).await, Closed::Local);
    let (connection, _events, socket) = open(&scope).await;
    drop(socket);
    assert!(matches!(within(connection.closed()).await, Closed::Lost(_)));
}

#[tokio::test]
async fn a_silent_server_counts_as_dead() {
    let scope = Shutdown::new();
    let (connection, _events, mut socket) = open(&scope).await;
    connection.set_dead_peer(Duration::from_millis(50));
    socket.ping().await;
    assert_eq!(within(connection.closed()).await, Closed::DeadPeer);
}

#[tokio::test]
async fn a_server_that_says_nothing_by_itself_is_asked() {
    let scope = Shutdown::new();
    let (connection, _events, mut socket) = open(&scope).await;
    connection.set_dead_peer(Duration::from_millis(400));
    // From the next frame on.
    socket.ping().await;
    let pings = async {
        for _ in 0..5 {
            // Reading is what answers a ping.
            socket.expect_ping().await;
        }
    };
    tokio::select! {
        closed = connection.closed() => panic!("{closed}"),
        () = pings => {}
    }
    // Nobody reads any more, so nobody answers.
    assert_eq!(within(connection.closed()).await, Closed::DeadPeer);
}

#[tokio::test]
async fn a_reader_that_falls_behind_holds_up_the_socket_and_loses_nothing() {
    let scope = Shutdown::new();
    let (_connection, mut events, mut socket) = open(&scope).await;
    let total = EVENTS_MAX as u64 + 500;
    let script = async {
        for seq in 1..=total {
            socket.push("chat", delivery(seq)).await;
        }
    };
    let read = async {
        while events.0.len() < EVENTS_MAX {
            tokio::task::yield_now().await;
        }
        for seq in 1..=total {
            let Some(ServerEvent::Chat(message)) = events.recv().await else {
                panic!("no chat")
            };
            assert_eq!(message.seq, seq);
        }
    };
    within(async { tokio::join!(script, read) }).await;
}
