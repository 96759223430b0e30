//! Renews the leases of our servers, and tells Redis again what it lost.

use std::collections::HashSet;
use std::sync::Arc;

use antiphon_core::clock;
use antiphon_core::contract::{BackendResult, SessionEntry};
use antiphon_core::error_chain::ErrorChain;
use antiphon_protocol::{NodeId, SessionId};
use tracing::{debug, info};

use super::{KEPT, RedisSessionRegistry, entry, scripts};
use crate::redis::script::millis;

const RENEW: &str = "session_registry.renew";
const COMPARE: &str = "session_registry.compare";
/// Sessions of one call.
const PER_CALL_MAX: usize = 200;
/// Calls for one list; as many as a million sessions need.
const CALLS_MAX: usize = 5_001;
/// Every so many renewals all is compared: Redis may have evicted a key.
const RENEWALS_PER_COMPARISON: u32 = 6;
/// What a script says of a node.
const DEAD: u8 = 0;
const NEW_LEASE: u8 = 2;

impl RedisSessionRegistry {
    /// Renews for ever.
    pub(in crate::redis) async fn keep_announced(self: Arc<Self>) {
        let mut losses = self.gate.losses();
        let mut renewals: u32 = 0;
        loop {
            tokio::select! {
                () = clock::sleep(self.renew_interval) => {
                    renewals = renewals.wrapping_add(1);
                    if renewals.is_multiple_of(RENEWALS_PER_COMPARISON) {
                        self.announced.mark_all_doubtful();
                    }
                }
                // The gate, which sends, is ours: it can't have gone.
                _ = losses.changed() => self.announced.mark_all_doubtful(),
            }
            if let Err(error) = self.renew().await {
                // The gate has told once; the next turn tries again.
                debug!(error = %ErrorChain(&error), "sessions were not renewed");
            }
        }
    }

    async fn renew(&self) -> BackendResult<()> {
        let nodes = self.announced.nodes();
        if nodes.is_empty() {
            return Ok(());
        }
        let call = self.call().arg(millis(self.lease)).arg(millis(KEPT));
        let call = nodes
            .iter()
            .fold(call, |call, (node, _)| call.arg(entry::node_key(node)));
        let told: Vec<u8> = self.gate.run(RENEW, &scripts::RENEW, &call).await?;
        for ((node, doubtful), told) in nodes.iter().zip(told) {
            if told == DEAD {
                continue;
            }
            if told == NEW_LEASE {
                self.announced.mark_doubtful(node);
            }
            if *doubtful || told == NEW_LEASE {
                self.compare(node).await?;
                self.announced.compared(node);
            }
        }
        Ok(())
    }

    /// Makes Redis have what we have of a node, no more and no less.
    async fn compare(&self, node: &NodeId) -> BackendResult<()> {
        let theirs = self.listed(node).await?;
        let ours: HashSet<SessionId> = self.announced.sessions(node).into_iter().collect();
        let missing: Vec<SessionId> = ours.difference(&theirs).cloned().collect();
        let spare: Vec<SessionId> = theirs.difference(&ours).cloned().collect();
        if !missing.is_empty() || !spare.is_empty() {
            let (missing, spare) = (missing.len(), spare.len());
            info!(%node, missing, spare, "redis is told again who is online");
        }
        for sessions in missing.chunks(PER_CALL_MAX) {
            self.settle(node, sessions).await?;
        }
        for sessions in spare.chunks(PER_CALL_MAX) {
            self.settle(node, sessions).await?;
        }
        Ok(())
    }

    /// Tells of each of the sessions whether it is there. Who comes or goes meanwhile is told
    /// by its own call as well; looking again afterwards covers the one that was overtaken.
    async fn settle(&self, node: &NodeId, sessions: &[SessionId]) -> BackendResult<()> {
        let bound = self.announced.entries(node, sessions);
        let there: HashSet<&SessionId> = bound.iter().map(|entry| &entry.session).collect();
        let gone = sessions.iter().filter(|session| !there.contains(session));
        let gone: Vec<SessionId> = gone.cloned().collect();
        if !bound.is_empty() {
            self.bind_all(&bound).await?;
        }
        self.remove(node, &gone).await?;
        let now = self.announced.entries(node, sessions);
        let still: HashSet<&SessionId> = now.iter().map(|entry| &entry.session).collect();
        let left = there.difference(&still).map(|session| (*session).clone());
        let left: Vec<SessionId> = left.collect();
        self.remove(node, &left).await?;
        let back = now.iter().filter(|entry| !there.contains(&entry.session));
        let back: Vec<SessionEntry> = back.cloned().collect();
        if !back.is_empty() {
            self.bind_all(&back).await?;
        }
        Ok(())
    }

    async fn remove(&self, node: &NodeId, sessions: &[SessionId]) -> BackendResult<()> {
        if sessions.is_empty() {
            return Ok(());
        }
        let call = self.call().arg("node").arg(entry::node_key(node));
        let call = sessions
            .iter()
            .fold(call, |call, session| call.arg(session.as_str()));
        let _: bool = self.gate.run(COMPARE, &scripts::UNBIND, &call).await?;
        Ok(())
    }

    async fn listed(&self, node: &NodeId) -> BackendResult<HashSet<SessionId>> {
        let mut listed = HashSet::new();
        let mut after = String::new();
        for _ in 0..CALLS_MAX {
            let call = self
                .call()
                .arg(entry::node_key(node))
                .arg(&after)
                .arg(PER_CALL_MAX);
            let page: Vec<String> = self.gate.run(COMPARE, &scripts::LISTED, &call).await?;
            let mut page = page.into_iter();
            after = page.next().unwrap_or_default();
            listed.extend(page.map(SessionId));
            if after.is_empty() {
                break;
            }
        }
        Ok(listed)
    }
}
