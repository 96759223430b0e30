//! Messages that wait to be acknowledged: pure state, no I/O.
//!
//! To each target one message is on its way at a time, so that neither a refusal nor a lost
//! connection can change their order. A send ends in one of three ways: acknowledged, refused
//! (certainly not applied), or unknown.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use antiphon_core::clock::Instant;
use antiphon_protocol::client::{Ack, Chat, Target};
use antiphon_protocol::{ClientId, ErrorBody};

use crate::limits::{HINT_MAX, OUTBOX_MAX, RESEND_DELAY};

/// Why a message has no acknowledgment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The server said no; the message is not stored.
    #[error("{}", .0.message)]
    Refused(ErrorBody),
    /// It never left this client in time; the message is not stored.
    #[error("not sent: no connection in time")]
    NotSent,
    /// Too many messages wait already; the message is not stored.
    #[error("not sent: {OUTBOX_MAX} messages are waiting already")]
    QueueFull,
    /// The client has stopped; the message is not stored.
    #[error("not sent: the client has stopped")]
    Stopped,
    /// It was sent and no answer came: a retry with the same id takes effect once.
    #[error("sent, but no answer came; it may be stored")]
    Unknown {
        /// The id to retry with.
        client_id: ClientId,
    },
}

/// How one attempt ended.
#[derive(Debug)]
pub(crate) enum Attempt {
    Acked(Ack),
    Refused(ErrorBody),
    /// It was sent, and no answer came.
    Lost,
    /// It did not leave this client.
    NotSent,
}

#[derive(Debug)]
struct Entry<R> {
    chat: Chat,
    client_id: ClientId,
    reply: R,
    in_flight: bool,
    /// An attempt had no answer, so a later refusal proves nothing.
    lost_before: bool,
    not_before: Instant,
    deadline: Instant,
}

/// The queue; `R` is where an outcome goes.
#[derive(Debug)]
pub(crate) struct Outbox<R> {
    entries: VecDeque<Entry<R>>,
}

/// An outcome and where it goes.
pub(crate) type Outcome<R> = (R, Result<Ack, SendError>);

impl<R> Outbox<R> {
    pub(crate) fn new() -> Self {
        Self {
            entries: VecDeque::new(),
        }
    }

    /// Queues a message that has a client id.
    pub(crate) fn push(
        &mut self,
        chat: Chat,
        client_id: ClientId,
        reply: R,
        now: Instant,
        patience: Duration,
    ) -> Option<Outcome<R>> {
        if self.entries.len() >= OUTBOX_MAX {
            return Some((reply, Err(SendError::QueueFull)));
        }
        if self
            .entries
            .iter()
            .any(|entry| entry.client_id == client_id)
        {
            let twice = "a message with this client id is waiting already";
            let body = ErrorBody::new(409, "client_id_conflict", twice);
            return Some((reply, Err(SendError::Refused(body))));
        }
        self.entries.push_back(Entry {
            chat,
            client_id,
            reply,
            in_flight: false,
            lost_before: false,
            not_before: now,
            deadline: now + patience,
        });
        None
    }

    /// What may be sent now, in order; it is on its way from now on.
    pub(crate) fn take_ready(&mut self, now: Instant) -> Vec<Chat> {
        let mut targets = HashSet::new();
        let mut ready = Vec::new();
        for entry in &mut self.entries {
            let first = targets.insert(entry.chat.target.clone());
            if first && !entry.in_flight && entry.not_before <= now {
                entry.in_flight = true;
                ready.push(entry.chat.clone());
            }
        }
        ready
    }

    /// Takes the end of an attempt.
    pub(crate) fn finish(
        &mut self,
        client_id: &ClientId,
        attempt: Attempt,
        now: Instant,
    ) -> Option<Outcome<R>> {
        let at = self
            .entries
            .iter()
            .position(|entry| entry.client_id == *client_id)?;
        let entry = &mut self.entries[at];
        entry.in_flight = false;
        let outcome = match attempt {
            Attempt::Acked(ack) => Ok(ack),
            Attempt::Refused(body) if body.retryable => {
                let hint = body
                    .retry_after_ms
                    .map_or(RESEND_DELAY, Duration::from_millis);
                entry.not_before = now + hint.min(HINT_MAX);
                entry.lost_before |= body.ext == "unknown_outcome";
                return None;
            }
            Attempt::Refused(_) if entry.lost_before => Err(SendError::Unknown {
                client_id: client_id.clone(),
            }),
            Attempt::Refused(body) => Err(SendError::Refused(body)),
            Attempt::Lost => {
                entry.lost_before = true;
                entry.not_before = now + RESEND_DELAY;
                return None;
            }
            Attempt::NotSent => {
                entry.not_before = now + RESEND_DELAY;
                return None;
            }
        };
        let entry = self.entries.remove(at)?;
        Some((entry.reply, outcome))
    }

    /// The connection is gone: what was on its way goes first on the next one.
    pub(crate) fn connection_lost(&mut self, now: Instant) {
        for entry in &mut self.entries {
            entry.lost_before |= entry.in_flight;
            entry.in_flight = false;
            entry.not_before = now;
        }
    }

    /// Takes out what waited too long.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<Outcome<R>> {
        self.remove(|entry| entry.deadline <= now, &SendError::NotSent)
    }

    /// Takes out everything.
    pub(crate) fn stop(&mut self) -> Vec<Outcome<R>> {
        self.remove(|_| true, &SendError::Stopped)
    }

    fn remove(&mut self, which: impl Fn(&Entry<R>) -> bool, unsent: &SendError) -> Vec<Outcome<R>> {
        let (out, kept) = std::mem::take(&mut self.entries)
            .into_iter()
            .partition(|e| which(e));
        self.entries = kept;
        let out: VecDeque<Entry<R>> = out;
        out.into_iter()
            .map(|entry| {
                let maybe_stored = entry.in_flight || entry.lost_before;
                let unknown = SendError::Unknown {
                    client_id: entry.client_id,
                };
                (
                    entry.reply,
                    Err(if maybe_stored {
                        unknown
                    } else {
                        unsent.clone()
                    }),
                )
            })
            .collect()
    }

    /// When something is to be done: a resend or an expiry.
    pub(crate) fn next_wake(&self, connected: bool) -> Option<Instant> {
        let resend = |entry: &Entry<R>| {
            if connected && !entry.in_flight {
                entry.not_before
            } else {
                entry.deadline
            }
        };
        // Only the first message to a target can go out.
        let mut targets: HashSet<&Target> = HashSet::new();
        let wakes = self.entries.iter().map(|entry| {
            let first = targets.insert(&entry.chat.target);
            if first {
                resend(entry).min(entry.deadline)
            } else {
                entry.deadline
            }
        });
        wakes.min()
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests;
