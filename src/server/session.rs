//! The last stage: each connection's bounded outbound queue, and the table of this server's
//! sessions. A full queue closes its connection with 4300; nothing here ever waits.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use antiphon_core::mutant::{self, Mutant};
use antiphon_protocol::close_code::{CloseCode, REPLACED, REVOKED, SLOW_CONSUMER};
use antiphon_protocol::codec;
use antiphon_protocol::message::Kicked;
use antiphon_protocol::peer::EndReason;
use antiphon_protocol::{ConnectionId, SessionId, UserName};
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// Locks a mutex whose holders can't leave it half-changed when they panic.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Waiting>,
    /// Of events.
    bytes: usize,
    closing: Option<CloseCode>,
}

#[derive(Debug)]
struct Waiting {
    frame: Utf8Bytes,
    /// Its part of the queue's bytes: nothing if it is an answer.
    counts: usize,
}

/// What waits to be written to one client.
#[derive(Debug)]
pub(crate) struct Outbound {
    queue: Mutex<Queue>,
    changed: Notify,
    bytes_max: usize,
    frames_max: usize,
}

impl Outbound {
    /// An empty queue with its bounds.
    pub(crate) fn new(bytes_max: usize, frames_max: usize) -> Self {
        Self {
            queue: Mutex::default(),
            changed: Notify::new(),
            bytes_max,
            frames_max,
        }
    }

    /// Queues a frame. If it does not fit, the connection is closed as a slow consumer: what
    /// it misses is in the log. False if the frame was not queued.
    pub(crate) fn push(&self, frame: Utf8Bytes) -> bool {
        let mut queue = lock(&self.queue);
        if queue.closing.is_some() {
            return false;
        }
        let fits = (queue.bytes + frame.len() <= self.bytes_max
            && queue.frames.len() < self.frames_max)
            || mutant::is_on(Mutant::UnboundedQueue);
        if fits {
            let counts = frame.len();
            queue.bytes += counts;
            queue.frames.push_back(Waiting { frame, counts });
        } else {
            queue.closing = Some(SLOW_CONSUMER);
            queue.frames.clear();
            queue.bytes = 0;
        }
        drop(queue);
        self.changed.notify_one();
        fits
    }

    /// Queues the answer to a request. Answers are bounded by the requests in flight and by
    /// the page size, so their bytes don't count against the queue's bound: a page that is
    /// bigger than that must not cost the connection that asked for it.
    pub(crate) fn push_reply(&self, frame: Utf8Bytes) {
        let mut queue = lock(&self.queue);
        // A connection that is about to be closed still gives its answers.
        if queue.closing != Some(SLOW_CONSUMER) {
            queue.frames.push_back(Waiting { frame, counts: 0 });
            drop(queue);
            self.changed.notify_one();
        }
    }

    fn waiting_bytes(&self) -> usize {
        lock(&self.queue).bytes
    }

    /// Asks for the connection to be closed once what is queued is written. The first code
    /// stays.
    pub(crate) fn close(&self, code: CloseCode) {
        lock(&self.queue).closing.get_or_insert(code);
        self.changed.notify_one();
    }

    /// Resolves when there is something to write, or the connection is to be closed.
    /// Cancel-safe.
    pub(crate) async fn ready(&self) {
        loop {
            let changed = self.changed.notified();
            {
                let queue = lock(&self.queue);
                if !queue.frames.is_empty() || queue.closing.is_some() {
                    return;
                }
            }
            changed.await;
        }
    }

    /// Resolves when the queue has overflowed. Cancel-safe.
    pub(crate) async fn overflowed(&self) {
        loop {
            let changed = self.changed.notified();
            if lock(&self.queue).closing == Some(SLOW_CONSUMER) {
                return;
            }
            changed.await;
        }
    }

    /// Takes up to `bytes` of frames; the close code once nothing is left before it.
    pub(crate) fn take(&self, bytes: usize, into: &mut Vec<Utf8Bytes>) -> Option<CloseCode> {
        let mut queue = lock(&self.queue);
        let mut taken = 0;
        while taken < bytes {
            let Some(Waiting { frame, counts }) = queue.frames.pop_front() else {
                return queue.closing;
            };
            taken += frame.len();
            queue.bytes -= counts;
            into.push(frame);
        }
        None
    }
}

/// One session on this server.
#[derive(Debug, Clone)]
pub(crate) struct LocalSession {
    /// Its id.
    pub(crate) id: SessionId,
    /// When it logged in, in milliseconds since 1970.
    pub(crate) login_at_ms: u64,
    /// Its socket.
    pub(crate) connection: ConnectionId,
    /// Its queue.
    pub(crate) outbound: Arc<Outbound>,
}

/// This server's sessions, by user.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    users: Mutex<BTreeMap<UserName, Vec<LocalSession>>>,
}

impl Sessions {
    /// Adds a session; true if it is the user's first here.
    pub(crate) fn bind(&self, user: UserName, session: LocalSession) -> bool {
        let mut users = lock(&self.users);
        let sessions = users.entry(user).or_default();
        sessions.push(session);
        sessions.len() == 1
    }

    /// Removes exactly this session; true if it was the user's last here.
    pub(crate) fn unbind(&self, user: &UserName, id: &SessionId) -> bool {
        let mut users = lock(&self.users);
        let Some(sessions) = users.get_mut(user) else {
            return false;
        };
        sessions.retain(|session| session.id != *id);
        let last = sessions.is_empty();
        if last {
            users.remove(user);
        }
        last
    }

    /// The user's sessions here, oldest first.
    pub(crate) fn of(&self, user: &UserName) -> Vec<LocalSession> {
        lock(&self.users).get(user).cloned().unwrap_or_default()
    }

    /// Every user with a session here.
    pub(crate) fn users(&self) -> Vec<UserName> {
        lock(&self.users).keys().cloned().collect()
    }

    /// Pushes a frame to every session of the given users; `own` gets its variant. Returns
    /// how many sessions did not take it.
    pub(crate) fn push_all<'u>(
        &self,
        to: impl Iterator<Item = &'u UserName>,
        frame: &Utf8Bytes,
        own: Option<(&UserName, &Utf8Bytes)>,
        except: Option<ConnectionId>,
    ) -> usize {
        let users = lock(&self.users);
        let mut refused = 0;
        for user in to {
            let frame = own
                .filter(|(owner, _)| *owner == user)
                .map_or(frame, |(_, frame)| frame);
            for session in users.get(user).into_iter().flatten() {
                if Some(session.connection) != except && !session.outbound.push(frame.clone()) {
                    refused += 1;
                }
            }
        }
        refused
    }

    /// Ends the user's sessions here that logged in before a moment, except one connection's.
    pub(crate) fn end(
        &self,
        user: &UserName,
        before_ms: u64,
        reason: EndReason,
        except: Option<ConnectionId>,
    ) {
        let (code, word) = match reason {
            EndReason::Replaced => (REPLACED, "replaced"),
            EndReason::Revoked => (REVOKED, "revoked"),
        };
        let kicked = Kicked {
            reason: word.into(),
        };
        let frame = Utf8Bytes::from(codec::encode_event(None, "kicked", &kicked));
        for session in self.of(user) {
            if session.login_at_ms < before_ms && Some(session.connection) != except {
                session.outbound.push_reply(frame.clone());
                session.outbound.close(code);
            }
        }
    }

    /// Bytes of events that wait in the fullest queue.
    pub(crate) fn fullest_queue_bytes(&self) -> usize {
        let users = lock(&self.users);
        let sessions = users.values().flatten();
        sessions
            .map(|session| session.outbound.waiting_bytes())
            .max()
            .unwrap_or(0)
    }

    /// Asks every session's connection to close.
    pub(crate) fn close_all(&self, code: CloseCode) {
        for session in lock(&self.users).values().flatten() {
            session.outbound.close(code);
        }
    }
}

#[cfg(test)]
mod tests;
