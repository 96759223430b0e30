//! A WebSocket client that keeps everything it is sent, in order.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use antiphon_core::clock;
use antiphon_protocol::ServerFrame;
use antiphon_protocol::codec::decode_server_frame;
use antiphon_protocol::id::RequestId;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::{DEADLINE, wait_until};

/// The password of every user that the tests make.
pub(crate) const PASSWORD: &str = "correct horse battery";
const RETRIES_MAX: usize = 200;

/// How a connection ended; no code if there was no close frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Closed {
    pub(crate) code: Option<u16>,
    pub(crate) reason: String,
}

#[derive(Debug, Default)]
struct Inbox {
    /// By the `re` of the reply, as JSON.
    replies: HashMap<String, ServerFrame>,
    /// Everything without `re`.
    pushes: Vec<ServerFrame>,
    closed: Option<Closed>,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Client {
    sink: SplitSink<WebSocketStream<TcpStream>, Message>,
    inbox: Arc<Mutex<Inbox>>,
    changed: watch::Receiver<u64>,
    next_id: u64,
    // Ends with the client.
    _reader: JoinSet<()>,
}

async fn read(
    mut stream: SplitStream<WebSocketStream<TcpStream>>,
    inbox: Arc<Mutex<Inbox>>,
    changed: watch::Sender<u64>,
) {
    let closed = loop {
        match stream.next().await {
            Some(Ok(Message::Text(text))) => match decode_server_frame(text.as_str()) {
                Ok(frame) => {
                    let mut inbox = inbox.lock().unwrap();
                    match &frame.re {
                        Some(re) => drop(inbox.replies.insert(key(re), frame)),
                        None => inbox.pushes.push(frame),
                    }
                }
                Err(error) => {
                    break Closed {
                        code: None,
                        reason: format!("undecodable: {error}: {text}"),
                    };
                }
            },
            Some(Ok(Message::Close(Some(close)))) => {
                break Closed {
                    code: Some(close.code.into()),
                    reason: close.reason.to_string(),
                };
            }
            Some(Ok(
                Message::Ping(_)
                | Message::Pong(_)
                | Message::Binary(_)
                | Message::Frame(_)
                | Message::Close(None),
            )) => {}
            Some(Err(error)) => {
                break Closed {
                    code: None,
                    reason: error.to_string(),
                };
            }
            None => {
                break Closed {
                    code: None,
                    reason: "end of stream".to_owned(),
                };
            }
        }
        changed.send_modify(|count| *count += 1);
    };
    inbox.lock().unwrap().closed = Some(closed);
    changed.send_modify(|count| *count += 1);
}

fn key(id: &RequestId) -> String {
    serde_json::to_string(id).unwrap()
}

impl Client {
    pub(crate) async fn try_connect(addr: &str) -> Result<Self, String> {
        let stream = TcpStream::connect(addr).await.map_err(|e| e.to_string())?;
        stream.set_nodelay(true).unwrap();
        let handshake = tokio_tungstenite::client_async(format!("ws://{addr}/"), stream);
        let handshake = clock::timeout(DEADLINE, handshake)
            .await
            .map_err(|e| e.to_string())?;
        let (socket, _) = handshake.map_err(|e| e.to_string())?;
        let (sink, stream) = socket.split();
        let (changed_tx, changed) = watch::channel(0);
        let inbox = Arc::default();
        let mut reader = JoinSet::new();
        reader.spawn(read(stream, Arc::clone(&inbox), changed_tx));
        Ok(Self {
            sink,
            inbox,
            changed,
            next_id: 1,
            _reader: reader,
        })
    }

    pub(crate) async fn connect(addr: &str) -> Self {
        Self::try_connect(addr)
            .await
            .unwrap_or_else(|error| panic!("{addr}: {error}"))
    }

    /// Makes the user if it isn't there, and logs in.
    pub(crate) async fn join(addr: &str, username: &str) -> Self {
        let mut client = Self::connect(addr).await;
        let account = json!({"username": username, "password": PASSWORD});
        if let Err(error) = client.ask("register", account).await {
            assert_eq!(error["ext"], "name_taken", "register {username}: {error}");
        }
        client.login(username).await;
        client
    }

    /// Logs in by password; gives the reply.
    pub(crate) async fn login(&mut self, username: &str) -> Value {
        let data = json!({"username": username, "password": PASSWORD});
        self.ask("login", data)
            .await
            .unwrap_or_else(|e| panic!("login {username}: {e}"))
    }

    pub(crate) async fn send_raw(&mut self, text: &str) {
        self.sink
            .send(Message::text(text))
            .await
            .unwrap_or_else(|e| panic!("send: {e}"));
    }

    pub(crate) async fn try_send(&mut self, action: &str, data: &Value) -> Result<u64, String> {
        let id = self.next_id;
        self.next_id += 1;
        let text = json!({"id": id, "action": action, "data": data}).to_string();
        self.sink
            .send(Message::text(text))
            .await
            .map_err(|e| e.to_string())?;
        Ok(id)
    }

    /// Sends a request without waiting; [`Client::reply`] takes the number.
    pub(crate) async fn send(&mut self, action: &str, data: Value) -> u64 {
        self.try_send(action, &data)
            .await
            .unwrap_or_else(|e| panic!("{action}: {e}"))
    }

    /// The answer to a request; an error if the connection ends before.
    pub(crate) async fn try_reply(&mut self, id: u64) -> Result<ServerFrame, String> {
        let key = id.to_string();
        let what = format!("the reply to request {id}");
        self.wait(&what, DEADLINE, |inbox| {
            if let Some(frame) = inbox.replies.remove(&key) {
                return Some(Ok(frame));
            }
            inbox
                .closed
                .as_ref()
                .map(|closed| Err(format!("{closed:?}")))
        })
        .await
    }

    pub(crate) async fn reply(&mut self, id: u64) -> ServerFrame {
        self.try_reply(id)
            .await
            .unwrap_or_else(|e| panic!("the reply to request {id}: {e}"))
    }

    /// A request and its answer: (action, data).
    pub(crate) async fn request(&mut self, action: &str, data: Value) -> (String, Value) {
        let id = self.send(action, data).await;
        let frame = self.reply(id).await;
        (frame.action, frame.data)
    }

    /// The answer's data, or the error's. Retryable errors are retried as they say.
    pub(crate) async fn ask(&mut self, action: &str, data: Value) -> Result<Value, Value> {
        for _ in 0..RETRIES_MAX {
            let (answered, answer) = self.request(action, data.clone()).await;
            if answered != "error" {
                return Ok(answer);
            }
            if answer["retryable"] != true {
                return Err(answer);
            }
            let wait = answer["retryAfterMs"].as_u64().unwrap_or(100);
            clock::sleep(Duration::from_millis(wait)).await;
        }
        panic!("{action} is still refused after {RETRIES_MAX} tries");
    }

    /// The data of an answer that must not be an error.
    pub(crate) async fn ok(&mut self, action: &str, data: Value) -> Value {
        self.ask(action, data)
            .await
            .unwrap_or_else(|error| panic!("{action}: {error}"))
    }

    /// The `ext` of an answer that must be an error.
    pub(crate) async fn refused(&mut self, action: &str, data: Value) -> String {
        let (answered, answer) = self.request(action, data).await;
        assert_eq!(answered, "error", "{action} was not refused: {answer}");
        answer["ext"].as_str().unwrap().to_owned()
    }

    /// Says something in a room; gives the acknowledgment.
    pub(crate) async fn say(&mut self, room: &str, text: &str, client_id: &str) -> Value {
        let data = json!({"roomName": room, "message": text, "clientId": client_id});
        self.ok("chat", data).await
    }

    /// All of a conversation, page by page: (messages, sealed sequences).
    pub(crate) async fn history(&mut self, conversation: &str) -> (Vec<Value>, Vec<u64>) {
        let (mut messages, mut sealed, mut after) = (Vec::new(), Vec::new(), 0);
        loop {
            let data = json!({"conversation": conversation, "afterSeq": after, "limit": 500});
            let page = self.ok("history", data).await;
            assert_eq!(page["complete"], true, "{conversation}");
            let seqs = |list: &Value, read: fn(&Value) -> Option<u64>| -> Vec<u64> {
                list.as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(read)
                    .collect()
            };
            let here = seqs(&page["messages"], |message| message["seq"].as_u64());
            let marks = seqs(&page["sealed"], Value::as_u64);
            let top = here.iter().chain(&marks).max().copied();
            messages.extend(page["messages"].as_array().unwrap().iter().cloned());
            sealed.extend(marks);
            match top {
                Some(top) if page["more"] == true => after = top,
                _ => return (messages, sealed),
            }
        }
    }

    /// What came without `re`, so far.
    pub(crate) fn pushes(&self) -> Vec<ServerFrame> {
        self.inbox.lock().unwrap().pushes.clone()
    }

    /// The data of every `chat` delivery so far, in order.
    pub(crate) fn deliveries(&self) -> Vec<Value> {
        let inbox = self.inbox.lock().unwrap();
        let chats = inbox.pushes.iter().filter(|frame| frame.action == "chat");
        chats.map(|frame| frame.data.clone()).collect()
    }

    /// The first push, now or later, that `wanted` accepts.
    pub(crate) async fn next_matching(
        &mut self,
        what: &str,
        deadline: Duration,
        wanted: impl Fn(&ServerFrame) -> bool,
    ) -> ServerFrame {
        self.wait(what, deadline, |inbox| {
            inbox.pushes.iter().find(|f| wanted(f)).cloned()
        })
        .await
    }

    /// The `chat` delivery with this text.
    pub(crate) async fn delivery(&mut self, text: &str) -> Value {
        let what = format!("the delivery of {text:?}");
        let is_it = |frame: &ServerFrame| frame.action == "chat" && frame.data["message"] == text;
        self.next_matching(&what, DEADLINE, is_it).await.data
    }

    /// Waits until so many `chat` deliveries have come.
    pub(crate) async fn wait_deliveries(&mut self, count: usize, deadline: Duration) -> Vec<Value> {
        let chats = |inbox: &Inbox| inbox.pushes.iter().filter(|f| f.action == "chat").count();
        let what = format!("{count} deliveries");
        self.wait(&what, deadline, |inbox| {
            (chats(inbox) >= count).then_some(())
        })
        .await;
        self.deliveries()
    }

    /// How the connection ends.
    pub(crate) async fn closed(&mut self, deadline: Duration) -> Closed {
        self.wait("the end of the connection", deadline, |inbox| {
            inbox.closed.clone()
        })
        .await
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.inbox.lock().unwrap().closed.is_some()
    }

    async fn wait<T>(
        &mut self,
        what: &str,
        deadline: Duration,
        mut look: impl FnMut(&mut Inbox) -> Option<T>,
    ) -> T {
        let end = clock::now() + deadline;
        loop {
            self.changed.mark_unchanged();
            if let Some(found) = look(&mut self.inbox.lock().unwrap()) {
                return found;
            }
            let left = end.saturating_duration_since(clock::now());
            // The channel's end means that nothing more comes: one more look, then the deadline.
            let changed = clock::timeout(left, self.changed.changed()).await;
            if !matches!(changed, Ok(Ok(()))) {
                let mut inbox = self.inbox.lock().unwrap();
                if let Some(found) = look(&mut inbox) {
                    return found;
                }
                let (pushes, closed) = (inbox.pushes.len(), inbox.closed.clone());
                let last = inbox
                    .pushes
                    .last()
                    .map(|frame| (frame.action.clone(), frame.data.clone()));
                drop(inbox);
                panic!(
                    "no {what} in {deadline:?}: {pushes} pushes, the last {last:?}, closed {closed:?}"
                );
            }
        }
    }
}

/// Waits until a server says that a user is not on line.
pub(crate) async fn is_offline(addr: &str, username: &str) {
    wait_until(&format!("{username} to be offline"), DEADLINE, || async {
        let mut client = Client::join(addr, "looker").await;
        let asked = json!({"username": username});
        let (action, answer) = client.request("userInfo", asked).await;
        if action == "error" {
            Ok(())
        } else {
            Err(answer.to_string())
        }
    })
    .await;
}
