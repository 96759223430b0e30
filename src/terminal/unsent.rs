//! The user's own messages that are not stored: those that wait, and those that came back.
//!
//! A message is here from Enter until its acknowledgment. One that was refused, or of which
//! nobody knows what became, stays with its text and its client id until it is tried again
//! under that id (so that it is stored once at most) or given up.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use antiphon_core::clock;
use antiphon_protocol::ClientId;
use antiphon_protocol::client::Target;
use tokio::sync::Notify;

/// Messages kept, whatever has become of them.
pub const UNSENT_MAX: usize = 256;

/// What is known of a message that is not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is on its way.
    Waiting,
    /// It is on its way, and has been for so long that the user was told.
    WaitingLong,
    /// It is certainly not stored, for this reason.
    Refused(String),
    /// It was sent and no answer came.
    Unknown,
}

impl Fate {
    fn waits(&self) -> bool {
        matches!(self, Self::Waiting | Self::WaitingLong)
    }
}

/// A message that is not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The same at every attempt.
    pub client_id: ClientId,
    /// Where it goes.
    pub target: Target,
    /// The whole text.
    pub text: String,
    /// `text`, or another format.
    pub format: &'static str,
    /// What is known of it.
    pub fate: Fate,
    /// The user knows that it came back.
    told: bool,
}

/// See the head of the file.
#[derive(Debug, Default)]
pub struct Unsent {
    entries: VecDeque<Entry>,
}

impl Unsent {
    /// Takes a message that is about to be sent; false if there are too many already.
    pub fn add(
        &mut self,
        client_id: ClientId,
        target: Target,
        text: String,
        format: &'static str,
    ) -> bool {
        let has_room = self.entries.len() < UNSENT_MAX;
        if has_room {
            self.entries.push_back(Entry {
                client_id,
                target,
                text,
                format,
                fate: Fate::Waiting,
                told: false,
            });
        }
        has_room
    }

    fn find(&mut self, client_id: &ClientId) -> Option<&mut Entry> {
        self.entries
            .iter_mut()
            .find(|entry| entry.client_id == *client_id)
    }

    /// It waits for long.
    pub fn waits_long(&mut self, client_id: &ClientId) {
        if let Some(entry) = self.find(client_id) {
            entry.fate = Fate::WaitingLong;
        }
    }

    /// It came back.
    pub fn came_back(&mut self, client_id: &ClientId, fate: Fate) {
        if let Some(entry) = self.find(client_id) {
            entry.fate = fate;
            entry.told = false;
        }
    }

    /// Those that came back and of which the user does not know yet.
    pub fn take_untold(&mut self) -> Vec<Entry> {
        let untold = self
            .entries
            .iter_mut()
            .filter(|entry| !entry.fate.waits() && !entry.told);
        untold
            .map(|entry| {
                entry.told = true;
                entry.clone()
            })
            .collect()
    }

    /// Takes out what came back, to be sent again in its order.
    pub fn take_back(&mut self) -> Vec<Entry> {
        let (waiting, back) = std::mem::take(&mut self.entries)
            .into_iter()
            .partition(|entry| entry.fate.waits());
        self.entries = waiting;
        let back: VecDeque<Entry> = back;
        back.into()
    }

    /// Everything that is not stored, in the order of typing.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Whether some may still be stored without anybody's doing.
    pub fn some_wait(&self) -> bool {
        self.entries.iter().any(|entry| entry.fate.waits())
    }

    /// For the prompt, with a space behind it; nothing if all is well.
    pub fn status(&self) -> String {
        let count =
            |which: fn(&Fate) -> bool| self.entries.iter().filter(|e| which(&e.fate)).count();
        let waiting = count(|fate| *fate == Fate::WaitingLong);
        let back = count(|fate| !fate.waits());
        match (waiting, back) {
            (0, 0) => String::new(),
            (_, 0) => format!("({waiting} waiting) "),
            (0, _) => format!("({back} not stored) "),
            (_, _) => format!("({waiting} waiting, {back} not stored) "),
        }
    }
}

#[derive(Debug, Default)]
struct Shared {
    unsent: Mutex<Unsent>,
    changed: Notify,
}

/// [`Unsent`] and its lock, which is never held over an await.
#[derive(Debug, Clone, Default)]
pub struct SharedUnsent(Arc<Shared>);

impl SharedUnsent {
    /// What is unsent.
    pub fn lock(&self) -> MutexGuard<'_, Unsent> {
        self.0
            .unsent
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The message is stored.
    pub fn stored(&self, client_id: &ClientId) {
        self.lock()
            .entries
            .retain(|entry| entry.client_id != *client_id);
        self.0.changed.notify_waiters();
    }

    /// The message came back.
    pub fn came_back(&self, client_id: &ClientId, fate: Fate) {
        self.lock().came_back(client_id, fate);
        self.0.changed.notify_waiters();
    }

    /// Waits until no message is on its way, for `patience` at most.
    pub async fn settle(&self, patience: Duration) {
        let settled = async {
            loop {
                let changed = self.0.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if !self.lock().some_wait() {
                    return;
                }
                changed.await;
            }
        };
        // What is left is told by whoever asked.
        let _in_time = clock::timeout(patience, settled).await;
    }
}

#[cfg(test)]
mod tests;
