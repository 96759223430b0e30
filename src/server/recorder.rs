//! Writing to the log: the append of ARCHITECTURE.md ("Durable").
//!
//! A writer believes to know the top of its conversation and inserts at `top + 1`. The
//! archive's two unique keys tell it if it was wrong: somebody else wrote there (take the new
//! top and try again, or step down if that record is of a newer term), or this message is in
//! the log already (a retry: give the place it has). After a call whose outcome is unknown
//! nothing is written before the log was read again.

use std::collections::VecDeque;
use std::sync::Arc;

use antiphon_core::clock;
use antiphon_core::contract::{
    AppendOutcome, BackendError, BackendErrorKind, MessageArchive, Record, RecordKind, Tail,
};
use antiphon_core::error_chain::ErrorChain;
use antiphon_core::mutant::{self, Mutant};
use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{self, TaskKind};
use antiphon_protocol::{ClientId, ConversationId, ErrorBody, MessageId, UserName};
use tracing::warn;

use super::settings::{APPEND_DEADLINE, APPEND_ROUNDS_MAX};

/// A record that has no place yet.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    /// What it is.
    pub(crate) kind: RecordKind,
    /// Who sends it.
    pub(crate) sender: UserName,
    /// The sender's id of it.
    pub(crate) client_id: ClientId,
    /// The server's id of it.
    pub(crate) message_id: MessageId,
    /// Hash of format and text as sent.
    pub(crate) body_hash: [u8; 16],
    /// Server time in milliseconds.
    pub(crate) ts_ms: u64,
    /// The format.
    pub(crate) format: String,
    /// The text.
    pub(crate) body: String,
}

/// What became of a draft.
#[derive(Debug, Clone)]
pub(crate) enum Written {
    /// In the log, durable.
    Stored(Record),
    /// It was in the log before.
    Duplicate(Record),
    /// Its id belongs to another message.
    ClientIdConflict,
    /// Not in the log, certainly: a newer leader has written.
    Deposed,
    /// Not in the log, certainly: the store does not take it now.
    Unavailable,
    /// Nobody knows.
    Unknown,
}

impl Written {
    /// The error that the sender gets; `None` for a success.
    pub(crate) fn error(&self) -> Option<ErrorBody> {
        match self {
            Self::Stored(_) | Self::Duplicate(_) => None,
            Self::ClientIdConflict => Some(ErrorBody::new(
                409,
                "client_id_conflict",
                "this clientId belongs to another message",
            )),
            Self::Deposed => Some(leader_unavailable()),
            Self::Unavailable => Some(store_unavailable()),
            Self::Unknown => Some(unknown_outcome()),
        }
    }
}

/// The store doesn't answer.
pub(crate) fn store_unavailable() -> ErrorBody {
    ErrorBody::retry(
        503,
        "store_unavailable",
        "the message store is not available; try again",
        1_000,
    )
}

/// No leader yet.
pub(crate) fn leader_unavailable() -> ErrorBody {
    ErrorBody::retry(
        503,
        "leader_unavailable",
        "rooms are between two leaders; try again",
        500,
    )
}

/// It may or may not have happened.
pub(crate) fn unknown_outcome() -> ErrorBody {
    let message = "it is not known whether this took effect; send it again with the same clientId";
    ErrorBody::retry(408, "unknown_outcome", message, 500)
}

/// One conversation's log, as its writer sees it.
#[derive(Debug)]
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

    /// A log whose top was just read.
    pub(crate) fn at(conversation: ConversationId, epoch: u64, top: u64) -> Self {
        Self {
            conversation,
            epoch,
            top: Some(top),
        }
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

    fn settle(&mut self, written: Written) {
        self.drafts.pop_front();
        self.written.push(written);
    }

    fn settle_all(&mut self, written: &Written) {
        while !self.drafts.is_empty() {
            self.settle(written.clone());
        }
    }

    /// False if the rest of the outcomes is to be skipped.
    fn take(&mut self, outcome: AppendOutcome) -> bool {
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
                self.moved(tail);
                false
            }
            AppendOutcome::NotTried => false,
        }
    }

    fn moved(&mut self, tail: Tail) {
        let deposed = self.log.epoch > 0 && tail.epoch > self.log.epoch;
        if deposed && !mutant::is_on(Mutant::NoFence) {
            self.settle_all(&Written::Deposed);
        } else {
            self.log.top = Some(tail.seq);
        }
    }
}

/// Appends every part, in rounds, each of them one call of the archive.
#[derive(Debug, Clone)]
pub(crate) struct Recorder {
    archive: ArchiveHandle,
}

#[derive(Clone)]
struct ArchiveHandle(Arc<dyn MessageArchive>);

impl std::fmt::Debug for ArchiveHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MessageArchive")
    }
}

impl Recorder {
    /// A recorder into this archive.
    pub(crate) fn new(archive: Arc<dyn MessageArchive>) -> Self {
        Self {
            archive: ArchiveHandle(archive),
        }
    }

    /// The top of a log, as the archive has it.
    pub(crate) async fn tail(
        &self,
        conversation: &ConversationId,
    ) -> Result<Option<Tail>, BackendError> {
        self.archive.0.tail(conversation).await
    }

    /// The record with that client id, as the archive has it.
    pub(crate) async fn find(
        &self,
        conversation: &ConversationId,
        sender: &UserName,
        client_id: &ClientId,
    ) -> Result<Option<Record>, BackendError> {
        self.archive.0.find(conversation, sender, client_id).await
    }

    /// Appends every part's drafts; each ends with a result for each draft.
    pub(crate) async fn append(&self, parts: &mut [Part]) {
        let deadline = clock::now() + APPEND_DEADLINE;
        let mut lost_rounds = 0;
        let waiting = |parts: &[Part]| parts.iter().map(|part| part.drafts.len()).sum::<usize>();
        while lost_rounds < APPEND_ROUNDS_MAX && clock::now() < deadline {
            let before = waiting(parts);
            if before == 0 {
                return;
            }
            if let Err(error) = self.round(parts).await {
                self.failed(parts, &error).await;
                return;
            }
            // A round that ends at a retry's duplicate is not lost: that retry is settled.
            if waiting(parts) == before {
                lost_rounds += 1;
            }
        }
        for part in parts {
            self.resolve(part, &Written::Unavailable).await;
        }
    }

    async fn round(&self, parts: &mut [Part]) -> Result<(), BackendError> {
        for part in parts.iter_mut().filter(|part| !part.drafts.is_empty()) {
            if part.log.top.is_none() {
                match self.archive.0.tail(&part.log.conversation).await? {
                    Some(tail) => part.moved(tail),
                    None => part.log.top = Some(0),
                }
            }
        }
        let records: Vec<Record> = parts.iter().flat_map(Self::records).collect();
        if records.is_empty() {
            return Ok(());
        }
        let counts: Vec<usize> = parts.iter().map(|part| part.drafts.len()).collect();
        let mut outcomes = self.store(records).await?.into_iter();
        for (part, count) in parts.iter_mut().zip(counts) {
            let mut go_on = true;
            for outcome in outcomes.by_ref().take(count) {
                go_on = go_on && part.take(outcome);
            }
        }
        Ok(())
    }

    async fn store(&self, records: Vec<Record>) -> Result<Vec<AppendOutcome>, BackendError> {
        if !mutant::is_on(Mutant::AckBeforeCommit) {
            return self.archive.0.append(records).await;
        }
        let believed = records.iter().map(|_| AppendOutcome::Stored).collect();
        let archive = self.archive.clone();
        let later = async move { archive.0.append(records).await.map(drop) };
        task::spawn(&Shutdown::new(), TaskKind::Background, later);
        Ok(believed)
    }

    fn records(part: &Part) -> impl Iterator<Item = Record> {
        let top = part.log.top.unwrap_or(0);
        part.drafts
            .iter()
            .zip(top + 1..)
            .map(|(draft, seq)| part.log.record(draft, seq))
    }

    /// The call failed: what is certain is told, what may be in the log is looked up.
    async fn failed(&self, parts: &mut [Part], error: &BackendError) {
        warn!(error = %ErrorChain(error), "append failed");
        for part in parts {
            part.log.top = None;
            match error.kind {
                BackendErrorKind::Timeout => self.resolve(part, &Written::Unknown).await,
                BackendErrorKind::Unavailable
                | BackendErrorKind::Conflict
                | BackendErrorKind::NotFound
                | BackendErrorKind::Corrupt => part.settle_all(&Written::Unavailable),
            }
        }
    }

    /// Looks every draft up that is left; `absent` is told of those that are not in the log.
    /// A record with another message id than the draft's was there before this append. Once a
    /// look-up fails nothing more is known of the rest, so that nobody waits for each of them.
    async fn resolve(&self, part: &mut Part, absent: &Written) {
        while let Some(draft) = part.drafts.front() {
            let found = self
                .archive
                .0
                .find(&part.log.conversation, &draft.sender, &draft.client_id)
                .await;
            let written = match found {
                Ok(Some(record)) if record.body_hash != draft.body_hash => {
                    Written::ClientIdConflict
                }
                Ok(Some(record)) if record.message_id == draft.message_id => {
                    Written::Stored(record)
                }
                Ok(Some(record)) => Written::Duplicate(record),
                Ok(None) => absent.clone(),
                Err(_) => return part.settle_all(&Written::Unknown),
            };
            part.settle(written);
        }
    }
}

#[cfg(test)]
mod tests;
