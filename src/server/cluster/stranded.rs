//! A server that is not with those that serve rooms: it takes no clients, and those that it
//! has find others.
//!
//! Without a registration nobody counts on it. With one, it may be that its leader is heard by
//! the coordination service and by others, and not from here; its clients would wait for their
//! rooms for ever. If the service can't be asked either, the list of servers tells: while it is
//! made anew again and again, somebody leads. Where there is no leader, or nobody can tell,
//! there is nowhere to go, and clients stay.

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
/// Somebody leads if the list of servers was made anew within this time.
const PUBLISHED_WITHIN: Duration = Duration::from_secs(3);

/// What is seen of the list of servers.
#[derive(Default)]
struct Published {
    /// The newest one's term and time.
    newest: Option<(u64, u64)>,
    /// When it was seen that there is a newer one than before.
    renewed: Option<Instant>,
}

impl Published {
    fn look(&mut self, newest: Option<(u64, u64)>) {
        let before = std::mem::replace(&mut self.newest, newest);
        if before.is_some() && newest.is_some() && before != newest {
            self.renewed = Some(clock::now());
        }
    }

    fn goes_on(&self) -> bool {
        let renewed = self.renewed.map(|renewed| renewed.elapsed());
        renewed.is_some_and(|ago| ago < PUBLISHED_WITHIN)
    }
}

impl Cluster {
    /// Whether another server leads, as the coordination service says now, or the list that
    /// this leader publishes, and can't be reached.
    async fn is_alone(&self, published: &mut Published) -> bool {
        if self.node.router.is_connected() {
            return false;
        }
        let contact = *self.node.backends.coordinator.contact().borrow();
        if contact == Contact::Connected {
            return matches!(*self.target.borrow(), Target::There(..));
        }
        let list = self.node.backends.directory.list().await;
        let list = list.ok().flatten();
        published.look(list.map(|list| (list.epoch, list.generated_at_ms)));
        published.goes_on()
    }

    /// Looks at the link to the leader for ever.
    pub(super) async fn watch_link(self: Arc<Self>) {
        let alone_max = self.node.settings.isolated_max + ALONE_BEYOND;
        let mut ticks = clock::interval(LOOK_INTERVAL);
        let mut alone_since: Option<Instant> = None;
        let mut published = Published::default();
        loop {
            tokio::select! {
                biased;
                () = self.scope.stopping() => return,
                _ = ticks.tick() => {}
            }
            let is_registered = self.node.registered.load(Ordering::Acquire);
            let is_over = if is_registered && self.is_alone(&mut published).await {
                alone_since.get_or_insert_with(clock::now).elapsed() >= alone_max
            } else {
                alone_since = None;
                false
            };
            let before = self.node.alone.swap(is_over, Ordering::AcqRel);
            if is_over && !before {
                warn!("the leader can't be reached from here, clients are sent to others");
                self.node.sessions.close_all(REJOINED);
            } else if is_registered && before && !is_over {
                info!("with the others again, clients are taken");
            }
        }
    }
}

#[cfg(test)]
mod tests;
