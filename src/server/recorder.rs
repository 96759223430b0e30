//! Writing to the log: the append of ARCHITECTURE.md ("Durable").
//!
//! A writer believes to know the top of its conversation and inserts at `top + 1`. The
//! archive's two unique keys tell it if it was wrong: somebody else wrote there (take the new
//! top and try again, or step down if that record is of a newer term), or this message is in
//! the log already (a retry: give the place it has). After a call whose outcome is unknown
//! nothing is written before the log was read again.
//!
//! What is decided on each answer stands in `part.rs` and does no I/O: the model in
//! `room/tests/model.rs` goes through every order of events with the same rules.

mod part;

use std::sync::Arc;

use antiphon_core::clock;
use antiphon_core::contract::{
    AppendOutcome, BackendError, MessageArchive, Record, RecordKind, Tail,
};
use antiphon_core::error_chain::ErrorChain;
use antiphon_core::mutant::{self, Mutant};
use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{self, TaskKind};
use antiphon_protocol::{ClientId, ConversationId, ErrorBody, MessageId, UserName};
use tracing::warn;

pub(crate) use part::{Log, Part};

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
        let waiting = |parts: &[Part]| parts.iter().map(Part::waiting).sum::<usize>();
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
        for part in parts.iter_mut().filter(|part| part.needs_tail()) {
            let tail = self.archive.0.tail(part.log.conversation()).await?;
            part.tail_is(tail);
        }
        let records: Vec<Record> = parts.iter().flat_map(Part::records).collect();
        if records.is_empty() {
            return Ok(());
        }
        let counts: Vec<usize> = parts.iter().map(Part::waiting).collect();
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

    /// The call failed: what is certain is told, what may be in the log is looked up.
    async fn failed(&self, parts: &mut [Part], error: &BackendError) {
        warn!(error = %ErrorChain(error), "append failed");
        for part in parts {
            part.failed(error.kind);
            self.resolve(part, &Written::Unknown).await;
        }
    }

    /// Looks every draft up that is left; `absent` is told of those that are not in the log.
    /// Once a look-up fails nothing more is known of the rest, so that nobody waits for each
    /// of them.
    async fn resolve(&self, part: &mut Part, absent: &Written) {
        while let Some(draft) = part.next() {
            let (sender, client_id) = (draft.sender.clone(), draft.client_id.clone());
            let found = self.find(part.log.conversation(), &sender, &client_id);
            match found.await {
                Ok(found) => part.looked_up(found, absent),
                Err(_) => part.unreadable(),
            }
        }
    }
}

#[cfg(test)]
mod tests;
