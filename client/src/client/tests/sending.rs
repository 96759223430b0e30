use futures_util::FutureExt;
use futures_util::future::join_all;

use super::*;

/// Polls each send once, in order, so that all are queued.
fn queued(
    client: &Client,
    texts: &[&'static str],
) -> Vec<impl Future<Output = Result<Ack, SendError>> + use<>> {
    let send = |text: &&'static str| {
        let (client, text) = (client.clone(), *text);
        let id = ClientId::parse(text).unwrap();
        let mut sending = Box::pin(async move { client.send_with_id(room(), text, id).await });
        assert!(sending.as_mut().now_or_never().is_none());
        sending
    };
    texts.iter().map(send).collect()
}

/// The next `chat`: its request's id, and the message with what it names.
async fn next_chat(socket: &mut FakeSocket) -> (Value, String) {
    let (id, data) = socket.expect("chat").await;
    let text = data["message"].as_str().unwrap();
    assert_eq!(data["clientId"], text);
    let named = match data["after"].as_str() {
        Some(after) => format!("{text} after {after}"),
        None => text.to_owned(),
    };
    (id, named)
}

async fn refuse(socket: &mut FakeSocket, id: &Value, ext: &str, retryable: bool) {
    let body = json!({
        "code": 409, "message": "no", "ext": ext, "retryable": retryable, "retryAfterMs": 10,
    });
    socket.reply(id, "error", body).await;
}

#[tokio::test]
async fn many_are_on_their_way_and_a_refusal_rewinds_to_the_first() {
    let (server, scope) = (FakeServer::start().await, Shutdown::new());
    let (client, _events, mut socket) = logged_in(&server, &scope).await;
    let sends = queued(&client, &["a", "b", "c"]);
    let script = async {
        let (a, first) = next_chat(&mut socket).await;
        let (b, second) = next_chat(&mut socket).await;
        let (c, third) = next_chat(&mut socket).await;
        assert_eq!([first, second, third], ["a", "b after a", "c after b"]);
        refuse(&mut socket, &a, "overloaded", true).await;
        for id in [b, c] {
            refuse(&mut socket, &id, "predecessor_missing", true).await;
        }
        // All three again, before any of them is answered.
        let mut ids = Vec::new();
        for expected in ["a", "b after a", "c after b"] {
            let (id, named) = next_chat(&mut socket).await;
            assert_eq!(named, expected);
            ids.push(id);
        }
        for (id, seq) in ids.iter().zip(11..) {
            socket.ack(id, seq, false).await;
        }
    };
    let (acks, ()) = tokio::join!(join_all(sends), script);
    let seqs: Vec<u64> = acks.into_iter().map(|ack| ack.unwrap().seq).collect();
    assert_eq!(seqs, [11, 12, 13]);
}

#[tokio::test]
async fn a_lost_connection_replays_all_that_was_on_its_way_in_order() {
    let (server, scope) = (FakeServer::start().await, Shutdown::new());
    let (client, _events, mut socket) = logged_in(&server, &scope).await;
    let sends = queued(&client, &["a", "b", "c"]);
    let script = async {
        let (a, _) = next_chat(&mut socket).await;
        next_chat(&mut socket).await;
        next_chat(&mut socket).await;
        socket.ack(&a, 11, false).await;
        // The second was stored, too, but nobody says so.
        socket.close(close_code::RESTART).await;
        let (mut socket, id, _) = server.next_login().await;
        socket.let_in(&id, "token 2", room_summary(10)).await;
        for (seq, expected, duplicate) in [(12, "b", true), (13, "c after b", false)] {
            let (id, named) = next_chat(&mut socket).await;
            assert_eq!(named, expected);
            socket.ack(&id, seq, duplicate).await;
        }
        socket
    };
    let (acks, _socket) = tokio::join!(join_all(sends), script);
    let acks: Vec<(u64, bool)> = acks
        .into_iter()
        .map(|ack| ack.map(|ack| (ack.seq, ack.duplicate)).unwrap())
        .collect();
    assert_eq!(acks, [(11, false), (12, true), (13, false)]);
}

/// A gap is filled although so much is being sent that the rate leaves nothing for it.
#[tokio::test]
async fn sends_give_way_to_a_sync_that_was_too_fast() {
    let (server, scope) = (FakeServer::start().await, Shutdown::new());
    let (client, _events, mut socket) = logged_in(&server, &scope).await;
    socket.push("chat", delivery(15)).await;
    let (id, _) = socket.expect("sync").await;
    let body = json!({
        "code": 429, "message": "too fast", "ext": "rate_limited", "retryable": true,
        "retryAfterMs": 300,
    });
    socket.reply(&id, "error", body).await;
    // The refusal has come before this is sent.
    let script = async {
        let (id, _) = socket.expect("ping").await;
        socket.reply(&id, "pong", json!({"serverTimeMs": 1})).await;
        let (id, _) = socket.expect("sync").await;
        socket
            .reply(&id, "sync", page(json!([]), json!([11, 12, 13, 14]), 15))
            .await;
        let (id, _) = socket.expect("chat").await;
        socket.ack(&id, 16, false).await;
    };
    let sent = async {
        client
            .request(antiphon_protocol::client::Ping {})
            .await
            .unwrap();
        client.send(room(), "hi").await
    };
    let (ack, ()) = tokio::join!(sent, script);
    assert_eq!(ack.unwrap().seq, 16);
}

#[tokio::test]
async fn a_final_refusal_is_told_and_those_behind_it_go_on() {
    let (server, scope) = (FakeServer::start().await, Shutdown::new());
    let (client, _events, mut socket) = logged_in(&server, &scope).await;
    let sends = queued(&client, &["a", "b"]);
    let script = async {
        let (a, _) = next_chat(&mut socket).await;
        let (b, _) = next_chat(&mut socket).await;
        refuse(&mut socket, &a, "invalid_field:message", false).await;
        refuse(&mut socket, &b, "predecessor_missing", true).await;
        let (b, named) = next_chat(&mut socket).await;
        assert_eq!(named, "b");
        socket.ack(&b, 11, false).await;
    };
    let (ends, ()) = tokio::join!(join_all(sends), script);
    assert!(matches!(ends[0], Err(SendError::Refused(_))));
    assert!(ends[1].is_ok());
}

#[tokio::test]
async fn a_dropped_send_is_queued_and_takes_effect_once() {
    let (server, scope) = (FakeServer::start().await, Shutdown::new());
    let (client, _events, mut socket) = logged_in(&server, &scope).await;
    drop(queued(&client, &["dropped"]));
    let kept = queued(&client, &["kept"]);
    let script = async {
        let (id, named) = next_chat(&mut socket).await;
        assert_eq!(named, "dropped");
        socket.ack(&id, 11, false).await;
        let (id, named) = next_chat(&mut socket).await;
        assert!(named.starts_with("kept"), "{named}");
        socket.ack(&id, 12, false).await;
    };
    let (acks, ()) = tokio::join!(join_all(kept), script);
    assert_eq!(acks[0].as_ref().unwrap().seq, 12);
}

/// More sends than a task may do in one turn, and than the queue to the client's task takes.
#[tokio::test]
async fn the_order_of_the_first_polls_is_kept_however_many_they_are() {
    let (server, scope) = (FakeServer::start().await, Shutdown::new());
    let builder = Client::builder(server.gateway_url(), Credentials::Open(alice()));
    let (client, _events) = builder.queue_max(1_000).start(&scope);
    let count = crate::limits::COMMANDS_MAX + 150;
    let sends = (0..count).map(|number| client.send(room(), number.to_string()));
    let script = async {
        let (mut socket, id, _) = server.next_login().await;
        socket.let_in(&id, "token", room_summary(10)).await;
        for number in 0..count {
            let (id, data) = socket.expect("chat").await;
            assert_eq!(data["message"], number.to_string());
            socket.ack(&id, 11 + number as u64, false).await;
        }
    };
    let (acks, ()) = tokio::join!(join_all(sends), script);
    assert!(acks.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_send_that_was_never_polled_is_not_sent() {
    let (server, scope) = (FakeServer::start().await, Shutdown::new());
    let (client, _events, mut socket) = logged_in(&server, &scope).await;
    drop(client.send(room(), "never"));
    let script = async {
        let (id, data) = socket.expect("chat").await;
        assert_eq!(data["message"], "first");
        socket.ack(&id, 11, false).await;
    };
    let (ack, ()) = tokio::join!(client.send(room(), "first"), script);
    assert_eq!(ack.unwrap().seq, 11);
}

#[tokio::test]
async fn the_offline_queue_has_the_builder_s_bound_and_is_sent_in_order_later() {
    let (server, scope) = (FakeServer::start().await, Shutdown::new());
    let builder = Client::builder(server.gateway_url(), Credentials::Open(alice()));
    let (client, _events) = builder.queue_max(2).start(&scope);
    let sends = queued(&client, &["a", "b"]);
    let full = within(client.send(room(), "c")).await;
    assert_eq!(full, Err(SendError::QueueFull));
    let script = async {
        let (mut socket, id, _) = server.next_login().await;
        socket.let_in(&id, "token", room_summary(10)).await;
        for (seq, expected) in [(11, "a"), (12, "b after a")] {
            let (id, named) = next_chat(&mut socket).await;
            assert_eq!(named, expected);
            socket.ack(&id, seq, false).await;
        }
        socket
    };
    let (acks, _socket) = tokio::join!(join_all(sends), script);
    assert!(acks.iter().all(Result::is_ok));
}

/// An app that waits for its sends where it should read events: neither hangs for ever.
#[tokio::test]
async fn a_full_event_buffer_holds_up_no_answer_that_has_come() {
    let (server, scope) = (FakeServer::start().await, Shutdown::new());
    let builder = Client::builder(server.gateway_url(), Credentials::Open(alice()));
    let (client, mut events) = builder.event_buffer(1).start(&scope);
    let script = async {
        let (mut socket, id, _) = server.next_login().await;
        socket.let_in(&id, "token", room_summary(10)).await;
        let (id, _) = socket.expect("chat").await;
        for seq in 11..20 {
            socket.push("chat", delivery(seq)).await;
        }
        socket.ack(&id, 20, false).await;
        socket
    };
    let (ack, _socket) = tokio::join!(within(client.send(room(), "hi")), script);
    assert_eq!(ack.unwrap().seq, 20);
    let mut seen = Vec::new();
    while seen.len() < 9 {
        if let Event::Message(message) = within(events.recv()).await.unwrap() {
            seen.push(message.seq);
        }
    }
    assert_eq!(seen, (11..20).collect::<Vec<u64>>());
}

#[tokio::test]
async fn a_message_keeps_its_format() {
    let (server, scope) = (FakeServer::start().await, Shutdown::new());
    let (client, _events, mut socket) = logged_in(&server, &scope).await;
    let id = ClientId::parse("wave").unwrap();
    let sending = client.send_in_format(room(), "waves", "emote", id);
    let arrives = async { socket.expect("chat").await.1 };
    let chat = tokio::select! {
        outcome = sending => panic!("nobody answered: {outcome:?}"),
        chat = arrives => chat,
    };
    assert_eq!(chat["format"], "emote");
    assert_eq!(chat["message"], "waves");
}

/// A message that is due while the client leaves is the next connection's; until the last
/// answer is there, nothing is to be done.
#[tokio::test]
async fn a_client_that_is_leaving_waits_and_does_not_spin() {
    const DUE_MS: u64 = 20;
    let polls = || {
        let metrics = tokio::runtime::Handle::current().metrics();
        metrics.worker_poll_count(0)
    };
    let (server, scope) = (FakeServer::start().await, Shutdown::new());
    let (client, _events, mut socket) = logged_in(&server, &scope).await;
    let sends = queued(&client, &["a-message-to-answer", "a-message-refused"]);
    let (answered, _) = next_chat(&mut socket).await;
    let (refused, _) = next_chat(&mut socket).await;
    let body = json!({
        "code": 429, "message": "too fast", "ext": "rate_limited", "retryable": true,
        "retryAfterMs": DUE_MS,
    });
    socket.reply(&refused, "error", body).await;
    socket
        .push("reconnect", json!({"delayMs": 0, "reason": "drain"}))
        .await;
    let leaving = |state: &ConnectionState| matches!(state, ConnectionState::Draining { .. });
    within(client.states().wait_for(leaving)).await.unwrap();
    clock::sleep(Duration::from_millis(2 * DUE_MS)).await;
    let before = polls();
    clock::sleep(Duration::from_millis(10 * DUE_MS)).await;
    let polled = polls() - before;
    assert!(polled < 100, "{polled} polls while nothing happened");
    socket.ack(&answered, 11, false).await;
    assert_eq!(socket.expect_close().await, 1000);
    drop(sends);
}
