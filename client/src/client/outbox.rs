//! Messages that wait to be acknowledged: pure state, no I/O.
//!
//! To each target a window of messages is on its way at a time. Each but the first names the
//! one before it (`after`), and the server takes it only behind that one: neither a refusal
//! nor a lost connection can change their order. After either, what is unanswered goes out
//! again from the first. A send ends in one of three ways: acknowledged, refused (certainly
//! not applied), or unknown.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use antiphon_core::clock::Instant;
use antiphon_protocol::client::{Ack, Chat, Limits, Target};
use antiphon_protocol::{ClientId, ErrorBody};

use super::pace::Pace;
use crate::limits::{HINT_MAX, IN_FLIGHT_MAX, RESEND_DELAY, WINDOW_MAX};

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
    #[error("not sent: too many messages are waiting already")]
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

/// A message to be sent.
#[derive(Debug)]
pub(crate) struct Queued {
    /// The message.
    pub(crate) chat: Chat,
    /// Its id.
    pub(crate) client_id: ClientId,
    /// It was sent before.
    pub(crate) again: bool,
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
    /// Its place among all that were ever queued.
    ticket: u64,
    chat: Chat,
    client_id: ClientId,
    reply: R,
    /// It was sent before, so it may have its place in the log already, and nothing can be
    /// said about what is sent around it.
    again: bool,
    in_flight: bool,
    /// An attempt had no answer, so a later refusal proves nothing.
    lost_before: bool,
    not_before: Instant,
    deadline: Instant,
}

/// What waits for one target, in order. What is on its way is among the first `window`.
#[derive(Debug)]
struct Lane<R>(VecDeque<Entry<R>>);

impl<R> Lane<R> {
    fn position(&self, client_id: &ClientId) -> Option<usize> {
        self.0
            .iter()
            .position(|entry| entry.client_id == *client_id)
    }

    /// The id of the message that the one at this place follows. One that is sent again
    /// follows none and has none that follows it: it may be in the log long since, and who
    /// names it would pass what stands before it.
    fn before(&self, at: usize) -> Option<&ClientId> {
        if self.0.get(at)?.again {
            return None;
        }
        let before = self.0.range(..at).rev().find(|entry| !entry.again);
        before.map(|entry| &entry.client_id)
    }

    /// The tickets that may go out now, in order; and when the next one may, if time is what
    /// it waits for. Nothing goes out before what stands before it.
    fn sendable(&self, window: usize, now: Instant) -> (Vec<u64>, Option<Instant>) {
        let mut tickets = Vec::new();
        let on_the_way = self.0.iter().take(window).filter(|entry| entry.in_flight);
        let mut room = window.saturating_sub(on_the_way.count());
        for entry in self.0.iter().filter(|entry| !entry.in_flight) {
            if room == 0 {
                break;
            }
            if entry.not_before > now {
                return (tickets, Some(entry.not_before));
            }
            tickets.push(entry.ticket);
            room -= 1;
        }
        (tickets, None)
    }
}

/// The queue; `R` is where an outcome goes.
#[derive(Debug)]
pub(crate) struct Outbox<R> {
    lanes: BTreeMap<Target, Lane<R>>,
    /// Where each waiting message is.
    targets: HashMap<ClientId, Target>,
    queue_max: usize,
    next_ticket: u64,
    in_flight: usize,
    in_flight_max: usize,
    pace: Pace,
    /// Something may go out that might not before.
    dirty: bool,
    /// When something may go out that only waits for time.
    wake: Option<Instant>,
}

/// An outcome and where it goes.
pub(crate) type Outcome<R> = (R, Result<Ack, SendError>);

impl<R> Outbox<R> {
    pub(crate) fn new(queue_max: usize, now: Instant) -> Self {
        Self {
            lanes: BTreeMap::new(),
            targets: HashMap::new(),
            queue_max,
            next_ticket: 0,
            in_flight: 0,
            in_flight_max: IN_FLIGHT_MAX,
            pace: Pace::new(u64::from(u32::MAX), u64::from(u32::MAX), now),
            dirty: false,
            wake: None,
        }
    }

    /// There is a connection, with these limits. Half of what the server lets wait for
    /// answers is left to other requests.
    pub(crate) fn connected(&mut self, limits: &Limits, now: Instant) {
        let told = usize::try_from(limits.in_flight_max / 2).unwrap_or(usize::MAX);
        self.in_flight_max = told.clamp(1, IN_FLIGHT_MAX);
        self.pace = Pace::new(limits.rate_per_second, limits.rate_burst, now);
        self.dirty = true;
    }

    /// Queues a message that has a client id.
    pub(crate) fn push(
        &mut self,
        Queued {
            chat,
            client_id,
            again,
        }: Queued,
        reply: R,
        now: Instant,
        patience: Duration,
    ) -> Option<Outcome<R>> {
        if self.targets.len() >= self.queue_max {
            return Some((reply, Err(SendError::QueueFull)));
        }
        if self.targets.contains_key(&client_id) {
            let twice = "a message with this client id is waiting already";
            let body = ErrorBody::new(409, "client_id_conflict", twice);
            return Some((reply, Err(SendError::Refused(body))));
        }
        let target = chat.target.clone();
        self.targets.insert(client_id.clone(), target.clone());
        let lane = self
            .lanes
            .entry(target)
            .or_insert_with(|| Lane(VecDeque::new()));
        lane.0.push_back(Entry {
            ticket: self.next_ticket,
            chat,
            client_id,
            reply,
            again,
            in_flight: false,
            lost_before: false,
            not_before: now,
            deadline: now + patience,
        });
        self.next_ticket += 1;
        self.dirty = true;
        None
    }

    /// What is to be sent now, the oldest first; it is on its way from now on.
    pub(crate) fn take_ready(&mut self, now: Instant) -> Vec<Chat> {
        if !self.dirty && self.wake.is_none_or(|wake| wake > now) {
            return Vec::new();
        }
        self.dirty = false;
        self.wake = None;
        let window = WINDOW_MAX.min(self.in_flight_max);
        let mut candidates: Vec<(u64, Target)> = Vec::new();
        for (target, lane) in &self.lanes {
            let (tickets, wake) = lane.sendable(window, now);
            candidates.extend(tickets.into_iter().map(|ticket| (ticket, target.clone())));
            self.wake = earliest(self.wake, wake);
        }
        candidates.sort_unstable_by_key(|(ticket, _)| *ticket);
        let mut ready = Vec::new();
        for (ticket, target) in candidates {
            if self.in_flight >= self.in_flight_max {
                break;
            }
            if !self.pace.take(now) {
                self.wake = earliest(self.wake, Some(self.pace.next()));
                break;
            }
            ready.extend(self.take(ticket, &target));
        }
        ready
    }

    fn take(&mut self, ticket: u64, target: &Target) -> Option<Chat> {
        let lane = self.lanes.get_mut(target)?;
        let at = lane.0.binary_search_by_key(&ticket, |entry| entry.ticket);
        let at = at.ok()?;
        let after = lane.before(at).cloned();
        let entry = lane.0.get_mut(at)?;
        entry.in_flight = true;
        self.in_flight += 1;
        entry.chat.after = after;
        Some(entry.chat.clone())
    }

    /// Takes the end of an attempt.
    pub(crate) fn finish(
        &mut self,
        client_id: &ClientId,
        attempt: Attempt,
        now: Instant,
    ) -> Option<Outcome<R>> {
        let target = self.targets.get(client_id)?.clone();
        let lane = self.lanes.get_mut(&target)?;
        let at = lane.position(client_id)?;
        let before = lane.before(at).cloned();
        let entry = lane.0.get_mut(at)?;
        self.in_flight -= usize::from(entry.in_flight);
        entry.in_flight = false;
        self.dirty = true;
        let outcome = match attempt {
            Attempt::Acked(ack) => Ok(ack),
            Attempt::Refused(body) if body.retryable => {
                let hint = body.retry_after_ms.map(Duration::from_millis);
                let hint = hint.unwrap_or(RESEND_DELAY).min(HINT_MAX);
                // The one that it named ended otherwise meanwhile: it names another now.
                let renamed = body.ext == "predecessor_missing" && entry.chat.after != before;
                entry.not_before = if renamed { now } else { now + hint };
                entry.lost_before |= body.ext == "unknown_outcome";
                if body.code == 429 {
                    self.pace.refused(hint, now);
                }
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
        let entry = lane.0.remove(at)?;
        if lane.0.is_empty() {
            self.lanes.remove(&target);
        }
        self.targets.remove(client_id);
        Some((entry.reply, outcome))
    }

    /// The connection is gone: what was on its way goes first on the next one.
    pub(crate) fn connection_lost(&mut self, now: Instant) {
        for entry in self.lanes.values_mut().flat_map(|lane| &mut lane.0) {
            entry.lost_before |= entry.in_flight;
            entry.in_flight = false;
            entry.not_before = now;
        }
        self.in_flight = 0;
        self.dirty = true;
    }

    /// Takes out what waited too long.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<Outcome<R>> {
        self.remove(|entry| entry.deadline <= now, &SendError::NotSent)
    }

    /// Takes out everything.
    pub(crate) fn stop(&mut self) -> Vec<Outcome<R>> {
        self.remove(|_| true, &SendError::Stopped)
    }

    /// Takes out of each lane's front, in the order of sending. The deadlines of a lane rise.
    fn remove(&mut self, which: impl Fn(&Entry<R>) -> bool, unsent: &SendError) -> Vec<Outcome<R>> {
        let mut out = Vec::new();
        for lane in self.lanes.values_mut() {
            while lane.0.front().is_some_and(&which) {
                out.extend(lane.0.pop_front());
            }
        }
        self.lanes.retain(|_, lane| !lane.0.is_empty());
        self.dirty |= !out.is_empty();
        out.sort_unstable_by_key(|entry| entry.ticket);
        out.into_iter()
            .map(|entry| {
                self.targets.remove(&entry.client_id);
                self.in_flight -= usize::from(entry.in_flight);
                let error = if entry.in_flight || entry.lost_before {
                    SendError::Unknown {
                        client_id: entry.client_id,
                    }
                } else {
                    unsent.clone()
                };
                (entry.reply, Err(error))
            })
            .collect()
    }

    /// When something is to be done: a resend or an expiry. With a connection, what may go out
    /// at once was taken before.
    pub(crate) fn next_wake(&self, connected: bool) -> Option<Instant> {
        let fronts = self.lanes.values().filter_map(|lane| lane.0.front());
        let deadline = fronts.map(|entry| entry.deadline).min();
        earliest(deadline, self.wake.filter(|_| connected))
    }

    /// Another request takes this much of the rate.
    pub(crate) fn spend(&mut self, cost: f64) {
        self.pace.spend(cost);
    }

    /// Another request was too fast: the messages give way to it.
    pub(crate) fn give_way(&mut self, wait: Duration, now: Instant) {
        self.pace.refused(wait, now);
    }

    /// How many messages are on their way.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.targets.len()
    }
}

fn earliest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}

#[cfg(test)]
mod tests;
