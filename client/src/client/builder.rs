//! Settings of a client that is not running yet.

use std::time::Duration;

use antiphon_core::clock;
use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{self, TaskKind};
use antiphon_protocol::client::Secret;
use tokio::sync::{mpsc, watch};

use super::actor::{Actor, Shown};
use super::identity::Identity;
use super::wake::WallClock;
use super::{Client, ConnectionState, Credentials, Events};
use crate::connection::CLIENT_NAME;
use crate::gateway::GatewayUrl;
use crate::limits::{COMMANDS_MAX, EVENTS_MAX, OUTBOX_MAX, QUEUE_MAX, SEND_DEADLINE};

/// Settings of a client that is not running yet; [`Builder::start`] runs it.
#[derive(Debug, Clone)]
pub struct Builder {
    pub(super) gateway: GatewayUrl,
    pub(super) identity: Identity,
    pub(super) name: String,
    pub(super) send_deadline: Duration,
    pub(super) queue_max: usize,
    event_buffer: usize,
    pub(super) wall_clock: WallClock,
}

impl Builder {
    pub(super) fn new(gateway: GatewayUrl, credentials: Credentials) -> Self {
        Self {
            gateway,
            identity: Identity::new(credentials),
            name: CLIENT_NAME.to_owned(),
            send_deadline: SEND_DEADLINE,
            queue_max: OUTBOX_MAX,
            event_buffer: EVENTS_MAX,
            wall_clock: clock::unix_ms,
        }
    }

    /// The app's name and version, for the server's log; this library's by default.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Begins with the token of an earlier login (see [`super::Event::ResumeToken`]); if it is
    /// no longer good, the credentials are used.
    #[must_use]
    pub fn resume_token(mut self, token: Option<Secret>) -> Self {
        self.identity = self.identity.with_token(token);
        self
    }

    /// How long a message may wait for its acknowledgment; [`SEND_DEADLINE`] by default.
    #[must_use]
    pub fn send_deadline(mut self, deadline: Duration) -> Self {
        self.send_deadline = deadline;
        self
    }

    /// How many messages may wait for their acknowledgments, with a connection or without;
    /// [`OUTBOX_MAX`] by default, at most [`QUEUE_MAX`]. One more is refused with
    /// [`super::SendError::QueueFull`].
    #[must_use]
    pub fn queue_max(mut self, messages: usize) -> Self {
        self.queue_max = messages.clamp(1, QUEUE_MAX);
        self
    }

    /// How many events may wait for their reader; [`EVENTS_MAX`] by default, at most
    /// [`QUEUE_MAX`].
    #[must_use]
    pub fn event_buffer(mut self, events: usize) -> Self {
        self.event_buffer = events.clamp(1, QUEUE_MAX);
        self
    }

    #[cfg(test)]
    pub(super) fn wall_clock(mut self, wall_clock: WallClock) -> Self {
        self.wall_clock = wall_clock;
        self
    }

    /// Starts the client in a child of `scope`. It connects at once, and again for as long as
    /// that makes sense; what becomes of it is told by the events and by [`Client::states`].
    /// Must be called within a tokio runtime.
    pub fn start(self, scope: &Shutdown) -> (Client, Events) {
        let (order_tx, order_rx) = mpsc::channel(COMMANDS_MAX);
        let (event_tx, event_rx) = mpsc::channel(self.event_buffer);
        let (state_tx, state_rx) = watch::channel(ConnectionState::Connecting);
        let (current_tx, current_rx) = watch::channel(None);
        let (token_tx, token_rx) = watch::channel(self.identity.token.clone());
        let shown = Shown {
            state_tx,
            current_tx,
            token_tx,
        };
        let scope = scope.child();
        let actor = Actor::new(self, order_rx, event_tx, shown, scope.clone());
        // The kind that waits: it ends the connection when its scope stops.
        let _task = task::spawn(&scope, TaskKind::Connection, actor.run());
        let client = Client {
            order_tx,
            state_rx,
            current_rx,
            token_rx,
            scope,
        };
        (client, Events(event_rx))
    }
}
