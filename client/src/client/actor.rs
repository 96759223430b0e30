//! The task of a client: connect, serve, wait, again.

mod online;

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use antiphon_core::clock::{self, Instant};
use antiphon_core::random;
use antiphon_core::shutdown::Shutdown;
use antiphon_protocol::UserName;
use antiphon_protocol::client::{Ack, HelloReply, LoginReply, Secret};
use antiphon_protocol::gateway::ServerEntry;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tracing::debug;

use super::cursor::Cursors;
use super::identity::Identity;
use super::outbox::{Outbox, Outcome};
use super::retry::{happened, stop_reason};
use super::wake::{WallClock, after_sleep};
use super::{
    Builder, ConnectionState, DisconnectReason, Event, Order, RECONNECT_ASKED, SendError,
    StopReason,
};
use crate::connection::{Connection, ServerEvents};
use crate::gateway::{self, GatewayError, GatewayUrl};
use crate::limits::STABLE_AFTER;
use crate::reconnect::{Situation, Step, next_step};

/// How long a stopping client waits for room for its last event, and for its socket.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(1);
/// Nothing to wake for.
const FAR: Duration = Duration::from_secs(3_600);
/// Different draws of a random number from 0 to 1.
const DRAWS: u64 = 1 << 53;

type SendReply = oneshot::Sender<Result<Ack, SendError>>;

/// What the handles of a client look at.
pub(super) struct Shown {
    /// Where the client stands.
    pub(super) state_tx: watch::Sender<ConnectionState>,
    /// The connection whose user is logged in.
    pub(super) current_tx: watch::Sender<Option<Connection>>,
    /// The newest resume token.
    pub(super) token_tx: watch::Sender<Option<Secret>>,
}

/// A connection whose user is logged in.
struct Up {
    connection: Connection,
    events: ServerEvents,
    hello: HelloReply,
    login: LoginReply,
}

/// An attempt to connect that failed.
struct Failed {
    /// The server that it was, if it could not even be connected to.
    server: Option<ServerEntry>,
    reason: DisconnectReason,
}

pub(super) struct Actor {
    gateway: GatewayUrl,
    identity: Identity,
    name: String,
    send_deadline: Duration,
    wall_clock: WallClock,
    order_rx: mpsc::Receiver<Order>,
    event_tx: mpsc::Sender<Event>,
    /// Events that found no room: until it has some, nothing more is taken in.
    held: VecDeque<Event>,
    shown: Shown,
    scope: Shutdown,
    username: Option<UserName>,
    cursors: Cursors,
    outbox: Outbox<SendReply>,
    failed_attempts: u32,
    syncing: online::Syncing,
    /// When a draining server wants this client gone.
    leave_at: Option<(Instant, String)>,
    /// The owner does not want to wait for the next attempt.
    hurry: Arc<Notify>,
    /// The server that could not be connected to just now.
    avoided: Option<ServerEntry>,
}

impl Actor {
    pub(super) fn new(
        builder: Builder,
        order_rx: mpsc::Receiver<Order>,
        event_tx: mpsc::Sender<Event>,
        shown: Shown,
        scope: Shutdown,
    ) -> Self {
        let now = clock::now();
        Self {
            gateway: builder.gateway,
            identity: builder.identity,
            name: builder.name,
            send_deadline: builder.send_deadline,
            wall_clock: builder.wall_clock,
            order_rx,
            event_tx,
            held: VecDeque::new(),
            shown,
            scope,
            username: None,
            cursors: Cursors::default(),
            outbox: Outbox::new(builder.queue_max, now),
            failed_attempts: 0,
            syncing: online::Syncing::new(now),
            leave_at: None,
            hurry: Arc::default(),
            avoided: None,
        }
    }

    pub(super) async fn run(mut self) {
        let reason = self.keep_connected().await;
        debug!(%reason, "client stopped");
        self.scope.stop();
        self.order_rx.close();
        while let Ok(order) = self.order_rx.try_recv() {
            self.take_order(order);
        }
        answer(self.outbox.stop());
        self.show(ConnectionState::Stopped {
            reason: reason.clone(),
        });
        self.held.push_back(Event::Stopped { reason });
        let farewell = async {
            for event in self.held {
                // An owner that dropped its events does not want them.
                let _sent = self.event_tx.send(event).await;
            }
        };
        // An owner that reads no events learns it from their end.
        let _sent = clock::timeout(FAREWELL_TIMEOUT, farewell).await;
    }

    async fn keep_connected(&mut self) -> StopReason {
        loop {
            let token = self.identity.token.is_some();
            self.show(ConnectionState::Connecting);
            let attempt = self.connect();
            let reason = match self.offline(attempt).await {
                None => return StopReason::Asked,
                Some(Ok(up)) => {
                    self.avoided = None;
                    self.serve(up).await
                }
                Some(Err(Failed { server, reason })) => {
                    self.avoided = server;
                    reason
                }
            };
            let left = self.leave_at.take().map(|(at, _)| at);
            let situation = Situation {
                token,
                fallback: self.identity.fallback.is_some(),
                failed_attempts: self.failed_attempts,
                hint: left.map(|at| at.saturating_duration_since(clock::now())),
                draw: random::below(DRAWS) as f64 / DRAWS as f64,
            };
            let wait = match next_step(happened(&reason), situation) {
                Step::Stop(kind) => return stop_reason(kind, &reason),
                Step::Reconnect { wait, forget_token } => {
                    if forget_token {
                        self.identity.token = None;
                        self.shown.token_tx.send_replace(None);
                    }
                    wait
                }
            };
            self.failed_attempts = self.failed_attempts.saturating_add(1);
            debug!(%reason, ?wait, "not connected, trying again");
            self.show(ConnectionState::Waiting {
                until: clock::now() + wait,
                why: reason.to_string(),
            });
            let retry_in = wait;
            self.emit(Event::Disconnected { reason, retry_in });
            let rest = rest(wait, self.wall_clock, Arc::clone(&self.hurry));
            if self.offline(rest).await.is_none() {
                return StopReason::Asked;
            }
        }
    }

    fn show(&self, state: ConnectionState) {
        self.shown.state_tx.send_replace(state);
    }

    /// Runs `future` while orders are taken and events handed on, to the end of both. `None` if
    /// the client is to stop.
    async fn offline<F: Future>(&mut self, future: F) -> Option<F::Output> {
        tokio::pin!(future);
        let (scope, event_tx) = (self.scope.clone(), self.event_tx.clone());
        let mut output = None;
        loop {
            if output.is_some() && self.held.is_empty() {
                return output;
            }
            let wake = self
                .outbox
                .next_wake(false)
                .unwrap_or_else(|| clock::now() + FAR);
            tokio::select! {
                () = scope.stopping() => return None,
                done = &mut future, if output.is_none() => output = Some(done),
                permit = event_tx.reserve(), if !self.held.is_empty() => self.release(permit),
                order = self.order_rx.recv() => match order? {
                    Order::Reconnect => self.hurry.notify_waiters(),
                    order @ (Order::Send { .. } | Order::Joined { .. } | Order::Left { .. }) => {
                        self.take_order(order);
                    }
                },
                () = clock::sleep_until(wake) => answer(self.outbox.expire(clock::now())),
            }
        }
    }

    fn take_order(&mut self, order: Order) {
        match order {
            Order::Send { message, reply_tx } => {
                let (now, patience) = (clock::now(), self.send_deadline);
                answer(self.outbox.push(message, reply_tx, now, patience));
            }
            Order::Joined {
                conversation,
                last_seq,
            } => {
                let outputs = self.cursors.joined(&conversation, last_seq);
                self.hand_on(outputs);
            }
            Order::Left { conversation } => self.cursors.left(&conversation),
            Order::Reconnect => self.leave_at = Some((clock::now(), RECONNECT_ASKED.to_owned())),
        }
    }

    async fn serve(&mut self, up: Up) -> DisconnectReason {
        let Up {
            connection,
            mut events,
            hello,
            login,
        } = up;
        let since = clock::now();
        let server = hello.server_name;
        self.emit(Event::Connected {
            server: server.clone(),
        });
        self.logged_in(login);
        self.outbox.connected(&hello.limits, clock::now());
        self.shown.current_tx.send_replace(Some(connection.clone()));
        self.show(ConnectionState::Online { server });
        let reason = self.serve_until(&connection, &mut events).await;
        self.shown.current_tx.send_replace(None);
        connection.close();
        if self.scope.is_stopping() {
            // So that the goodbye is out before the process may end.
            let _closed = clock::timeout(FAREWELL_TIMEOUT, connection.closed()).await;
        }
        self.outbox.connection_lost(clock::now());
        if clock::now().saturating_duration_since(since) >= STABLE_AFTER {
            self.failed_attempts = 0;
        }
        reason
    }

    fn logged_in(&mut self, login: LoginReply) {
        let token = login.resume_token;
        self.identity.token = Some(token.clone());
        self.shown.token_tx.send_replace(Some(token.clone()));
        self.username = Some(login.username.clone());
        let log_replaced = self.cursors.login(&login.log_id, &login.conversations);
        self.syncing.begin(clock::now());
        let (username, conversations) = (login.username, login.conversations);
        // First: who keeps the token in a file has it there before anything else happens.
        self.emit(Event::ResumeToken {
            username: username.clone(),
            token,
        });
        self.emit(Event::LoggedIn {
            username,
            conversations,
            log_replaced,
        });
    }

    /// Tells the owner, now or when there is room.
    fn emit(&mut self, event: Event) {
        if !self.held.is_empty() {
            return self.held.push_back(event);
        }
        if let Err(mpsc::error::TrySendError::Full(event)) = self.event_tx.try_send(event) {
            self.held.push_back(event);
        }
    }

    /// There is room for an event; or the owner dropped its events and does not want them.
    fn release(&mut self, permit: Result<mpsc::Permit<'_, Event>, mpsc::error::SendError<()>>) {
        match permit {
            Ok(permit) => {
                if let Some(event) = self.held.pop_front() {
                    permit.send(event);
                }
            }
            Err(_) => self.held.clear(),
        }
    }

    fn connect(&self) -> impl Future<Output = Result<Up, Failed>> + use<> {
        connect(
            self.gateway.clone(),
            self.avoided.clone(),
            self.identity.clone(),
            self.name.clone(),
            self.shown.state_tx.clone(),
            self.scope.clone(),
        )
    }
}

/// Waits, but not on after the machine has slept, or if the owner is in a hurry.
async fn rest(wait: Duration, wall_clock: WallClock, hurry: Arc<Notify>) {
    tokio::select! {
        () = hurry.notified() => {}
        () = clock::sleep(wait) => {}
        () = after_sleep(wall_clock) => {}
    }
}

/// Hands outcomes to whoever still waits for them.
fn answer(outcomes: impl IntoIterator<Item = Outcome<SendReply>>) {
    for (reply_tx, outcome) in outcomes {
        drop(reply_tx.send(outcome));
    }
}

/// A server from the gateway, another one than that to avoid if there is one: the gateway may
/// not know yet that nobody gets there, or only this client can't.
async fn find(
    gateway: &GatewayUrl,
    avoided: Option<&ServerEntry>,
    user: Option<&str>,
) -> Result<ServerEntry, GatewayError> {
    let server = gateway::fetch_server(gateway, user).await?;
    if avoided != Some(&server) {
        return Ok(server);
    }
    let Ok(list) = gateway::fetch_servers(gateway).await else {
        return Ok(server);
    };
    let others = list.servers.into_iter().map(|ranked| ranked.server);
    let mut others: Vec<ServerEntry> = others.filter(|other| *other != server).collect();
    if others.is_empty() {
        return Ok(server);
    }
    // Anyone, so that not all of a lost server's clients come to the same.
    let at = random::below(others.len() as u64);
    Ok(others.swap_remove(usize::try_from(at).unwrap_or(0)))
}

async fn connect(
    gateway: GatewayUrl,
    avoided: Option<ServerEntry>,
    identity: Identity,
    name: String,
    state_tx: watch::Sender<ConnectionState>,
    scope: Shutdown,
) -> Result<Up, Failed> {
    let user = identity.fallback.as_ref().map(|(user, _)| user.as_str());
    let found = find(&gateway, avoided.as_ref(), user).await;
    let server = found.map_err(|error| Failed {
        server: None,
        reason: DisconnectReason::Gateway(error),
    })?;
    let opened = Connection::open(&server, &scope).await;
    let (connection, events) = opened.map_err(|error| Failed {
        server: Some(server),
        reason: DisconnectReason::Connect(error),
    })?;
    state_tx.send_replace(ConnectionState::LoggingIn);
    let welcome = async {
        let hello = connection.hello_as(&name).await?;
        Ok((hello, connection.request(identity.login()).await?))
    };
    match welcome.await {
        Ok((hello, login)) => Ok(Up {
            connection,
            events,
            hello,
            login,
        }),
        Err(error) => {
            connection.close();
            Err(Failed {
                server: None,
                reason: DisconnectReason::Login(error),
            })
        }
    }
}
