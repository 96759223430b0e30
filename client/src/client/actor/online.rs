//! A client whose user is logged in: messages out, events in, gaps filled.

use std::time::Duration;

use antiphon_core::backoff::Backoff;
use antiphon_core::clock::{self, Instant};
use antiphon_protocol::client::{Chat, Cursor, Ping, Pong, Sync, SyncReply};
use antiphon_protocol::limits::SYNC_CURSORS_MAX;
use antiphon_protocol::message::{Notice, RoomEvent, RoomEventKind, ServerEvent};
use antiphon_protocol::{ClientId, ErrorBody};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tracing::debug;

use super::{Actor, FAR, answer};
use crate::client::cursor::Output;
use crate::client::outbox::Attempt;
use crate::client::wake::after_sleep;
use crate::client::{ConnectionState, DisconnectReason, Event, Order};
use crate::connection::{Closed, Connection, RequestError, ServerEvents};
use crate::limits::{
    BACKOFF_MAX, DRAIN_LINGER, HINT_MAX, SYNC_LIMIT, SYNC_RETRY, WAKE_PROBE_TIMEOUT,
};

/// What a `sync` takes of the rate, in messages.
const SYNC_COST: f64 = 3.0;

/// The end of something that a connected client waited for.
enum Done {
    Sent(ClientId, Attempt),
    Synced(Vec<Cursor>, Result<SyncReply, RequestError>),
    Probed(Result<Pong, RequestError>),
}

type Work = FuturesUnordered<BoxFuture<'static, Done>>;

/// When what is missing is asked for.
pub(super) struct Syncing {
    backoff: Backoff,
    not_before: Instant,
    /// A `sync` is on its way.
    running: bool,
}

impl Syncing {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            backoff: Backoff::new(SYNC_RETRY, BACKOFF_MAX),
            not_before: now,
            running: false,
        }
    }

    /// There is a new connection.
    pub(super) fn begin(&mut self, now: Instant) {
        self.running = false;
        self.not_before = now;
    }

    fn is_due(&self, now: Instant) -> bool {
        !self.running && self.not_before <= now
    }

    /// What came of a `sync`; `wait` is what the server said to that.
    fn ended(&mut self, progress: bool, wait: Option<Duration>) {
        self.running = false;
        if progress {
            self.backoff.reset();
        } else if let Some(wait) = wait {
            self.not_before = clock::now() + wait;
        } else {
            self.not_before = clock::now() + self.backoff.next_delay();
        }
    }
}

impl Actor {
    pub(super) async fn serve_until(
        &mut self,
        connection: &Connection,
        events: &mut ServerEvents,
    ) -> DisconnectReason {
        let (scope, event_tx) = (self.scope.clone(), self.event_tx.clone());
        let mut work = Work::new();
        let slept = after_sleep(self.wall_clock);
        tokio::pin!(slept);
        loop {
            let now = clock::now();
            if let Some(reason) = self.is_to_leave(now) {
                return reason;
            }
            self.start_work(connection, &work, now);
            let wake = self.next_wake(now);
            tokio::select! {
                () = scope.stopping() => return DisconnectReason::Closed(Closed::Local),
                permit = event_tx.reserve(), if !self.held.is_empty() => self.release(permit),
                event = events.recv(), if self.held.is_empty() => match event {
                    Some(event) => self.on_event(event),
                    None => return DisconnectReason::Closed(connection.closed().await),
                },
                Some(done) = work.next(), if !work.is_empty() => {
                    if let Some(closed) = self.on_done(done) {
                        return DisconnectReason::Closed(closed);
                    }
                }
                order = self.order_rx.recv() => {
                    let Some(order) = order else {
                        return DisconnectReason::Closed(Closed::Local);
                    };
                    self.events_before(&order, events);
                    self.take_order(order);
                }
                () = &mut slept => {
                    slept.set(after_sleep(self.wall_clock));
                    work.push(Box::pin(probe(connection.clone())));
                }
                () = clock::sleep_until(wake) => answer(self.outbox.expire(clock::now())),
            }
        }
    }

    /// When a draining server's delay is over; what it still owes an answer for gets a moment.
    fn is_to_leave(&self, now: Instant) -> Option<DisconnectReason> {
        let (at, reason) = self.leave_at.as_ref()?;
        let answered = self.outbox.in_flight() == 0 && *at <= now;
        (answered || *at + DRAIN_LINGER <= now).then(|| DisconnectReason::Asked(reason.clone()))
    }

    /// Whether the moment has come: what is owed an answer may still get it, and nothing new
    /// is begun.
    fn is_leaving(&self, now: Instant) -> bool {
        self.leave_at.as_ref().is_some_and(|(at, _)| *at <= now)
    }

    /// What came before the reply to a join comes before the join, and what came before the
    /// reply to a leave is still the room's: after it, it would have to wait for a `sync`, and
    /// would be dropped.
    fn events_before(&mut self, order: &Order, events: &mut ServerEvents) {
        if matches!(order, Order::Joined { .. } | Order::Left { .. }) {
            while let Some(event) = events.try_recv() {
                self.on_event(event);
            }
        }
    }

    fn next_wake(&self, now: Instant) -> Instant {
        let sync = Some(self.syncing.not_before).filter(|at| *at > now);
        let leave = self
            .leave_at
            .as_ref()
            .map(|(at, _)| if *at > now { *at } else { *at + DRAIN_LINGER });
        // Who is about to leave sends nothing more, so nothing is to be sent in time.
        let wakes = [self.outbox.next_wake(!self.is_leaving(now)), sync, leave];
        wakes.into_iter().flatten().min().unwrap_or(now + FAR)
    }

    fn start_work(&mut self, connection: &Connection, work: &Work, now: Instant) {
        if self.is_leaving(now) {
            return;
        }
        // First: it costs more, so the messages would always be before it.
        if self.held.is_empty() && self.syncing.is_due(now) {
            let cursors = self.cursors.take_wanted(SYNC_CURSORS_MAX);
            if !cursors.is_empty() {
                self.syncing.running = true;
                self.outbox.spend(SYNC_COST);
                work.push(Box::pin(sync(connection.clone(), cursors)));
            }
        }
        for chat in self.outbox.take_ready(now) {
            work.push(Box::pin(send(connection.clone(), chat)));
        }
    }

    /// How the connection ended, if it did.
    fn on_done(&mut self, done: Done) -> Option<Closed> {
        match done {
            Done::Sent(client_id, attempt) => {
                answer(self.outbox.finish(&client_id, attempt, clock::now()));
            }
            Done::Synced(cursors, reply) => {
                let (mut progress, mut wait) = (false, None);
                match reply {
                    Ok(reply) => {
                        for page in reply.conversations {
                            let (outputs, moved) = self.cursors.page(page);
                            progress |= moved;
                            self.hand_on(outputs);
                        }
                        progress |= self.cursors.sync_ended(&cursors);
                    }
                    Err(error) => {
                        debug!(%error, "sync failed");
                        wait = too_fast(&error);
                        self.cursors.sync_failed(&cursors);
                    }
                }
                self.syncing.ended(progress, wait);
                if let Some(wait) = wait {
                    self.outbox.give_way(wait, clock::now());
                }
            }
            // Any other answer shows that the server is there.
            Done::Probed(Err(RequestError::Deadline)) => return Some(Closed::DeadPeer),
            Done::Probed(_) => {}
        }
        None
    }

    fn on_event(&mut self, event: ServerEvent) {
        match event {
            ServerEvent::Chat(message) => {
                let outputs = self.cursors.message(message);
                self.hand_on(outputs);
            }
            ServerEvent::Position(positions) => {
                for position in positions.positions {
                    self.cursors
                        .position(&position.conversation, position.last_seq);
                }
            }
            ServerEvent::RoomEvent(event) => self.on_room_event(event),
            ServerEvent::Presence(presence) => self.emit(Event::Presence(presence)),
            ServerEvent::Notice(notice) => self.emit(Event::Notice(notice)),
            ServerEvent::Error(body) => {
                self.emit(Event::Notice(Notice {
                    message: body.message,
                }));
            }
            ServerEvent::Reconnect(reconnect) => {
                let delay = Duration::from_millis(reconnect.delay_ms).min(HINT_MAX);
                self.leave(clock::now() + delay, reconnect.reason);
            }
            // The close frame that follows decides.
            ServerEvent::Kicked(kicked) => debug!(reason = kicked.reason, "kicked"),
            ServerEvent::Unknown(action) => debug!(action, "unknown event skipped"),
        }
    }

    fn leave(&mut self, at: Instant, reason: String) {
        self.leave_at = Some((at, reason));
        self.shown.state_tx.send_if_modified(|state| {
            let ConnectionState::Online { server } = state else {
                return false;
            };
            *state = ConnectionState::Draining {
                server: std::mem::take(server),
                until: at,
            };
            true
        });
    }

    fn on_room_event(&mut self, event: RoomEvent) {
        let conversation = format!("room:{}", event.room_name);
        let own = event.username.is_some() && event.username == self.username;
        match event.kind {
            RoomEventKind::Left | RoomEventKind::Kicked if own => self.cursors.left(&conversation),
            RoomEventKind::Joined if own => self.cursors.entered(&conversation),
            RoomEventKind::Left
            | RoomEventKind::Kicked
            | RoomEventKind::Joined
            | RoomEventKind::Invited
            | RoomEventKind::Epoch => {}
        }
        if let Some(seq) = event.seq {
            let outputs = self.cursors.sealed(&conversation, seq);
            self.hand_on(outputs);
        }
        self.emit(Event::RoomEvent(event));
    }

    pub(super) fn hand_on(&mut self, outputs: Vec<Output>) {
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
            });
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

/// How long to send nothing, if that is what the server wants.
fn too_fast(error: &RequestError) -> Option<Duration> {
    let body = error.refusal().filter(|body| body.code == 429)?;
    body.retry_after_ms
        .map(|ms| Duration::from_millis(ms).min(HINT_MAX))
}

async fn probe(connection: Connection) -> Done {
    Done::Probed(connection.request_within(Ping {}, WAKE_PROBE_TIMEOUT).await)
}
