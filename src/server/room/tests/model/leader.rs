//! A writer of the log: the order of its calls.

use antiphon_core::contract::{AppendOutcome, BackendErrorKind, Tail};

use super::store::{Flight, Paper, What, conversation};
use super::{Place, Rules, State};
use crate::server::recorder::{Log, Part, Written};
use crate::server::room::log::RoomLog;

/// What it was asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Goal {
    Chats(Vec<Paper>),
    /// Kick the sender.
    Kick,
}

/// What it waits for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Step {
    Idle,
    /// `load`: takes the room for its term.
    Claim,
    /// `load`: who is in it.
    Members,
    /// `load`: the top.
    Load,
    /// `admit`: the message that the first one names.
    Admit,
    /// `append`.
    Append(Appending),
    /// `erase`.
    Erase,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Appending {
    is_mark: bool,
    /// Out of the room's hands meanwhile.
    log: Log,
    papers: Vec<Paper>,
    any_stored: bool,
    stage: Stage,
}

impl Appending {
    /// The program's own.
    fn part(&self) -> Part {
        let drafts = self.papers.iter().map(|paper| paper.draft());
        Part::new(self.log.clone(), drafts.collect())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Stage {
    /// `round`: the top is read.
    Tail,
    /// `round`: the append is on its way.
    Flying,
    /// `resolve`.
    Looking,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Leader {
    epoch: u64,
    place: Place,
    is_on: bool,
    is_loaded: bool,
    kick_seen: bool,
    log: RoomLog,
    /// In a direct conversation.
    top: Option<u64>,
    goal: Option<Goal>,
    step: Step,
}

impl Leader {
    pub(super) fn new(epoch: u64, place: Place) -> Self {
        Self {
            epoch,
            place,
            is_on: true,
            is_loaded: place == Place::Direct,
            kick_seen: false,
            log: RoomLog::default(),
            top: None,
            goal: None,
            step: Step::Idle,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.is_on && self.step == Step::Idle
    }

    pub(super) fn knows_of_a_kick(&self) -> bool {
        self.kick_seen
    }

    pub(super) fn is_flying(&self) -> bool {
        matches!(&self.step, Step::Append(appending) if appending.stage == Stage::Flying)
    }

    pub(super) fn waits_for_a_call(&self) -> bool {
        self.step != Step::Idle && !self.is_flying()
    }

    /// A failure of the others only ends the command.
    pub(super) fn call_may_fail(&self) -> bool {
        matches!(self.step, Step::Append(_))
    }

    fn ends(&mut self) {
        self.step = Step::Idle;
        self.goal = None;
    }

    fn is_deposed(&mut self) {
        self.is_on = false;
        self.ends();
    }

    /// What this writer makes of a top that it read: by a wrong rule, a newer leader's is an
    /// older one's.
    fn believed(&self, rules: Rules, tail: Option<Tail>) -> Option<Tail> {
        let is_blind = match rules {
            Rules::RetryWithoutEpochCheck | Rules::CounterThenInsert => true,
            Rules::LoadBehindAnyTop => self.step == Step::Load,
            _ => false,
        };
        let tail = tail?;
        let epoch = if is_blind && tail.epoch > self.epoch {
            self.epoch.saturating_sub(1)
        } else {
            tail.epoch
        };
        Some(Tail { epoch, ..tail })
    }

    fn is_sealed(&self, rules: Rules) -> bool {
        let empty = self.log.top() == Some(0);
        self.log.is_sealed()
            || rules == Rules::NoMark
            || (rules == Rules::NoMarkInAnEmptyLog && empty)
    }
}

impl State {
    pub(super) fn begin(&mut self, rules: Rules, place: usize, goal: Goal) {
        match &goal {
            Goal::Chats(papers) => {
                for paper in papers {
                    if let What::Message(message) = paper.what {
                        self.sent[message] += 1;
                    }
                }
            }
            Goal::Kick => self.kick_asked = true,
        }
        let leader = &mut self.leaders[place];
        leader.goal = Some(goal);
        if leader.is_loaded {
            self.go_on(rules, place);
        } else {
            leader.step = match rules {
                Rules::NoClaim => Step::Members,
                _ => Step::Claim,
            };
        }
    }

    /// `chat` or `kick`, once the room is loaded: up to the first call.
    fn go_on(&mut self, rules: Rules, place: usize) {
        let leader = &mut self.leaders[place];
        let mark = Paper {
            what: What::Mark(leader.epoch),
            attempt: 0,
        };
        let is_room = leader.place == Place::Room;
        match leader.goal.clone() {
            None => leader.step = Step::Idle,
            Some(Goal::Kick) if leader.kick_seen => leader.ends(),
            Some(Goal::Kick) if leader.is_sealed(rules) => leader.step = Step::Erase,
            Some(Goal::Kick) => self.append(rules, place, vec![mark]),
            Some(Goal::Chats(_)) if leader.kick_seen => leader.ends(),
            Some(Goal::Chats(_))
                if is_room && !leader.log.is_open() && !leader.is_sealed(rules) =>
            {
                self.append(rules, place, vec![mark]);
            }
            Some(Goal::Chats(papers)) => {
                let alone = papers[0].what != What::Message(0);
                if alone && rules != Rules::NoPredecessor {
                    leader.step = Step::Admit;
                } else {
                    self.append(rules, place, papers);
                }
            }
        }
    }

    /// The call that a leader waits for is done.
    pub(super) fn call(&mut self, rules: Rules, place: usize) {
        let leader = &mut self.leaders[place];
        match leader.step.clone() {
            Step::Idle => {}
            Step::Claim => {
                if self.store.claim(leader.epoch) {
                    leader.step = Step::Members;
                } else {
                    self.seen.deposed = true;
                    leader.is_deposed();
                }
            }
            Step::Members => {
                leader.kick_seen = self.store.is_kicked;
                leader.step = Step::Load;
            }
            Step::Load => self.loaded(rules, place),
            Step::Admit => self.admit(rules, place),
            Step::Append(appending) => match appending.stage {
                Stage::Tail => self.tail_read(rules, place, appending),
                Stage::Flying => {}
                Stage::Looking => {
                    let found = self.store.find(rules, appending.papers[0].what);
                    let step = |part: &mut Part| part.looked_up(found, &Written::Unknown);
                    self.step(rules, place, appending, step);
                }
            },
            Step::Erase => {
                if self.store.erase(leader.epoch) {
                    leader.kick_seen = true;
                    self.seen.kick = Some((leader.epoch, self.store.top()));
                    leader.ends();
                } else {
                    self.seen.deposed = true;
                    leader.is_deposed();
                }
            }
        }
    }

    /// The call fails: a read of an append.
    pub(super) fn call_fails(&mut self, rules: Rules, place: usize) {
        let Step::Append(appending) = self.leaders[place].step.clone() else {
            return;
        };
        match appending.stage {
            Stage::Tail => self.append_fails(rules, place, super::store::REFUSED),
            Stage::Flying => {}
            Stage::Looking => self.step(rules, place, appending, Part::unreadable),
        }
    }

    fn loaded(&mut self, rules: Rules, place: usize) {
        let leader = &mut self.leaders[place];
        let tail = leader.believed(rules, self.store.tail());
        match RoomLog::behind(conversation(), leader.epoch, tail) {
            Some(log) => {
                leader.log = log;
                leader.is_loaded = true;
                self.go_on(rules, place);
            }
            None => {
                self.seen.deposed = true;
                leader.is_deposed();
            }
        }
    }

    fn admit(&mut self, rules: Rules, place: usize) {
        let leader = &mut self.leaders[place];
        let Some(Goal::Chats(papers)) = leader.goal.clone() else {
            return;
        };
        let in_log = |message: usize| self.store.find(rules, What::Message(message)).is_some();
        let What::Message(message) = papers[0].what else {
            return;
        };
        if in_log(message - 1) || in_log(message) {
            self.append(rules, place, papers);
        } else {
            leader.ends();
        }
    }

    fn append(&mut self, rules: Rules, place: usize, papers: Vec<Paper>) {
        let leader = &mut self.leaders[place];
        let log = match leader.place {
            Place::Room => leader.log.take(),
            Place::Direct => leader.top.map(|top| Log::at(conversation(), 0, top)),
        };
        let log = log.unwrap_or_else(|| Log::new(conversation(), leader.epoch));
        let appending = Appending {
            is_mark: papers
                .iter()
                .any(|paper| matches!(paper.what, What::Mark(_))),
            log,
            papers,
            any_stored: false,
            stage: Stage::Tail,
        };
        self.round(rules, place, appending);
    }

    /// `round`: reads the top if it isn't known, then sends what is left.
    fn round(&mut self, rules: Rules, place: usize, mut appending: Appending) {
        if rules == Rules::CounterThenInsert {
            let top = self.store.counter;
            self.store.counter += appending.papers.len() as u64;
            appending.log = Log::at(conversation(), self.leaders[place].epoch, top);
        }
        let part = appending.part();
        if part.needs_tail() {
            appending.stage = Stage::Tail;
        } else {
            appending.stage = Stage::Flying;
            if rules == Rules::AckBeforeCommit {
                for (record, paper) in part.records().zip(&appending.papers) {
                    self.told(place, *paper, &Written::Stored(record));
                }
            }
            self.flights.push(Flight {
                by: place,
                epoch: self.leaders[place].epoch,
                seq: part.records().next().expect("something is left").seq,
                papers: appending.papers.clone(),
                stored: 0,
                refused: false,
                is_awaited: true,
            });
        }
        self.leaders[place].step = Step::Append(appending);
    }

    fn tail_read(&mut self, rules: Rules, place: usize, appending: Appending) {
        let tail = self.leaders[place].believed(rules, self.store.tail());
        self.step(rules, place, appending, |part| part.tail_is(tail));
    }

    /// An append is over, and its sender is told.
    pub(super) fn reply(&mut self, rules: Rules, place: usize) {
        let flight = self.flights.remove(place);
        let outcomes = self.store.outcomes(rules, &flight);
        let leader = &self.leaders[flight.by];
        let Step::Append(appending) = leader.step.clone() else {
            return;
        };
        let outcomes: Vec<AppendOutcome> = outcomes
            .into_iter()
            .map(|outcome| match outcome {
                AppendOutcome::SequenceTaken(tail) => {
                    self.seen.taken = true;
                    let tail = leader.believed(rules, Some(tail));
                    AppendOutcome::SequenceTaken(tail.expect("it was there"))
                }
                other => other,
            })
            .collect();
        self.step(rules, flight.by, appending, |part| {
            let mut outcomes = outcomes.into_iter();
            while outcomes.next().is_some_and(|outcome| part.take(outcome)) {}
        });
    }

    /// The sender of an append waits no more.
    pub(super) fn give_up(&mut self, place: usize) {
        for flight in &mut self.flights {
            flight.is_awaited &= flight.by != place;
        }
    }

    /// `failed`.
    pub(super) fn append_fails(&mut self, rules: Rules, place: usize, kind: BackendErrorKind) {
        let Step::Append(mut appending) = self.leaders[place].step.clone() else {
            return;
        };
        appending.stage = Stage::Looking;
        self.step(rules, place, appending, |part| part.failed(kind));
    }

    /// Lets the program's own rules take an answer, and does what follows.
    fn step(
        &mut self,
        rules: Rules,
        place: usize,
        mut appending: Appending,
        answer: impl FnOnce(&mut Part),
    ) {
        let mut part = appending.part();
        answer(&mut part);
        let (log, written) = part.finish();
        appending.log = log;
        for outcome in &written {
            let paper = appending.papers.remove(0);
            appending.any_stored |= matches!(outcome, Written::Stored(_));
            self.told(place, paper, outcome);
        }
        if appending.papers.is_empty() {
            self.appended(rules, place, appending, &written);
        } else if appending.stage == Stage::Looking {
            self.leaders[place].step = Step::Append(appending);
        } else {
            self.round(rules, place, appending);
        }
    }

    /// What becomes of one draft's result.
    fn told(&mut self, place: usize, paper: Paper, outcome: &Written) {
        let acked = match outcome {
            Written::Stored(record) => Some(record.seq),
            Written::Duplicate(record) => {
                self.seen.duplicate = true;
                Some(record.seq)
            }
            Written::Unavailable | Written::Deposed => {
                if let What::Message(_) = paper.what {
                    self.seen.refused.push(paper);
                    self.seen.refused.sort_unstable();
                }
                None
            }
            Written::Unknown => {
                self.seen.unknown = true;
                None
            }
            Written::ClientIdConflict => panic!("{place} {paper:?}: every body is the same"),
        };
        if let (Some(seq), What::Message(message)) = (acked, paper.what) {
            self.seen.acks.push((message, seq));
            self.seen.acks.sort_unstable();
            self.seen.acks.dedup();
        }
    }

    /// Every draft has its result.
    fn appended(&mut self, rules: Rules, place: usize, appending: Appending, last: &[Written]) {
        let leader = &mut self.leaders[place];
        leader.top = appending.log.top();
        leader.log.put_back(appending.log, appending.any_stored);
        match last.last() {
            Some(Written::Deposed) => {
                self.seen.deposed = true;
                leader.is_deposed();
            }
            Some(Written::Stored(_) | Written::Duplicate(_)) if appending.is_mark => {
                leader.log.seal();
                self.go_on(rules, place);
            }
            _ => leader.ends(),
        }
    }
}
