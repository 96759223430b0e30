//! How long an elected leader goes on.
//!
//! While the coordination service can't be heard: as long as a majority of the servers that it
//! knew is linked to it, and no longer than a limit. Nobody else is elected meanwhile unless
//! this server alone is cut off; then its successor's mark in each log fences it. Only its
//! term rests: its registration and its sessions stay, and if the service comes back and it is
//! still the elected one, it goes on under its epoch.
//!
//! While the service can be heard: as long as half of the servers are heard, or for some time
//! without them. Then it resigns, so that one that the others can reach may lead. If that
//! helps nobody, each time is twice as long as the one before, so that elections get rare.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use antiphon_core::clock::{self, Instant};
use antiphon_core::contract::{ClusterView, Contact};
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::server::leader::Leader;

/// So long links may be missing: they are dialled again within a second.
const ISOLATED_MAX: Duration = Duration::from_secs(3);
/// How often a leader looks at its links.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// A leader that nobody else can reach either resigns no less often than that.
const PATIENCE_MAX: Duration = Duration::from_secs(300);

/// What becomes of an elected leader's term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Term {
    /// It leads.
    GoesOn,
    /// It does not lead now, and may again.
    Rests,
    /// It gives its place to others.
    Resigns,
}

/// How long a leader goes on that hears too few servers.
#[derive(Debug)]
pub(super) struct Patience {
    first: Duration,
    now: Duration,
}

impl Patience {
    pub(super) fn new(first: Duration) -> Self {
        Self { first, now: first }
    }

    fn lose(&mut self) {
        self.now = (self.now * 2).min(PATIENCE_MAX);
    }

    fn regain(&mut self) {
        self.now = self.first;
    }
}

/// What a leader may do with too few others.
pub(super) struct Tenure {
    contact: watch::Receiver<Contact>,
    suspended_max: Duration,
    /// The newest term known here.
    newest: Arc<AtomicU64>,
    /// It leads, so its links are looked at.
    leads: bool,
    suspended: bool,
    /// The servers that were members or linked when the service was last heard, or since.
    known: BTreeSet<String>,
    isolated_since: Option<Instant>,
    is_over: bool,
    regressed: Option<u64>,
}

impl Tenure {
    pub(super) fn new(
        contact: watch::Receiver<Contact>,
        suspended_max: Duration,
        newest: Arc<AtomicU64>,
    ) -> Self {
        Self {
            contact,
            suspended_max,
            newest,
            leads: false,
            suspended: false,
            known: BTreeSet::new(),
            isolated_since: None,
            is_over: false,
            regressed: None,
        }
    }

    /// What becomes of the elected one's term; `leader` is there once it has begun.
    pub(super) fn look(
        &mut self,
        leader: Option<&Leader>,
        view: &ClusterView,
        epoch: u64,
        patience: &mut Patience,
    ) -> Term {
        let links = leader.map(|leader| Links {
            linked: leader.linked().into_iter().map(|node| node.name).collect(),
            heard: leader.heard(),
        });
        let term = self.judge(links, view, patience);
        if term == Term::GoesOn && !self.rises(epoch) {
            return Term::Rests;
        }
        term
    }

    fn judge(&mut self, links: Option<Links>, view: &ClusterView, patience: &mut Patience) -> Term {
        self.leads = links.is_some();
        let contact = *self.contact.borrow_and_update();
        if contact == Contact::Connected {
            self.known.clear();
        }
        self.known.extend(view.members.keys().cloned());
        let linked = links.as_ref().map(|links| &links.linked);
        self.known.extend(linked.into_iter().flatten().cloned());
        match contact {
            Contact::Connected => {
                if std::mem::take(&mut self.suspended) {
                    info!("the coordination service is back");
                    self.isolated_since = None;
                }
                self.is_over = false;
                self.with_service(links, patience)
            }
            Contact::Suspended { since } => {
                if !std::mem::replace(&mut self.suspended, true) {
                    warn!("the coordination service can't be heard, leading on");
                    self.isolated_since = None;
                }
                self.without_service(&links.unwrap_or_default().linked, since)
            }
        }
    }

    fn with_service(&mut self, links: Option<Links>, patience: &mut Patience) -> Term {
        let Some(links) = links else {
            self.isolated_since = None;
            return Term::GoesOn;
        };
        if has_half(&links.heard, &self.known) {
            // A term begins without anybody heard; only a word of others ends the doubt.
            self.isolated_since = None;
            patience.regain();
            return Term::GoesOn;
        }
        if self.isolated() < patience.now {
            return Term::GoesOn;
        }
        warn!(
            heard = links.heard.len(),
            known = self.known.len(),
            "too few servers are heard, resigning"
        );
        patience.lose();
        Term::Resigns
    }

    fn without_service(&mut self, linked: &BTreeSet<String>, since: Instant) -> Term {
        let isolated = if has_majority(linked, &self.known) {
            self.isolated_since = None;
            Duration::ZERO
        } else {
            self.isolated()
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
        if self.is_over {
            Term::Rests
        } else {
            Term::GoesOn
        }
    }

    fn isolated(&mut self) -> Duration {
        self.isolated_since.get_or_insert_with(clock::now).elapsed()
    }

    /// Whether a term is none that is over. Otherwise the coordination service has lost its
    /// data: every log would refuse the term.
    fn rises(&mut self, epoch: u64) -> bool {
        let newest = self.newest.load(Ordering::Acquire);
        let rises = epoch >= newest;
        if !rises && self.regressed.replace(epoch) != Some(epoch) {
            error!(epoch, newest, "epoch regressed, not leading");
        }
        rises
    }

    /// Resolves when it is time to look again. Cancel-safe.
    pub(super) async fn look_again(&mut self) {
        let changed = async {
            if self.contact.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        if self.suspended || self.leads {
            tokio::select! {
                () = changed => {}
                () = clock::sleep(LOOK_INTERVAL) => {}
            }
        } else {
            changed.await;
        }
    }
}

/// Who can be reached.
#[derive(Debug, Default)]
struct Links {
    linked: BTreeSet<String>,
    heard: BTreeSet<String>,
}

/// Whether no more than half of the servers could follow somebody else.
fn has_half(heard: &BTreeSet<String>, known: &BTreeSet<String>) -> bool {
    heard.intersection(known).count() * 2 >= known.len()
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

    fn links(heard: &[&str]) -> Option<Links> {
        let (linked, heard) = (names(heard), names(heard));
        Some(Links { linked, heard })
    }

    fn tenure(contact: watch::Receiver<Contact>) -> (Tenure, Patience) {
        let newest = Arc::new(AtomicU64::new(0));
        let tenure = Tenure::new(contact, Duration::from_secs(600), newest);
        (tenure, Patience::new(Duration::from_secs(6)))
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_once_and_begins_again_only_with_the_service() {
        let (told, contact) = watch::channel(Contact::Connected);
        let (mut tenure, mut patience) = tenure(contact);
        let alone = view(&["a", "b"]);
        let mut goes_on = |tenure: &mut Tenure, view: &ClusterView| {
            tenure.judge(None, view, &mut patience) == Term::GoesOn
        };
        assert!(goes_on(&mut tenure, &alone));
        let since = clock::now();
        told.send_replace(Contact::Suspended { since });
        tenure.look_again().await;
        assert!(goes_on(&mut tenure, &alone));
        let mut went_on = Duration::ZERO;
        while goes_on(&mut tenure, &alone) {
            went_on = since.elapsed();
            tenure.look_again().await;
        }
        assert!(went_on < ISOLATED_MAX && since.elapsed() >= ISOLATED_MAX);
        assert!(!goes_on(&mut tenure, &view(&[])));
        told.send_replace(Contact::Connected);
        tenure.look_again().await;
        assert!(goes_on(&mut tenure, &alone));
    }

    /// How long a leader goes on that hears these of three servers.
    async fn goes_on_for(heard: &[&str], patience: &mut Patience) -> Duration {
        let (_told, contact) = watch::channel(Contact::Connected);
        let (mut tenure, _) = tenure(contact);
        let (three, began) = (view(&["a", "b", "c"]), clock::now());
        while began.elapsed() < Duration::from_secs(3_600) {
            if tenure.judge(links(heard), &three, patience) == Term::Resigns {
                break;
            }
            tenure.look_again().await;
        }
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn who_hears_too_few_resigns_and_each_time_later() {
        let (_, mut patience) = tenure(watch::channel(Contact::Connected).1);
        let hour = Duration::from_secs(3_600);
        assert!(goes_on_for(&["a", "b"], &mut patience).await >= hour);
        let mut before = Duration::ZERO;
        for seconds in [6, 12, 24, 48, 96, 192, 300, 300] {
            let went_on = goes_on_for(&["a"], &mut patience).await;
            let expected = Duration::from_secs(seconds);
            assert!(went_on >= expected && went_on < expected + LOOK_INTERVAL * 2);
            assert!(went_on >= before);
            before = went_on;
        }
        assert!(goes_on_for(&["a", "c"], &mut patience).await >= hour);
        assert!(goes_on_for(&["a"], &mut patience).await < Duration::from_secs(7));
    }

    #[tokio::test(start_paused = true)]
    async fn an_even_split_changes_nothing() {
        let (_told, contact) = watch::channel(Contact::Connected);
        let (mut tenure, mut patience) = tenure(contact);
        for _ in 0..1_000 {
            let term = tenure.judge(links(&["a"]), &view(&["a", "b"]), &mut patience);
            assert_eq!(term, Term::GoesOn);
            tenure.look_again().await;
        }
    }
}
