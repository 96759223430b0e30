//! A client that keeps itself connected.
//!
//! It asks the gateway again after each loss (full jitter, a server's hint wins), resumes by
//! token, replays unacknowledged sends in order under their client ids, and hands on each
//! message once and in order. The decisions are pure functions in [`crate::reconnect`],
//! `cursor` and `outbox`; `actor` carries them out.

mod actor;
mod builder;
mod cursor;
mod identity;
mod outbox;
mod pace;
mod retry;
mod state;
mod wake;

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use antiphon_core::shutdown::Shutdown;
use antiphon_core::{clock, random};
use antiphon_protocol::client::{
    Ack, Chat, ConversationSummary, History, JoinRoom, JoinRoomReply, LeaveRoom, Page, Secret,
    Target,
};
use antiphon_protocol::message::{Notice, Presence, RoomEvent};
use antiphon_protocol::{ClientId, Command, ErrorBody, Message, RoomName, UserName};
use futures_util::Stream;
use tokio::sync::{mpsc, oneshot, watch};

use crate::connection::{Connection, RequestError};
use crate::gateway::GatewayUrl;
use crate::limits::REQUEST_TIMEOUT;
use outbox::Queued;

pub use builder::Builder;
pub use outbox::SendError;
pub use retry::{DisconnectReason, StopReason};
pub use state::ConnectionState;

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
    /// There is a new resume token, told before the login that gave it. The one before works
    /// for some seconds more: keep this one, and begin with it next time
    /// ([`Builder::resume_token`]).
    ResumeToken {
        /// Whose.
        username: UserName,
        /// As secret as a password.
        token: Secret,
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

/// The events of a client, in order, each once.
///
/// The buffer is bounded. A reader that falls behind holds up the connection: then no answers
/// come either, so don't wait for a [`Client::send`] where events are read, unless few of them
/// come. Dropping it is allowed: then nobody is told.
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
        message: Queued,
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

/// A cheap handle of a client that keeps itself connected. The client goes on until
/// [`Client::stop`], or until its scope stops; when all handles are gone it stops, too.
///
/// Every method is cancel-safe in that a future that is dropped breaks nothing; what that
/// means for what it was to do is said at each.
#[derive(Debug, Clone)]
pub struct Client {
    order_tx: mpsc::Sender<Order>,
    state_rx: watch::Receiver<ConnectionState>,
    current_rx: watch::Receiver<Option<Connection>>,
    token_rx: watch::Receiver<Option<Secret>>,
    scope: Shutdown,
}

impl Client {
    /// Settings for a client of `gateway`.
    pub fn builder(gateway: GatewayUrl, credentials: Credentials) -> Builder {
        Builder::new(gateway, credentials)
    }

    /// Sends a text under a new client id and gives the receipt once it is stored.
    ///
    /// Messages to one target are stored in the order in which these calls were first polled,
    /// also over lost connections; many may be on their way at a time. Without a connection
    /// the message waits in the queue.
    ///
    /// # Errors
    ///
    /// Only after [`SendError::Unknown`] may the message be stored: retry with its id by
    /// [`Client::send_again`], and it is stored once. A message that is sent after that
    /// error may come before it.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped leaves the message either unsent or queued, and what is queued
    /// takes effect at most once.
    pub async fn send(&self, target: Target, text: impl Into<String>) -> Result<Ack, SendError> {
        let client_id =
            ClientId::parse(&random::hex::<16>()).expect("hexadecimal is visible ASCII");
        self.send_with_id(target, text, client_id).await
    }

    /// As [`Client::send`], under a client id of the caller's: a retry takes effect once, also
    /// after a restart of the program. For an id that was sent before use
    /// [`Client::send_again`], which keeps the order of what is sent around it.
    ///
    /// # Errors
    ///
    /// As [`Client::send`]; another text under the same id is refused with
    /// `client_id_conflict`.
    pub async fn send_with_id(
        &self,
        target: Target,
        text: impl Into<String>,
        client_id: ClientId,
    ) -> Result<Ack, SendError> {
        self.send_in_format(target, text, "text", client_id).await
    }

    /// As [`Client::send_with_id`], in a format other than `text`: `markdown` or `emote`.
    ///
    /// # Errors
    ///
    /// As [`Client::send_with_id`].
    pub async fn send_in_format(
        &self,
        target: Target,
        text: impl Into<String>,
        format: &str,
        client_id: ClientId,
    ) -> Result<Ack, SendError> {
        self.send_message(target, text.into(), format, client_id, false)
            .await
    }

    /// Sends a message again whose outcome is unknown, or that may have been stored: under the
    /// same id, with the same text and format it takes effect once, and the receipt has the
    /// place that it has. It has no place in the order of what is sent around it, because it
    /// may be in the log already.
    ///
    /// # Errors
    ///
    /// As [`Client::send_with_id`].
    pub async fn send_again(
        &self,
        target: Target,
        text: impl Into<String>,
        format: &str,
        client_id: ClientId,
    ) -> Result<Ack, SendError> {
        self.send_message(target, text.into(), format, client_id, true)
            .await
    }

    async fn send_message(
        &self,
        target: Target,
        message: String,
        format: &str,
        client_id: ClientId,
        again: bool,
    ) -> Result<Ack, SendError> {
        let chat = Chat {
            target,
            message,
            format: format.to_owned(),
            client_id: Some(client_id.clone()),
            after: None,
        };
        let (reply_tx, reply_rx) = oneshot::channel();
        let message = Queued {
            chat,
            client_id: client_id.clone(),
            again,
        };
        let order = Order::Send { message, reply_tx };
        // The first poll takes the message's place in the order, also of a task that has spent
        // its budget for this turn.
        tokio::task::unconstrained(self.order_tx.send(order))
            .await
            .map_err(|_| SendError::Stopped)?;
        reply_rx
            .await
            .unwrap_or(Err(SendError::Unknown { client_id }))
    }

    /// Leaves the connection, if there is one, and connects again at once; a wait is cut short.
    pub async fn reconnect(&self) {
        // A client that has stopped connects no more.
        let _sent = self.order_tx.send(Order::Reconnect).await;
    }

    /// As [`Client::send`], to where a message came from: its room, or the other one of a direct
    /// conversation.
    ///
    /// # Errors
    ///
    /// As [`Client::send`].
    pub async fn reply(
        &self,
        message: &Message,
        text: impl Into<String>,
    ) -> Result<Ack, SendError> {
        let conversation = message.conversation.as_str();
        let target = if let Some(room) = conversation.strip_prefix("room:") {
            RoomName::parse(room).map(Target::Room).ok()
        } else {
            let user = conversation.strip_prefix("user:");
            user.and_then(|user| UserName::parse(user).map(Target::User).ok())
        };
        let Some(target) = target else {
            let words = "this client does not know that kind of conversation";
            let body = ErrorBody::new(400, "invalid_field:conversation", words);
            return Err(SendError::Refused(body));
        };
        self.send(target, text).await
    }

    /// Sends any other command on the current connection; waits for one at most
    /// [`REQUEST_TIMEOUT`]. It is not repeated.
    ///
    /// # Errors
    ///
    /// [`RequestError::refusal`] is the server's answer. After [`RequestError::Deadline`] and
    /// [`RequestError::Closed`] it is not known whether the command took effect.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does not take back what was sent.
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
    ///
    /// # Errors
    ///
    /// As [`Client::request`]. Joining twice is joining once.
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
    ///
    /// # Errors
    ///
    /// As [`Client::request`].
    pub async fn leave_room(&self, room_name: RoomName) -> Result<(), RequestError> {
        let conversation = format!("room:{room_name}");
        self.request(LeaveRoom { room_name }).await?;
        let _sent = self.order_tx.send(Order::Left { conversation }).await;
        Ok(())
    }

    /// The newest messages of a conversation (`room:NAME` or `user:NAME`), oldest first; for
    /// other pages [`Client::request`] takes a [`History`].
    ///
    /// # Errors
    ///
    /// As [`Client::request`].
    pub async fn history(
        &self,
        conversation: impl Into<String>,
        limit: u64,
    ) -> Result<Page, RequestError> {
        self.request(History {
            conversation: conversation.into(),
            before_seq: None,
            after_seq: None,
            around_ts: None,
            limit,
        })
        .await
    }

    /// Where the client stands at this moment.
    pub fn state(&self) -> ConnectionState {
        self.state_rx.borrow().clone()
    }

    /// Where the client stands, to be watched. States that follow each other fast may be
    /// skipped; the last one is always seen. The sender ends with the client.
    pub fn states(&self) -> watch::Receiver<ConnectionState> {
        self.state_rx.clone()
    }

    /// The newest resume token: what the client would log in with next. Each new one is also
    /// told as [`Event::ResumeToken`].
    pub fn resume_token(&self) -> Option<Secret> {
        self.token_rx.borrow().clone()
    }

    /// Whether the user is logged in at this moment.
    pub fn is_connected(&self) -> bool {
        self.state_rx.borrow().is_online()
    }

    /// Resolves when the user is logged in; false if the client has stopped. Cancel-safe.
    pub async fn connected(&self) -> bool {
        let mut state_rx = self.state_rx.clone();
        let known = state_rx.wait_for(|state| state.is_online() || state.is_stopped());
        known.await.is_ok_and(|state| state.is_online())
    }

    /// Ends the connection and the client; [`Event::Stopped`] tells when it is done.
    pub fn stop(&self) {
        self.scope.stop();
    }
}

#[cfg(test)]
mod tests;
