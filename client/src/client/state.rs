//! Where a client stands, for whoever wants to look.

use std::fmt;

use antiphon_core::clock::{self, Instant};

use super::StopReason;

/// Where a client stands at the moment; see [`crate::Client::state`].
///
/// The usual round is `Connecting → LoggingIn → Online → Waiting → Connecting`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectionState {
    /// It asks the gateway for a server and opens a connection.
    Connecting,
    /// A server has taken the connection; the login is not answered yet.
    LoggingIn,
    /// The user is logged in.
    Online {
        /// The server's opaque name.
        server: String,
    },
    /// The user is logged in on a server that is about to stop; the client moves in time.
    Draining {
        /// The server's opaque name.
        server: String,
        /// When it moves at the latest.
        until: Instant,
    },
    /// There is no connection; it tries again.
    Waiting {
        /// When.
        until: Instant,
        /// Why there is none, in words that may hold a server's: clean them before showing.
        why: String,
    },
    /// It has stopped for good.
    Stopped {
        /// Why.
        reason: StopReason,
    },
}

impl ConnectionState {
    /// Whether the user is logged in.
    pub fn is_online(&self) -> bool {
        matches!(self, Self::Online { .. } | Self::Draining { .. })
    }

    /// Whether nothing follows.
    pub fn is_stopped(&self) -> bool {
        matches!(self, Self::Stopped { .. })
    }
}

impl fmt::Display for ConnectionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting => f.write_str("connecting"),
            Self::LoggingIn => f.write_str("logging in"),
            Self::Online { server } => write!(f, "on {server}"),
            Self::Draining { server, .. } => write!(f, "on {server}, about to move"),
            Self::Waiting { until, why } => {
                let left = until.saturating_duration_since(clock::now());
                write!(f, "{why}; trying again in {:.1} s", left.as_secs_f64())
            }
            Self::Stopped { reason } => reason.fmt(f),
        }
    }
}
