use std::sync::atomic::{AtomicU64, Ordering};

use antiphon_protocol::client::Ping;

use super::*;

async fn until(client: &Client, wanted: impl FnMut(&ConnectionState) -> bool) -> ConnectionState {
    let mut states = client.states();
    let state = within(states.wait_for(wanted)).await.unwrap();
    state.clone()
}

#[tokio::test]
async fn every_state_is_seen_on_a_whole_round() {
    let (server, scope) = (FakeServer::start().await, Shutdown::new());
    let (client, _events) = start(&server, &scope);
    assert_eq!(client.state(), ConnectionState::Connecting);
    assert!(!client.is_connected());
    let (mut socket, id, _) = server.next_login().await;
    assert_eq!(client.state(), ConnectionState::LoggingIn);
    socket.let_in(&id, "token 1", room_summary(10)).await;
    let online = |state: &ConnectionState| matches!(state, ConnectionState::Online { server } if server == "s1");
    assert!(until(&client, online).await.is_online());
    assert!(client.is_connected());

    socket
        .push("reconnect", json!({"delayMs": 50, "reason": "drain"}))
        .await;
    let draining = |state: &ConnectionState| matches!(state, ConnectionState::Draining { .. });
    assert!(until(&client, draining).await.is_online());
    assert_eq!(socket.expect_close().await, 1000);
    let (socket, _, _) = server.next_login().await;
    drop(socket);
    let waiting = |state: &ConnectionState| matches!(state, ConnectionState::Waiting { .. });
    let ConnectionState::Waiting { why, until: at } = until(&client, waiting).await else {
        panic!("not waiting")
    };
    assert!(why.contains("login failed"), "{why}");
    assert!(at <= clock::now() + crate::limits::BACKOFF_BASE * 2);
    client.stop();
    let stopped = until(&client, ConnectionState::is_stopped).await;
    let reason = StopReason::Asked;
    assert_eq!(stopped, ConnectionState::Stopped { reason });
    assert!(!within(client.connected()).await);
}

#[tokio::test]
async fn each_new_token_is_told_and_the_first_one_may_be_given() {
    let (server, scope) = (FakeServer::start().await, Shutdown::new());
    let credentials = Credentials::Password(alice(), Secret("correct horse".into()));
    let builder = Client::builder(server.gateway_url(), credentials)
        .resume_token(Some(Secret("kept".into())))
        .name("test 1.0");
    let (client, mut events) = builder.start(&scope);
    assert_eq!(client.resume_token(), Some(Secret("kept".into())));
    server.answer_gateway().await;
    let mut socket = server.accept().await;
    let (id, hello) = socket.expect("hello").await;
    assert_eq!(hello["client"], "test 1.0");
    socket.reply_hello(&id).await;
    let (id, login) = socket.expect("login").await;
    assert_eq!(login, json!({"resumeToken": "kept"}));
    let body = json!({"code": 401, "message": "too old", "ext": "token_expired"});
    socket.reply(&id, "error", body).await;
    for token in ["token 1", "token 2"] {
        let (mut socket, id, login) = server.next_login().await;
        // A token that is no longer good is forgotten; a new one is used.
        assert_eq!(login["resumeToken"].is_null(), token == "token 1");
        socket.let_in(&id, token, room_summary(10)).await;
        let told = loop {
            let event = within(events.recv()).await.unwrap();
            assert!(
                !matches!(event, Event::LoggedIn { .. }),
                "the token comes before the login"
            );
            if let Event::ResumeToken { token, .. } = event {
                break token;
            }
        };
        let logged_in = within(events.recv()).await;
        assert!(matches!(logged_in, Some(Event::LoggedIn { .. })));
        assert_eq!(told.0, token);
        assert_eq!(client.resume_token(), Some(told));
        within(client.connected()).await;
        socket.close(close_code::SLOW_CONSUMER).await;
        until(&client, |state| !state.is_online()).await;
    }
}

/// The close comes before the delay is over, as from a real server: what is left of the delay
/// is waited for, and what was sent meanwhile is stored once.
#[tokio::test]
async fn a_server_that_closes_within_its_own_delay_loses_and_doubles_nothing() {
    let (server, scope) = (FakeServer::start().await, Shutdown::new());
    let (client, mut events, mut socket) = logged_in(&server, &scope).await;
    let script = async {
        socket
            .push("reconnect", json!({"delayMs": 400, "reason": "drain"}))
            .await;
        let (id, first) = socket.expect("chat").await;
        socket.close(close_code::RESTART).await;
        drop(id);
        let Some(Event::Disconnected { retry_in, .. }) = within(events.recv()).await else {
            panic!("still connected")
        };
        assert!(retry_in > Duration::ZERO && retry_in <= Duration::from_millis(400));
        let (mut socket, id, _) = server.next_login().await;
        socket.let_in(&id, "token 2", room_summary(11)).await;
        let mut again = socket.expect_any().await;
        if again.action == "sync" {
            again = socket.expect_any().await;
        }
        assert_eq!((again.action.as_str(), &again.data), ("chat", &first));
        socket.ack(&again.id, 11, true).await;
        socket
    };
    let (ack, _socket) = tokio::join!(client.send(room(), "hi"), script);
    assert!(ack.unwrap().duplicate);
}

#[tokio::test]
async fn a_server_that_is_left_still_gives_its_answers() {
    let (server, scope) = (FakeServer::start().await, Shutdown::new());
    let (client, _events, mut socket) = logged_in(&server, &scope).await;
    let script = async {
        let (id, _) = socket.expect("chat").await;
        socket
            .push("reconnect", json!({"delayMs": 0, "reason": "drain"}))
            .await;
        until(&client, |state| {
            matches!(state, ConnectionState::Draining { .. })
        })
        .await;
        socket.ack(&id, 11, false).await;
        assert_eq!(socket.expect_close().await, 1000);
    };
    let (ack, ()) = tokio::join!(client.send(room(), "hi"), script);
    assert!(!ack.unwrap().duplicate);
}

static SLEPT_MS: AtomicU64 = AtomicU64::new(0);

fn wall_clock() -> u64 {
    clock::unix_ms() + SLEPT_MS.load(Ordering::Relaxed)
}

/// The machine sleeps, and the socket is dead when it wakes: a moment later there is another.
/// A server that answers keeps its connection. (Each test has a process of its own.)
#[tokio::test]
async fn after_a_sleep_the_connection_is_tried_and_replaced_if_it_is_dead() {
    let (server, scope) = (FakeServer::start().await, Shutdown::new());
    let credentials = Credentials::Open(alice());
    let builder = Client::builder(server.gateway_url(), credentials).wall_clock(wall_clock);
    let (client, _events) = builder.start(&scope);
    let (mut socket, id, _) = server.next_login().await;
    socket.let_in(&id, "token 1", room_summary(10)).await;
    within(client.connected()).await;

    SLEPT_MS.fetch_add(3_600_000, Ordering::Relaxed);
    let (id, _) = socket.expect("ping").await;
    socket.reply(&id, "pong", json!({"serverTimeMs": 1})).await;
    let script = async {
        let (id, _) = socket.expect("ping").await;
        socket.reply(&id, "pong", json!({"serverTimeMs": 2})).await;
    };
    let (pong, ()) = tokio::join!(client.request(Ping {}), script);
    assert_eq!(pong.unwrap().server_time_ms, 2);

    let woken = clock::now();
    SLEPT_MS.fetch_add(3_600_000, Ordering::Relaxed);
    socket.expect("ping").await;
    let (mut socket, id, _) = server.next_login().await;
    socket.let_in(&id, "token 2", room_summary(10)).await;
    within(client.connected()).await;
    assert!(woken.elapsed() < Duration::from_secs(9));
}

#[tokio::test]
async fn a_client_reconnects_when_it_is_asked_to() {
    let (server, scope) = (FakeServer::start().await, Shutdown::new());
    let (client, mut events, _socket) = logged_in(&server, &scope).await;
    client.reconnect().await;
    let Some(Event::Disconnected { reason, retry_in }) = within(events.recv()).await else {
        panic!("still connected")
    };
    assert!(matches!(reason, DisconnectReason::Asked(why) if why == RECONNECT_ASKED));
    assert_eq!(retry_in, Duration::ZERO);
    let (_socket, _id, login) = server.next_login().await;
    assert_eq!(login["resumeToken"], "token 1");
}

/// The wait is a minute; asked to, it ends at once.
#[tokio::test]
async fn a_wait_is_cut_short_when_the_owner_is_in_a_hurry() {
    let (server, scope) = (FakeServer::start().await, Shutdown::new());
    let (client, _events) = start(&server, &scope);
    let (mut socket, id, _) = server.next_login().await;
    let body = json!({
        "code": 503, "message": "later", "ext": "overloaded", "retryable": true,
        "retryAfterMs": 60_000,
    });
    socket.reply(&id, "error", body).await;
    until(&client, |state| {
        matches!(state, ConnectionState::Waiting { .. })
    })
    .await;
    // Asked again and again: the state is told a moment before the wait begins.
    let hurry = async {
        loop {
            client.reconnect().await;
            clock::sleep(Duration::from_millis(5)).await;
        }
    };
    let (mut socket, id, _) = tokio::select! {
        login = server.next_login() => login,
        () = hurry => unreachable!("it has no end"),
    };
    socket.let_in(&id, "token 1", room_summary(10)).await;
    assert!(within(client.connected()).await);
}

/// The gateway's list may be older than the server's end.
#[tokio::test]
async fn a_server_that_cannot_be_reached_is_not_tried_again_while_there_are_others() {
    let (gone, other, scope) = (
        FakeServer::start().await,
        FakeServer::start().await,
        Shutdown::new(),
    );
    let (client, _events) = start(&gone, &scope);
    let refused = async {
        gone.answer_gateway().await;
        gone.refuse().await;
        gone.answer_gateway_with_others(&[other.entry()]).await;
        let mut socket = other.accept().await;
        socket.answer_hello().await;
        let (id, _) = socket.expect("login").await;
        socket.let_in(&id, "token 1", room_summary(10)).await;
        socket
    };
    let (online, _socket) = tokio::join!(within(client.connected()), refused);
    assert!(online);
}
