//! Whether the store still works.

use std::sync::{Arc, OnceLock};

use super::failure::copy;

/// Set once, when the disk failed; everything is refused from then on.
#[derive(Debug, Default)]
pub(super) struct Health(OnceLock<Arc<rusqlite::Error>>);

impl Health {
    /// Stops the store.
    pub(super) fn fail(&self, error: &rusqlite::Error) {
        // The first failure is the one to tell.
        let _ = self.0.set(Arc::new(copy(error)));
    }

    /// Why the store stopped, if it did.
    pub(super) fn failure(&self) -> Option<Arc<rusqlite::Error>> {
        self.0.get().cloned()
    }
}
