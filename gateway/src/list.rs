//! The last list that was read. A flood of requests asks the directory four times a second
//! at most, and one at a time; while the directory fails, the last known list serves on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use antiphon_core::clock::{self, Instant};
use antiphon_core::contract::{BackendResult, Directory, ServerDirectory};
use antiphon_core::error_chain::ErrorChain;
use tracing::{info, warn};

/// How long a list is used without asking again.
const FRESH: Duration = Duration::from_millis(250);
/// How long the directory may take to answer; above the deadline that its decorator sets.
const LIST_DEADLINE: Duration = Duration::from_secs(3);
/// How long the last known list serves while the directory fails.
pub(crate) const FAILING_MAX: Duration = Duration::from_secs(600);
/// How long it serves while the directory says that there is none: longer than an election,
/// or than a leader needs to publish into an emptied cache.
pub(crate) const MISSING_MAX: Duration = Duration::from_secs(30);

/// A list and how old it is.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) directory: Arc<Directory>,
    /// Since when it is known; not by the publisher's clock, which may differ from ours.
    pub(crate) age: Duration,
    /// For how long it may be used if nothing newer comes.
    pub(crate) usable_for: Duration,
}

pub(crate) struct ListCache {
    source: Arc<dyn ServerDirectory>,
    state: Mutex<State>,
    asking: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for ListCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ListCache")
    }
}

#[derive(Debug, Default)]
struct State {
    known: Option<Known>,
    asked_at: Option<Instant>,
    answer: Answer,
}

#[derive(Debug)]
struct Known {
    directory: Arc<Directory>,
    first_seen_at: Instant,
    last_seen_at: Instant,
}

/// How the directory answered last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Answer {
    #[default]
    Listed,
    Missing,
    Failed,
}

impl ListCache {
    pub(crate) fn new(source: Arc<dyn ServerDirectory>) -> Self {
        Self {
            source,
            state: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
        }
    }

    /// The newest list that may be used, if there is one.
    pub(crate) async fn current(&self) -> Option<Listed> {
        if self.state().is_fresh() {
            return self.usable();
        }
        match self.asking.try_lock() {
            Ok(turn) => {
                self.ask().await;
                drop(turn);
            }
            // Somebody is asking. Who has something to serve meanwhile doesn't wait.
            Err(_) => {
                if let Some(listed) = self.usable() {
                    return Some(listed);
                }
                let turn = self.asking.lock().await;
                if !self.state().is_fresh() {
                    self.ask().await;
                }
                drop(turn);
            }
        }
        self.usable()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn usable(&self) -> Option<Listed> {
        self.state().usable(clock::now())
    }

    async fn ask(&self) {
        let answer = clock::timeout(LIST_DEADLINE, self.source.list()).await;
        self.state().take(clock::now(), answer.ok());
    }
}

impl State {
    fn is_fresh(&self) -> bool {
        self.asked_at
            .is_some_and(|at| clock::now().duration_since(at) < FRESH)
    }

    /// Takes the directory's answer; `None` if there was none in time.
    fn take(&mut self, now: Instant, answer: Option<BackendResult<Option<Directory>>>) {
        self.asked_at = Some(now);
        match answer {
            Some(Ok(Some(directory))) => {
                self.turn_to(Answer::Listed);
                match &mut self.known {
                    Some(known) if *known.directory == directory => known.last_seen_at = now,
                    Some(_) | None => {
                        let directory = Arc::new(directory);
                        self.known = Some(Known {
                            directory,
                            first_seen_at: now,
                            last_seen_at: now,
                        });
                    }
                }
            }
            Some(Ok(None)) => {
                self.turn_to(Answer::Missing);
            }
            Some(Err(error)) => {
                if self.turn_to(Answer::Failed) {
                    warn!(error = %ErrorChain(&error), "server directory fails, serving the last known list");
                }
            }
            None => {
                if self.turn_to(Answer::Failed) {
                    warn!("server directory does not answer, serving the last known list");
                }
            }
        }
    }

    /// Notes how the directory answered, and logs what is worth it once; true if it changed.
    fn turn_to(&mut self, answer: Answer) -> bool {
        let changed = self.answer != answer;
        self.answer = answer;
        match answer {
            Answer::Listed if changed => info!("server directory has a list again"),
            Answer::Missing if changed => warn!("no server list is published"),
            Answer::Listed | Answer::Missing | Answer::Failed => {}
        }
        changed
    }

    fn usable(&self, now: Instant) -> Option<Listed> {
        let known = self.known.as_ref()?;
        let limit = match self.answer {
            Answer::Listed | Answer::Failed => FAILING_MAX,
            Answer::Missing => MISSING_MAX,
        };
        let usable_for = limit.checked_sub(now.duration_since(known.last_seen_at))?;
        (!usable_for.is_zero()).then(|| Listed {
            directory: Arc::clone(&known.directory),
            age: now.duration_since(known.first_seen_at),
            usable_for,
        })
    }
}

#[cfg(test)]
mod tests;
