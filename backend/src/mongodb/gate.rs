//! The way of every call to the database: a deadline, and a breaker.
//!
//! When the database is found to be away, calls are refused at once with `Unavailable` until
//! it answers a ping; so nobody waits in line for a deadline. There is no task behind it: the
//! first call after [`PROBE_EVERY`] asks.

use std::sync::Mutex;
use std::time::Duration;

use antiphon_core::clock::{self, Instant};
use antiphon_core::contract::{BackendError, BackendErrorKind, BackendResult};
use mongodb::Database;
use mongodb::bson::doc;
use tracing::{info, warn};

use super::failure::{Effect, Failure};
use super::limits::{PING_DEADLINE, PROBE_EVERY};

/// Lets calls through to one database.
#[derive(Debug)]
pub(super) struct Gate {
    database: Database,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Calls pass.
    Closed,
    /// The database is away; asked again at this time.
    Open { probe_at: Instant },
}

/// The database is away.
#[derive(Debug, thiserror::Error)]
#[error("the database does not answer; calls are refused until it does")]
struct Away;

impl Gate {
    /// A gate that lets calls pass.
    pub(super) fn new(database: Database) -> Self {
        Self {
            database,
            state: Mutex::new(State::Closed),
        }
    }

    /// Runs a call under a deadline. What became of a write that has not ended by then is not
    /// known.
    pub(super) async fn run<T>(
        &self,
        operation: &'static str,
        effect: Effect,
        deadline: Duration,
        work: impl Future<Output = Result<T, Failure>> + Send,
    ) -> BackendResult<T> {
        if !self.admits().await {
            let kind = BackendErrorKind::Unavailable;
            return Err(BackendError::caused(kind, operation, Away));
        }
        match clock::timeout(deadline, Box::pin(work)).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(failure)) => {
                if failure.is_outage() {
                    self.suspect(operation).await;
                }
                Err(failure.into_backend_error(operation, effect))
            }
            Err(_) => {
                self.suspect(operation).await;
                Err(BackendError::new(BackendErrorKind::Timeout, operation))
            }
        }
    }

    /// Asks the database whether it is there; the answer also opens or closes the gate.
    pub(super) async fn ask(&self, operation: &'static str) -> BackendResult<()> {
        match self.ping().await {
            Ok(()) => {
                self.close();
                Ok(())
            }
            Err(source) => {
                self.open(operation);
                let kind = BackendErrorKind::Unavailable;
                Err(BackendError::caused(kind, operation, source))
            }
        }
    }

    async fn admits(&self) -> bool {
        match self.whose_turn() {
            Turn::Pass => true,
            Turn::Refuse => false,
            Turn::Probe => match self.ping().await {
                Ok(()) => {
                    self.close();
                    true
                }
                Err(_) => false,
            },
        }
    }

    fn whose_turn(&self) -> Turn {
        let mut state = self.state.lock().expect("no panic while it is held");
        let now = clock::now();
        match *state {
            State::Closed => Turn::Pass,
            State::Open { probe_at } if now < probe_at => Turn::Refuse,
            State::Open { .. } => {
                // The others are refused while this one asks.
                *state = State::Open {
                    probe_at: now + PING_DEADLINE + PROBE_EVERY,
                };
                Turn::Probe
            }
        }
    }

    /// A call failed in a way that may mean that the database is away.
    async fn suspect(&self, operation: &'static str) {
        let is_open = *self.state.lock().expect("no panic while it is held") != State::Closed;
        if !is_open && self.ping().await.is_err() {
            self.open(operation);
        }
    }

    fn open(&self, operation: &'static str) {
        let probe_at = clock::now() + PROBE_EVERY;
        let mut state = self.state.lock().expect("no panic while it is held");
        if *state == State::Closed {
            warn!(operation, "the database does not answer");
            *state = State::Open { probe_at };
        }
    }

    fn close(&self) {
        let mut state = self.state.lock().expect("no panic while it is held");
        if *state != State::Closed {
            info!("the database answers again");
            *state = State::Closed;
        }
    }

    async fn ping(&self) -> Result<(), PingError> {
        let asking = self.database.run_command(doc! { "ping": 1 });
        clock::timeout(PING_DEADLINE, asking)
            .await
            .map_err(|_| PingError::Silent)??;
        Ok(())
    }
}

enum Turn {
    Pass,
    Refuse,
    Probe,
}

#[derive(Debug, thiserror::Error)]
enum PingError {
    #[error("no answer within {PING_DEADLINE:?}")]
    Silent,
    #[error("the database failed")]
    Driver(#[from] mongodb::error::Error),
}
