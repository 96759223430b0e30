//! Whether the store still works.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use antiphon_core::clock;

use super::failure::copy;
use super::limits::REFUSAL_TOLD;

/// What is known of the disk.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// Set once, when the disk failed; everything is refused from then on.
    failure: OnceLock<Arc<rusqlite::Error>>,
    /// The latest commit that was refused, as by a full disk.
    refusal: Mutex<Option<Refusal>>,
}

#[derive(Debug)]
struct Refusal {
    at: clock::Instant,
    error: Arc<rusqlite::Error>,
    /// Whether a commit has succeeded since.
    is_over: bool,
}

/// Whether commits succeed.
#[derive(Debug)]
pub(super) enum Commits {
    Succeed,
    /// One was refused just now. Smaller ones may succeed between, in what it left of its space.
    Refused(Arc<rusqlite::Error>),
    /// The last one was refused, a while ago.
    Unknown,
}

impl Health {
    /// Stops the store.
    pub(super) fn fail(&self, error: &rusqlite::Error) {
        // The first failure is the one to tell.
        let _ = self.failure.set(Arc::new(copy(error)));
    }

    /// Notes that a commit succeeded.
    pub(super) fn committed(&self) {
        if let Some(refusal) = &mut *self.refusal() {
            refusal.is_over = true;
        }
    }

    /// Notes that a commit did not.
    pub(super) fn refused(&self, error: &Arc<rusqlite::Error>) {
        *self.refusal() = Some(Refusal {
            at: clock::now(),
            error: Arc::clone(error),
            is_over: false,
        });
    }

    /// How the latest commits went.
    pub(super) fn commits(&self) -> Commits {
        match &*self.refusal() {
            Some(refusal) if clock::now() < refusal.at + REFUSAL_TOLD => {
                Commits::Refused(Arc::clone(&refusal.error))
            }
            Some(Refusal { is_over: false, .. }) => Commits::Unknown,
            Some(_) | None => Commits::Succeed,
        }
    }

    /// Why the store stopped, if it did.
    pub(super) fn failure(&self) -> Option<Arc<rusqlite::Error>> {
        self.failure.get().cloned()
    }

    fn refusal(&self) -> MutexGuard<'_, Option<Refusal>> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
