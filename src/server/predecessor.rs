//! `after`: a message that names another one takes effect only if that one is stored.
//!
//! Who orders a conversation asks here before it writes: the named message may stand before
//! it in the same batch (then both are written by one append, which stores nothing behind
//! what it did not store), be remembered, or be in the log. Only the log is trusted for a
//! "no", so that neither a new leader nor an append of unknown outcome can break an order.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use antiphon_core::contract::BackendError;
use antiphon_core::error_chain::ErrorChain;
use antiphon_protocol::{ClientId, ConversationId, ErrorBody};
use tracing::warn;

use super::recorder::{Draft, Recorder, store_unavailable};
use super::settings::REMEMBERED_IDS;

/// What a refused message's sender may wait before it asks again, if nothing else happens.
const RETRY_MS: u64 = 100;

/// The last ids of some senders that are certainly in the log.
#[derive(Debug)]
pub(crate) struct Remembered<K> {
    ids: HashMap<K, VecDeque<ClientId>>,
    senders_max: usize,
}

impl<K: Eq + Hash> Remembered<K> {
    /// Nothing is remembered, and never more than of so many senders.
    pub(crate) fn new(senders_max: usize) -> Self {
        Self {
            ids: HashMap::new(),
            senders_max,
        }
    }

    /// Remembers that a sender's message is stored. Beyond the bound everything is forgotten:
    /// the log knows.
    pub(crate) fn note(&mut self, sender: K, id: ClientId) {
        if self.ids.len() >= self.senders_max && !self.ids.contains_key(&sender) {
            self.ids.clear();
        }
        let ids = self.ids.entry(sender).or_default();
        if ids.len() >= REMEMBERED_IDS {
            ids.pop_front();
        }
        ids.push_back(id);
    }

    /// Whether the sender's message is remembered.
    pub(crate) fn has(&self, sender: &K, id: &ClientId) -> bool {
        self.ids.get(sender).is_some_and(|ids| ids.contains(id))
    }
}

/// Whether a draft may be written: `Ok` if `after` is in the batch before it or in the log, or
/// if the draft itself is in the log (a retry). Who calls has looked at what it remembers.
pub(crate) async fn admit(
    recorder: &Recorder,
    conversation: &ConversationId,
    draft: &Draft,
    after: &ClientId,
    batch: &[Draft],
) -> Result<(), ErrorBody> {
    let is_it = |earlier: &Draft| earlier.client_id == *after && earlier.sender == draft.sender;
    // The newest first: it mostly is the one right before.
    if batch.iter().rev().any(is_it) {
        return Ok(());
    }
    for id in [after, &draft.client_id] {
        let found = recorder.find(conversation, &draft.sender, id).await;
        if found.map_err(|error| unreadable(&error))?.is_some() {
            return Ok(());
        }
    }
    Err(predecessor_missing())
}

/// Nothing was written.
fn unreadable(error: &BackendError) -> ErrorBody {
    warn!(error = %ErrorChain(error), "could not look a predecessor up");
    store_unavailable()
}

/// The message that another one follows is not stored.
fn predecessor_missing() -> ErrorBody {
    ErrorBody::retry(
        409,
        "predecessor_missing",
        "the message that this one follows is not stored; send that one first",
        RETRY_MS,
    )
}

#[cfg(test)]
mod tests;
