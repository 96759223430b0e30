//! What a client does after a connection failed or ended: a pure function, so that every SDK
//! can do the same. Its cases stand in `client/cases/reconnect.json`; docs/sdk.md says how to
//! read them.
//!
//! Waits are drawn with full jitter. A server's hint is kept, up to [`HINT_MAX`]: the delay of
//! a `reconnect` event as it is, for the server has drawn it for this client alone; any other
//! with jitter on top, for it was told to everybody.

use std::time::Duration;

use antiphon_protocol::close_code::{AfterClose, TOKEN_EXPIRED, after_close};

use crate::limits::{BACKOFF_BASE, BACKOFF_MAX, HINT_MAX};

/// The `code` of an `error` frame that says that the credentials are not good.
const UNAUTHORIZED: u16 = 401;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happened {
    /// The gateway answered that no server is live, perhaps with `Retry-After`.
    NoServer {
        /// The header.
        retry_after: Option<Duration>,
    },
    /// The gateway can't be reached, or its answer is of no use.
    GatewayFailed,
    /// The server that the gateway named can't be connected to.
    ConnectFailed,
    /// `hello` or `login` was answered by an `error` frame.
    LoginRefused {
        /// Its `code`.
        code: u16,
        /// Its `retryable`.
        retryable: bool,
        /// Its `retryAfterMs`.
        retry_after: Option<Duration>,
    },
    /// `hello` or `login` had no answer that can be read in time.
    LoginFailed,
    /// The server closed the connection with a code (1005 if the frame had none).
    Closed {
        /// See [`antiphon_protocol::close_code`].
        code: u16,
    },
    /// The connection broke without a close frame.
    Lost,
    /// The server fell silent.
    Silent,
    /// A `reconnect` event asked for it, and this side has closed the connection.
    Asked,
    /// The app has stopped the client.
    Stopped,
}

/// The circumstances.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Situation {
    /// The client logged in, or tried to, with a resume token.
    pub token: bool,
    /// It has a name, with a password or without, to log in with instead.
    pub fallback: bool,
    /// Attempts that failed since a connection last was stable (docs/sdk.md).
    pub failed_attempts: u32,
    /// What is left of the delay of the connection's last `reconnect` event, if there was one.
    pub hint: Option<Duration>,
    /// A random number, at least 0 and below 1.
    pub draw: f64,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Wait, then ask the gateway for a server, connect and log in.
    Reconnect {
        /// How long.
        wait: Duration,
        /// Without the token.
        forget_token: bool,
    },
    /// Only the user can mend it.
    Stop(StopKind),
}

/// Why a client stops for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopKind {
    /// The app wants it.
    Asked,
    /// The credentials are not (or no longer) good.
    Credentials,
    /// The server closed the connection with a code that only the user can mend.
    Closed,
    /// The server refused the login for good.
    Refused,
}

/// The largest back-off after so many failed attempts.
pub fn backoff_bound(failed_attempts: u32) -> Duration {
    BACKOFF_BASE
        .saturating_mul(2_u32.saturating_pow(failed_attempts))
        .min(BACKOFF_MAX)
}

/// Decides.
pub fn next_step(happened: Happened, situation: Situation) -> Step {
    let retry = after_hint(None, situation);
    match happened {
        Happened::NoServer { retry_after } => after_hint(retry_after, situation),
        Happened::GatewayFailed | Happened::ConnectFailed | Happened::LoginFailed => retry,
        Happened::LoginRefused {
            retryable: true,
            retry_after,
            ..
        } => after_hint(retry_after, situation),
        // A token works once; the reply to its use may have been lost.
        Happened::LoginRefused {
            code: UNAUTHORIZED, ..
        } if situation.token => without_token(Duration::ZERO, situation),
        Happened::LoginRefused {
            code: UNAUTHORIZED, ..
        } => Step::Stop(StopKind::Credentials),
        Happened::LoginRefused { .. } => Step::Stop(StopKind::Refused),
        Happened::Closed { code } if code == TOKEN_EXPIRED.code => {
            without_token(jitter(situation), situation)
        }
        Happened::Closed { code } => match after_close(code) {
            AfterClose::Reconnect | AfterClose::ReconnectElsewhere => when_asked(situation),
            AfterClose::Stop => Step::Stop(StopKind::Closed),
        },
        Happened::Lost | Happened::Silent | Happened::Asked => when_asked(situation),
        Happened::Stopped => Step::Stop(StopKind::Asked),
    }
}

fn reconnect(wait: Duration) -> Step {
    Step::Reconnect {
        wait,
        forget_token: false,
    }
}

/// Full jitter: anything from nothing to the bound, in whole milliseconds.
fn jitter(situation: Situation) -> Duration {
    let bound = backoff_bound(situation.failed_attempts).as_millis() as u64;
    let drawn = situation.draw.clamp(0.0, 1.0) * (bound + 1) as f64;
    Duration::from_millis((drawn as u64).min(bound))
}

fn after_hint(hint: Option<Duration>, situation: Situation) -> Step {
    reconnect(hint.unwrap_or_default().min(HINT_MAX) + jitter(situation))
}

fn when_asked(situation: Situation) -> Step {
    reconnect(
        situation
            .hint
            .map_or_else(|| jitter(situation), |hint| hint.min(HINT_MAX)),
    )
}

fn without_token(wait: Duration, situation: Situation) -> Step {
    if situation.fallback {
        Step::Reconnect {
            wait,
            forget_token: true,
        }
    } else {
        Step::Stop(StopKind::Credentials)
    }
}

#[cfg(test)]
mod tests;
