//! A host's gate to the store, as the production client has one: when the store is found to be
//! away, calls are refused at once until it answers, so that nobody waits for a deadline after
//! the other.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use antiphon_core::clock::{self, Instant};
use antiphon_core::contract::{BackendError, BackendErrorKind, BackendResult};

use crate::service::line::Line;
use crate::service::world::{Answer, World};

/// Longest call.
const CALL_DEADLINE: Duration = Duration::from_secs(4);
/// Longest answer to the question whether the store is there.
const PING_DEADLINE: Duration = Duration::from_millis(500);
/// How often that is asked while it is not.
const PROBE_EVERY: Duration = Duration::from_millis(500);

/// Lets calls through to the store.
#[derive(Debug)]
pub(super) struct Gate {
    line: Line,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Calls pass.
    Closed,
    /// The store is away; asked again at this time.
    Open { probe_at: Instant },
}

impl Gate {
    pub(super) fn new(line: Line) -> Self {
        Self {
            line,
            state: Mutex::new(State::Closed),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn log_id(&self) -> String {
        self.line.shared.lock().store.log_id.clone()
    }

    /// Runs a call, if the store is not known to be away.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&mut World, u64) -> Answer<T> + Send + 'static,
    ) -> BackendResult<T> {
        if !self.admits().await {
            return Err(BackendError::new(BackendErrorKind::Unavailable, operation));
        }
        let answered = self.line.call(operation, CALL_DEADLINE, work).await;
        let is_suspect = answered.as_ref().is_err_and(BackendError::is_retryable);
        if is_suspect && *self.lock() == State::Closed && !self.answers().await {
            let probe_at = clock::now() + PROBE_EVERY;
            *self.lock() = State::Open { probe_at };
        }
        answered
    }

    async fn admits(&self) -> bool {
        {
            let now = clock::now();
            let mut state = self.lock();
            match *state {
                State::Closed => return true,
                State::Open { probe_at } if now < probe_at => return false,
                // The others are refused while this one asks.
                State::Open { .. } => {
                    let probe_at = now + PING_DEADLINE + PROBE_EVERY;
                    *state = State::Open { probe_at };
                }
            }
        }
        let answers = self.answers().await;
        if answers {
            *self.lock() = State::Closed;
        }
        answers
    }

    async fn answers(&self) -> bool {
        let ping = |_: &mut World, now_us| Answer::at_once(now_us, ());
        let answered = self.line.call("store.ping", PING_DEADLINE, ping).await;
        answered.is_ok()
    }
}
