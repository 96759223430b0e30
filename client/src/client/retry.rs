//! Why a client has no connection, in words and types; what it does then is decided by
//! [`crate::reconnect`].

use std::fmt;
use std::time::Duration;

use antiphon_protocol::ErrorBody;

use crate::connection::{Closed, ConnectError, RequestError};
use crate::gateway::GatewayError;
use crate::reconnect::{Happened, StopKind};

/// Why there is no connection at the moment.
#[derive(Debug)]
pub enum DisconnectReason {
    /// The gateway gave no server.
    Gateway(GatewayError),
    /// The server could not be connected to.
    Connect(ConnectError),
    /// The server did not let the user in.
    Login(RequestError),
    /// The connection ended.
    Closed(Closed),
    /// The server asked for it, with its reason.
    Asked(String),
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gateway(error) => error.fmt(f),
            Self::Connect(error) => error.fmt(f),
            Self::Login(error) => write!(f, "login failed: {error}"),
            Self::Closed(closed) => closed.fmt(f),
            Self::Asked(reason) => write!(f, "the server asks to reconnect: {reason}"),
        }
    }
}

/// Why a client stopped for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopReason {
    /// Its owner stopped it.
    Asked,
    /// The credentials are not (or no longer) good.
    Credentials(String),
    /// The server closed the connection with a code that only the user can mend.
    Closed(Closed),
    /// The server refused the login for good.
    Refused(ErrorBody),
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked => f.write_str("stopped"),
            Self::Credentials(why) => write!(f, "not logged in: {why}"),
            Self::Closed(closed) => closed.fmt(f),
            Self::Refused(body) => write!(f, "login refused: {}", body.message),
        }
    }
}

/// What happened, as the machine takes it.
pub(crate) fn happened(reason: &DisconnectReason) -> Happened {
    match reason {
        DisconnectReason::Gateway(GatewayError::NoServer { retry_after }) => Happened::NoServer {
            retry_after: *retry_after,
        },
        DisconnectReason::Gateway(_) => Happened::GatewayFailed,
        DisconnectReason::Connect(_) => Happened::ConnectFailed,
        DisconnectReason::Login(RequestError::Refused(body)) => Happened::LoginRefused {
            code: body.code,
            retryable: body.retryable,
            retry_after: body.retry_after_ms.map(Duration::from_millis),
        },
        DisconnectReason::Login(RequestError::Closed(closed))
        | DisconnectReason::Closed(closed) => ended(closed),
        DisconnectReason::Login(_) => Happened::LoginFailed,
        DisconnectReason::Asked(_) => Happened::Asked,
    }
}

fn ended(closed: &Closed) -> Happened {
    match closed {
        Closed::Server { code, .. } => Happened::Closed { code: *code },
        Closed::Lost(_) => Happened::Lost,
        Closed::DeadPeer => Happened::Silent,
        Closed::Local => Happened::Stopped,
    }
}

/// The kind with its words.
pub(crate) fn stop_reason(kind: StopKind, reason: &DisconnectReason) -> StopReason {
    let closed = match reason {
        DisconnectReason::Login(RequestError::Closed(closed))
        | DisconnectReason::Closed(closed) => Some(closed.clone()),
        DisconnectReason::Gateway(_)
        | DisconnectReason::Connect(_)
        | DisconnectReason::Login(_)
        | DisconnectReason::Asked(_) => None,
    };
    let refusal = match reason {
        DisconnectReason::Login(error) => error.refusal().cloned(),
        DisconnectReason::Gateway(_)
        | DisconnectReason::Connect(_)
        | DisconnectReason::Closed(_)
        | DisconnectReason::Asked(_) => None,
    };
    match (kind, closed, refusal) {
        (StopKind::Closed, Some(closed), _) => StopReason::Closed(closed),
        (StopKind::Refused, _, Some(body)) => StopReason::Refused(body),
        (StopKind::Credentials, _, Some(body)) => StopReason::Credentials(body.message),
        (StopKind::Credentials, ..) => {
            StopReason::Credentials("the session has expired".to_owned())
        }
        (StopKind::Asked | StopKind::Closed | StopKind::Refused, ..) => StopReason::Asked,
    }
}

#[cfg(test)]
mod tests;
