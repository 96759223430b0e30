//! Retention: the leader removes what is older than the operator keeps, slowly, once an hour
//! and when its term begins. Only the oldest of each log go, never its newest.

use std::sync::Arc;
use std::time::Duration;

use antiphon_core::clock;
use antiphon_core::contract::{BackendResult, MessageArchive};
use antiphon_core::error_chain::ErrorChain;
use tracing::{info, warn};

use super::metrics::Metrics;
use super::settings::{RETENTION_BATCH, RETENTION_INTERVAL, RETENTION_PAUSE, RETENTION_RETRY};

/// What is older than this, in milliseconds since 1970, is kept no longer.
pub(crate) fn expires_before(keep: Duration) -> u64 {
    let keep = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
    clock::unix_ms().saturating_sub(keep)
}

/// Removes old messages.
pub(crate) struct Retention {
    pub(crate) archive: Arc<dyn MessageArchive>,
    /// So long messages are kept.
    pub(crate) keep: Duration,
    pub(crate) metrics: Metrics,
}

impl Retention {
    /// Goes on until it is dropped, wherever it is: a call that is cut off is finished by the
    /// next.
    pub(crate) async fn run(self) {
        let mut failing = false;
        loop {
            let trimmed = self.trim().await;
            let failed_before = std::mem::replace(&mut failing, trimmed.is_err());
            let pause = match trimmed {
                Ok(removed) => {
                    info!(removed, "old messages removed");
                    RETENTION_INTERVAL
                }
                Err(error) => {
                    if !failed_before {
                        warn!(error = %ErrorChain(&error), "could not remove old messages");
                    }
                    RETENTION_RETRY
                }
            };
            clock::sleep(pause).await;
        }
    }

    /// Looks at every log once; how many messages were removed.
    async fn trim(&self) -> BackendResult<u64> {
        let before_ms = expires_before(self.keep);
        let (mut after, mut total) = (String::new(), 0);
        loop {
            let trimmed = self
                .archive
                .trim(before_ms, &after, RETENTION_BATCH)
                .await?;
            self.metrics.removed(trimmed.removed);
            total += trimmed.removed;
            match trimmed.next {
                Some(next) => after = next,
                None => return Ok(total),
            }
            clock::sleep(RETENTION_PAUSE).await;
        }
    }
}
