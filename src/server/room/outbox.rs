//! The leader's bounded queues towards the servers, one a link.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use antiphon_protocol::NodeId;
use antiphon_protocol::peer::PeerFrame;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::server::session::lock;

/// One link of one server to the leader. A server that links again has another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct LinkId(pub u64);

/// The queue towards one server.
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    /// The server at the other end.
    pub(crate) node: NodeId,
    /// Its queue.
    pub(crate) frames: mpsc::Sender<PeerFrame>,
    /// Drops the link.
    pub(crate) drop_link: CancellationToken,
    /// Whether the other end is this very process's server, whose queue always moves.
    pub(crate) is_local: bool,
}

/// Every link.
#[derive(Debug, Default)]
pub(crate) struct Outboxes {
    links: Mutex<BTreeMap<LinkId, Outbox>>,
    next: AtomicU64,
    overflows: AtomicU64,
    closed: Notify,
}

impl Outboxes {
    /// Adds a link.
    pub(crate) fn open(&self, outbox: Outbox) -> LinkId {
        let link = LinkId(self.next.fetch_add(1, Ordering::Relaxed));
        lock(&self.links).insert(link, outbox);
        link
    }

    /// Removes a link.
    pub(crate) fn close(&self, link: LinkId) {
        lock(&self.links).remove(&link);
        self.closed.notify_waiters();
    }

    /// Resolves when no link is left. Cancel-safe.
    pub(crate) async fn all_closed(&self) {
        loop {
            let closed = self.closed.notified();
            if lock(&self.links).is_empty() {
                return;
            }
            closed.await;
        }
    }

    /// Queues a frame. A remote link whose queue is full is dropped as a whole: its server
    /// links again and gets everything anew, so that no single frame is ever lost unseen.
    pub(crate) async fn send(&self, link: LinkId, frame: PeerFrame) {
        let Some(outbox) = lock(&self.links).get(&link).cloned() else {
            return;
        };
        if outbox.is_local {
            // The receiver never waits for anything but its own memory.
            let _ = outbox.frames.send(frame).await;
        } else if let Err(mpsc::error::TrySendError::Full(_)) = outbox.frames.try_send(frame) {
            self.overflows.fetch_add(1, Ordering::Relaxed);
            warn!(node = %outbox.node, "peer queue is full, dropping the link");
            outbox.drop_link.cancel();
        }
    }

    /// The links of every server.
    pub(crate) fn nodes(&self) -> Vec<(LinkId, NodeId)> {
        lock(&self.links)
            .iter()
            .map(|(link, outbox)| (*link, outbox.node.clone()))
            .collect()
    }

    /// How many links were dropped because their queue was full.
    pub(crate) fn overflows(&self) -> u64 {
        self.overflows.load(Ordering::Relaxed)
    }
}
