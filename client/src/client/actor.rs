//! The task of a client: connect, serve, wait, again.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use antiphon_core::backoff::Backoff;
use antiphon_core::clock::{self, Instant};
use antiphon_core::shutdown::Shutdown;
use antiphon_protocol::client::{Ack, Chat, Cursor, HelloReply, LoginReply, Sync, SyncReply};
use antiphon_protocol::limits::SYNC_CURSORS_MAX;
use antiphon_protocol::message::{Notice, RoomEvent, RoomEventKind, ServerEvent};
use antiphon_protocol::{ClientId, ErrorBody, UserName};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tracing::debug;

use super::cursor::{Cursors, Output};
use super::identity::Identity;
use super::outbox::{Attempt, Outbox, Outcome};
use super::retry::{NextStep, Wait, after_failure};
use super::{Builder, DisconnectReason, Event, Order, RECONNECT_ASKED, SendError, StopReason};
use crate::connection::{Closed, Connection, RequestError, ServerEvents};
use crate::gateway::{self, GatewayUrl};
use crate::limits::{BACKOFF_BASE, BACKOFF_MAX, HINT_MAX, SYNC_LIMIT, SYNC_RETRY};

/// A connection that lived so long proves that the back-off may start over.
const STABLE_AFTER: Duration = Duration::from_secs(10);
/// How long a stopping client waits for room for its last event, and for its socket.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(1);
/// Nothing to wake for.
const FAR: Duration = Duration::from_secs(3_600);

type SendReply = oneshot::Sender<Result<Ack, SendError>>;

/// A connection whose user is logged in.
struct Up {
    connection: Connection,
    events: ServerEvents,
    hello: HelloReply,
    login: LoginReply,
}

/// The end of something that a connected client waited for.
enum Done {
    Sent(ClientId, Attempt),
    Synced(Vec<Cursor>, Result<SyncReply, RequestError>),
}

type Work = FuturesUnordered<BoxFuture<'static, Done>>;

pub(super) struct Actor {
    gateway: GatewayUrl,
    identity: Identity,
    send_deadline: Duration,
    order_rx: mpsc::Receiver<Order>,
    event_tx: mpsc::Sender<Event>,
    current_tx: watch::Sender<Option<Connection>>,
    scope: Shutdown,
    username: Option<UserName>,
    cursors: Cursors,
    outbox: Outbox<SendReply>,
    backoff: Backoff,
    sync_backoff: Backoff,
    sync_not_before: Instant,
    syncing: bool,
    /// When a draining server wants this client gone.
    leave_at: Option<(Instant, String)>,
    /// The owner does not want to wait for the next attempt.
    hurry: Arc<Notify>,
}

impl Actor {
    pub(super) fn new(
        builder: Builder,
        order_rx: mpsc::Receiver<Order>,
        event_tx: mpsc::Sender<Event>,
        current_tx: watch::Sender<Option<Connection>>,
        scope: Shutdown,
    ) -> Self {
        Self {
            gateway: builder.gateway,
            identity: Identity::new(builder.credentials),
            send_deadline: builder.send_deadline,
            order_rx,
            event_tx,
            current_tx,
            scope,
            username: None,
            cursors: Cursors::default(),
            outbox: Outbox::new(),
            backoff: Backoff::new(BACKOFF_BASE, BACKOFF_MAX),
            sync_backoff: Backoff::new(SYNC_RETRY, BACKOFF_MAX),
            sync_not_before: clock::now(),
            syncing: false,
            leave_at: None,
            hurry: Arc::default(),
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
        let last = self.event_tx.send(Event::Stopped { reason });
        // An owner that reads no events learns it from their end.
        let _sent = clock::timeout(FAREWELL_TIMEOUT, last).await;
    }

    async fn keep_connected(&mut self) -> StopReason {
        loop {
            let means = self.identity.means();
            let attempt = connect(
                self.gateway.clone(),
                self.identity.clone(),
                self.scope.clone(),
            );
            let reason = match self.offline(attempt).await {
                None => return StopReason::Asked,
                Some(Ok(up)) => self.serve(up).await,
                Some(Err(reason)) => reason,
            };
            let left = self
                .leave_at
                .take()
                .map(|(at, _)| at.saturating_duration_since(clock::now()));
            let delay = match after_failure(&reason, means, left) {
                NextStep::Stop(stop) => return stop,
                NextStep::Retry { wait, forget_token } => {
                    if forget_token {
                        self.identity.token = None;
                    }
                    match wait {
                        Wait::Now => Duration::ZERO,
                        Wait::Hint(delay) => delay,
                        Wait::Backoff => self.backoff.next_delay(),
                    }
                }
            };
            debug!(%reason, ?delay, "not connected, trying again");
            self.emit(Event::Disconnected {
                reason,
                retry_in: delay,
            })
            .await;
            let hurry = Arc::clone(&self.hurry);
            let wait = async {
                tokio::select! {
                    () = clock::sleep(delay) => {}
                    () = hurry.notified() => {}
                }
            };
            if self.offline(wait).await.is_none() {
                return StopReason::Asked;
            }
        }
    }

    /// Runs `future` while orders are taken. `None` if the client is to stop.
    async fn offline<F: Future>(&mut self, future: F) -> Option<F::Output> {
        tokio::pin!(future);
        let scope = self.scope.clone();
        loop {
            let wake = self
                .outbox
                .next_wake(false)
                .unwrap_or_else(|| clock::now() + FAR);
            tokio::select! {
                () = scope.stopping() => return None,
                output = &mut future => return Some(output),
                order = self.order_rx.recv() => match order? {
                    Order::Reconnect => self.hurry.notify_one(),
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
            Order::Send {
                chat,
                client_id,
                reply_tx,
            } => {
                let now = clock::now();
                answer(
                    self.outbox
                        .push(chat, client_id, reply_tx, now, self.send_deadline),
                );
            }
            Order::Joined {
                conversation,
                last_seq,
            } => self.cursors.begin(&conversation, last_seq),
            Order::Left { conversation } => self.cursors.forget(&conversation),
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
        self.emit(Event::Connected {
            server: hello.server_name,
        })
        .await;
        self.logged_in(login).await;
        self.current_tx.send_replace(Some(connection.clone()));
        let reason = self.serve_until(&connection, &mut events).await;
        self.current_tx.send_replace(None);
        connection.close();
        if self.scope.is_stopping() {
            // So that the goodbye is out before the process may end.
            let _closed = clock::timeout(FAREWELL_TIMEOUT, connection.closed()).await;
        }
        self.outbox.connection_lost(clock::now());
        if clock::now().saturating_duration_since(since) >= STABLE_AFTER {
            self.backoff.reset();
        }
        reason
    }

    async fn logged_in(&mut self, login: LoginReply) {
        self.identity.token = Some(login.resume_token);
        self.username = Some(login.username.clone());
        let log_replaced = self.cursors.login(&login.log_id, &login.conversations);
        self.syncing = false;
        self.sync_not_before = clock::now();
        let (username, conversations) = (login.username, login.conversations);
        self.emit(Event::LoggedIn {
            username,
            conversations,
            log_replaced,
        })
        .await;
    }

    async fn serve_until(
        &mut self,
        connection: &Connection,
        events: &mut ServerEvents,
    ) -> DisconnectReason {
        let scope = self.scope.clone();
        let mut work = Work::new();
        loop {
            self.start_work(connection, &work);
            let now = clock::now();
            if let Some((_, reason)) = self.leave_at.as_ref().filter(|(at, _)| *at <= now) {
                return DisconnectReason::Asked(reason.clone());
            }
            let wake = self.next_wake(now);
            tokio::select! {
                () = scope.stopping() => return DisconnectReason::Closed(Closed::Local),
                event = events.recv() => match event {
                    Some(event) => self.on_event(event).await,
                    None => return DisconnectReason::Closed(connection.closed().await),
                },
                Some(done) = work.next(), if !work.is_empty() => self.on_done(done).await,
                order = self.order_rx.recv() => {
                    let Some(order) = order else {
                        return DisconnectReason::Closed(Closed::Local);
                    };
                    self.events_before(&order, events).await;
                    self.take_order(order);
                }
                () = clock::sleep_until(wake) => answer(self.outbox.expire(clock::now())),
            }
        }
    }

    /// What came before the reply to a join comes before the join.
    async fn events_before(&mut self, order: &Order, events: &mut ServerEvents) {
        if matches!(order, Order::Joined { .. }) {
            while let Some(event) = events.try_recv() {
                self.on_event(event).await;
            }
        }
    }

    fn next_wake(&self, now: Instant) -> Instant {
        let sync = (self.sync_not_before > now).then_some(self.sync_not_before);
        let leave = self.leave_at.as_ref().map(|(at, _)| *at);
        let wakes = [self.outbox.next_wake(true), sync, leave];
        wakes.into_iter().flatten().min().unwrap_or(now + FAR)
    }

    fn start_work(&mut self, connection: &Connection, work: &Work) {
        let now = clock::now();
        for chat in self.outbox.take_ready(now) {
            work.push(Box::pin(send(connection.clone(), chat)));
        }
        if !self.syncing && self.sync_not_before <= now {
            let cursors = self.cursors.take_wanted(SYNC_CURSORS_MAX);
            if !cursors.is_empty() {
                self.syncing = true;
                work.push(Box::pin(sync(connection.clone(), cursors)));
            }
        }
    }

    async fn on_done(&mut self, done: Done) {
        match done {
            Done::Sent(client_id, attempt) => {
                answer(self.outbox.finish(&client_id, attempt, clock::now()));
            }
            Done::Synced(cursors, reply) => {
                self.syncing = false;
                let mut progress = false;
                match reply {
                    Ok(reply) => {
                        for page in reply.conversations {
                            let (outputs, moved) = self.cursors.page(page);
                            progress |= moved;
                            self.hand_on(outputs).await;
                        }
                    }
                    Err(error) => debug!(%error, "sync failed"),
                }
                self.cursors.sync_failed(&cursors);
                if progress {
                    self.sync_backoff.reset();
                } else {
                    self.sync_not_before = clock::now() + self.sync_backoff.next_delay();
                }
            }
        }
    }

    async fn on_event(&mut self, event: ServerEvent) {
        match event {
            ServerEvent::Chat(message) => {
                let outputs = self.cursors.message(message);
                self.hand_on(outputs).await;
            }
            ServerEvent::Position(positions) => {
                for position in positions.positions {
                    self.cursors
                        .position(&position.conversation, position.last_seq);
                }
            }
            ServerEvent::RoomEvent(event) => self.on_room_event(event).await,
            ServerEvent::Presence(presence) => self.emit(Event::Presence(presence)).await,
            ServerEvent::Notice(notice) => self.emit(Event::Notice(notice)).await,
            ServerEvent::Error(body) => {
                self.emit(Event::Notice(Notice {
                    message: body.message,
                }))
                .await;
            }
            ServerEvent::Reconnect(reconnect) => {
                let delay = Duration::from_millis(reconnect.delay_ms).min(HINT_MAX);
                self.leave_at = Some((clock::now() + delay, reconnect.reason));
            }
            // The close frame that follows decides.
            ServerEvent::Kicked(kicked) => debug!(reason = kicked.reason, "kicked"),
            ServerEvent::Unknown(action) => debug!(action, "unknown event skipped"),
        }
    }

    async fn on_room_event(&mut self, event: RoomEvent) {
        let conversation = format!("room:{}", event.room_name);
        let gone = matches!(event.kind, RoomEventKind::Left | RoomEventKind::Kicked);
        if gone && event.username.is_some() && event.username == self.username {
            self.cursors.forget(&conversation);
        } else if let Some(seq) = event.seq {
            let outputs = self.cursors.sealed(&conversation, seq);
            self.hand_on(outputs).await;
        }
        self.emit(Event::RoomEvent(event)).await;
    }

    async fn hand_on(&self, outputs: Vec<Output>) {
        for output in outputs {
            self.emit(match output {
                Output::Message(message) => Event::Message(message),
                Output::Gap {
                    conversation,
                    from,
                    to,
                } => Event::Gap {
                    conversation,
                    from,
                    to,
                },
            })
            .await;
        }
    }

    /// Waits for room, unless the client is to stop.
    async fn emit(&self, event: Event) {
        tokio::select! {
            () = self.scope.stopping() => {}
            // An owner that dropped its events does not want them.
            _sent = self.event_tx.send(event) => {}
        }
    }
}

/// Hands outcomes to whoever still waits for them.
fn answer(outcomes: impl IntoIterator<Item = Outcome<SendReply>>) {
    for (reply_tx, outcome) in outcomes {
        drop(reply_tx.send(outcome));
    }
}

async fn connect(
    gateway: GatewayUrl,
    identity: Identity,
    scope: Shutdown,
) -> Result<Up, DisconnectReason> {
    let user = identity.fallback.as_ref().map(|(user, _)| user.as_str());
    let server = gateway::fetch_server(&gateway, user)
        .await
        .map_err(DisconnectReason::Gateway)?;
    let (connection, events) = Connection::open(&server, &scope)
        .await
        .map_err(DisconnectReason::Connect)?;
    let welcome = async {
        let hello = connection.hello().await?;
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
            Err(DisconnectReason::Login(error))
        }
    }
}

async fn send(connection: Connection, chat: Chat) -> Done {
    let client_id = chat
        .client_id
        .clone()
        .expect("every queued message has its id");
    let attempt = match connection.request(chat).await {
        Ok(ack) => Attempt::Acked(ack),
        Err(RequestError::Refused(body)) => Attempt::Refused(body),
        Err(error @ RequestError::TooLarge) => {
            Attempt::Refused(ErrorBody::new(413, "too_large", error.to_string()))
        }
        Err(RequestError::Busy | RequestError::NotConnected) => Attempt::NotSent,
        Err(RequestError::Deadline | RequestError::Closed(_) | RequestError::BadReply(_)) => {
            Attempt::Lost
        }
    };
    Done::Sent(client_id, attempt)
}

async fn sync(connection: Connection, cursors: Vec<Cursor>) -> Done {
    let command = Sync {
        cursors: cursors.clone(),
        limit: SYNC_LIMIT,
    };
    Done::Synced(cursors, connection.request(command).await)
}
