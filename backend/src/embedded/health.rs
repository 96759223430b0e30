//! Whether the store still works.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::failure::copy;

/// What is known of the disk.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// Set once, when the disk failed; everything is refused from then on.
    failure: OnceLock<Arc<rusqlite::Error>>,
    /// Whether the last commit was refused, as by a full disk.
    is_refusing: AtomicBool,
}

impl Health {
    /// Stops the store.
    pub(super) fn fail(&self, error: &rusqlite::Error) {
        // The first failure is the one to tell.
        let _ = self.failure.set(Arc::new(copy(error)));
    }

    /// Notes how the last commit ended.
    pub(super) fn committed(&self, is_stored: bool) {
        self.is_refusing.store(!is_stored, Ordering::Relaxed);
    }

    /// Whether the last commit was refused.
    pub(super) fn is_refusing(&self) -> bool {
        self.is_refusing.load(Ordering::Relaxed)
    }

    /// Why the store stopped, if it did.
    pub(super) fn failure(&self) -> Option<Arc<rusqlite::Error>> {
        self.failure.get().cloned()
    }
}
