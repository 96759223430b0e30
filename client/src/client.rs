//! A client that keeps itself connected.
//!
//! It asks the gateway again after each loss (full jitter, a server's hint wins), resumes by
//! token, replays unacknowledged sends in order under their client ids, and hands on each
//! message once and in order. The decisions are pure functions in `retry`, `cursor` and
//! `outbox`; `actor` carries them out.

mod actor;
mod cursor;
mod identity;
mod outbox;
mod retry;

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{self, TaskKind};
use antiphon_core::{clock, random};
use antiphon_protocol::client::{
    Ack, Chat, ConversationSummary, JoinRoom, JoinRoomReply, LeaveRoom, Secret, Target,
};
use antiphon_protocol::message::{Notice, Presence, RoomEvent};
use antiphon_protocol::{ClientId, Command, Message, RoomName, UserName};
use futures_util::Stream;
use tokio::sync::{mpsc, oneshot, watch};

use crate::connection::{Connection, RequestError};
use crate::gateway::GatewayUrl;
use crate::limits::{COMMANDS_MAX, EVENTS_MAX, REQUEST_TIMEOUT, SEND_DEADLINE};

pub use outbox::SendError;
pub use retry::{DisconnectReason, StopReason};

/// How a client proves who it is.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// By name and password.
    Password(UserName, Secret),
    /// By name alone, where the server allows it.
    Open(UserName),
    /// By the token of an earlier login. Without a name there is nothing to fall back to.
    Token(Secret),
    /// By the token of an earlier login first, then by name and password (or by name alone).
    TokenThen(Secret, UserName, Option<Secret>),
}

/// What a client tells its owner, in order.
#[derive(Debug)]
pub enum Event {
    /// A server took the connection; the login follows.
    Connected {
        /// The server's opaque name.
        server: String,
    },
    /// The user is logged in.
    LoggedIn {
        /// The name as normalized.
        username: UserName,
        /// The user's conversations.
        conversations: Vec<ConversationSummary>,
        /// The server's log is another one than at the login before: cursors began anew.
        log_replaced: bool,
    },
    /// There is no connection; the client tries again.
    Disconnected {
        /// Why.
        reason: DisconnectReason,
        /// How long it waits before it tries.
        retry_in: Duration,
    },
    /// The next message of its conversation.
    Message(Message),
    /// Somebody came or went.
    Presence(Presence),
    /// Something happened in a room.
    RoomEvent(RoomEvent),
    /// Words for people.
    Notice(Notice),
    /// These messages are gone for good.
    Gap {
        /// `room:NAME` or `user:NAME`.
        conversation: String,
        /// The first that is missing.
        from: u64,
        /// The last that is missing.
        to: u64,
    },
    /// The client has stopped for good; nothing follows.
    Stopped {
        /// Why.
        reason: StopReason,
    },
}

/// The events of a client. A reader that falls behind holds up the connection.
#[derive(Debug)]
pub struct Events(mpsc::Receiver<Event>);

impl Events {
    /// The next event; `None` after [`Event::Stopped`]. Cancel-safe.
    pub async fn recv(&mut self) -> Option<Event> {
        self.0.recv().await
    }
}

impl Stream for Events {
    type Item = Event;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.0.poll_recv(cx)
    }
}

enum Order {
    Send {
        chat: Chat,
        client_id: ClientId,
        reply_tx: oneshot::Sender<Result<Ack, SendError>>,
    },
    Joined {
        conversation: String,
        last_seq: u64,
    },
    Left {
        conversation: String,
    },
    Reconnect,
}

/// The reason of [`DisconnectReason::Asked`] after [`Client::reconnect`].
pub const RECONNECT_ASKED: &str = "as you asked";

/// Settings of a client that is not running yet.
#[derive(Debug, Clone)]
pub struct Builder {
    gateway: GatewayUrl,
    credentials: Credentials,
    send_deadline: Duration,
}

impl Builder {
    /// How long a message may wait for its acknowledgment; [`SEND_DEADLINE`] by default.
    #[must_use]
    pub fn send_deadline(mut self, deadline: Duration) -> Self {
        self.send_deadline = deadline;
        self
    }

    /// Starts the client in a child of `scope`.
    pub fn start(self, scope: &Shutdown) -> (Client, Events) {
        let (order_tx, order_rx) = mpsc::channel(COMMANDS_MAX);
        let (event_tx, event_rx) = mpsc::channel(EVENTS_MAX);
        let (current_tx, current_rx) = watch::channel(None);
        let scope = scope.child();
        let actor = actor::Actor::new(self, order_rx, event_tx, current_tx, scope.clone());
        // The kind that waits: it ends the connection when its scope stops.
        let _task = task::spawn(&scope, TaskKind::Connection, actor.run());
        (
            Client {
                order_tx,
                current_rx,
                scope,
            },
            Events(event_rx),
        )
    }
}

/// A cheap handle of a client that keeps itself connected.
#[derive(Debug, Clone)]
pub struct Client {
    order_tx: mpsc::Sender<Order>,
    current_rx: watch::Receiver<Option<Connection>>,
    scope: Shutdown,
}

impl Client {
    /// Settings for a client of `gateway`.
    pub fn builder(gateway: GatewayUrl, credentials: Credentials) -> Builder {
        Builder {
            gateway,
            credentials,
            send_deadline: SEND_DEADLINE,
        }
    }

    /// Sends a text under a new client id.
    ///
    /// Cancel-safe: a future that is dropped leaves the message either unsent or queued, and
    /// what is queued takes effect at most once.
    pub async fn send(&self, target: Target, text: impl Into<String>) -> Result<Ack, SendError> {
        let client_id =
            ClientId::parse(&random::hex::<16>()).expect("hexadecimal is visible ASCII");
        self.send_with_id(target, text, client_id).await
    }

    /// Sends a text under a client id of the caller's: a retry takes effect once.
    pub async fn send_with_id(
        &self,
        target: Target,
        text: impl Into<String>,
        client_id: ClientId,
    ) -> Result<Ack, SendError> {
        self.send_in_format(target, text, "text", client_id).await
    }

    /// Sends a text in a format other than `text`: `markdown` or `emote`.
    pub async fn send_in_format(
        &self,
        target: Target,
        text: impl Into<String>,
        format: &str,
        client_id: ClientId,
    ) -> Result<Ack, SendError> {
        let chat = Chat {
            target,
            message: text.into(),
            format: format.to_owned(),
            client_id: Some(client_id.clone()),
        };
        let (reply_tx, reply_rx) = oneshot::channel();
        let order = Order::Send {
            chat,
            client_id: client_id.clone(),
            reply_tx,
        };
        self.order_tx
            .send(order)
            .await
            .map_err(|_| SendError::Stopped)?;
        reply_rx
            .await
            .unwrap_or(Err(SendError::Unknown { client_id }))
    }

    /// Leaves the connection, if there is one, and connects again at once.
    pub async fn reconnect(&self) {
        // A client that has stopped connects no more.
        let _sent = self.order_tx.send(Order::Reconnect).await;
    }

    /// Sends any other command on the current connection; waits for one at most
    /// [`REQUEST_TIMEOUT`]. It is not repeated.
    pub async fn request<C: Command>(&self, command: C) -> Result<C::Reply, RequestError> {
        let mut current_rx = self.current_rx.clone();
        let connected = async {
            let current = current_rx.wait_for(Option::is_some).await;
            current.ok().and_then(|current| current.clone())
        };
        let connection = clock::timeout(REQUEST_TIMEOUT, connected)
            .await
            .ok()
            .flatten();
        connection
            .ok_or(RequestError::NotConnected)?
            .request(command)
            .await
    }

    /// Joins a room; its last messages come as events.
    pub async fn join_room(&self, room_name: RoomName) -> Result<JoinRoomReply, RequestError> {
        let reply = self.request(JoinRoom { room_name }).await?;
        let (conversation, last_seq) = (reply.conversation.clone(), reply.last_seq);
        // A client that has stopped tracks nothing.
        let _sent = self
            .order_tx
            .send(Order::Joined {
                conversation,
                last_seq,
            })
            .await;
        Ok(reply)
    }

    /// Leaves a room.
    pub async fn leave_room(&self, room_name: RoomName) -> Result<(), RequestError> {
        let conversation = format!("room:{room_name}");
        self.request(LeaveRoom { room_name }).await?;
        let _sent = self.order_tx.send(Order::Left { conversation }).await;
        Ok(())
    }

    /// Whether the user is logged in at this moment.
    pub fn is_connected(&self) -> bool {
        self.current_rx.borrow().is_some()
    }

    /// Resolves when the user is logged in; false if the client has stopped. Cancel-safe.
    pub async fn connected(&self) -> bool {
        self.current_rx
            .clone()
            .wait_for(Option::is_some)
            .await
            .is_ok()
    }

    /// Ends the connection and the client; [`Event::Stopped`] tells when it is done.
    pub fn stop(&self) {
        self.scope.stop();
    }
}

#[cfg(test)]
mod tests;
