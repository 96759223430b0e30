//! How long an elected leader goes on while the coordination service can't be heard: as long
//! as a majority of the servers that it knew is linked to it, and no longer than a limit.
//!
//! Nobody else is elected meanwhile unless this server alone is cut off; then its successor's
//! mark in each log fences it. Only its term ends here: its registration and its sessions stay,
//! and if the service comes back and it is still the elected one, it goes on under its epoch.

use std::collections::BTreeSet;
use std::time::Duration;

use antiphon_core::clock::{self, Instant};
use antiphon_core::contract::{ClusterView, Contact};
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::server::leader::Leader;

/// So long links may be missing: they are dialled again within a second.
const ISOLATED_MAX: Duration = Duration::from_secs(3);
/// How often a leader looks at its links while the service is away.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// What a leader may do without the coordination service.
pub(super) struct Tenure {
    contact: watch::Receiver<Contact>,
    suspended_max: Duration,
    suspended: bool,
    /// The servers that were members or linked when the service was last heard, or since.
    known: BTreeSet<String>,
    isolated_since: Option<Instant>,
    is_over: bool,
    regressed: Option<u64>,
}

impl Tenure {
    pub(super) fn new(contact: watch::Receiver<Contact>, suspended_max: Duration) -> Self {
        Self {
            contact,
            suspended_max,
            suspended: false,
            known: BTreeSet::new(),
            isolated_since: None,
            is_over: false,
            regressed: None,
        }
    }

    /// Whether a term is none that is over. Otherwise the coordination service has lost its
    /// data: every log would refuse the term.
    pub(super) fn rises(&mut self, epoch: u64, newest: u64) -> bool {
        let rises = epoch >= newest;
        if !rises && self.regressed.replace(epoch) != Some(epoch) {
            error!(epoch, newest, "epoch regressed, not leading");
        }
        rises
    }

    /// Whether the elected one may lead.
    pub(super) fn goes_on(&mut self, leader: Option<&Leader>, view: &ClusterView) -> bool {
        let contact = *self.contact.borrow_and_update();
        let linked = leader.map(Leader::linked).unwrap_or_default();
        let linked: BTreeSet<String> = linked.into_iter().map(|node| node.name).collect();
        if contact == Contact::Connected {
            self.known.clear();
        }
        self.known.extend(view.members.keys().cloned());
        self.known.extend(linked.iter().cloned());
        let since = match contact {
            Contact::Connected => {
                if std::mem::take(&mut self.suspended) {
                    info!("the coordination service is back");
                }
                self.isolated_since = None;
                self.is_over = false;
                return true;
            }
            Contact::Suspended { since } => since,
        };
        if !std::mem::replace(&mut self.suspended, true) {
            warn!("the coordination service can't be heard, leading on");
        }
        let isolated = if has_majority(&linked, &self.known) {
            self.isolated_since = None;
            Duration::ZERO
        } else {
            self.isolated_since.get_or_insert_with(clock::now).elapsed()
        };
        let reason = if since.elapsed() >= self.suspended_max {
            Some("for too long")
        } else if isolated >= ISOLATED_MAX {
            Some("and too few servers are linked")
        } else {
            None
        };
        if let Some(reason) = reason
            && !std::mem::replace(&mut self.is_over, true)
        {
            warn!(
                reason,
                "the coordination service is away, rooms are read-only"
            );
        }
        !self.is_over
    }

    /// Resolves when it is time to look again. Cancel-safe.
    pub(super) async fn look_again(&mut self) {
        let changed = async {
            if self.contact.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        if self.suspended {
            tokio::select! {
                () = changed => {}
                () = clock::sleep(LOOK_INTERVAL) => {}
            }
        } else {
            changed.await;
        }
    }
}

/// Whether more than half of the servers are linked.
fn has_majority(linked: &BTreeSet<String>, known: &BTreeSet<String>) -> bool {
    linked.intersection(known).count() * 2 > known.len()
}

#[cfg(test)]
mod tests {
    use antiphon_core::contract::{Member, NodeRecord};
    use antiphon_protocol::NodeId;

    use super::*;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn view(members: &[&str]) -> ClusterView {
        let member = |name: String| {
            let (id, incarnation) = (name.clone(), 1);
            let record = NodeRecord {
                name: name.clone(),
                cluster_addr: String::new(),
                client_host: String::new(),
                client_port: 0,
            };
            let id = NodeId {
                name: id,
                incarnation,
            };
            (name, Member { id, record })
        };
        ClusterView {
            members: names(members).into_iter().map(member).collect(),
            leader: None,
        }
    }

    #[test]
    fn a_majority_is_more_than_half_of_those_known() {
        let linked = names(&["a", "b"]);
        assert!(has_majority(&linked, &names(&["a"])));
        assert!(has_majority(&linked, &names(&["a", "b"])));
        assert!(has_majority(&linked, &names(&["a", "b", "c"])));
        assert!(!has_majority(&linked, &names(&["a", "b", "c", "d"])));
        assert!(!has_majority(&linked, &names(&["a", "c"])));
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_once_and_begins_again_only_with_the_service() {
        let (told, contact) = watch::channel(Contact::Connected);
        let mut tenure = Tenure::new(contact, Duration::from_secs(600));
        let alone = view(&["a", "b"]);
        assert!(tenure.goes_on(None, &alone));
        let since = clock::now();
        told.send_replace(Contact::Suspended { since });
        tenure.look_again().await;
        assert!(tenure.goes_on(None, &alone));
        let mut went_on = Duration::ZERO;
        while tenure.goes_on(None, &alone) {
            went_on = since.elapsed();
            tenure.look_again().await;
        }
        assert!(went_on < ISOLATED_MAX && since.elapsed() >= ISOLATED_MAX);
        assert!(!tenure.goes_on(None, &view(&[])));
        told.send_replace(Contact::Connected);
        tenure.look_again().await;
        assert!(tenure.goes_on(None, &alone));
    }
}
