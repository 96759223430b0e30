//! What an append decides on each answer of the archive. No I/O.

use std::collections::VecDeque;

use antiphon_core::contract::{AppendOutcome, BackendErrorKind, Record, Tail};
use antiphon_core::mutant::{self, Mutant};
use antiphon_protocol::ConversationId;

use super::{Draft, Written};

/// One conversation's log, as its writer sees it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Log {
    conversation: ConversationId,
    epoch: u64,
    top: Option<u64>,
}

impl Log {
    /// A log whose top is not known yet. `epoch` is 0 in a direct conversation.
    pub(crate) fn new(conversation: ConversationId, epoch: u64) -> Self {
        Self {
            conversation,
            epoch,
            top: None,
        }
    }

    /// A log whose top is known.
    pub(crate) fn at(conversation: ConversationId, epoch: u64, top: u64) -> Self {
        Self {
            conversation,
            epoch,
            top: Some(top),
        }
    }

    /// A log whose top was just read; `None` if a newer leader has written there.
    pub(crate) fn behind(
        conversation: ConversationId,
        epoch: u64,
        tail: Option<Tail>,
    ) -> Option<Self> {
        let mut log = Self::new(conversation, epoch);
        log.go_behind(tail).then_some(log)
    }

    /// Goes on behind the top that was just read. False, and nothing is changed, if that is a
    /// newer leader's: then this writer is deposed.
    fn go_behind(&mut self, tail: Option<Tail>) -> bool {
        let deposed = tail.is_some_and(|tail| self.epoch > 0 && tail.epoch > self.epoch);
        if deposed && !mutant::is_on(Mutant::NoFence) {
            return false;
        }
        self.top = Some(tail.map_or(0, |tail| tail.seq));
        true
    }

    /// Whose log it is.
    pub(crate) fn conversation(&self) -> &ConversationId {
        &self.conversation
    }

    /// The highest sequence, where it is known.
    pub(crate) fn top(&self) -> Option<u64> {
        self.top
    }

    fn record(&self, draft: &Draft, seq: u64) -> Record {
        Record {
            conversation: self.conversation.clone(),
            seq,
            epoch: self.epoch,
            kind: draft.kind,
            sender: draft.sender.clone(),
            client_id: draft.client_id.clone(),
            message_id: draft.message_id.clone(),
            body_hash: draft.body_hash,
            ts_ms: draft.ts_ms,
            format: draft.format.clone(),
            body: draft.body.clone(),
        }
    }
}

/// One log's part of an append: drafts in, results out, in the same order.
#[derive(Debug)]
pub(crate) struct Part {
    /// The log.
    pub(crate) log: Log,
    drafts: VecDeque<Draft>,
    written: Vec<Written>,
}

impl Part {
    /// Drafts for a log.
    pub(crate) fn new(log: Log, drafts: Vec<Draft>) -> Self {
        Self {
            log,
            drafts: drafts.into(),
            written: Vec::new(),
        }
    }

    /// The log and, for each draft in order, what became of it.
    pub(crate) fn finish(self) -> (Log, Vec<Written>) {
        (self.log, self.written)
    }

    /// How many drafts have no result yet.
    pub(crate) fn waiting(&self) -> usize {
        self.drafts.len()
    }

    /// The next draft without a result.
    pub(crate) fn next(&self) -> Option<&Draft> {
        self.drafts.front()
    }

    /// Whether the top of the log must be read before anything is written.
    pub(crate) fn needs_tail(&self) -> bool {
        !self.drafts.is_empty() && self.log.top.is_none()
    }

    /// The top was read.
    pub(crate) fn tail_is(&mut self, tail: Option<Tail>) {
        if !self.log.go_behind(tail) {
            self.settle_all(&Written::Deposed);
        }
    }

    /// What is to be appended.
    pub(crate) fn records(&self) -> impl Iterator<Item = Record> {
        let top = self.log.top.unwrap_or(0);
        self.drafts
            .iter()
            .zip(top + 1..)
            .map(|(draft, seq)| self.log.record(draft, seq))
    }

    fn settle(&mut self, written: Written) {
        self.drafts.pop_front();
        self.written.push(written);
    }

    fn settle_all(&mut self, written: &Written) {
        while !self.drafts.is_empty() {
            self.settle(written.clone());
        }
    }

    /// What became of the next draft. False if the rest of the outcomes is to be skipped.
    pub(crate) fn take(&mut self, outcome: AppendOutcome) -> bool {
        let Some(draft) = self.drafts.front() else {
            return false;
        };
        match outcome {
            AppendOutcome::Stored => {
                let seq = self.log.top.unwrap_or(0) + 1;
                let record = self.log.record(draft, seq);
                self.log.top = Some(seq);
                self.settle(Written::Stored(record));
                true
            }
            AppendOutcome::DuplicateClientId(record) => {
                let same = record.body_hash == draft.body_hash;
                self.settle(if same {
                    Written::Duplicate(*record)
                } else {
                    Written::ClientIdConflict
                });
                false
            }
            AppendOutcome::SequenceTaken(tail) => {
                self.tail_is(Some(tail));
                false
            }
            AppendOutcome::NotTried => false,
        }
    }

    /// A call failed: the top is read again before the next append. What is still without a
    /// result is to be looked up.
    pub(crate) fn failed(&mut self, kind: BackendErrorKind) {
        self.log.top = None;
        match kind {
            BackendErrorKind::Timeout => {}
            BackendErrorKind::Unavailable
            | BackendErrorKind::Conflict
            | BackendErrorKind::NotFound
            | BackendErrorKind::Corrupt => self.settle_all(&Written::Unavailable),
        }
    }

    /// The next draft was looked up; `absent` is told if it is not in the log. A record with
    /// another message id than the draft's was there before this append.
    pub(crate) fn looked_up(&mut self, found: Option<Record>, absent: &Written) {
        let Some(draft) = self.drafts.front() else {
            return;
        };
        let written = match found {
            Some(record) if record.body_hash != draft.body_hash => Written::ClientIdConflict,
            Some(record) if record.message_id == draft.message_id => Written::Stored(record),
            Some(record) => Written::Duplicate(record),
            None => absent.clone(),
        };
        self.settle(written);
    }

    /// The look-up failed.
    pub(crate) fn unreadable(&mut self) {
        self.settle_all(&Written::Unknown);
    }
}
