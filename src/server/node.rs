//! What the stages of one server share.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use antiphon_core::contract::{BackendResult, Backends};
use antiphon_core::words::Words;
use antiphon_protocol::peer::PeerFrame;
use antiphon_protocol::{NodeId, UserName};
use tokio::sync::Notify;

use super::auth::Auth;
use super::direct::DirectWriters;
use super::fan_out::FanOut;
use super::metrics::Metrics;
use super::router::Router;
use super::session::{Sessions, lock};
use super::settings::{KNOWN_USERS_MAX, Settings};

/// One server.
pub(crate) struct Node {
    /// What it was told at its start.
    pub(crate) settings: Settings,
    /// The stores and the coordinator.
    pub(crate) backends: Backends,
    /// Its sessions.
    pub(crate) sessions: Arc<Sessions>,
    /// Deliveries to them.
    pub(crate) fan_out: Arc<FanOut>,
    /// The way to the leader.
    pub(crate) router: Arc<Router>,
    /// Writers of direct messages.
    pub(crate) direct: DirectWriters,
    /// Passwords, tokens, throttling.
    pub(crate) auth: Auth,
    /// The word filter and the popular words.
    pub(crate) words: Arc<Words>,
    /// The newest term seen.
    pub(crate) newest_epoch: Arc<AtomicU64>,
    /// Open client connections.
    pub(crate) connections: AtomicU64,
    /// Takes no new clients.
    pub(crate) draining: AtomicBool,
    /// Others may count on it.
    pub(crate) registered: AtomicBool,
    /// Another server leads and can't be reached.
    pub(crate) alone: AtomicBool,
    /// No other server takes its clients when it stops.
    pub(crate) nowhere_to_go: AtomicBool,
    /// Wakes whoever tells the leader how loaded this server is.
    pub(crate) load_changed: Notify,
    /// Wakes whoever tells users what they may lack.
    pub(crate) may_lack: Notify,
    /// Its registration; another one after it was lost.
    pub(crate) id: Mutex<NodeId>,
    /// What it counts.
    pub(crate) metrics: Metrics,
    pub(super) known_users: Mutex<HashSet<UserName>>,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Node({})", self.settings.name)
    }
}

impl Node {
    /// Its name and incarnation.
    pub(crate) fn id(&self) -> NodeId {
        lock(&self.id).clone()
    }

    /// Whether new clients may come: not while it drains, nor while it is not with the others.
    pub(crate) fn takes_clients(&self) -> bool {
        let is_set = |flag: &AtomicBool| flag.load(Ordering::Acquire);
        is_set(&self.registered) && !is_set(&self.alone) && !is_set(&self.draining)
    }

    /// Handles a frame of the leader; never waits.
    pub(super) fn take_from_leader(&self, frame: PeerFrame) {
        self.metrics.peer_frame(frame.name());
        match frame {
            PeerFrame::SessionSeen { user } => self.router.session_seen(&user),
            PeerFrame::Result { request, outcome } => self.router.complete(request, outcome),
            PeerFrame::Audience {
                room,
                added,
                removed,
                position,
            } => {
                self.fan_out
                    .change_audience(room, added, &removed, position);
            }
            PeerFrame::Deliver { room, delivery } => self.fan_out.to_room(&room, &delivery),
            PeerFrame::Tell { users, delivery } => self.fan_out.to_users(&users, &delivery),
            PeerFrame::Direct(direct) => self.fan_out.to_user(&direct.to, &direct.delivery, None),
            PeerFrame::EndSessions {
                user,
                before_ms,
                reason,
            } => {
                self.sessions.end(&user, before_ms, reason, None);
            }
            PeerFrame::Hello { .. }
            | PeerFrame::Ping
            | PeerFrame::Goodbye
            | PeerFrame::StaleEpoch { .. }
            | PeerFrame::Sessions { .. }
            | PeerFrame::SessionUp(_)
            | PeerFrame::SessionDown { .. }
            | PeerFrame::Submit(_)
            | PeerFrame::Forward { .. }
            | PeerFrame::Load { .. } => {}
        }
    }

    /// The frame that tells the leader how loaded this server is.
    pub(super) fn load(&self) -> PeerFrame {
        PeerFrame::Load {
            connections: self.connections.load(Ordering::Relaxed),
            draining: self.draining.load(Ordering::Relaxed),
        }
    }

    /// Whether there is such an account. Who was found once is remembered: accounts are not
    /// deleted.
    pub(crate) async fn knows_user(&self, user: &UserName) -> BackendResult<bool> {
        if lock(&self.known_users).contains(user) {
            return Ok(true);
        }
        let found = self.backends.users.get(user).await?.is_some();
        if found {
            let mut known = lock(&self.known_users);
            if known.len() >= KNOWN_USERS_MAX {
                known.clear();
            }
            known.insert(user.clone());
        }
        Ok(found)
    }
}
