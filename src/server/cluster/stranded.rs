//! A server that is not with those that serve rooms: it takes no clients, and those that it
//! has find others.
//!
//! Without a registration nobody counts on it. With one, it may be that its leader is heard by
//! the coordination service and by others, and not from here; its clients would wait for their
//! rooms for ever. Where there is no leader, or nobody can tell, there is nowhere to go, and
//! clients stay.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use antiphon_core::clock::{self, Instant};
use antiphon_core::contract::Contact;
use antiphon_protocol::close_code::REJOINED;
use tracing::{info, warn};

use super::{Cluster, Target};

/// So much longer than a lost leader is still listed, and than an isolated one goes on, a link
/// to it may be missing: until then the others have none either.
const ALONE_BEYOND: Duration = Duration::from_secs(4);
/// How often the link is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

impl Cluster {
    /// Takes clients, or does not.
    pub(super) fn strand(&self, stranded: bool) -> bool {
        self.node.stranded.swap(stranded, Ordering::AcqRel)
    }

    /// Whether another server leads, as the coordination service says now, and can't be
    /// reached.
    fn is_alone(&self) -> bool {
        let contact = *self.node.backends.coordinator.contact().borrow();
        let others_lead = matches!(*self.target.borrow(), Target::There(..));
        contact == Contact::Connected && others_lead && !self.node.router.is_connected()
    }

    /// Looks at the link to the leader for ever.
    pub(super) async fn watch_link(self: Arc<Self>) {
        let alone_max = self.node.settings.isolated_max + ALONE_BEYOND;
        let mut ticks = clock::interval(LOOK_INTERVAL);
        let mut alone_since: Option<Instant> = None;
        loop {
            tokio::select! {
                biased;
                () = self.scope.stopping() => return,
                _ = ticks.tick() => {}
            }
            if !self.is_registered.load(Ordering::Acquire) {
                continue;
            }
            let is_over = if self.is_alone() {
                alone_since.get_or_insert_with(clock::now).elapsed() >= alone_max
            } else {
                alone_since = None;
                false
            };
            let before = self.strand(is_over);
            if is_over && !before {
                warn!("the leader can't be reached from here, clients are sent to others");
                self.node.sessions.close_all(REJOINED);
            } else if before && !is_over {
                info!("with the others again, clients are taken");
            }
        }
    }
}
