//! The list of live servers.

use std::time::Duration;

use antiphon_core::contract::{BackendErrorKind, BackendResult, Directory, ServerDirectory};
use async_trait::async_trait;

use super::CALL_DEADLINE;
use crate::service::line::Line;
use crate::service::world::Answer;

/// A list, and when it expires.
#[derive(Debug, Default)]
pub(super) struct Published(Option<(Directory, u64)>);

impl Published {
    fn live(&self, now_us: u64) -> Option<&Directory> {
        let (directory, expires_us) = self.0.as_ref()?;
        (now_us < *expires_us).then_some(directory)
    }
}

/// [`ServerDirectory`] of a host.
#[derive(Debug)]
pub(in crate::service) struct CachedDirectory(pub(in crate::service) Line);

#[async_trait]
impl ServerDirectory for CachedDirectory {
    async fn publish(&self, directory: Directory, ttl: Duration) -> BackendResult<()> {
        let ttl_us = u64::try_from(ttl.as_micros()).unwrap_or(u64::MAX);
        self.0
            .call(
                "server_directory.publish",
                CALL_DEADLINE,
                move |world, now| {
                    let current = &mut world.cache.directory;
                    let newest = current.live(now).map(|newest| newest.epoch);
                    if newest.is_some_and(|newest| directory.epoch < newest) {
                        return Answer::refused(now, BackendErrorKind::Conflict);
                    }
                    current.0 = Some((directory, now.saturating_add(ttl_us)));
                    Answer::at_once(now, ())
                },
            )
            .await
    }

    async fn list(&self) -> BackendResult<Option<Directory>> {
        self.0
            .call("server_directory.list", CALL_DEADLINE, |world, now| {
                Answer::at_once(now, world.cache.directory.live(now).cloned())
            })
            .await
    }
}
