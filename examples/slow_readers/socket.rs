//! A client that costs little: one WebSocket, logged in.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use antiphon_core::clock;
use antiphon_protocol::UserName;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

const READ_BUFFER_BYTES: usize = 16 * 1024;
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// What came.
pub(crate) enum Came {
    /// A frame.
    Frame(Utf8Bytes),
    /// The end, with its code if there was a close frame.
    End(Option<u16>),
}

/// One connection.
pub(crate) struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    /// Connects and logs in; what comes before the reply to the login is given to `early`.
    pub(crate) async fn login(
        addr: SocketAddr,
        name: &UserName,
        receive_buffer: u32,
        early: &mut impl FnMut(&str),
        refused: &AtomicU64,
    ) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        if receive_buffer > 0 {
            let set = socket.set_recv_buffer_size(receive_buffer);
            set.expect("the buffer can be set");
        }
        let stream = socket.connect(addr).await.expect("the server listens");
        stream.set_nodelay(true).expect("a fresh socket");
        let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER_BYTES);
        let url = format!("ws://{addr}/");
        let shaken = tokio_tungstenite::client_async_with_config(url, stream, Some(config));
        let mut socket = Self(shaken.await.expect("the handshake is accepted").0);
        let login = json!({"id": "in", "action": "login", "data": {"username": name}});
        let reply = socket.ask_on("in", &login, early, refused).await;
        let reply = reply.expect("the connection stays open");
        assert_eq!(reply["action"], "login", "{reply}");
        socket
    }

    /// As [`Socket::ask`], again and again while the server is too busy to answer; each refusal
    /// is counted.
    pub(crate) async fn ask_on(
        &mut self,
        id: &str,
        request: &Value,
        early: &mut impl FnMut(&str),
        refused: &AtomicU64,
    ) -> Option<Value> {
        loop {
            let reply = self.ask(id, request, early).await?;
            if reply["data"]["retryable"] != true {
                return Some(reply);
            }
            refused.fetch_add(1, Ordering::Relaxed);
            let hint = reply["data"]["retryAfterMs"].as_u64().unwrap_or(0);
            clock::sleep(Duration::from_millis(hint).max(RETRY_PAUSE)).await;
        }
    }

    /// Sends a request and gives its reply; what comes before is given to `early`. `None` if
    /// the connection ends.
    pub(crate) async fn ask(
        &mut self,
        id: &str,
        request: &Value,
        early: &mut impl FnMut(&str),
    ) -> Option<Value> {
        self.send(request.to_string()).await?;
        let answers = format!("{{\"re\":\"{id}\"");
        loop {
            match self.next().await {
                Came::Frame(text) if text.starts_with(&answers) => {
                    return Some(serde_json::from_str(&text).expect("the server sends JSON"));
                }
                Came::Frame(text) => early(&text),
                Came::End(_) => return None,
            }
        }
    }

    /// `None` if the connection is broken.
    pub(crate) async fn send(&mut self, frame: String) -> Option<()> {
        self.0.send(Message::text(frame)).await.ok()
    }

    /// The next frame or the end. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Came {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => return Came::Frame(text),
                Some(Ok(Message::Close(close))) => {
                    return Came::End(close.map(|close| close.code.into()));
                }
                Some(Ok(
                    Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_),
                )) => {}
                Some(Err(_)) | None => return Came::End(None),
            }
        }
    }
}
