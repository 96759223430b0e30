//! What can go wrong inside the store, and what a caller is told of it.

use antiphon_core::contract::{BackendError, BackendErrorKind};
use rusqlite::ErrorCode;

/// Why a piece of work failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The database said no.
    #[error("the database failed")]
    Sql(#[from] rusqlite::Error),
    /// A row isn't what was written.
    #[error("a damaged row in {0}")]
    Damaged(&'static str),
    /// The contract says no.
    #[error("refused")]
    Refused(BackendErrorKind),
}

impl Failure {
    /// What the caller of `operation` gets.
    pub(super) fn into_backend_error(self, operation: &'static str) -> BackendError {
        match self {
            Self::Refused(kind) => BackendError::new(kind, operation),
            Self::Damaged(_) => BackendError::caused(BackendErrorKind::Corrupt, operation, self),
            Self::Sql(error) => BackendError::caused(kind_of(&error), operation, error),
        }
    }
}

/// Whether the disk failed.
pub(super) fn is_io(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure)
}

/// Whether stored bytes can't be read as what they should be.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    let unreadable = matches!(
        error,
        rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::Utf8Error(..)
            | rusqlite::Error::InvalidColumnType(..)
    );
    unreadable
        || matches!(
            code,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        )
}

/// The same SQLite error once more, for another listener.
pub(super) fn copy(error: &rusqlite::Error) -> rusqlite::Error {
    let code = error.sqlite_error().copied();
    let code = code.unwrap_or_else(|| rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ERROR));
    rusqlite::Error::SqliteFailure(code, Some(error.to_string()))
}

fn kind_of(error: &rusqlite::Error) -> BackendErrorKind {
    if is_damage(error) {
        BackendErrorKind::Corrupt
    } else if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) {
        BackendErrorKind::Timeout
    } else {
        BackendErrorKind::Unavailable
    }
}

/// Turns "no row" into `None`.
pub(super) fn optional<T>(result: Result<T, rusqlite::Error>) -> Result<Option<T>, Failure> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(rusqlite::Error::QueryReturnedNoRows) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
