//! What to do after a failure: a pure function from what went wrong to wait or stop.

use std::fmt;
use std::time::Duration;

use antiphon_protocol::ErrorBody;
use antiphon_protocol::close_code::{AfterClose, TOKEN_EXPIRED};

use crate::connection::{Closed, ConnectError, RequestError};
use crate::gateway::GatewayError;
use crate::limits::HINT_MAX;

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

/// What the client logs in with at this attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Means {
    /// The attempt used a resume token.
    pub(crate) token: bool,
    /// There is a name with which to log in without a token.
    pub(crate) fallback: bool,
}

/// How long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// By the back-off.
    Backoff,
    /// As long as the server said.
    Hint(Duration),
    /// Not at all.
    Now,
}

/// What to do after a failure.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NextStep {
    /// Connect again, through the gateway.
    Retry { wait: Wait, forget_token: bool },
    /// Only the user can mend it.
    Stop(StopReason),
}

const RETRY: NextStep = NextStep::Retry {
    wait: Wait::Backoff,
    forget_token: false,
};

/// Decides; `hint` is the delay of the server's last `reconnect` event.
pub(crate) fn after_failure(
    reason: &DisconnectReason,
    means: Means,
    hint: Option<Duration>,
) -> NextStep {
    let hinted = |hint: Duration| NextStep::Retry {
        wait: Wait::Hint(hint.min(HINT_MAX)),
        forget_token: false,
    };
    match reason {
        DisconnectReason::Gateway(GatewayError::NoServer {
            retry_after: Some(after),
        }) => hinted(*after),
        DisconnectReason::Gateway(_) | DisconnectReason::Connect(_) => RETRY,
        DisconnectReason::Asked(_) => hint.map_or(RETRY, hinted),
        DisconnectReason::Login(error) => after_login(error, means),
        DisconnectReason::Closed(closed) => after_closed(closed, means, hint.map(hinted)),
    }
}

fn after_login(error: &RequestError, means: Means) -> NextStep {
    match error {
        RequestError::Refused(body) if body.retryable => match body.retry_after_ms {
            Some(ms) => {
                let hint = Duration::from_millis(ms).min(HINT_MAX);
                NextStep::Retry {
                    wait: Wait::Hint(hint),
                    forget_token: false,
                }
            }
            None => RETRY,
        },
        // A token works once; the reply to its use may have been lost.
        RequestError::Refused(body) if body.code == 401 => without_token(
            means,
            Wait::Now,
            StopReason::Credentials(body.message.clone()),
        ),
        RequestError::Refused(body) => NextStep::Stop(StopReason::Refused(body.clone())),
        RequestError::Closed(closed) => after_closed(closed, means, None),
        RequestError::Deadline
        | RequestError::BadReply(_)
        | RequestError::TooLarge
        | RequestError::Busy
        | RequestError::NotConnected => RETRY,
    }
}

fn after_closed(closed: &Closed, means: Means, hinted: Option<NextStep>) -> NextStep {
    if matches!(closed, Closed::Server { code, .. } if *code == TOKEN_EXPIRED.code) {
        let stop = StopReason::Credentials("the session has expired".to_owned());
        return without_token(
            Means {
                token: true,
                ..means
            },
            Wait::Backoff,
            stop,
        );
    }
    match (closed.after(), closed) {
        (AfterClose::Reconnect | AfterClose::ReconnectElsewhere, _) => hinted.unwrap_or(RETRY),
        (AfterClose::Stop, Closed::Local) => NextStep::Stop(StopReason::Asked),
        (AfterClose::Stop, _) => NextStep::Stop(StopReason::Closed(closed.clone())),
    }
}

fn without_token(means: Means, wait: Wait, stop: StopReason) -> NextStep {
    if means.token && means.fallback {
        NextStep::Retry {
            wait,
            forget_token: true,
        }
    } else {
        NextStep::Stop(stop)
    }
}

#[cfg(test)]
mod tests;
