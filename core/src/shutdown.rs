//! Stopping: a token that says "stop" and a tracker that knows who has not yet.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock;

/// One scope of tasks that stop together. A clone is the same scope.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    token: CancellationToken,
    tracker: TaskTracker,
}

impl Shutdown {
    /// A scope of its own.
    pub fn new() -> Self {
        Self::default()
    }

    /// A scope that stops with this one, and may stop earlier. Its tasks are tracked apart.
    pub fn child(&self) -> Self {
        Self {
            token: self.token.child_token(),
            tracker: TaskTracker::new(),
        }
    }

    /// Asks every task of the scope to stop.
    pub fn stop(&self) {
        self.token.cancel();
    }

    /// Whether the scope was asked to stop.
    pub fn is_stopping(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Resolves when the scope is asked to stop. Cancel-safe.
    pub async fn stopping(&self) {
        self.token.cancelled().await;
    }

    /// The token itself.
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }

    pub(crate) fn tracker(&self) -> &TaskTracker {
        &self.tracker
    }

    /// Waits for the scope's tasks, at most `grace`. False if some are still there.
    pub async fn wait(&self, grace: Duration) -> bool {
        self.tracker.close();
        clock::timeout(grace, self.tracker.wait()).await.is_ok()
    }
}
