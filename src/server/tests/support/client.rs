//! A WebSocket client that shows every frame.

use std::net::SocketAddr;

use antiphon_core::clock;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::PATIENCE;

pub(crate) struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    requests: u64,
    /// Frames that were no replies to the request waited for.
    pub(crate) seen: Vec<Value>,
}

/// The connection ended, with this close code if there was a close frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closed(pub(crate) Option<u16>);

impl Client {
    pub(crate) async fn connect(addr: SocketAddr) -> Option<Self> {
        let (socket, _) = connect_async(format!("ws://{addr}/")).await.ok()?;
        Some(Self {
            socket,
            requests: 0,
            seen: Vec::new(),
        })
    }

    /// Connects and logs in without a password; `None` if the server does not have it now.
    pub(crate) async fn try_login(addr: SocketAddr, name: &str) -> Option<Self> {
        let mut client = Self::connect(addr).await?;
        let reply = client.ask("login", json!({"username": name})).await.ok()?;
        (reply["action"] == "login").then_some(client)
    }

    pub(crate) async fn login(addr: SocketAddr, name: &str) -> Self {
        Self::try_login(addr, name).await.expect("a login")
    }

    pub(crate) async fn send(&mut self, action: &str, data: Value) -> Result<u64, Closed> {
        self.requests += 1;
        let id = self.requests;
        let frame = json!({"id": id, "action": action, "data": data});
        let sent = self.socket.send(Message::text(frame.to_string())).await;
        // The close frame that explains a failure is still to be read.
        let _ = sent;
        Ok(id)
    }

    pub(crate) async fn next(&mut self) -> Result<Value, Closed> {
        loop {
            let next = clock::timeout(PATIENCE, self.socket.next()).await;
            match next.expect("a frame in time") {
                Some(Ok(Message::Text(text))) => {
                    return Ok(serde_json::from_str(&text).expect("JSON"));
                }
                Some(Ok(Message::Close(frame))) => {
                    return Err(Closed(frame.map(|frame| frame.code.into())));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(Closed(None)),
            }
        }
    }

    pub(crate) async fn reply(&mut self, id: u64) -> Result<Value, Closed> {
        loop {
            let frame = self.next().await?;
            if frame["re"] == id {
                return Ok(frame);
            }
            self.seen.push(frame);
        }
    }

    pub(crate) async fn ask(&mut self, action: &str, data: Value) -> Result<Value, Closed> {
        let id = self.send(action, data).await?;
        self.reply(id).await
    }

    pub(crate) async fn say(&mut self, room: &str, id: &str, text: &str) -> Result<Value, Closed> {
        let data = json!({"roomName": room, "message": text, "clientId": id});
        self.ask("chat", data).await
    }

    /// Says it until it is acked; the reply.
    pub(crate) async fn say_until_acked(&mut self, room: &str, id: &str) -> Value {
        loop {
            let reply = self.say(room, id, id).await.expect("an open connection");
            if reply["action"] == "ack" {
                return reply;
            }
            assert_eq!(reply["data"]["retryable"], true, "{reply}");
        }
    }

    /// The next frame of that action; others are kept.
    pub(crate) async fn event(&mut self, action: &str) -> Value {
        if let Some(at) = self.seen.iter().position(|frame| frame["action"] == action) {
            return self.seen.remove(at);
        }
        loop {
            let frame = self.next().await.expect("an open connection");
            if frame["action"] == action {
                return frame;
            }
            self.seen.push(frame);
        }
    }

    /// Reads to the end; how it ended.
    pub(crate) async fn closed(&mut self) -> Closed {
        loop {
            match self.next().await {
                Ok(frame) => self.seen.push(frame),
                Err(closed) => return closed,
            }
        }
    }
}
