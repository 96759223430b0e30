//! The contracts of the stores and of the coordination service. Each says what it promises;
//! `conformance` has a suite for each, which every implementation passes.
//!
//! Every call has a deadline, set by the decorators of the backend; a `Timeout` means that
//! the outcome is unknown.

mod coordinator;
mod message_archive;
mod recent_messages;
mod room_store;
mod server_directory;
mod session_registry;
mod user_store;
mod word_ranking;

pub use coordinator::*;
pub use message_archive::*;
pub use recent_messages::*;
pub use room_store::*;
pub use server_directory::*;
pub use session_registry::*;
pub use user_store::*;
pub use word_ranking::*;

use std::sync::Arc;

/// What went wrong in a backend, as far as a caller can act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackendErrorKind {
    /// Not reachable, or overloaded: nothing was changed.
    Unavailable,
    /// No answer in time, or the connection broke: it is unknown whether anything was changed.
    Timeout,
    /// Something of that key is there already.
    Conflict,
    /// Nothing of that key is there.
    NotFound,
    /// Stored data can't be read back; an operator must act.
    Corrupt,
}

/// A failed call of a contract.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed ({kind:?})")]
pub struct BackendError {
    /// What may be done about it.
    pub kind: BackendErrorKind,
    /// The call, e.g. `message_archive.append`.
    pub operation: &'static str,
    /// The vendor's error.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl BackendError {
    /// An error without a cause below it.
    pub fn new(kind: BackendErrorKind, operation: &'static str) -> Self {
        Self {
            kind,
            operation,
            source: None,
        }
    }

    /// An error with its cause.
    pub fn caused(
        kind: BackendErrorKind,
        operation: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self {
            kind,
            operation,
            source: Some(source.into()),
        }
    }

    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self.kind {
            BackendErrorKind::Unavailable | BackendErrorKind::Timeout => true,
            BackendErrorKind::Conflict | BackendErrorKind::NotFound | BackendErrorKind::Corrupt => {
                false
            }
        }
    }
}

/// The result of every contract call.
pub type BackendResult<T> = Result<T, BackendError>;

/// One implementation of each contract.
#[derive(Clone)]
pub struct Backends {
    /// See [`Coordinator`].
    pub coordinator: Arc<dyn Coordinator>,
    /// See [`ServerDirectory`].
    pub directory: Arc<dyn ServerDirectory>,
    /// See [`SessionRegistry`].
    pub sessions: Arc<dyn SessionRegistry>,
    /// See [`RecentMessages`].
    pub recent: Arc<dyn RecentMessages>,
    /// See [`WordRanking`].
    pub ranking: Arc<dyn WordRanking>,
    /// See [`UserStore`].
    pub users: Arc<dyn UserStore>,
    /// See [`RoomStore`].
    pub rooms: Arc<dyn RoomStore>,
    /// See [`MessageArchive`].
    pub archive: Arc<dyn MessageArchive>,
}

impl std::fmt::Debug for Backends {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Backends")
    }
}
