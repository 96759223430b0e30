mod sessions;

use std::time::Duration;

use antiphon_core::dispatcher::{CommandHandler, Dispatcher, Handler};
use antiphon_core::net::ClusterKey;
use antiphon_core::task::{self, Handle, TaskKind};
use antiphon_core::words::Words;
use antiphon_protocol::client::{Command, Ping};
use antiphon_protocol::{ClientCommand, ConnectionId};
use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::{Notify, mpsc};
use tokio_tungstenite::tungstenite::protocol::Role;

use super::*;
use crate::server::command::{self, CommandResult, Session, not_authenticated};
use crate::server::interceptor::TokenBucket;
use crate::server::listener::websocket_config;
use crate::server::node::Node;
use crate::server::session::Outbound;
use crate::server::tests::support::{Stores, stores};
use crate::server::{AuthMode, Settings, build};

/// What a socket holds between its ends.
const BUFFER: usize = 64 * 1024;
const PING: &str = r#"{"id":1,"action":"ping"}"#;
const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;

/// A server without sockets. Where time stands still, no command that needs the store is sent.
struct Fixture {
    stores: Stores,
    node: Arc<Node>,
    dispatcher: Arc<CommandDispatcher>,
    workers: Shutdown,
    _stored: mpsc::Receiver<crate::server::room::Stored>,
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.workers.stop();
    }
}

async fn fixture_with(tune: fn(&mut Settings), dispatcher: CommandDispatcher) -> Fixture {
    let fixture = fixture_of(stores().await, tune, dispatcher);
    tokio::time::pause();
    fixture
}

/// With these stores, and with time that passes.
fn fixture_of(stores: Stores, tune: fn(&mut Settings), dispatcher: CommandDispatcher) -> Fixture {
    let workers = Shutdown::new();
    let mut settings = Settings::new("n1", ClusterKey::random());
    // Nobody is asked for a password.
    settings.auth_mode = AuthMode::Open;
    tune(&mut settings);
    let (stored_tx, stored) = mpsc::channel(1);
    let words = Arc::new(Words::builtin());
    let backends = stores.backends.clone();
    Fixture {
        node: Arc::new(build(settings, backends, words, stored_tx, &workers)),
        stores,
        dispatcher: Arc::new(dispatcher),
        workers,
        _stored: stored,
    }
}

async fn fixture() -> Fixture {
    fixture_with(|_| {}, command::dispatcher()).await
}

impl Fixture {
    async fn connect(&self) -> Client {
        self.connect_as(None, BUFFER).await
    }

    async fn connect_as(&self, session: Option<Session>, buffer: usize) -> Client {
        let (stream, server) = tokio::io::duplex(buffer);
        let settings = &self.node.settings;
        let outbound = Outbound::new(settings.outbound_bytes_max, settings.outbound_frames_max);
        let outbound = Arc::new(outbound);
        let caller = Caller {
            node: Arc::clone(&self.node),
            connection: ConnectionId(1),
            address: std::net::Ipv4Addr::LOCALHOST.into(),
            outbound: Arc::clone(&outbound),
            session,
            re: None,
            login_failures: 0,
            bucket: TokenBucket::new(settings.messages_per_second, settings.message_burst),
            body_hash: [0; 16],
        };
        let config = Some(websocket_config());
        let server = Paced::new(server);
        let socket = WebSocketStream::from_raw_socket(server, Role::Server, config).await;
        let scope = Shutdown::new();
        let dispatcher = Arc::clone(&self.dispatcher);
        let connection = Connection::new(socket, caller, dispatcher, scope.clone());
        Client {
            stream,
            outbound,
            served: task::spawn(&scope, TaskKind::Connection, connection.run()),
            scope,
            began: clock::now(),
        }
    }
}

/// A masked frame.
fn frame(first_byte: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("a short frame");
    let mut bytes = vec![first_byte, 0x80 | 126];
    bytes.extend(length.to_be_bytes());
    // The mask of nought changes nothing.
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

/// The other end: it answers neither pings nor close frames.
struct Client {
    stream: DuplexStream,
    outbound: Arc<Outbound>,
    served: Handle<()>,
    scope: Shutdown,
    began: Instant,
}

impl Client {
    async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    async fn text(&mut self, text: &str) {
        self.write(&frame(TEXT, text.as_bytes())).await;
    }

    /// The next frame; `None` at the end.
    async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        read_frame(&mut self.stream).await
    }

    /// The next text.
    async fn json(&mut self) -> Value {
        loop {
            let (opcode, payload) = self.frame().await.expect("a frame");
            assert_ne!(opcode, 8, "closed: {payload:?}");
            if opcode == 1 {
                return serde_json::from_slice(&payload).unwrap();
            }
        }
    }

    /// The close code, and after how many seconds it came; `None` without a close frame.
    async fn closed(&mut self) -> (Option<u16>, u64) {
        let code = read_code(&mut self.stream).await;
        (code, self.began.elapsed().as_secs())
    }

    /// The task is over too.
    async fn ended(self) {
        self.served.await.unwrap().expect("no panic leaves it");
    }
}

async fn read_frame(stream: &mut (impl AsyncRead + Unpin)) -> Option<(u8, Vec<u8>)> {
    let opcode = stream.read_u8().await.ok()? & 0x0f;
    let length = match stream.read_u8().await.ok()? {
        126 => u64::from(stream.read_u16().await.ok()?),
        127 => stream.read_u64().await.ok()?,
        short => u64::from(short),
    };
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut payload).await.ok()?;
    Some((opcode, payload))
}

async fn read_code(stream: &mut (impl AsyncRead + Unpin)) -> Option<u16> {
    loop {
        let (opcode, payload) = read_frame(stream).await?;
        if opcode == 8 {
            return Some(u16::from_be_bytes([payload[0], payload[1]]));
        }
    }
}

async fn seconds(count: u64) {
    clock::sleep(Duration::from_secs(count)).await;
}

/// Pitfall 18: what comes a byte at a time does not stay for ever.
#[tokio::test]
async fn a_message_that_does_not_end_is_closed() {
    let f = fixture().await;
    let mut client = f.connect().await;
    let slow = frame(TEXT, &[b' '; 200]);
    for byte in &slow[..29] {
        client.write(&[*byte]).await;
        seconds(1).await;
    }
    assert_eq!(client.closed().await, (Some(1008), 30));
    client.ended().await;
}

#[tokio::test]
async fn a_message_that_is_slow_but_ends_is_answered_and_the_next_has_its_own_time() {
    let f = fixture().await;
    let mut client = f.connect().await;
    for _ in 0..3 {
        let slow = frame(TEXT, PING.as_bytes());
        let (last, first) = slow.split_last().unwrap();
        client.write(first).await;
        seconds(20).await;
        client.write(&[*last]).await;
        assert_eq!(client.json().await["action"], "pong");
    }
}

/// Pitfall 18: a place is for who logs in; talking does not keep it.
#[tokio::test]
async fn who_does_not_log_in_in_time_is_closed() {
    let tune = |settings: &mut Settings| settings.auth_mode = AuthMode::Password;
    let f = fixture_with(tune, command::dispatcher()).await;
    let mut client = f.connect().await;
    seconds(9).await;
    client.text(PING).await;
    assert_eq!(client.json().await["action"], "pong");
    assert_eq!(client.closed().await, (Some(4408), 10));
    client.ended().await;
}

/// Pitfall 48: whoever answers no ping is gone, and any frame is an answer.
#[tokio::test]
async fn a_peer_that_answers_nothing_is_dead() {
    let f = fixture().await;
    let mut client = f.connect().await;
    for _ in 0..2 {
        let (opcode, _) = client.frame().await.unwrap();
        assert_eq!(opcode, 9);
        client.text(PING).await;
        assert_eq!(client.json().await["action"], "pong");
    }
    assert_eq!(client.began.elapsed().as_secs(), 50);
    assert_eq!(client.closed().await, (Some(4304), 50 + 25 + 8));
    client.ended().await;
}

/// Pitfall 18: a flood is refused, and after half a minute ended.
#[tokio::test]
async fn a_flood_is_ended_after_thirty_seconds() {
    let f = fixture().await;
    let client = f.connect().await;
    let (mut from, mut to) = tokio::io::split(client.stream);
    let flood = async {
        while to.write_all(&frame(TEXT, PING.as_bytes())).await.is_ok() {
            clock::sleep(Duration::from_millis(10)).await;
        }
    };
    let both = async { tokio::join!(read_code(&mut from), flood) };
    let ended = clock::timeout(Duration::from_secs(120), both).await;
    let (code, ()) = ended.expect("the flood ends");
    assert_eq!(code, Some(4303));
    // The burst lasts for its first moments.
    assert!((30..35).contains(&client.began.elapsed().as_secs()));
}

#[tokio::test]
async fn who_sends_again_when_it_is_told_to_stays() {
    let f = fixture().await;
    let mut client = f.connect().await;
    let mut refused = 0;
    while client.began.elapsed() < Duration::from_secs(120) {
        client.text(PING).await;
        let reply = client.json().await;
        if reply["action"] == "error" {
            refused += 1;
            let wait = reply["data"]["retryAfterMs"].as_u64().unwrap();
            clock::sleep(Duration::from_millis(wait)).await;
        }
    }
    assert!(refused > 1_000, "{refused}");
}

/// What was asked before is answered; then there is nobody to tell a close code.
#[tokio::test]
async fn a_half_closed_socket_is_answered_and_ends() {
    let f = fixture().await;
    let mut client = f.connect().await;
    client.text(PING).await;
    client.text(PING).await;
    client.stream.shutdown().await.unwrap();
    assert_eq!(client.json().await["action"], "pong");
    assert_eq!(client.json().await["action"], "pong");
    assert_eq!(client.closed().await, (None, 0));
    client.ended().await;
}

/// Pitfall 17: the header is enough; nothing of that length is waited for.
#[tokio::test]
async fn an_oversize_frame_is_refused_at_its_header() {
    let f = fixture().await;
    let mut client = f.connect().await;
    let mut header = vec![TEXT, 0x80 | 127];
    header.extend(65_537_u64.to_be_bytes());
    header.extend([0; 4]);
    client.write(&header).await;
    assert_eq!(client.closed().await, (Some(1009), 0));
    client.ended().await;
}

#[tokio::test]
async fn a_binary_frame_is_refused() {
    let f = fixture().await;
    let mut client = f.connect().await;
    client.write(&frame(BINARY, PING.as_bytes())).await;
    assert_eq!(client.closed().await, (Some(1003), 0));
    client.ended().await;
}

/// Pitfall 112: whatever it is doing, the client is told to come back.
#[tokio::test]
async fn a_stop_in_the_middle_of_a_write_ends_after_it() {
    let f = fixture().await;
    let mut client = f.connect_as(None, 1_024).await;
    let event = json!({"action": "chat", "data": "x".repeat(40_000)}).to_string();
    client.outbound.push(event.clone().into());
    seconds(1).await;
    client.scope.stop();
    seconds(1).await;
    assert!(!client.served.is_finished());
    assert_eq!(client.json().await.to_string(), event);
    let hint = client.json().await;
    assert_eq!(hint["action"], "reconnect");
    assert_eq!(hint["data"]["reason"], "drain");
    assert!(hint["data"]["delayMs"].as_u64().unwrap() < 2_000);
    assert_eq!(client.closed().await.0, Some(1012));
    client.ended().await;
}

/// Answers `ping` when it is told to.
struct Waits(Arc<Notify>);

#[async_trait]
impl CommandHandler<Caller, Ping, Answer, ErrorBody> for Waits {
    async fn handle(&self, _: &mut Caller, _: Ping) -> CommandResult {
        self.0.notified().await;
        Ok(Answer::Now("\"done\"".into()))
    }
}

struct Refuses;

#[async_trait]
impl Handler<Caller, ClientCommand, Answer, ErrorBody> for Refuses {
    async fn call(&self, _: &mut Caller, _: ClientCommand) -> CommandResult {
        Err(not_authenticated())
    }
}

fn with_ping(
    handler: impl CommandHandler<Caller, Ping, Answer, ErrorBody> + 'static,
) -> CommandDispatcher {
    Dispatcher::new(Refuses).on::<Ping>(Ping::ACTION, handler)
}

#[tokio::test]
async fn a_command_at_work_is_answered_before_the_end() {
    let release = Arc::new(Notify::new());
    let f = fixture_with(|_| {}, with_ping(Waits(Arc::clone(&release)))).await;
    let mut client = f.connect().await;
    client.text(PING).await;
    seconds(1).await;
    client.scope.stop();
    seconds(1).await;
    release.notify_one();
    assert_eq!(client.json().await, "done");
    assert_eq!(client.json().await["action"], "reconnect");
    assert_eq!(client.closed().await.0, Some(1012));
    client.ended().await;
}

/// While a command runs the client is written to, but nothing more of it is read.
#[tokio::test]
async fn deliveries_pass_a_command_at_work() {
    let release = Arc::new(Notify::new());
    let f = fixture_with(|_| {}, with_ping(Waits(Arc::clone(&release)))).await;
    let mut client = f.connect().await;
    client.text(PING).await;
    client.text("not json").await;
    seconds(1).await;
    client.outbound.push("\"delivery\"".into());
    assert_eq!(client.json().await, "delivery");
    release.notify_one();
    assert_eq!(client.json().await, "done");
    assert_eq!(client.json().await["data"]["ext"], "bad_json");
}

/// Pitfalls 1 and 6: junk costs an error, and much of it the connection.
#[tokio::test]
async fn malformed_frames_are_forgiven_when_they_are_few() {
    let f = fixture().await;
    let mut client = f.connect().await;
    for _ in 0..12 {
        client.text("not json").await;
        assert_eq!(client.json().await["data"]["ext"], "bad_json");
        seconds(4).await;
    }
    client.text(PING).await;
    assert_eq!(client.json().await["action"], "pong");
    seconds(10).await;
    for _ in 0..=ERRORS_FORGIVEN {
        client.text("not json").await;
        assert_eq!(client.json().await["data"]["ext"], "bad_json");
    }
    assert_eq!(client.closed().await.0, Some(4400));
    client.ended().await;
}

/// Pitfall 19: what waits for a reader has a bound.
#[tokio::test]
async fn a_reader_that_stands_still_is_closed_when_its_queue_is_full() {
    let f = fixture().await;
    let mut client = f.connect_as(None, 1_024).await;
    let event = json!({"action": "chat", "data": "x".repeat(40_000)}).to_string();
    let mut queued = 0;
    loop {
        if !client.outbound.push(event.clone().into()) {
            break;
        }
        queued += event.len();
        assert!(queued <= f.node.settings.outbound_bytes_max + FLUSH_BYTES + event.len());
        tokio::task::yield_now().await;
    }
    assert_eq!(client.closed().await, (Some(4300), 0));
    client.ended().await;
}

/// Pitfall 19, with a queue that does not fill: a write does not stand still for ever.
#[tokio::test]
async fn a_write_that_stands_still_is_given_up() {
    let f = fixture().await;
    let client = f.connect_as(None, 1_024).await;
    let event = json!({"action": "chat", "data": "x".repeat(40_000)}).to_string();
    client.outbound.push(event.into());
    let began = client.began;
    client.ended().await;
    let given = (WRITE_TIMEOUT + CLOSE_TIMEOUT).as_secs_f64();
    assert_eq!(began.elapsed().as_secs_f64().round(), given.round());
}
