//! A server that speaks the protocol and lies: whatever it is asked, and unasked, it puts
//! hostile words into every field that can hold them, and frames that are none.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use super::link::answer_http;

/// What the client is told when the server has said everything.
pub(crate) const THE_END: &str = "that was all";
/// A search that makes the server end the connection, with hostile words.
pub(crate) const HANG_UP: &str = "hang up";
/// A text that makes the server end the connection without an answer, once.
pub(crate) const VANISH: &str = "vanish";
/// A close frame's reason holds no more.
const REASON_BYTES_MAX: usize = 123;

/// See the head of the file. It ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Liar {
    gateway: String,
    _tasks: JoinSet<()>,
}

impl Liar {
    /// Starts one that says these words.
    pub(crate) async fn start(words: &[&str]) -> Self {
        let gateway = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", gateway.local_addr().unwrap());
        let port = server.local_addr().unwrap().port();
        let words: Vec<String> = words.iter().map(|words| (*words).to_owned()).collect();
        let name = words.concat();
        let entry = json!({"name": name, "host": "127.0.0.1", "port": port}).to_string();
        let vanished = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        tasks.spawn(answer_all(gateway, entry));
        tasks.spawn(async move {
            let mut talks = JoinSet::new();
            while let Ok((stream, _)) = server.accept().await {
                talks.spawn(talk(stream, words.clone(), Arc::clone(&vanished)));
            }
        });
        Self {
            gateway: url,
            _tasks: tasks,
        }
    }

    pub(crate) fn gateway(&self) -> &str {
        &self.gateway
    }
}

/// A gateway whose answer to everything is this body; it ends when its task is dropped.
pub(crate) async fn lying_gateway(body: String) -> (String, JoinSet<()>) {
    let gateway = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", gateway.local_addr().unwrap());
    let mut task = JoinSet::new();
    task.spawn(answer_all(gateway, body));
    (url, task)
}

async fn answer_all(gateway: TcpListener, body: String) {
    let mut answers = JoinSet::new();
    while let Ok((stream, _)) = gateway.accept().await {
        answers.spawn(answer_http(stream, body.clone()));
    }
}

#[expect(
    clippy::result_large_err,
    clippy::unnecessary_wraps,
    reason = "the callback's shape"
)]
fn agree(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let name = "sec-websocket-protocol";
    if let Some(asked) = request.headers().get(name) {
        response.headers_mut().insert(name, asked.clone());
    }
    Ok(response)
}

struct Talk {
    socket: WebSocketStream<TcpStream>,
    words: Vec<String>,
}

async fn talk(stream: TcpStream, words: Vec<String>, vanished: Arc<AtomicBool>) {
    let Ok(socket) = tokio_tungstenite::accept_hdr_async(stream, agree).await else {
        return;
    };
    let mut talk = Talk { socket, words };
    while let Some(Ok(frame)) = talk.socket.next().await {
        let Ok(text) = frame.to_text() else { return };
        let Ok(mut asked) = serde_json::from_str::<Value>(text) else {
            continue;
        };
        let (id, data) = (asked["id"].take(), asked["data"].take());
        let action = asked["action"].as_str().unwrap_or_default().to_owned();
        if data["message"] == VANISH && !vanished.swap(true, Ordering::SeqCst) {
            return;
        }
        let (answer, content) = talk.answer(&action, &data);
        talk.write(json!({"re": id, "action": answer, "data": content}))
            .await;
        if action == "login" {
            talk.barrage().await;
        }
        if data["words"] == HANG_UP {
            return talk.hang_up().await;
        }
    }
}

impl Talk {
    async fn write(&mut self, frame: Value) {
        self.write_text(frame.to_string()).await;
    }

    async fn write_text(&mut self, text: String) {
        let _ = self.socket.send(Frame::text(text)).await;
    }

    async fn push(&mut self, action: &str, data: Value) {
        self.write(json!({"action": action, "data": data})).await;
    }

    fn all(&self) -> String {
        self.words.concat()
    }

    fn message(&self, number: usize, format: &str) -> Value {
        let text = &self.words[number % self.words.len()];
        json!({
            "from": "mallory", "roomName": text, "message": format!("[{text}]"),
            "ts": 60_000, "format": format, "conversation": "room:garden",
            "seq": number + 1, "messageId": text,
        })
    }

    fn messages(&self) -> Vec<Value> {
        let all = 0..self.words.len();
        all.map(|number| self.message(number, "text")).collect()
    }

    /// Everything that a server says unasked.
    async fn barrage(&mut self) {
        let all = self.all();
        for number in 0..self.words.len() {
            let message = self.message(number, "text");
            self.push("chat", message).await;
        }
        for (number, words) in self.words.clone().into_iter().enumerate() {
            self.push("notice", json!({"message": words})).await;
            self.push(
                "error",
                json!({"code": 500, "message": words, "ext": words}),
            )
            .await;
            let at = self.words.len() + number;
            let emote = self.message(at, "emote");
            self.push("chat", emote).await;
            for kind in ["joined", "left", "kicked", "invited"] {
                let event = json!({
                    "roomName": "cellar", "kind": kind, "username": "bob", "by": "mallory",
                    "reason": words, "ts": 60_000,
                });
                self.push("roomEvent", event).await;
            }
            // Names that cannot be names, and frames that cannot be frames.
            let presence = json!({"username": words, "isOnline": true});
            self.push("presence", presence).await;
            let mut message = self.message(0, "text");
            message["from"] = json!(words);
            self.push("chat", message).await;
            let positions = json!({"positions": [{"conversation": words, "lastSeq": u64::MAX}]});
            self.push("position", positions).await;
            self.push(&words, json!(words)).await;
            self.write_text(words).await;
        }
        for garbage in ["", "{", "[]", "null", "{\"action\": 7}", "\u{1b}[2J"] {
            self.write_text(garbage.to_owned()).await;
        }
        self.write_text("[".repeat(10_000)).await;
        let far = json!({
            "from": "mallory", "roomName": "garden", "message": all, "ts": u64::MAX,
            "format": all, "conversation": all, "seq": u64::MAX, "messageId": all,
        });
        self.push("chat", far).await;
        self.push("notice", json!({"message": THE_END})).await;
    }

    async fn hang_up(&mut self) {
        let all = self.all();
        self.push("kicked", json!({"reason": all})).await;
        self.push("reconnect", json!({"delayMs": 0, "reason": all}))
            .await;
        let mut reason = all;
        while reason.len() > REASON_BYTES_MAX {
            reason.pop();
        }
        let close = CloseFrame {
            code: 4300.into(),
            reason: reason.into(),
        };
        let _ = self.socket.close(Some(close)).await;
    }

    fn answer(&self, action: &str, data: &Value) -> (&'static str, Value) {
        let all = self.all();
        match action {
            "hello" => ("hello", self.hello()),
            "login" => {
                let summary = |name: String| json!({"name": name, "kind": "room", "lastSeq": 0, "readSeq": 0, "unread": 0});
                let rooms: Vec<Value> = self
                    .words
                    .iter()
                    .flat_map(|words| [format!("room:{words}x"), format!("user:{words}x")])
                    .chain(["room:garden".to_owned()])
                    .map(summary)
                    .collect();
                let login = json!({
                    "username": "victim", "sessionId": all, "resumeToken": "token",
                    "logId": all, "conversations": rooms,
                });
                ("login", login)
            }
            "joinRoom" => {
                let joined = json!({
                    "roomName": "garden", "conversation": "room:garden", "members": 2,
                    "lastSeq": 2 * self.words.len(), "alreadyMember": true,
                });
                ("joinRoom", joined)
            }
            "listRooms" => {
                let rooms: Vec<Value> = self
                    .words
                    .iter()
                    .map(|words| {
                        json!({"roomName": "garden", "topic": words, "visibility": "public",
                            "members": u64::MAX, "joined": false})
                    })
                    .collect();
                ("listRooms", json!({"rooms": rooms, "cursor": all}))
            }
            "history" | "search" => {
                let page = json!({
                    "conversation": data["conversation"], "messages": self.messages(),
                    "lastSeq": 100, "sealed": [], "complete": false, "more": true,
                    "firstAvailableSeq": 1,
                });
                if action == "history" {
                    ("history", page)
                } else {
                    ("search", json!({"messages": self.messages()}))
                }
            }
            "popular" => {
                let words: Vec<&str> = self.words.iter().flat_map(|w| [w.as_str(), w]).collect();
                ("popular", json!({"words": words}))
            }
            "userInfo" => {
                let info =
                    json!({"username": "bob", "loginTime": 0, "nodeId": all, "isOnline": true});
                ("userInfo", info)
            }
            _ => (
                "error",
                json!({"code": 403, "message": all, "ext": all, "retryable": false}),
            ),
        }
    }

    fn hello(&self) -> Value {
        json!({
            "version": 1, "serverName": self.all(), "pingIntervalMs": 25_000, "serverTimeMs": 1,
            "limits": {
                "frameBytesMax": 65_536, "messageCharsMax": 8_000, "ratePerSecond": 10,
                "rateBurst": 20, "nameCharsMax": 32, "clientIdBytesMax": 64, "pageMax": 500,
                "syncCursorsMax": 1_000, "roomsPerUserMax": 100, "inFlightMax": 64,
                "passwordCharsMin": 8, "loginTimeoutMs": 10_000,
            },
        })
    }
}
