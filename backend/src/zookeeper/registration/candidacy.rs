//! Standing for election: one ephemeral sequential node. The first in line leads, and its
//! node's creation zxid is the epoch; everybody else watches the one before it, so that each
//! change wakes one.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use antiphon_core::clock;
use antiphon_core::contract::{BackendError, BackendErrorKind, BackendResult, Leadership};
use antiphon_core::error_chain::ErrorChain;
use antiphon_core::task::{self, TaskKind};
use antiphon_protocol::NodeId;
use tokio::sync::{Notify, watch};
use tracing::{debug, info, warn};
use zookeeper_async::{CreateMode, Stat};

use super::{LEASE_PARTS, Seat, rounds, zxid};
use crate::zookeeper::client::{Call, Fault, epoch};
use crate::zookeeper::layout::Candidate;
use crate::zookeeper::relay::SessionState;

/// What there is of a candidacy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Candidacy {
    /// Nothing.
    #[default]
    None,
    /// A node that stands.
    Standing(Standing),
    /// A node that may still have to be removed.
    Withdrawn {
        /// Its path.
        path: String,
    },
}

/// A candidate's node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    path: String,
    created: u64,
    epoch: u64,
}

/// Where a candidate is in line.
enum Place {
    First,
    /// Behind this one.
    Behind(NodeId),
    /// Not in line any more.
    Gone,
}

/// What a candidate remembers while it waits.
struct Line {
    /// Its node.
    path: String,
    /// Rings when the one before goes.
    bell: Arc<Notify>,
    /// The one before, as long as a watch is set on it: each watch that is set stays in the
    /// driver's memory until it fires.
    watched: Option<String>,
}

impl Seat {
    pub(super) async fn campaign(self: Arc<Self>) -> BackendResult<watch::Receiver<Leadership>> {
        const OPERATION: &str = "coordinator.campaign";
        let told = self.leadership.subscribe();
        if *told.borrow() == Leadership::Lost {
            return Ok(told);
        }
        if self.campaigned.swap(true, Ordering::AcqRel) {
            return Err(BackendError::new(BackendErrorKind::Conflict, OPERATION));
        }
        let stood = self.stand().await;
        let standing = stood.map_err(|fault| {
            // The next try finds a node whose reply was lost.
            self.campaigned.store(false, Ordering::Release);
            fault.told(OPERATION)
        })?;
        {
            let mut candidacy = self.candidacy();
            if *self.leadership.borrow() == Leadership::Lost {
                return Ok(told);
            }
            *candidacy = Candidacy::Standing(standing.clone());
        }
        let scope = self.scope.clone();
        task::spawn(&scope, TaskKind::Cluster, self.wait_in_line(standing));
        Ok(told)
    }

    /// Makes the candidate's node, or finds it: a lost reply leaves one behind.
    async fn stand(&self) -> Call<Standing> {
        let prefix = self.layout.candidate(&self.id, &self.tag);
        let (rounds, mut backoff) = rounds();
        let mut last = Fault::Unknown;
        for round in rounds {
            let stood = match self.find().await {
                Ok(None) => {
                    let mode = CreateMode::EphemeralSequential;
                    self.client.create(&prefix, b"", mode).await.map(Some)
                }
                found => found,
            };
            match stood {
                Ok(Some((path, stat))) => {
                    let base = self.client.epoch_base(&self.layout).await?;
                    return Ok(Standing {
                        path,
                        created: zxid(stat.czxid),
                        epoch: epoch(base, stat.czxid)?,
                    });
                }
                Ok(None) => {}
                Err(fault) if fault.passes() => {
                    debug!(round, error = %ErrorChain(&fault), "looking for the candidacy");
                    last = fault;
                    clock::sleep(backoff.next_delay()).await;
                }
                Err(fault) => return Err(fault),
            }
        }
        Err(last)
    }

    async fn find(&self) -> Call<Option<(String, Stat)>> {
        let children = self.client.children(&self.layout.election()).await?;
        let ours = |c: &Candidate| c.id == self.id && c.tag == self.tag;
        let Some(candidate) = Candidate::in_order(&children).into_iter().find(ours) else {
            return Ok(None);
        };
        let path = self.layout.listed(&candidate);
        let stat = self.client.exists(&path).await?;
        Ok(stat.map(|stat| (path, stat)))
    }

    /// Until this is the first in line, or the scope stops. That the node is still there is
    /// the keeper's affair.
    async fn wait_in_line(self: Arc<Self>, standing: Standing) {
        let mut line = Line {
            path: standing.path.clone(),
            bell: Arc::new(Notify::new()),
            watched: None,
        };
        let standing = Candidacy::Standing(standing);
        let mut state = self.client.state();
        while *self.candidacy() == standing {
            state.mark_unchanged();
            let pause = match self.place(&mut line).await {
                Ok(Place::First) => return self.lead(&standing),
                Ok(Place::Behind(before)) => {
                    debug!(node = %self.id, %before, "waiting in line");
                    self.client.timeout()
                }
                Ok(Place::Gone) | Err(Fault::Ended) => return,
                Err(fault) => {
                    debug!(node = %self.id, error = %ErrorChain(&fault), "can't see the line");
                    self.client.timeout() / LEASE_PARTS
                }
            };
            tokio::select! {
                () = self.scope.stopping() => return,
                () = line.bell.notified() => line.watched = None,
                () = connected_again(&mut state) => line.watched = None,
                // In case a watch was lost in another way.
                () = clock::sleep(pause) => {}
            }
        }
    }

    /// Where this is in line, with a watch on the one before.
    async fn place(&self, own: &mut Line) -> Call<Place> {
        loop {
            let children = self.client.children(&self.layout.election()).await?;
            let mut line = Candidate::in_order(&children);
            let is_own = |candidate: &Candidate| self.layout.listed(candidate) == own.path;
            let Some(at) = line.iter().position(is_own) else {
                return Ok(Place::Gone);
            };
            if at == 0 {
                return Ok(Place::First);
            }
            let before = line.swap_remove(at - 1);
            let path = self.layout.listed(&before);
            if own.watched.as_ref() == Some(&path) {
                return Ok(Place::Behind(before.id));
            }
            let stat = self.client.exists_watched(&path, &own.bell).await?;
            if stat.is_some() {
                own.watched = Some(path);
                return Ok(Place::Behind(before.id));
            }
            // It left meanwhile: look again. Each round has a shorter line.
        }
    }

    fn lead(&self, elected: &Candidacy) {
        // Whoever resigns or loses holds the lock, so that nothing is told after that.
        let candidacy = self.candidacy();
        if let Candidacy::Standing(Standing { epoch, .. }) = *candidacy
            && *candidacy == *elected
        {
            info!(node = %self.id, epoch, "elected");
            self.leadership.send_replace(Leadership::Leader { epoch });
        }
    }

    /// Withdraws. If ZooKeeper can't be heard, the keeper goes on trying.
    pub(super) async fn resign(&self) -> Call<()> {
        let path = {
            let mut candidacy = self.candidacy();
            if *self.leadership.borrow() == Leadership::Lost {
                return Ok(());
            }
            self.leadership.send_replace(Leadership::Follower);
            match &*candidacy {
                Candidacy::None => return Ok(()),
                Candidacy::Withdrawn { path } => path.clone(),
                Candidacy::Standing(standing) => {
                    let path = standing.path.clone();
                    *candidacy = Candidacy::Withdrawn { path: path.clone() };
                    path
                }
            }
        };
        let (rounds, mut backoff) = rounds();
        let mut last = Fault::Unknown;
        for _ in rounds {
            match self.withdraw(&path).await {
                Err(Fault::Away) => return Err(Fault::Away),
                Err(fault) if fault.passes() => {
                    last = fault;
                    clock::sleep(backoff.next_delay()).await;
                }
                withdrawn => return withdrawn,
            }
        }
        Err(last)
    }

    async fn withdraw(&self, path: &str) -> Call<()> {
        match self.client.delete(path, None).await {
            Ok(()) | Err(Fault::NoNode) => {
                *self.candidacy() = Candidacy::None;
                Ok(())
            }
            Err(fault) => Err(fault),
        }
    }

    /// For the keeper: whether the candidate's node is gone although nobody withdrew.
    pub(super) async fn check_candidacy(&self) -> Call<Option<&'static str>> {
        let candidacy = self.candidacy().clone();
        match &candidacy {
            Candidacy::None => Ok(None),
            Candidacy::Withdrawn { path } => {
                self.withdraw(path).await?;
                warn!(node = %self.id, "withdrew after a while");
                Ok(None)
            }
            Candidacy::Standing(standing) => {
                let stat = self.client.exists(&standing.path).await?;
                let there = stat.map(|stat| zxid(stat.czxid)) == Some(standing.created);
                let gone = !there && *self.candidacy() == candidacy;
                Ok(gone.then_some("somebody removed the candidacy"))
            }
        }
    }
}

/// Resolves when the session has a new connection: the watches of the old one are lost.
async fn connected_again(state: &mut watch::Receiver<SessionState>) {
    loop {
        if state.changed().await.is_err() {
            return std::future::pending().await;
        }
        let connected = matches!(*state.borrow_and_update(), SessionState::Connected(_));
        if connected {
            return;
        }
    }
}
