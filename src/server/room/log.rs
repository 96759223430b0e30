//! A room's log in its actor's hands: where it ends, and whether a leader before this one can
//! still write to it.

use antiphon_core::contract::Tail;
use antiphon_protocol::ConversationId;

use crate::server::recorder::Log;

/// What is known of the log.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash)]
pub(super) struct RoomLog {
    log: Option<Log>,
    sealed: bool,
}

impl RoomLog {
    /// The top was just read; `None` if a newer leader has written there, after which nothing
    /// more may be written under this epoch.
    pub(super) fn behind(
        conversation: ConversationId,
        epoch: u64,
        tail: Option<Tail>,
    ) -> Option<Self> {
        let log = Log::behind(conversation, epoch, tail)?;
        let sealed = tail.is_some_and(|tail| tail.epoch == epoch);
        Some(Self {
            log: Some(log),
            sealed,
        })
    }

    /// Takes the log for an append; [`RoomLog::put_back`] follows.
    pub(super) fn take(&mut self) -> Option<Log> {
        self.log.take()
    }

    /// Back from an append, which stored something or not. A record of this term seals as
    /// well as a mark.
    pub(super) fn put_back(&mut self, log: Log, any_stored: bool) {
        self.sealed |= any_stored;
        self.log = Some(log);
    }

    /// The highest sequence, where it is known.
    pub(super) fn top(&self) -> Option<u64> {
        self.log.as_ref().and_then(Log::top)
    }

    /// Whether the top was a record of this term: whatever a leader before this one tries to
    /// write then meets it and deposes that leader.
    pub(super) fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// This term's mark is in the log.
    pub(super) fn seal(&mut self) {
        self.sealed = true;
    }

    /// Whether a message may be written without a mark before it. The first record of a log
    /// needs none, since it seals.
    pub(super) fn is_open(&self) -> bool {
        self.sealed || self.top() == Some(0)
    }
}
