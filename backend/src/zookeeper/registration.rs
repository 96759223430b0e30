//! A server's registration: a session of its own with the member's node, the candidacy, and a
//! keeper that asks again and again whether they are still there.
//!
//! What is certain is told: a node that is gone, a session that is over, is `Lost`. Silence is
//! not: leadership stays what it was, and the contact says "suspended".

mod candidacy;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use antiphon_core::backoff::Backoff;
use antiphon_core::contacts::Asker;
use antiphon_core::contract::{BackendResult, Leadership, NodeRecord, Registration};
use antiphon_core::error_chain::ErrorChain;
use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{self, TaskKind};
use antiphon_core::{clock, random};
use antiphon_protocol::NodeId;
use async_trait::async_trait;
use tokio::sync::watch;
use tracing::{info, warn};
use zookeeper_async::CreateMode;

use super::client::{Call, Client, Fault};
use super::layout::{Candidate, Layout};
use super::record::Tagged;
use candidacy::Candidacy;

/// Rounds of one step, each of which met a lost reply or somebody else's change.
const ROUNDS_MAX: usize = 8;
/// The keeper asks so often within a session timeout.
const LEASE_PARTS: u32 = 10;
/// After so many parts without an answer the contact counts as lost; the reconnection to
/// another server, or to a new leader of the ensemble, takes less.
const SILENT_PARTS: u32 = 4;
const BACKOFF_BASE: Duration = Duration::from_millis(20);
const BACKOFF_MAX: Duration = Duration::from_millis(500);

/// A step is repeated this often, and so far apart.
fn rounds() -> (std::ops::Range<usize>, Backoff) {
    (0..ROUNDS_MAX, Backoff::new(BACKOFF_BASE, BACKOFF_MAX))
}

/// The registration as its owner holds it.
pub(super) struct ZooKeeperRegistration(Arc<Seat>);

/// What the registration's tasks share.
struct Seat {
    client: Client,
    layout: Layout,
    id: NodeId,
    /// Which candidate's node is ours, also if the reply to its making was lost.
    tag: String,
    leadership: watch::Sender<Leadership>,
    campaigned: AtomicBool,
    closed: AtomicBool,
    candidacy: Mutex<Candidacy>,
    asker: Asker,
    scope: Shutdown,
}

/// Registers over this session: replaces what is there under the name.
pub(super) async fn register(
    client: Client,
    layout: Layout,
    record: NodeRecord,
    asker: Asker,
) -> Call<ZooKeeperRegistration> {
    let tagged = Tagged {
        tag: random::hex::<8>(),
        record,
    };
    let incarnation = match take_place(&client, &layout, &tagged).await {
        Ok(incarnation) => incarnation,
        Err(fault) => {
            // A node whose reply was lost goes with the session.
            let _ = client.close().await;
            return Err(fault);
        }
    };
    let id = NodeId {
        name: tagged.record.name,
        incarnation,
    };
    info!(node = %id, session_timeout = ?client.timeout(), "registered with ZooKeeper");
    let seat = Arc::new(Seat {
        client,
        layout,
        id,
        tag: tagged.tag,
        leadership: watch::Sender::new(Leadership::Follower),
        campaigned: AtomicBool::new(false),
        closed: AtomicBool::new(false),
        candidacy: Mutex::default(),
        asker,
        scope: Shutdown::new(),
    });
    if let Err(fault) = seat.depose_former().await {
        seat.end();
        let _ = seat.client.close().await;
        return Err(fault);
    }
    task::spawn(&seat.scope, TaskKind::Cluster, Arc::clone(&seat).keep());
    Ok(ZooKeeperRegistration(seat))
}

/// Makes the member's node; its creation zxid. A node of the same name that somebody else has
/// made is removed, unless it has changed since it was looked at. One whose reply was lost is
/// known again by its tag.
async fn take_place(client: &Client, layout: &Layout, tagged: &Tagged) -> Call<u64> {
    let path = layout.member(&tagged.record.name);
    let data = tagged.encode();
    let (rounds, mut backoff) = rounds();
    let mut last = Fault::Unknown;
    for _ in rounds {
        match client.create(&path, &data, CreateMode::Ephemeral).await {
            Ok((_, stat)) => return Ok(zxid(stat.czxid)),
            Err(Fault::NoNode) => client.make_folders(&layout.folders()).await?,
            Err(Fault::NodeExists) => match client.data(&path).await {
                Ok((found, stat)) => {
                    if Tagged::decode(&found).is_ok_and(|found| found.tag == tagged.tag) {
                        return Ok(zxid(stat.czxid));
                    }
                    warn!(
                        path,
                        former = zxid(stat.czxid),
                        "replacing a registration of the same name"
                    );
                    match client.delete(&path, Some(stat.version)).await {
                        Ok(()) | Err(Fault::NoNode | Fault::BadVersion) => {}
                        Err(fault) if fault.passes() => last = fault,
                        Err(fault) => return Err(fault),
                    }
                }
                Err(Fault::NoNode) => {}
                Err(fault) if fault.passes() => last = fault,
                Err(fault) => return Err(fault),
            },
            Err(fault) if fault.passes() => {
                last = fault;
                clock::sleep(backoff.next_delay()).await;
            }
            Err(fault) => return Err(fault),
        }
    }
    Err(last)
}

/// A zxid as an incarnation or an epoch: they are never negative.
fn zxid(number: i64) -> u64 {
    number.unsigned_abs()
}

impl Seat {
    fn candidacy(&self) -> MutexGuard<'_, Candidacy> {
        self.candidacy
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes candidacies of former registrations of this name: their owner is gone, or will
    /// learn that it is.
    async fn depose_former(&self) -> Call<()> {
        let former = |candidate: &Candidate| {
            candidate.id.name == self.id.name && candidate.id.incarnation != self.id.incarnation
        };
        let (rounds, mut backoff) = rounds();
        let mut last = Fault::Unknown;
        'rounds: for _ in rounds {
            let children = match self.client.children(&self.layout.election()).await {
                Ok(children) => children,
                Err(fault) if fault.passes() => {
                    last = fault;
                    clock::sleep(backoff.next_delay()).await;
                    continue;
                }
                Err(fault) => return Err(fault),
            };
            for candidate in Candidate::in_order(&children).into_iter().filter(former) {
                match self
                    .client
                    .delete(&self.layout.listed(&candidate), None)
                    .await
                {
                    Ok(()) | Err(Fault::NoNode) => {}
                    Err(fault) if fault.passes() => {
                        last = fault;
                        continue 'rounds;
                    }
                    Err(fault) => return Err(fault),
                }
            }
            return Ok(());
        }
        Err(last)
    }

    /// Asks, a tenth of the session timeout apart, whether the nodes are still there.
    async fn keep(self: Arc<Self>) {
        let part = self.client.timeout() / LEASE_PARTS;
        let mut ticks = clock::interval(part);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut heard = clock::now();
        let mut silent = false;
        loop {
            tokio::select! {
                biased;
                () = self.scope.stopping() => return,
                () = self.client.ended() => return self.lose("the session is over").await,
                _ = ticks.tick() => {}
            }
            let asked = clock::now();
            match self.check().await {
                Ok(None) => {
                    heard = asked;
                    self.asker.answered();
                    if std::mem::take(&mut silent) {
                        info!(node = %self.id, "ZooKeeper answers again, the session goes on");
                    }
                }
                Ok(Some(reason)) => return self.lose(reason).await,
                Err(Fault::Ended) => return self.lose("the session is over").await,
                Err(fault) if heard.elapsed() > part * SILENT_PARTS => {
                    if !std::mem::replace(&mut silent, true) {
                        warn!(node = %self.id, error = %ErrorChain(&fault), "ZooKeeper does not answer");
                    }
                    self.asker.silent(heard);
                }
                Err(_) => {}
            }
        }
    }

    /// Whether something of ours is gone, and what.
    async fn check(&self) -> Call<Option<&'static str>> {
        let path = self.layout.member(&self.id.name);
        let stat = self.client.exists(&path).await?;
        if stat.map(|stat| zxid(stat.czxid)) != Some(self.id.incarnation) {
            return Ok(Some(
                "another registration took the name, or somebody removed it",
            ));
        }
        self.check_candidacy().await
    }

    /// Tells that the registration is gone, and ends what is left of the session.
    async fn lose(&self, reason: &'static str) {
        if self.scope.is_stopping() {
            return;
        }
        warn!(node = %self.id, reason, "registration lost");
        self.end();
        // What is left goes by itself in a session timeout.
        let _ = self.client.close().await;
    }

    /// Nothing is told after this.
    fn end(&self) {
        self.scope.stop();
        {
            let mut candidacy = self.candidacy();
            *candidacy = Candidacy::None;
            self.leadership.send_replace(Leadership::Lost);
        }
        // Last, so that nobody takes this for good news.
        self.asker.answered();
    }
}

#[async_trait]
impl Registration for ZooKeeperRegistration {
    fn id(&self) -> NodeId {
        self.0.id.clone()
    }

    async fn campaign(&self) -> BackendResult<watch::Receiver<Leadership>> {
        Arc::clone(&self.0).campaign().await
    }

    async fn resign(&self) -> BackendResult<()> {
        let resigned = self.0.resign().await;
        resigned.map_err(|fault| fault.told("coordinator.resign"))
    }

    async fn deregister(&self) -> BackendResult<()> {
        let seat = &self.0;
        let lost = *seat.leadership.borrow() == Leadership::Lost;
        seat.end();
        if seat.closed.swap(true, Ordering::AcqRel) || lost {
            return Ok(());
        }
        match seat.client.close().await {
            Ok(()) | Err(Fault::Ended) => Ok(()),
            Err(fault) => Err(fault.told("coordinator.deregister")),
        }
    }
}

impl Drop for ZooKeeperRegistration {
    /// Without `deregister`, a crash: the session ends when its timeout does.
    fn drop(&mut self) {
        if *self.0.leadership.borrow() != Leadership::Lost {
            self.0.end();
            self.0.client.abandon();
        }
    }
}
