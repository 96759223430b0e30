//! The outbox against a model of the servers, under schedules that nobody would think of:
//! copies that arrive late and out of order, answers that are lost, refusals of all kinds.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const ROOMS: [&str; 2] = ["a", "b"];
/// Steps within which everything must have come through once the faults are over.
const STEPS_MAX: usize = 10_000;

/// One move of the schedule; the numbers choose among what is there.
#[derive(Debug, Clone)]
enum Move {
    /// The app sends a message to a room, perhaps one that the server never takes.
    Send { room: bool, bad: bool },
    /// A copy reaches the servers, and its answer the client.
    Arrive(prop::sample::Index),
    /// A copy reaches the servers, but its answer does not come in time.
    ArriveUnanswered(prop::sample::Index),
    /// A copy is refused on its way, for now.
    Refuse(prop::sample::Index, u64),
    /// Nobody answers a copy, which is still somewhere.
    Lose(prop::sample::Index),
    /// It is not known whether it was stored: it was, if the flag says so.
    Unknown(prop::sample::Index, bool),
    /// The connection breaks; every copy of it is still somewhere.
    Break,
    /// A copy that nobody waits for any more reaches the servers after all.
    Ghost(prop::sample::Index),
    /// Time passes.
    Wait(u64),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let at = any::<prop::sample::Index>;
    let one = prop_oneof![
        6 => (any::<bool>(), prop::bool::weighted(0.1)).prop_map(|(room, bad)| Move::Send { room, bad }),
        6 => at().prop_map(Move::Arrive),
        1 => at().prop_map(Move::ArriveUnanswered),
        2 => (at(), 0_u64..2_000).prop_map(|(at, ms)| Move::Refuse(at, ms)),
        1 => at().prop_map(Move::Lose),
        1 => (at(), any::<bool>()).prop_map(|(at, stored)| Move::Unknown(at, stored)),
        1 => Just(Move::Break),
        2 => at().prop_map(Move::Ghost),
        2 => (0_u64..1_500).prop_map(Move::Wait),
    ];
    prop::collection::vec(one, 1..300)
}

/// The servers: a log for each room, and the rule of `after`.
#[derive(Default)]
struct Model {
    logs: BTreeMap<String, Vec<String>>,
}

fn names(chat: &Chat) -> (String, String) {
    let Target::Room(room) = &chat.target else {
        panic!("only rooms")
    };
    let id = chat.client_id.as_ref().unwrap().as_str();
    (room.to_string(), id.to_owned())
}

impl Model {
    fn take(&mut self, chat: &Chat) -> Attempt {
        let (room, id) = names(chat);
        let log = self.logs.entry(room).or_default();
        if chat.message == "bad" {
            return Attempt::Refused(ErrorBody::new(413, "too_large", "no"));
        }
        if log.contains(&id) {
            return ack();
        }
        let after = chat.after.as_ref().map(ClientId::as_str);
        if after.is_some_and(|after| !log.iter().any(|stored| stored == after)) {
            return missing();
        }
        log.push(id);
        ack()
    }
}

struct World {
    outbox: Outbox<String>,
    now: Instant,
    model: Model,
    /// On this connection, in the order of sending.
    wire: Vec<Chat>,
    ghosts: Vec<Chat>,
    sent: BTreeMap<String, Vec<String>>,
    bad: Vec<String>,
    outcomes: BTreeMap<String, Result<(), SendError>>,
    number: usize,
}

impl World {
    fn new() -> Self {
        let now = clock::now();
        Self {
            outbox: Outbox::new(1_000, now),
            now,
            model: Model::default(),
            wire: Vec::new(),
            ghosts: Vec::new(),
            sent: BTreeMap::new(),
            bad: Vec::new(),
            outcomes: BTreeMap::new(),
            number: 0,
        }
    }

    fn flush(&mut self) {
        let ready = self.outbox.take_ready(self.now);
        self.wire.extend(ready);
        assert_eq!(self.wire.len(), self.outbox.in_flight());
    }

    fn pick(&mut self, at: &prop::sample::Index) -> Option<Chat> {
        (!self.wire.is_empty()).then(|| self.wire.remove(at.index(self.wire.len())))
    }

    fn finish(&mut self, chat: &Chat, attempt: Attempt) {
        let id = chat.client_id.as_ref().unwrap();
        if let Some((name, outcome)) = self.outbox.finish(id, attempt, self.now) {
            let before = self.outcomes.insert(name.clone(), outcome.map(drop));
            assert!(before.is_none(), "{name} ended twice");
        }
    }

    fn send(&mut self, room: bool, bad: bool) {
        let (name, room) = (format!("m{}", self.number), ROOMS[usize::from(room)]);
        self.number += 1;
        let mut message = message(&name, room, false);
        if bad {
            message.chat.message = "bad".into();
            self.bad.push(name.clone());
        } else {
            self.sent.entry(room.into()).or_default().push(name.clone());
        }
        let patience = Duration::from_secs(1_000_000);
        let full = self.outbox.push(message, name, self.now, patience);
        assert!(full.is_none());
    }

    fn step(&mut self, step: &Move) {
        match step {
            Move::Send { room, bad } => self.send(*room, *bad),
            Move::Arrive(at) => {
                if let Some(chat) = self.pick(at) {
                    let attempt = self.model.take(&chat);
                    self.finish(&chat, attempt);
                }
            }
            Move::ArriveUnanswered(at) => {
                if let Some(chat) = self.pick(at) {
                    self.model.take(&chat);
                    self.finish(&chat, Attempt::Lost);
                }
            }
            Move::Refuse(at, ms) => {
                if let Some(chat) = self.pick(at) {
                    self.finish(&chat, retry(*ms));
                }
            }
            Move::Lose(at) => {
                if let Some(chat) = self.pick(at) {
                    self.finish(&chat, Attempt::Lost);
                    self.ghosts.push(chat);
                }
            }
            Move::Unknown(at, stored) => {
                if let Some(chat) = self.pick(at) {
                    if *stored {
                        self.model.take(&chat);
                    } else {
                        self.ghosts.push(chat.clone());
                    }
                    let body = ErrorBody::retry(408, "unknown_outcome", "who knows", 500);
                    self.finish(&chat, Attempt::Refused(body));
                }
            }
            Move::Break => {
                self.ghosts.append(&mut self.wire);
                self.outbox.connection_lost(self.now);
            }
            Move::Ghost(at) => {
                if !self.ghosts.is_empty() {
                    let chat = self.ghosts.remove(at.index(self.ghosts.len()));
                    self.model.take(&chat);
                }
            }
            Move::Wait(ms) => self.now += Duration::from_millis(*ms),
        }
        self.flush();
    }

    /// The faults are over; ghosts still come, after all else.
    fn settle(&mut self) {
        for _ in 0..STEPS_MAX {
            if self.outbox.len() == 0 {
                break;
            }
            if self.wire.is_empty() {
                self.now = self.outbox.next_wake(true).expect("something to wait for");
            } else {
                let chat = self.wire.remove(0);
                let attempt = self.model.take(&chat);
                self.finish(&chat, attempt);
            }
            self.flush();
        }
        for chat in std::mem::take(&mut self.ghosts) {
            self.model.take(&chat);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_the_log_is_the_order_of_sending_and_nothing_is_lost_or_doubled(moves in moves()) {
        let mut world = World::new();
        for step in &moves {
            world.step(step);
        }
        world.settle();
        prop_assert_eq!(world.outbox.len(), 0, "something never came through");
        prop_assert_eq!(world.outbox.in_flight(), 0);
        for (room, sent) in &world.sent {
            prop_assert_eq!(world.model.logs.get(room), Some(sent), "room {}", room);
        }
        prop_assert_eq!(world.outcomes.len(), world.number);
        for (name, outcome) in &world.outcomes {
            match outcome {
                Ok(()) => prop_assert!(!world.bad.contains(name)),
                // A refusal after a lost attempt proves nothing to the client.
                Err(SendError::Refused(_) | SendError::Unknown { .. }) => {
                    prop_assert!(world.bad.contains(name), "{} was refused", name);
                }
                Err(other) => prop_assert!(false, "{}: {:?}", name, other),
            }
        }
    }
}
