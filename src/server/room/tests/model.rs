//! Every order of events of two writers of one log, within bounds: two messages of one sender,
//! each sent twice, one of the writers deposed, appends that end late, unknown outcomes, a
//! kick.
//!
//! What a writer does with an answer is decided by the program's own [`RoomLog`] and [`Part`];
//! the model has the order of the calls (`load`, `writable`, `seal`, `admit`, `append` with
//! its rounds, `resolve`), and the store: two unique keys and nothing else that would keep a
//! log whole. Rules that are known to be wrong show that each property can fail.

#![expect(
    clippy::print_stdout,
    reason = "how many states there are, and how a rule fails"
)]

mod leader;
mod store;

use stateright::{Checker, HasDiscoveries, Model, Property};

use leader::{Goal, Leader};
use store::{Flight, Paper, Store, What};

/// Messages of one sender; each names the one before it.
const MESSAGES: usize = 2;
/// How often each message is sent.
const SENDS: u8 = 2;

/// The rules of the program, or one of them wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rules {
    /// As they are.
    Real,
    /// A sequence is drawn from a counter before the insert.
    CounterThenInsert,
    /// A writer tries again behind whatever top it meets.
    RetryWithoutEpochCheck,
    /// The log does not know the client ids of what it holds.
    NoDedupeKey,
    /// A message is acked when its append is sent.
    AckBeforeCommit,
    /// A message may be written without the one that it names.
    NoPredecessor,
    /// A new leader writes no mark.
    NoMark,
    /// An empty log needs no mark, also before a kick.
    NoMarkInAnEmptyLog,
    /// A leader that finds a newer one's record when it loads a room finishes its command.
    LoadBehindAnyTop,
    /// A room is loaded without being taken for the new term.
    NoClaim,
}

/// Who writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Place {
    /// A room: two leaders, of which the second deposes the first.
    Room,
    /// A direct conversation: a writer on each of two servers, without terms.
    Direct,
}

#[derive(Debug, Clone)]
struct Append {
    place: Place,
    rules: Rules,
    /// How many calls end in an error.
    faults: u8,
    /// Whether the sender may be kicked.
    kick: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    store: Store,
    leaders: [Leader; 2],
    /// Appends on their way.
    flights: Vec<Flight>,
    sent: [u8; MESSAGES],
    faults: u8,
    kick_asked: bool,
    seen: Seen,
}

/// What came out so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Seen {
    /// Messages and the place that their sender was told.
    acks: Vec<(usize, u64)>,
    /// Sends that were told "certainly not stored".
    refused: Vec<Paper>,
    /// When a kick of the sender was acked: whose it is, and the top.
    kick: Option<(u64, u64)>,
    duplicate: bool,
    unknown: bool,
    deposed: bool,
    taken: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Action {
    Begin(usize, Goal),
    /// The call that a leader waits for is done.
    Call(usize),
    /// It fails.
    CallFails(usize),
    /// The next record of an append is stored or refused.
    Apply(usize),
    Reply(usize),
    /// Certainly nothing was stored.
    Refuse(usize),
    /// The caller waits no more; the append is still on its way.
    TimeOut(usize),
}

impl Model for Append {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let epochs = match self.place {
            Place::Room => [1, 2],
            Place::Direct => [0, 0],
        };
        vec![State {
            store: Store::default(),
            leaders: epochs.map(|epoch| Leader::new(epoch, self.place)),
            flights: Vec::new(),
            sent: [0; MESSAGES],
            faults: self.faults,
            kick_asked: !self.kick,
            seen: Seen::default(),
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (place, leader) in state.leaders.iter().enumerate() {
            if leader.is_idle() {
                let goals = state.goals(leader);
                actions.extend(goals.into_iter().map(|goal| Action::Begin(place, goal)));
            }
            if leader.waits_for_a_call() {
                actions.push(Action::Call(place));
                if state.faults > 0 && leader.call_may_fail() {
                    actions.push(Action::CallFails(place));
                }
            }
            if state.faults > 0 && leader.is_flying() {
                actions.push(Action::TimeOut(place));
            }
        }
        for (place, flight) in state.flights.iter().enumerate() {
            if flight.is_over() {
                actions.push(Action::Reply(place));
                continue;
            }
            actions.push(Action::Apply(place));
            if state.faults > 0 && flight.is_untouched() && flight.is_awaited {
                actions.push(Action::Refuse(place));
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Begin(place, goal) => state.begin(self.rules, place, goal),
            Action::Call(place) => state.call(self.rules, place),
            Action::CallFails(place) => {
                state.faults -= 1;
                state.call_fails(self.rules, place);
            }
            Action::Apply(place) => {
                let flight = &mut state.flights[place];
                state.store.apply(self.rules, flight);
            }
            Action::Reply(place) => state.reply(self.rules, place),
            Action::Refuse(place) => {
                state.faults -= 1;
                let flight = state.flights.remove(place);
                state.append_fails(self.rules, flight.by, store::REFUSED);
            }
            Action::TimeOut(place) => {
                state.faults -= 1;
                state.give_up(place);
                state.append_fails(self.rules, place, store::UNKNOWN);
            }
        }
        // An append that nobody waits for and that is over is gone; order tells nothing.
        state
            .flights
            .retain(|flight| flight.is_awaited || !flight.is_over());
        state.flights.sort_unstable();
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(DENSE, |_, state: &State| state.store.is_dense()),
            Property::always(AT_THE_END, |_, state: &State| !state.store.late),
            Property::always(ACKED, |_, state: &State| {
                let acks = &state.seen.acks;
                acks.iter()
                    .all(|(message, seq)| state.store.has(*message, *seq))
            }),
            Property::always(ONCE, |_, state: &State| state.store.is_unique()),
            Property::always(ORDER, |_, state: &State| state.store.is_in_order()),
            Property::always(EPOCHS, |_, state: &State| state.store.epochs_rise()),
            Property::always(AUTHORITY, |_, state: &State| {
                // What the same leader had sent before, with an outcome that nobody knew, may
                // be there later.
                let kick = state.seen.kick;
                kick.is_none_or(|(epoch, top)| !state.store.is_bypassed(epoch, top))
            }),
            Property::always(REFUSED, |_, state: &State| {
                let refused = &state.seen.refused;
                !refused.iter().any(|paper| state.store.holds(*paper))
            }),
            // What must have happened for the rest to mean something.
            Property::sometimes("all is acked", |_, state: &State| {
                (0..MESSAGES).all(|message| state.seen.acks.iter().any(|ack| ack.0 == message))
            }),
            Property::sometimes("a duplicate", |_, state: &State| state.seen.duplicate),
            Property::sometimes("an unknown outcome", |_, state: &State| state.seen.unknown),
            Property::sometimes("a taken place", |_, state: &State| state.seen.taken),
        ];
        if self.place == Place::Room {
            properties.extend([
                Property::sometimes("a deposed leader", |_, state: &State| state.seen.deposed),
                Property::sometimes("both leaders wrote", |_, state: &State| {
                    state.store.messages_of(1) > 0 && state.store.messages_of(2) > 0
                }),
            ]);
        }
        if self.kick {
            properties.push(Property::sometimes("a kick", |_, state: &State| {
                state.seen.kick.is_some()
            }));
        }
        properties
    }
}

const DENSE: &str = "the log is dense";
const AT_THE_END: &str = "nothing is written below the top";
const ACKED: &str = "what was acked is where the ack said";
const ONCE: &str = "nothing is there twice";
const ORDER: &str = "a sender's messages are in order";
const EPOCHS: &str = "epochs never fall along the log";
const AUTHORITY: &str = "no other leader writes for who was kicked";
const REFUSED: &str = "what was refused is not there";

impl State {
    /// What a client may ask of a leader now.
    fn goals(&self, leader: &Leader) -> Vec<Goal> {
        let mut goals = Vec::new();
        if !leader.knows_of_a_kick() {
            let paper = |message: usize| Paper {
                what: What::Message(message),
                attempt: self.sent[message],
            };
            let wanted = |message: usize| {
                let acked = self.seen.acks.iter().any(|ack| ack.0 == message);
                let follows = message == 0 || self.sent[message - 1] > 0;
                !acked && follows && self.sent[message] < SENDS
            };
            let single = (0..MESSAGES).filter(|message| wanted(*message));
            goals.extend(single.map(|message| Goal::Chats(vec![paper(message)])));
            if wanted(0) && self.sent[1] < SENDS {
                goals.push(Goal::Chats(vec![paper(0), paper(1)]));
            }
        }
        if !self.kick_asked {
            goals.push(Goal::Kick);
        }
        goals
    }
}

impl Append {
    fn of(place: Place, faults: u8) -> Self {
        Self {
            place,
            rules: Rules::Real,
            faults,
            kick: false,
        }
    }

    fn with_kick(self) -> Self {
        Self { kick: true, ..self }
    }

    /// Goes through every state; the number of different ones.
    fn explore(self) -> usize {
        let name = format!("{self:?}");
        let checker = self.checker().threads(2).spawn_bfs().join();
        checker.assert_properties();
        let states = checker.unique_state_count();
        println!("{name}: {states} states, {} deep", checker.max_depth());
        states
    }

    /// Looks for a way in which other rules break that property.
    fn breaks(self, rules: Rules, property: &'static str) {
        let until = HasDiscoveries::AnyOf([property].into());
        let model = Self { rules, ..self };
        let checker = model.checker().threads(2).finish_when(until);
        let checker = checker.spawn_bfs().join();
        let path = checker.discovery(property);
        let path = path.unwrap_or_else(|| panic!("{rules:?} keeps \"{property}\""));
        println!("{rules:?} breaks \"{property}\": {:?}", path.into_actions());
    }
}

#[test]
fn a_room_keeps_every_promise_through_unknown_outcomes() {
    let states = Append::of(Place::Room, 2).explore();
    assert!(states > 150_000, "only {states}: something can't happen");
}

#[test]
fn a_room_keeps_every_promise_through_a_kick() {
    let states = Append::of(Place::Room, 1).with_kick().explore();
    assert!(states > 100_000, "only {states}: something can't happen");
}

#[test]
fn a_direct_conversation_of_two_writers_keeps_every_promise() {
    let states = Append::of(Place::Direct, 2).explore();
    assert!(states > 70_000, "only {states}: something can't happen");
}

#[test]
fn a_counter_before_the_insert_leaves_holes_and_writes_below_the_top() {
    let room = Append::of(Place::Room, 1);
    room.clone().breaks(Rules::CounterThenInsert, DENSE);
    room.breaks(Rules::CounterThenInsert, AT_THE_END);
}

#[test]
fn without_the_epoch_check_a_deposed_leader_s_retry_succeeds() {
    let room = Append::of(Place::Room, 0).with_kick();
    room.clone().breaks(Rules::RetryWithoutEpochCheck, EPOCHS);
    room.breaks(Rules::RetryWithoutEpochCheck, AUTHORITY);
}

#[test]
fn without_the_dedupe_key_a_retry_is_there_twice() {
    Append::of(Place::Room, 0).breaks(Rules::NoDedupeKey, ONCE);
    Append::of(Place::Direct, 0).breaks(Rules::NoDedupeKey, ONCE);
}

#[test]
fn an_ack_before_the_commit_is_lost() {
    Append::of(Place::Room, 0).breaks(Rules::AckBeforeCommit, ACKED);
}

#[test]
fn a_message_that_does_not_wait_for_its_predecessor_overtakes_it() {
    Append::of(Place::Room, 1).breaks(Rules::NoPredecessor, ORDER);
    Append::of(Place::Direct, 1).breaks(Rules::NoPredecessor, ORDER);
}

#[test]
fn without_a_mark_a_deposed_leader_writes_for_who_was_kicked() {
    let room = Append::of(Place::Room, 0).with_kick();
    room.clone().breaks(Rules::NoMark, AUTHORITY);
    room.breaks(Rules::NoMarkInAnEmptyLog, AUTHORITY);
}

/// This was so, and this model found it.
#[test]
fn a_leader_that_loads_a_room_behind_its_successor_must_stop() {
    let room = Append::of(Place::Room, 0).with_kick();
    room.clone().breaks(Rules::LoadBehindAnyTop, EPOCHS);
    room.breaks(Rules::LoadBehindAnyTop, AUTHORITY);
}

/// This was so, and this model found it.
#[test]
fn a_room_that_is_not_taken_for_the_term_has_members_that_are_gone() {
    let room = Append::of(Place::Room, 0).with_kick();
    room.breaks(Rules::NoClaim, AUTHORITY);
}
