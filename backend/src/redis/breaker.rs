//! Whether Redis serves. After some failures in a row it counts as away, and calls are refused
//! at once; only the watcher's probe, which nobody waits for, brings it back.

use std::time::Duration;

use antiphon_core::clock;
use tokio::sync::watch;

/// What is known of Redis, without asking it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisHealth {
    /// Whether calls are let through.
    pub serving: bool,
    /// How long it has been so.
    pub since: Duration,
    /// The last failure, while it doesn't serve.
    pub last_error: Option<String>,
    /// Failed calls so far, refused ones aside.
    pub failures_total: u64,
    /// Calls refused at once so far.
    pub refused_total: u64,
    /// How often it has gone away.
    pub outages_total: u64,
}

#[derive(Debug, Clone)]
struct State {
    serving: bool,
    changed_at: clock::Instant,
    in_a_row: u32,
    last_error: Option<String>,
    failures_total: u64,
    refused_total: u64,
    outages_total: u64,
}

/// What a change of state means to the one who caused it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    None,
    /// Redis counts as away from now on.
    Opened,
    /// It serves again.
    Closed,
}

pub(super) struct Breaker {
    failures_max: u32,
    state: watch::Sender<State>,
}

impl Breaker {
    /// It counts as away until the first probe is answered.
    pub(super) fn new(failures_max: u32) -> Self {
        let state = State {
            serving: false,
            changed_at: clock::now(),
            in_a_row: 0,
            last_error: None,
            failures_total: 0,
            refused_total: 0,
            outages_total: 0,
        };
        Self {
            failures_max: failures_max.max(1),
            state: watch::Sender::new(state),
        }
    }

    pub(super) fn health(&self) -> RedisHealth {
        let state = self.state.borrow();
        RedisHealth {
            serving: state.serving,
            since: clock::now().duration_since(state.changed_at),
            last_error: state.last_error.clone(),
            failures_total: state.failures_total,
            refused_total: state.refused_total,
            outages_total: state.outages_total,
        }
    }

    pub(super) fn is_serving(&self) -> bool {
        self.state.borrow().serving
    }

    /// Resolves when Redis counts as away. Cancel-safe.
    pub(super) async fn opened(&self) {
        let mut state = self.state.subscribe();
        // The sender lives as long as `self`.
        let _ = state.wait_for(|state| !state.serving).await;
    }

    /// Whether a call may go on; counts it if not.
    pub(super) fn admit(&self) -> bool {
        let mut serving = true;
        self.quietly(|state| {
            serving = state.serving;
            state.refused_total += u64::from(!serving);
        });
        serving
    }

    /// A call was answered.
    pub(super) fn answered(&self) {
        if self.state.borrow().in_a_row > 0 {
            self.quietly(|state| state.in_a_row = 0);
        }
    }

    /// A call was not answered, or Redis said that it doesn't serve.
    pub(super) fn failed(&self, error: &dyn std::fmt::Display) -> Change {
        let mut change = Change::None;
        self.state.send_if_modified(|state| {
            state.failures_total += 1;
            state.in_a_row = state.in_a_row.saturating_add(1);
            let away = state.in_a_row >= self.failures_max;
            if state.serving && away {
                state.serving = false;
                state.changed_at = clock::now();
                state.outages_total += 1;
                change = Change::Opened;
            }
            if !state.serving {
                state.last_error = Some(error.to_string());
            }
            change != Change::None
        });
        change
    }

    /// The probe was answered.
    pub(super) fn probed(&self) -> Change {
        let mut change = Change::None;
        self.state.send_if_modified(|state| {
            state.in_a_row = 0;
            if !state.serving {
                state.serving = true;
                state.changed_at = clock::now();
                state.last_error = None;
                change = Change::Closed;
            }
            change != Change::None
        });
        change
    }

    fn quietly(&self, change: impl FnOnce(&mut State)) {
        self.state.send_if_modified(|state| {
            change(state);
            false
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_opens_after_failures_in_a_row_and_closes_by_a_probe_only() {
        let breaker = Breaker::new(3);
        assert!(!breaker.is_serving());
        assert_eq!(breaker.probed(), Change::Closed);
        assert_eq!(breaker.failed(&"one"), Change::None);
        assert_eq!(breaker.failed(&"two"), Change::None);
        breaker.answered();
        assert_eq!(breaker.failed(&"three"), Change::None);
        assert_eq!(breaker.failed(&"four"), Change::None);
        assert!(breaker.admit());
        assert_eq!(breaker.failed(&"five"), Change::Opened);
        assert_eq!(breaker.failed(&"six"), Change::None);
        breaker.opened().await;
        clock::sleep(Duration::from_secs(2)).await;
        breaker.answered();
        assert!(!breaker.admit());
        let away = breaker.health();
        assert_eq!(away.since, Duration::from_secs(2));
        assert_eq!(away.last_error.as_deref(), Some("six"));
        assert_eq!(
            (away.failures_total, away.refused_total, away.outages_total),
            (6, 1, 1)
        );
        assert_eq!(breaker.probed(), Change::Closed);
        assert_eq!(breaker.probed(), Change::None);
        assert!(breaker.admit() && breaker.health().last_error.is_none());
        assert_eq!(breaker.failed(&"seven"), Change::None);
    }
}
