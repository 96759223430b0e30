//! A scripted server for tests: a gateway and a WebSocket listener whose every frame the
//! test reads and answers.

use std::time::Duration;

use antiphon_core::clock;
use antiphon_protocol::client::Limits;
use antiphon_protocol::close_code::CloseCode;
use antiphon_protocol::limits::SUBPROTOCOL;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as SocketMessage;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use antiphon_protocol::gateway::ServerEntry;

use crate::gateway::GatewayUrl;

const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct FakeServer {
    gateway: TcpListener,
    listener: TcpListener,
}

impl FakeServer {
    pub(crate) async fn start() -> Self {
        let bind = || TcpListener::bind("127.0.0.1:0");
        Self {
            gateway: bind().await.unwrap(),
            listener: bind().await.unwrap(),
        }
    }

    pub(crate) fn gateway_url(&self) -> GatewayUrl {
        GatewayUrl::parse(&self.gateway.local_addr().unwrap().to_string()).unwrap()
    }

    pub(crate) fn entry(&self) -> ServerEntry {
        let address = self.listener.local_addr().unwrap();
        ServerEntry {
            name: "s1".into(),
            host: address.ip().to_string(),
            port: address.port(),
        }
    }

    /// Answers one look-up at the gateway.
    pub(crate) async fn answer_gateway(&self) {
        let (mut stream, _) = within(self.gateway.accept()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let body = serde_json::to_string(&self.entry()).unwrap();
        Self::answer(&mut stream, &body).await;
    }

    /// Answers the next look-up with this server, and, as it is asked for others, the one after
    /// that with all.
    pub(crate) async fn answer_gateway_with_others(&self, others: &[ServerEntry]) {
        self.answer_gateway().await;
        let (mut stream, _) = within(self.gateway.accept()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"GET /servers "));
        let ranked = |entry: &ServerEntry| {
            let mut ranked = serde_json::to_value(entry).unwrap();
            ranked["connections"] = 0.into();
            ranked["weight"] = 1.into();
            ranked
        };
        let servers: Vec<_> = [self.entry()].iter().chain(others).map(ranked).collect();
        let list = serde_json::json!({
            "servers": servers, "generatedAt": 1, "ageSeconds": 0, "expiresInMs": 1_000,
        });
        Self::answer(&mut stream, &list.to_string()).await;
    }

    async fn answer(stream: &mut TcpStream, body: &str) {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all((head + body).as_bytes()).await.unwrap();
    }

    /// Ends the next connection before the handshake.
    pub(crate) async fn refuse(&self) {
        drop(within(self.listener.accept()).await.unwrap());
    }

    pub(crate) async fn accept(&self) -> FakeSocket {
        let (stream, _) = within(self.listener.accept()).await.unwrap();
        let socket = tokio_tungstenite::accept_hdr_async(stream, agree)
            .await
            .unwrap();
        FakeSocket { socket }
    }

    /// The next connection, through the gateway, after `hello`; and what it logs in with.
    pub(crate) async fn next_login(&self) -> (FakeSocket, Value, Value) {
        self.answer_gateway().await;
        let mut socket = self.accept().await;
        socket.answer_hello().await;
        let (id, login) = socket.expect("login").await;
        (socket, id, login)
    }
}

#[expect(
    clippy::result_large_err,
    clippy::unnecessary_wraps,
    reason = "the callback's shape"
)]
fn agree(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    assert_eq!(request.headers()["sec-websocket-protocol"], SUBPROTOCOL);
    response
        .headers_mut()
        .insert("sec-websocket-protocol", SUBPROTOCOL.parse().unwrap());
    Ok(response)
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    clock::timeout(PATIENCE, future)
        .await
        .expect("it happens in time")
}

#[derive(Debug, serde::Deserialize)]
pub(crate) struct FakeRequest {
    pub(crate) id: Value,
    pub(crate) action: String,
    pub(crate) data: Value,
}

pub(crate) struct FakeSocket {
    socket: WebSocketStream<TcpStream>,
}

impl FakeSocket {
    /// The next request, which must be of this action: its id and its data.
    pub(crate) async fn expect(&mut self, action: &str) -> (Value, Value) {
        let request = self.expect_any().await;
        assert_eq!(request.action, action, "{}", request.data);
        (request.id, request.data)
    }

    /// The next request, whatever it is.
    pub(crate) async fn expect_any(&mut self) -> FakeRequest {
        loop {
            let frame = within(self.socket.next()).await.expect("a frame").unwrap();
            if let SocketMessage::Text(text) = frame {
                return serde_json::from_str(text.as_str()).unwrap();
            }
        }
    }

    pub(crate) async fn push(&mut self, action: &str, data: Value) {
        self.write(&json!({"action": action, "data": data})).await;
    }

    pub(crate) async fn reply(&mut self, re: &Value, action: &str, data: Value) {
        self.write(&json!({"re": re, "action": action, "data": data}))
            .await;
    }

    pub(crate) async fn write(&mut self, frame: &Value) {
        self.write_text(frame.to_string()).await;
    }

    pub(crate) async fn write_text(&mut self, text: String) {
        self.socket.send(SocketMessage::text(text)).await.unwrap();
    }

    pub(crate) async fn ping(&mut self) {
        self.socket
            .send(SocketMessage::Ping(Vec::new().into()))
            .await
            .unwrap();
    }

    pub(crate) async fn close(&mut self, code: CloseCode) {
        let frame = CloseFrame {
            code: code.code.into(),
            reason: code.reason.into(),
        };
        self.socket.close(Some(frame)).await.unwrap();
    }

    /// Reads up to the client's next ping.
    pub(crate) async fn expect_ping(&mut self) {
        loop {
            match within(self.socket.next()).await {
                Some(Ok(SocketMessage::Ping(_))) => return,
                Some(Ok(_)) => {}
                other => panic!("no ping: {other:?}"),
            }
        }
    }

    /// The code that the client closes with.
    pub(crate) async fn expect_close(&mut self) -> u16 {
        loop {
            match within(self.socket.next()).await {
                Some(Ok(SocketMessage::Close(Some(frame)))) => return frame.code.into(),
                Some(Ok(_)) => {}
                other => panic!("no close frame: {other:?}"),
            }
        }
    }

    pub(crate) async fn answer_hello(&mut self) {
        let (id, _) = self.expect("hello").await;
        self.reply_hello(&id).await;
    }

    pub(crate) async fn reply_hello(&mut self, id: &Value) {
        let limits: Limits = serde_json::from_value(json!({
            "frameBytesMax": 65536, "messageCharsMax": 8000, "ratePerSecond": 10000, "rateBurst": 10000,
            "nameCharsMax": 32, "clientIdBytesMax": 64, "pageMax": 500, "syncCursorsMax": 1000,
            "roomsPerUserMax": 100, "inFlightMax": 64, "passwordCharsMin": 8,
            "loginTimeoutMs": 10000,
        }))
        .unwrap();
        let hello = json!({
            "version": 1, "serverName": "s1", "limits": limits, "pingIntervalMs": 25000,
            "serverTimeMs": 1,
        });
        self.reply(id, "hello", hello).await;
    }

    pub(crate) async fn let_in(&mut self, id: &Value, token: &str, conversations: Value) {
        let login = json!({
            "username": "alice", "sessionId": "s", "resumeToken": token, "logId": "log",
            "conversations": conversations,
        });
        self.reply(id, "login", login).await;
    }

    pub(crate) async fn ack(&mut self, id: &Value, seq: u64, duplicate: bool) {
        let ack = json!({
            "conversation": "room:a", "seq": seq, "messageId": format!("m{seq}"), "ts": 1,
            "durability": "stored", "duplicate": duplicate,
        });
        self.reply(id, "ack", ack).await;
    }
}

/// The data of a delivery in the room `a`.
pub(crate) fn delivery(seq: u64) -> Value {
    json!({
        "from": "bob", "roomName": "a", "message": format!("text {seq}"), "ts": seq,
        "format": "text", "conversation": "room:a", "seq": seq, "messageId": format!("m{seq}"),
    })
}

pub(crate) fn room_summary(last_seq: u64) -> Value {
    json!([{"name": "room:a", "kind": "room", "lastSeq": last_seq, "readSeq": 0, "unread": 0}])
}
