//! What does one thing for a user: sends, joins, leaves, and writes down how it ended.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use antiphon_client::protocol::client::{Ack, Target};
use antiphon_client::{RequestError, SendError};
use antiphon_core::clock;
use antiphon_protocol::{ClientId, RoomName};
use tokio::sync::watch;

use super::user::Current;
use super::world::{World, canonical};
use crate::torture::history::{Membership, Outcome, Record, Recorder, Send};

/// How often a send without an answer is repeated.
const REPEATS_MAX: u32 = 3;

/// An operation under way. If it is dropped before it ended, nobody knows how it ended, and
/// that is written down: it may have taken effect.
struct Pending<'r, T: Clone> {
    recorder: &'r Recorder,
    operation: T,
    record: fn(T) -> Record,
    is_over: bool,
}

impl<'r, T: Clone> Pending<'r, T> {
    /// Its outcome is unknown for now.
    fn new(recorder: &'r Recorder, operation: T, record: fn(T) -> Record) -> Self {
        Self {
            recorder,
            operation,
            record,
            is_over: false,
        }
    }

    fn ends(&mut self, with: impl FnOnce(&mut T)) {
        with(&mut self.operation);
    }

    async fn put(mut self) {
        self.is_over = true;
        let record = (self.record)(self.operation.clone());
        self.recorder.put(record).await;
    }
}

impl<T: Clone> Drop for Pending<'_, T> {
    fn drop(&mut self) {
        if !self.is_over {
            let record = (self.record)(self.operation.clone());
            self.recorder.put_at_once(record);
        }
    }
}

/// What does one thing for a user, with the client that it has at each moment.
#[derive(Debug)]
pub(super) struct Hand {
    pub(super) world: Arc<World>,
    pub(super) user: usize,
    pub(super) current_rx: watch::Receiver<Current>,
}

impl Hand {
    fn name(&self) -> String {
        self.world.accounts[self.user].name.as_str().to_owned()
    }

    fn current(&self) -> Current {
        self.current_rx.borrow().clone()
    }

    pub(super) async fn say(self, target: Target, id: String, number: u64, again: bool) {
        self.world.shown.sent.fetch_add(1, Ordering::Relaxed);
        let pause = self.world.pace.retry_pause;
        let mut repeats = 0;
        loop {
            let outcome = self.attempt(&target, &id, number, repeats > 0).await;
            match outcome {
                Outcome::Ok if again && repeats == 0 => {}
                Outcome::Unknown if repeats < REPEATS_MAX => clock::sleep(pause).await,
                Outcome::Ok => break,
                Outcome::Unknown | Outcome::Refused => return,
            }
            repeats += 1;
        }
        self.world.shown.acked.fetch_add(1, Ordering::Relaxed);
    }

    async fn attempt(&self, target: &Target, id: &str, number: u64, again: bool) -> Outcome {
        let Current { session, client } = self.current();
        let conversation = match target {
            Target::Room(room) => format!("room:{room}"),
            Target::User(user) => canonical(&self.name(), &format!("user:{user}")),
        };
        let client_id = ClientId::parse(id).expect("letters and hyphens, not many");
        let begin = self.world.now();
        let send = Send {
            session,
            user: self.name(),
            conversation,
            id: id.to_owned(),
            number,
            begin,
            end: begin,
            outcome: Outcome::Unknown,
            seq: None,
            why: None,
        };
        let mut pending = Pending::new(&self.world.recorder, send, Record::Send);
        let target = target.clone();
        let sent = if again {
            client.send_again(target, id, "text", client_id).await
        } else {
            client.send_with_id(target, id, client_id).await
        };
        let (outcome, seq, why) = outcome_of(sent);
        pending.ends(|send| {
            send.end = self.world.now();
            (send.outcome, send.seq, send.why) = (outcome, seq, why);
        });
        pending.put().await;
        outcome
    }

    /// Joins or leaves until that is certain; false if it never was.
    pub(super) async fn change(&self, room: &RoomName, joins: bool) -> bool {
        let pace = &self.world.pace;
        for attempt in 0..pace.membership_attempts {
            if attempt > 0 {
                clock::sleep(pace.retry_pause).await;
            }
            let Current { session, client } = self.current();
            let begin = self.world.now();
            let membership = Membership {
                session,
                user: self.name(),
                conversation: format!("room:{room}"),
                joins,
                begin,
                end: begin,
                outcome: Outcome::Unknown,
                seq: None,
            };
            let recorder = &self.world.recorder;
            let mut pending = Pending::new(recorder, membership, Record::Membership);
            let changed = if joins {
                let joined = client.join_room(room.clone()).await;
                joined.map(|reply| Some(reply.last_seq))
            } else {
                client.leave_room(room.clone()).await.map(|()| None)
            };
            let (outcome, seq) = match changed {
                Ok(seq) => (Outcome::Ok, seq),
                Err(error) => (membership_outcome(&error, joins), None),
            };
            pending.ends(|membership| {
                membership.end = self.world.now();
                (membership.outcome, membership.seq) = (outcome, seq);
            });
            pending.put().await;
            if outcome == Outcome::Ok {
                return true;
            }
        }
        false
    }
}

fn outcome_of(sent: Result<Ack, SendError>) -> (Outcome, Option<u64>, Option<String>) {
    match sent {
        Ok(ack) => (Outcome::Ok, Some(ack.seq), None),
        Err(SendError::Unknown { .. }) => (Outcome::Unknown, None, None),
        Err(SendError::Refused(body)) => (Outcome::Refused, None, Some(body.ext)),
        Err(error @ (SendError::NotSent | SendError::QueueFull | SendError::Stopped)) => {
            (Outcome::Refused, None, Some(error.to_string()))
        }
    }
}

fn membership_outcome(error: &RequestError, joins: bool) -> Outcome {
    match error {
        // Who is no member has left.
        RequestError::Refused(body) if !joins && body.ext == "room_not_found" => Outcome::Ok,
        RequestError::Refused(body) if body.ext == "unknown_outcome" => Outcome::Unknown,
        RequestError::Refused(_)
        | RequestError::TooLarge
        | RequestError::Busy
        | RequestError::NotConnected => Outcome::Refused,
        RequestError::Deadline | RequestError::Closed(_) | RequestError::BadReply(_) => {
            Outcome::Unknown
        }
    }
}
