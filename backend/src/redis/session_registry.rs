//! Who is online where.
//!
//! An entry counts while its server's lease lasts. Each process renews the leases of the
//! servers that bind through it, and remembers what they bound: whatever Redis lost by a
//! flush, a restart or a call that failed is announced again (see `announced`).
//!
//! While Redis is away, `bind` and `unbind` succeed: a login must not fail for want of it, and
//! what they say is told when it is back.
//!
//! All keys are in one slot, so that every script sees the whole.

mod announced;
mod entry;
mod renewal;
mod scripts;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use antiphon_core::contract::{
    BackendError, BackendErrorKind, BackendResult, OnlineEntry, SessionEntry, SessionRegistry,
};
use antiphon_core::error_chain::ErrorChain;
use antiphon_protocol::{NodeId, SessionId, UserName};
use async_trait::async_trait;
use tracing::debug;

use super::RedisSettings;
use super::gate::Gate;
use super::key::Keys;
use super::script::{Call, millis};
use announced::Announced;

const BIND: &str = "session_registry.bind";
const UNBIND: &str = "session_registry.unbind";
const LOCATE: &str = "session_registry.locate";
const ONLINE: &str = "session_registry.online";
const COUNT: &str = "session_registry.count";
const RETAIN: &str = "session_registry.retain_nodes";
/// Sessions of dead servers that one script removes, so that it is short.
const REAPED_MAX: usize = 500;
/// Scripts in a row that remove; as many as a million sessions need.
const REAPS_MAX: usize = 2_000;
/// Sessions of one user that an answer has.
const SESSIONS_PER_USER_MAX: usize = 1_000;
/// Sessions that one script looks at for a page of users.
const LOOKED_AT_MAX: usize = 1_000;
const LOOKED_AT_MIN: usize = 16;
/// Scripts for one page; as many as a million sessions need.
const LOOKS_MAX: usize = 1_000;
/// Server names of which the dead incarnations are remembered.
const DEAD_NAMES_MAX: usize = 1_024;
/// The keys are gone after so long without any server.
const KEPT: Duration = Duration::from_secs(24 * 3_600);

pub(super) struct RedisSessionRegistry {
    gate: Arc<Gate>,
    keys: Vec<String>,
    lease: Duration,
    renew_interval: Duration,
    announced: Announced,
}

impl RedisSessionRegistry {
    pub(super) fn new(gate: Arc<Gate>, keys: &Keys, settings: &RedisSettings) -> Self {
        let names = [
            "entries", "by_user", "users", "by_node", "leases", "dead", "live",
        ];
        let keys = names.iter().map(|name| keys.key("sessions", "", name));
        Self {
            gate,
            keys: keys.collect(),
            lease: settings.lease,
            renew_interval: settings.renew_interval,
            announced: Announced::default(),
        }
    }

    fn call(&self) -> Call {
        Call::on(&self.keys)
    }

    /// Binds entries of one call.
    async fn bind_all(&self, entries: &[SessionEntry]) -> BackendResult<()> {
        let call = self.call().arg(millis(self.lease)).arg(millis(KEPT));
        let call = entries.iter().fold(call, |call, bound| {
            call.arg(bound.session.as_str())
                .arg(entry::node_key(&bound.node))
                .arg(bound.user.as_str())
                .arg(entry::encode(bound))
        });
        let _: usize = self.gate.run(BIND, &scripts::BIND, &call).await?;
        Ok(())
    }

    /// Reaps until a script says that it is done.
    async fn reap_all(&self, mut more: bool, operation: &'static str) -> BackendResult<u64> {
        let call = self.call().arg(REAPED_MAX);
        let mut count = 0;
        for _ in 0..REAPS_MAX {
            if !more {
                return Ok(count);
            }
            (count, more) = self.gate.run(operation, &scripts::COUNT, &call).await?;
        }
        Err(BackendError::new(BackendErrorKind::Unavailable, operation))
    }
}

/// The users of a page, from those of its sessions in order.
struct Page {
    limit: usize,
    users: Vec<OnlineEntry>,
}

impl Page {
    /// False when it is full.
    fn add(&mut self, user: UserName) -> bool {
        if let Some(last) = self.users.last_mut().filter(|last| last.user == user) {
            last.sessions += 1;
            return true;
        }
        if self.users.len() == self.limit {
            return false;
        }
        self.users.push(OnlineEntry { user, sessions: 1 });
        true
    }
}

#[async_trait]
impl SessionRegistry for RedisSessionRegistry {
    async fn bind(&self, entry: SessionEntry) -> BackendResult<()> {
        if !self.announced.bind(&entry) {
            return Err(BackendError::new(BackendErrorKind::Unavailable, BIND));
        }
        match self.bind_all(std::slice::from_ref(&entry)).await {
            Err(error) if error.is_retryable() => {
                debug!(error = %ErrorChain(&error), "a session is announced later");
                self.announced.mark_doubtful(&entry.node);
                Ok(())
            }
            bound => bound,
        }
    }

    async fn unbind(&self, user: &UserName, session: &SessionId) -> BackendResult<()> {
        let ours = self.announced.unbind(user, session);
        let call = self
            .call()
            .arg("user")
            .arg(user.as_str())
            .arg(session.as_str());
        let unbound = self.gate.run::<bool>(UNBIND, &scripts::UNBIND, &call).await;
        match (unbound, ours) {
            (Ok(_), _) => Ok(()),
            (Err(error), Some(node)) if error.is_retryable() => {
                debug!(error = %ErrorChain(&error), "the end of a session is told later");
                self.announced.mark_doubtful(&node);
                Ok(())
            }
            (Err(error), _) => Err(error),
        }
    }

    async fn locate(&self, user: &UserName) -> BackendResult<Vec<SessionEntry>> {
        let call = self
            .call()
            .arg(REAPED_MAX)
            .arg(user.as_str())
            .arg(SESSIONS_PER_USER_MAX);
        let found: Vec<(String, String)> = self.gate.run(LOCATE, &scripts::LOCATE, &call).await?;
        let mut entries: Vec<SessionEntry> = found
            .into_iter()
            .filter_map(|(session, value)| entry::decode(SessionId(session), &value))
            .collect();
        entries.sort_by(|a, b| {
            b.login_at_ms
                .cmp(&a.login_at_ms)
                .then_with(|| a.session.cmp(&b.session))
        });
        Ok(entries)
    }

    async fn online(
        &self,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> BackendResult<Vec<OnlineEntry>> {
        let mut page = Page {
            limit,
            users: Vec::new(),
        };
        if limit == 0 {
            return Ok(page.users);
        }
        // Behind all sessions of `after`: no name has a character below this one.
        let mut from = if after >= prefix {
            format!("({after}\u{1}")
        } else {
            format!("[{prefix}")
        };
        let looked_at = limit.saturating_mul(2).clamp(LOOKED_AT_MIN, LOOKED_AT_MAX);
        for _ in 0..LOOKS_MAX {
            let call = self.call().arg(REAPED_MAX).arg(&from).arg(looked_at);
            let found: Vec<String> = self.gate.run(ONLINE, &scripts::ONLINE, &call).await?;
            let mut found = found.into_iter();
            let next = found.next().unwrap_or_default();
            for name in found {
                let Ok(user) = UserName::parse(&name) else {
                    continue;
                };
                if !name.starts_with(prefix) || !page.add(user) {
                    return Ok(page.users);
                }
            }
            if next.is_empty() {
                return Ok(page.users);
            }
            from = next;
        }
        Err(BackendError::new(BackendErrorKind::Unavailable, ONLINE))
    }

    async fn count(&self) -> BackendResult<u64> {
        self.reap_all(true, COUNT).await
    }

    async fn retain_nodes(&self, live: &BTreeSet<NodeId>) -> BackendResult<()> {
        let call = self
            .call()
            .arg(REAPED_MAX)
            .arg(millis(KEPT))
            .arg(DEAD_NAMES_MAX);
        let call = live.iter().fold(call, |call, node| {
            let before = node.incarnation.checked_sub(1);
            let before = before.map(entry::incarnation_key).unwrap_or_default();
            call.arg(entry::node_key(node)).arg(before)
        });
        let more: bool = self.gate.run(RETAIN, &scripts::RETAIN, &call).await?;
        self.reap_all(more, RETAIN).await.map(|_| ())
    }
}
