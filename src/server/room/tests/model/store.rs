//! The archive and the room's row as the model has them: two unique keys, and an epoch that
//! never falls. An append is on its way for as long as it likes, and takes effect record by
//! record.

use std::collections::{BTreeMap, HashMap};
use std::sync::{LazyLock, Mutex};

use antiphon_core::contract::{AppendOutcome, BackendErrorKind, Record, RecordKind, Tail};
use antiphon_protocol::{ConversationId, MessageId};

use super::Rules;
use crate::server::recorder::{Draft, Log, Part};
use crate::server::session::lock;
use crate::server::tests::support::{client_id, room, user};

/// Certainly nothing was stored.
pub(super) const REFUSED: BackendErrorKind = BackendErrorKind::Unavailable;
/// Nobody knows.
pub(super) const UNKNOWN: BackendErrorKind = BackendErrorKind::Timeout;

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum What {
    Message(usize),
    /// The mark of this epoch.
    Mark(u64),
}

/// A draft: one try to store something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Paper {
    pub(super) what: What,
    pub(super) attempt: u8,
}

impl Paper {
    /// What the program would have made of it.
    pub(super) fn draft(self) -> Draft {
        // Names are parsed with care, which takes time.
        static MADE: LazyLock<Mutex<HashMap<Paper, Draft>>> = LazyLock::new(Mutex::default);
        let mut made = lock(&MADE);
        made.entry(self).or_insert_with(|| self.make()).clone()
    }

    fn make(self) -> Draft {
        let (kind, sender, id) = match self.what {
            What::Message(message) => (RecordKind::Chat, "alice", format!("m{message}")),
            What::Mark(epoch) => (RecordKind::Epoch, "leader", epoch.to_string()),
        };
        Draft {
            kind,
            sender: user(sender),
            client_id: client_id(&id),
            message_id: MessageId(format!("{id}-{}", self.attempt)),
            body_hash: [0; 16],
            ts_ms: 0,
            format: String::new(),
            body: String::new(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Row {
    paper: Paper,
    epoch: u64,
}

impl Row {
    fn record(self, seq: u64) -> Record {
        let log = Log::at(conversation(), self.epoch, seq - 1);
        let part = Part::new(log, vec![self.paper.draft()]);
        part.records().next().expect("one draft is one record")
    }
}

pub(super) fn conversation() -> ConversationId {
    static HALL: LazyLock<ConversationId> = LazyLock::new(|| ConversationId::Room(room("hall")));
    HALL.clone()
}

/// An append on its way.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Flight {
    pub(super) by: usize,
    pub(super) epoch: u64,
    /// The place of the first record that is left.
    pub(super) seq: u64,
    /// What is left of it.
    pub(super) papers: Vec<Paper>,
    pub(super) stored: u8,
    pub(super) refused: bool,
    /// Whether its sender still waits.
    pub(super) is_awaited: bool,
}

impl Flight {
    pub(super) fn is_over(&self) -> bool {
        self.refused || self.papers.is_empty()
    }

    pub(super) fn is_untouched(&self) -> bool {
        self.stored == 0 && !self.refused
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Store {
    rows: BTreeMap<u64, Row>,
    /// Something was written below the top.
    pub(super) late: bool,
    /// Of [`Rules::CounterThenInsert`].
    pub(super) counter: u64,
    /// The newest epoch that wrote to the room's row.
    epoch: u64,
    /// Whether the sender is out of the room.
    pub(super) is_kicked: bool,
}

impl Store {
    /// Stores the next record of an append, or ends it.
    pub(super) fn apply(&mut self, rules: Rules, flight: &mut Flight) {
        let paper = flight.papers[0];
        let known = rules != Rules::NoDedupeKey && self.find(rules, paper.what).is_some();
        if known || self.rows.contains_key(&flight.seq) {
            flight.refused = true;
            return;
        }
        self.late |= flight.seq < self.top();
        let epoch = flight.epoch;
        self.rows.insert(flight.seq, Row { paper, epoch });
        flight.papers.remove(0);
        flight.seq += 1;
        flight.stored += 1;
    }

    /// What the sender of an append that is over is told. Why a record was refused is looked
    /// up afterwards.
    pub(super) fn outcomes(&self, rules: Rules, flight: &Flight) -> Vec<AppendOutcome> {
        let mut outcomes = vec![AppendOutcome::Stored; flight.stored.into()];
        if let Some(refused) = flight.papers.first() {
            let known = self.find(rules, refused.what).map(Box::new);
            let taken = || AppendOutcome::SequenceTaken(self.tail().expect("it is taken"));
            outcomes.push(known.map_or_else(taken, AppendOutcome::DuplicateClientId));
            outcomes.extend(flight.papers[1..].iter().map(|_| AppendOutcome::NotTried));
        }
        outcomes
    }

    pub(super) fn top(&self) -> u64 {
        self.rows.keys().next_back().copied().unwrap_or(0)
    }

    pub(super) fn tail(&self) -> Option<Tail> {
        let (seq, row) = self.rows.last_key_value()?;
        Some(Tail {
            seq: *seq,
            epoch: row.epoch,
        })
    }

    /// The record with that client id.
    pub(super) fn find(&self, rules: Rules, what: What) -> Option<Record> {
        let is_it = |(_, row): &(&u64, &Row)| row.paper.what == what;
        let (seq, row) = self.rows.iter().find(is_it)?;
        (rules != Rules::NoDedupeKey).then(|| row.record(*seq))
    }

    /// Takes the room for an epoch; false if a newer one has it.
    pub(super) fn claim(&mut self, epoch: u64) -> bool {
        let free = self.epoch <= epoch;
        if free {
            self.epoch = epoch;
        }
        free
    }

    /// Removes the sender from the room; false if a newer epoch has it.
    pub(super) fn erase(&mut self, epoch: u64) -> bool {
        let free = self.claim(epoch);
        self.is_kicked |= free;
        free
    }

    pub(super) fn is_dense(&self) -> bool {
        self.rows.keys().copied().eq(1..=self.top())
    }

    pub(super) fn has(&self, message: usize, seq: u64) -> bool {
        let row = self.rows.get(&seq);
        row.is_some_and(|row| row.paper.what == What::Message(message))
    }

    pub(super) fn holds(&self, paper: Paper) -> bool {
        self.rows.values().any(|row| row.paper == paper)
    }

    pub(super) fn is_unique(&self) -> bool {
        let mut whats: Vec<What> = self.rows.values().map(|row| row.paper.what).collect();
        whats.sort_unstable();
        whats.windows(2).all(|pair| pair[0] != pair[1])
    }

    /// Each message is behind the one that it names.
    pub(super) fn is_in_order(&self) -> bool {
        let whats = self.rows.values().map(|row| row.paper.what);
        let messages = whats.filter(|what| matches!(what, What::Message(_)));
        let mut next = 0;
        for what in messages {
            match what {
                What::Message(message) if message > next => return false,
                What::Message(message) => next = next.max(message + 1),
                What::Mark(_) => {}
            }
        }
        true
    }

    pub(super) fn epochs_rise(&self) -> bool {
        self.rows.values().is_sorted_by_key(|row| row.epoch)
    }

    /// Whether a leader of another epoch has written a message behind that place.
    pub(super) fn is_bypassed(&self, epoch: u64, seq: u64) -> bool {
        let mut behind = self.rows.range(seq + 1..);
        behind.any(|(_, row)| row.epoch != epoch && matches!(row.paper.what, What::Message(_)))
    }

    pub(super) fn messages_of(&self, epoch: u64) -> usize {
        let of = |row: &&Row| row.epoch == epoch && matches!(row.paper.what, What::Message(_));
        self.rows.values().filter(of).count()
    }
}
