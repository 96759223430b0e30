//! What can go wrong in a call, and what its caller is told.
//!
//! The question that matters is whether a write may have happened. `Unavailable` says that it
//! certainly has not; wherever that is not certain the kind is `Timeout`.

use antiphon_core::contract::{BackendError, BackendErrorKind};
use mongodb::error::{
    Error, ErrorKind, TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT, WriteFailure,
};

/// A duplicate key of a unique index.
const DUPLICATE_KEY: i32 = 11_000;
/// The server knows the caller, or doesn't, and refuses it.
const UNAUTHORIZED: i32 = 13;
/// See [`UNAUTHORIZED`].
const AUTHENTICATION_FAILED: i32 = 18;

/// Why a piece of work failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The driver or the server said no.
    #[error("the database failed")]
    Driver(#[from] Error),
    /// The same, in a step before anything was changed, or in one that is taken back.
    #[error("the database failed before anything was changed")]
    NothingDone(#[source] Error),
    /// A document isn't what was written.
    #[error("a damaged document in {0}")]
    Damaged(&'static str),
    /// A number that the database can't hold.
    #[error("{0} is above the largest number that can be stored")]
    TooLarge(u64),
    /// The contract says no.
    #[error("refused")]
    Refused(BackendErrorKind),
    /// Another process made the same document since the transaction began.
    #[error("another process made the same document meanwhile")]
    Raced,
    /// Others wrote first, again and again.
    #[error("others wrote first in every one of {0} rounds")]
    Outrun(usize),
    /// Some of the call's writes were made before it failed.
    #[error("a part of the writes was made")]
    Partly(#[source] Box<Failure>),
}

/// Whether a call changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// It only reads.
    Read,
    /// It writes.
    Write,
}

impl Failure {
    /// What the caller of `operation` gets.
    pub(super) fn into_backend_error(
        self,
        operation: &'static str,
        effect: Effect,
    ) -> BackendError {
        let kind = self.kind(effect);
        match self {
            Self::Refused(kind) => BackendError::new(kind, operation),
            Self::Driver(error) => BackendError::caused(kind, operation, error),
            Self::NothingDone(_)
            | Self::Damaged(_)
            | Self::TooLarge(_)
            | Self::Raced
            | Self::Outrun(_)
            | Self::Partly(_) => BackendError::caused(kind, operation, self),
        }
    }

    /// What may be done about it.
    pub(super) fn kind(&self, effect: Effect) -> BackendErrorKind {
        match self {
            Self::Driver(error) => kind_of(error, effect),
            Self::NothingDone(error) => kind_of(error, Effect::Read),
            Self::Damaged(_) | Self::TooLarge(_) => BackendErrorKind::Corrupt,
            Self::Refused(kind) => *kind,
            Self::Raced | Self::Outrun(_) => BackendErrorKind::Unavailable,
            Self::Partly(_) => BackendErrorKind::Timeout,
        }
    }

    /// The same, in a step before anything was changed.
    pub(super) fn before_writing(self) -> Self {
        match self {
            Self::Driver(error) => Self::NothingDone(error),
            Self::NothingDone(_)
            | Self::Damaged(_)
            | Self::TooLarge(_)
            | Self::Refused(_)
            | Self::Raced
            | Self::Outrun(_)
            | Self::Partly(_) => self,
        }
    }

    /// Whether it may mean that the database is gone.
    pub(super) fn is_outage(&self) -> bool {
        match self {
            Self::Driver(error) | Self::NothingDone(error) => is_outage(error),
            Self::Partly(failure) => failure.is_outage(),
            Self::Damaged(_)
            | Self::TooLarge(_)
            | Self::Refused(_)
            | Self::Raced
            | Self::Outrun(_) => false,
        }
    }

    /// Whether the whole transaction may be run again.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Raced => true,
            Self::Driver(error) | Self::NothingDone(error) => {
                error.contains_label(TRANSIENT_TRANSACTION_ERROR)
            }
            Self::Damaged(_)
            | Self::TooLarge(_)
            | Self::Refused(_)
            | Self::Outrun(_)
            | Self::Partly(_) => false,
        }
    }
}

/// Whether the same commit may be asked for again.
pub(super) fn is_unknown_commit(error: &Error) -> bool {
    error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT)
}

/// The code of a command that the server refused.
pub(super) fn command_code(error: &Error) -> Option<i32> {
    if let ErrorKind::Command(refusal) = error.kind.as_ref() {
        Some(refusal.code)
    } else {
        None
    }
}

/// Whether a unique index refused a single write.
pub(super) fn is_duplicate(error: &Error) -> bool {
    let kind = error.kind.as_ref();
    command_code(error) == Some(DUPLICATE_KEY)
        || matches!(kind, ErrorKind::Write(WriteFailure::WriteError(refusal))
            if refusal.code == DUPLICATE_KEY)
}

/// What a refused insert of many documents did.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusals {
    /// The places of those that met a key which is there already.
    pub(super) duplicates: Vec<usize>,
}

/// The refusals of an insert of many, if it failed by duplicate keys alone and all that was
/// inserted is as durable as was asked.
pub(super) fn refusals(error: &Error) -> Option<Refusals> {
    let ErrorKind::InsertMany(failed) = error.kind.as_ref() else {
        return None;
    };
    if failed.write_concern_error.is_some() {
        return None;
    }
    let refused = failed.write_errors.as_deref().unwrap_or_default();
    let duplicates: Vec<usize> = refused
        .iter()
        .filter(|refusal| refusal.code == DUPLICATE_KEY)
        .map(|refusal| refusal.index)
        .collect();
    (!refused.is_empty() && duplicates.len() == refused.len()).then_some(Refusals { duplicates })
}

fn kind_of(error: &Error, effect: Effect) -> BackendErrorKind {
    if is_unreadable(error) {
        BackendErrorKind::Corrupt
    } else if is_duplicate(error) {
        BackendErrorKind::Conflict
    } else if effect == Effect::Read || is_certainly_not_done(error) {
        BackendErrorKind::Unavailable
    } else {
        BackendErrorKind::Timeout
    }
}

/// Whether a stored document can't be read as what it should be.
fn is_unreadable(error: &Error) -> bool {
    matches!(
        error.kind.as_ref(),
        ErrorKind::Bson(_) | ErrorKind::BsonDeserialization(_)
    )
}

/// Whether the write was never sent, or refused as a whole. The driver tries a write twice
/// and tells the error of the try that may have had an effect, so a failed selection means
/// that nothing was sent. An answer "not the primary" is not on the list: a first try may
/// have reached the old one.
fn is_certainly_not_done(error: &Error) -> bool {
    let is_refused = matches!(
        command_code(error),
        Some(UNAUTHORIZED | AUTHENTICATION_FAILED)
    );
    let kind = error.kind.as_ref();
    let is_closed = matches!(kind, ErrorKind::Io(source)
        if source.kind() == std::io::ErrorKind::ConnectionRefused);
    is_refused
        || is_closed
        || matches!(
            kind,
            ErrorKind::ServerSelection { .. }
                | ErrorKind::DnsResolve { .. }
                | ErrorKind::Authentication { .. }
                | ErrorKind::InvalidArgument { .. }
                | ErrorKind::InvalidTlsConfig { .. }
                | ErrorKind::SessionsNotSupported
                | ErrorKind::IncompatibleServer { .. }
                | ErrorKind::Shutdown
                | ErrorKind::Write(WriteFailure::WriteError(_))
        )
}

fn is_outage(error: &Error) -> bool {
    !matches!(
        error.kind.as_ref(),
        ErrorKind::Command(_)
            | ErrorKind::Write(_)
            | ErrorKind::InsertMany(_)
            | ErrorKind::Bson(_)
            | ErrorKind::BsonDeserialization(_)
            | ErrorKind::InvalidArgument { .. }
    )
}

#[cfg(test)]
mod tests {
    use std::io::{self, ErrorKind as Io};

    use super::*;

    fn broken(kind: Io) -> Failure {
        Failure::Driver(io::Error::from(kind).into())
    }

    #[test]
    fn a_write_over_a_broken_connection_is_unknown_and_a_refused_one_is_not() {
        use BackendErrorKind::{Timeout, Unavailable};
        for (failure, written, read) in [
            (broken(Io::ConnectionReset), Timeout, Unavailable),
            (broken(Io::UnexpectedEof), Timeout, Unavailable),
            (broken(Io::TimedOut), Timeout, Unavailable),
            (broken(Io::ConnectionRefused), Unavailable, Unavailable),
            (
                broken(Io::ConnectionReset).before_writing(),
                Unavailable,
                Unavailable,
            ),
            (
                Failure::Partly(Box::new(broken(Io::ConnectionRefused))),
                Timeout,
                Timeout,
            ),
            (Failure::Outrun(3), Unavailable, Unavailable),
        ] {
            assert_eq!(failure.kind(Effect::Write), written, "{failure:?}");
            assert_eq!(failure.kind(Effect::Read), read, "{failure:?}");
        }
    }

    #[test]
    fn only_a_connection_may_mean_an_outage() {
        assert!(broken(Io::ConnectionReset).is_outage());
        assert!(Failure::Partly(Box::new(broken(Io::UnexpectedEof))).is_outage());
        assert!(!Failure::Damaged("x").is_outage());
        assert!(!Failure::Refused(BackendErrorKind::Conflict).is_outage());
    }
}
