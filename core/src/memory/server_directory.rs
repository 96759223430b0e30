//! The list of live servers within one process.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;

use crate::clock;
use crate::contract::{BackendError, BackendErrorKind, BackendResult, Directory, ServerDirectory};
use crate::memory::lock;

/// Longest life of a list; a longer `ttl` is cut to it.
const TTL_MAX: Duration = Duration::from_secs(24 * 3_600);

/// An in-process server directory.
#[derive(Debug, Default)]
pub struct MemoryServerDirectory {
    current: Mutex<Option<Published>>,
}

#[derive(Debug)]
struct Published {
    directory: Directory,
    expires_at: clock::Instant,
}

impl MemoryServerDirectory {
    /// A directory in which nothing was published.
    pub fn new() -> Self {
        Self::default()
    }
}

fn live(current: &Option<Published>) -> Option<&Directory> {
    let published = current.as_ref()?;
    (clock::now() < published.expires_at).then_some(&published.directory)
}

#[async_trait]
impl ServerDirectory for MemoryServerDirectory {
    async fn publish(&self, directory: Directory, ttl: Duration) -> BackendResult<()> {
        let mut current = lock(&self.current);
        if live(&current).is_some_and(|newest| directory.epoch < newest.epoch) {
            return Err(BackendError::new(
                BackendErrorKind::Conflict,
                "server_directory.publish",
            ));
        }
        let expires_at = clock::now() + ttl.min(TTL_MAX);
        *current = Some(Published {
            directory,
            expires_at,
        });
        Ok(())
    }

    async fn list(&self) -> BackendResult<Option<Directory>> {
        Ok(live(&lock(&self.current)).cloned())
    }
}
