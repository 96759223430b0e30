//! This server's place in the cluster: its registration, its terms of leadership, and its
//! link to whoever leads.

mod accept;
mod stranded;
mod tenure;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use antiphon_core::backoff::Backoff;
use antiphon_core::clock;
use antiphon_core::contract::{
    BackendResult, ClusterView, Leadership, Member, NodeRecord, Registration,
};
use antiphon_core::error_chain::ErrorChain;
use antiphon_core::net::{Side, TcpListener, TcpStream, handshake};
use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{self, TaskKind};
use antiphon_protocol::close_code::REJOINED;
use antiphon_protocol::peer::{PEER_FRAME_BYTES_MAX, PeerEnvelope, PeerFrame};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::lacking::is_anybody_gone;
use super::leader::Leader;
use super::node::Node;
use super::peer::{LinkContext, LinkEnd, Wire, follower_side, leader_side};
use super::room::{Outbox, Stored};
use super::session::lock;
use super::settings::{HANDSHAKE_TIMEOUT, PEER_PING_INTERVAL, PEER_QUEUE_DEPTH};
use tenure::{Patience, Tenure, Term};

/// Links that may shake hands at once; a cluster has few servers.
const HANDSHAKES_MAX: usize = 64;
/// What a leader gets to finish what it writes.
const LEADER_GRACE: Duration = Duration::from_secs(2);

/// Where this server's frames for the leader go.
#[derive(Clone, Default)]
enum Target {
    #[default]
    Nowhere,
    Here(Arc<Leader>),
    There(Member, u64),
}

/// Why the uplink looks up.
enum Wake {
    Stop,
    Moved,
    Ended(LinkEnd),
}

impl Target {
    fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Nowhere, Self::Nowhere) => true,
            (Self::Here(a), Self::Here(b)) => a.epoch() == b.epoch(),
            (Self::There(a, x), Self::There(b, y)) => a == b && x == y,
            (Self::Nowhere | Self::Here(_) | Self::There(..), _) => false,
        }
    }
}

/// Runs a server's part in the cluster.
pub(super) struct Cluster {
    pub(super) node: Arc<Node>,
    pub(super) record: NodeRecord,
    pub(super) stored: mpsc::Sender<Stored>,
    target: watch::Sender<Target>,
    /// Whether this server leads, for the outside.
    leading: watch::Sender<Option<u64>>,
    scope: Shutdown,
}

impl Cluster {
    pub(super) fn new(
        node: Arc<Node>,
        record: NodeRecord,
        stored: mpsc::Sender<Stored>,
        scope: Shutdown,
    ) -> Self {
        Self {
            node,
            record,
            stored,
            target: watch::Sender::default(),
            leading: watch::Sender::default(),
            scope,
        }
    }

    /// Tells the epoch of which this server is the leader.
    pub(super) fn leading(&self) -> watch::Receiver<Option<u64>> {
        self.leading.subscribe()
    }

    /// Registers, then starts the tasks. The first registration is waited for, so that a
    /// failure ends the start.
    pub(super) async fn start(self, listener: TcpListener) -> BackendResult<()> {
        let registration = self.register().await?;
        let cluster = Arc::new(self);
        let scope = cluster.scope.clone();
        task::spawn(
            &scope,
            TaskKind::Cluster,
            Arc::clone(&cluster).accept(listener),
        );
        task::spawn(
            &scope,
            TaskKind::Cluster,
            Arc::clone(&cluster).follow_leader(),
        );
        let watched = Arc::clone(&cluster).watch_link();
        task::spawn(&scope, TaskKind::Cluster, watched);
        task::spawn(&scope, TaskKind::Cluster, cluster.live(registration));
        Ok(())
    }

    async fn register(&self) -> BackendResult<Arc<dyn Registration>> {
        let registration = self
            .node
            .backends
            .coordinator
            .register(self.record.clone())
            .await?;
        *lock(&self.node.id) = registration.id();
        Ok(registration)
    }

    /// One registration after the other, until the server stops.
    async fn live(self: Arc<Self>, first: Arc<dyn Registration>) {
        let mut registration = first;
        let mut patience = Patience::new(self.node.settings.isolated_max);
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        loop {
            self.serve_registration(registration.as_ref(), &mut patience)
                .await;
            if self.scope.is_stopping() {
                if let Err(error) = registration.deregister().await {
                    warn!(error = %ErrorChain(&error), "could not deregister");
                }
                return;
            }
            warn!(node = %registration.id(), "registration lost, joining anew");
            self.node.registered.store(false, Ordering::Release);
            self.node.sessions.close_all(REJOINED);
            let _ = registration.deregister().await;
            registration = loop {
                clock::sleep(backoff.next_delay()).await;
                match self.register().await {
                    Ok(registration) => {
                        self.node.registered.store(true, Ordering::Release);
                        // Whoever logged in meanwhile is bound to the former incarnation.
                        self.node.sessions.close_all(REJOINED);
                        break registration;
                    }
                    Err(error) => warn!(error = %ErrorChain(&error), "could not register"),
                }
                if self.scope.is_stopping() {
                    return;
                }
            };
            backoff.reset();
        }
    }

    /// Campaigns, leads when elected, and points the uplink, until the registration is lost
    /// or the server stops.
    async fn serve_registration(&self, registration: &dyn Registration, patience: &mut Patience) {
        let coordinator = &self.node.backends.coordinator;
        let mut view = coordinator.view();
        let newest = Arc::clone(&self.node.newest_epoch);
        let mut tenure = Tenure::new(
            coordinator.contact(),
            self.node.settings.suspended_max,
            newest,
        );
        let mut leadership = match registration.campaign().await {
            Ok(leadership) => leadership,
            Err(error) => {
                warn!(error = %ErrorChain(&error), "could not stand for election");
                return;
            }
        };
        let mut leader: Option<Arc<Leader>> = None;
        let mut seen = ClusterView::default();
        loop {
            let now = leadership.borrow_and_update().clone();
            let before = std::mem::replace(&mut seen, view.borrow_and_update().clone());
            if is_anybody_gone(&before, &seen) {
                self.node.may_lack.notify_one();
            }
            match now {
                Leadership::Lost => break,
                Leadership::Leader { epoch } => {
                    match tenure.look(leader.as_deref(), &seen, epoch, patience) {
                        Term::GoesOn => {
                            if leader.as_ref().map(|leader| leader.epoch()) != Some(epoch) {
                                self.end(leader.take()).await;
                                leader = Some(self.lead(epoch));
                            }
                        }
                        Term::Rests => self.end(leader.take()).await,
                        Term::Resigns => break,
                    }
                }
                Leadership::Follower => self.end(leader.take()).await,
            }
            self.point(&seen, leader.as_ref());
            let deposed = async {
                match &leader {
                    Some(leader) => leader.scope().stopping().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.scope.stopping() => break,
                () = deposed => break,
                changed = leadership.changed() => if changed.is_err() { break },
                changed = view.changed() => if changed.is_err() { break },
                () = tenure.look_again() => {}
            }
        }
        self.end(leader.take()).await;
        self.target.send_replace(Target::Nowhere);
        if let Err(error) = registration.resign().await {
            warn!(error = %ErrorChain(&error), "could not resign");
        }
    }

    fn lead(&self, epoch: u64) -> Arc<Leader> {
        self.node.newest_epoch.fetch_max(epoch, Ordering::AcqRel);
        let view = self.node.backends.coordinator.view();
        let leader = Leader::start(
            epoch,
            &self.node.settings,
            &self.node.backends,
            self.stored.clone(),
            view,
        );
        self.leading.send_replace(Some(epoch));
        leader
    }

    async fn end(&self, leader: Option<Arc<Leader>>) {
        if let Some(leader) = leader {
            self.leading.send_replace(None);
            leader.end(LEADER_GRACE).await;
        }
    }

    /// Points the uplink at the leader of this view.
    fn point(&self, view: &ClusterView, leading: Option<&Arc<Leader>>) {
        let target = match (leading, &view.leader) {
            (Some(leader), _) => Target::Here(Arc::clone(leader)),
            // Elected, but not leading (any more, or yet).
            (None, Some(leader)) if leader.id == self.node.id() => Target::Nowhere,
            (None, Some(leader)) => match view.members.get(&leader.id.name) {
                Some(member) if member.id == leader.id => {
                    Target::There(member.clone(), leader.epoch)
                }
                Some(_) | None => Target::Nowhere,
            },
            (None, None) => Target::Nowhere,
        };
        self.target.send_if_modified(|now| {
            let changes = !now.same(&target);
            if changes {
                *now = target;
            }
            changes
        });
    }

    /// Keeps a link to whoever leads, for ever.
    async fn follow_leader(self: Arc<Self>) {
        let mut target = self.target.subscribe();
        let mut backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(1));
        loop {
            let now = target.borrow_and_update().clone();
            let stop = CancellationToken::new();
            let link = self.link(&now, stop.clone());
            tokio::pin!(link);
            let wake = tokio::select! {
                biased;
                () = self.scope.stopping() => Wake::Stop,
                changed = target.changed() => if changed.is_ok() { Wake::Moved } else { Wake::Stop },
                end = &mut link => Wake::Ended(end),
            };
            match wake {
                Wake::Stop => {
                    stop.cancel();
                    link.await;
                    return;
                }
                Wake::Moved => {
                    stop.cancel();
                    link.await;
                    backoff.reset();
                }
                Wake::Ended(end) => {
                    debug!(error = %ErrorChain(&end), attempt = backoff.attempt(), "leader link lost, dialling again");
                    tokio::select! {
                        () = clock::sleep(backoff.next_delay()) => {}
                        () = self.scope.stopping() => {}
                        _ = target.changed() => target.mark_changed(),
                    }
                }
            }
        }
    }

    /// One link, until it ends.
    async fn link(&self, target: &Target, stop: CancellationToken) -> LinkEnd {
        let end = match target {
            Target::Nowhere => {
                stop.cancelled().await;
                return LinkEnd::Stopped;
            }
            Target::Here(leader) => self.link_here(leader, stop).await,
            Target::There(member, epoch) => self.link_there(member, *epoch, stop).await,
        };
        self.node.router.disconnected();
        self.node.fan_out.clear_audiences();
        end
    }

    /// This server's own sessions are served by its own leader through queues in memory.
    async fn link_here(&self, leader: &Arc<Leader>, stop: CancellationToken) -> LinkEnd {
        let (up_tx, mut up_rx) = mpsc::channel(PEER_QUEUE_DEPTH);
        let (down_tx, mut down_rx) = mpsc::channel(PEER_QUEUE_DEPTH);
        let id = self.node.id();
        let outbox = Outbox {
            node: id.clone(),
            frames: down_tx,
            drop_link: stop.clone(),
            is_local: true,
        };
        let link = leader.open_link(outbox);
        let dispatcher = leader_side(
            Arc::clone(leader),
            link,
            id.clone(),
            self.node.metrics.clone(),
        );
        let epoch = leader.epoch();
        let newest = Arc::clone(&self.node.newest_epoch);
        let up = async move {
            let mut context = LinkContext { newest };
            while let Some(frame) = up_rx.recv().await {
                dispatcher
                    .dispatch(&mut context, PeerEnvelope { epoch, frame })
                    .await?;
            }
            Ok(())
        };
        let down = async {
            while let Some(frame) = down_rx.recv().await {
                if matches!(frame, PeerFrame::Goodbye) {
                    return;
                }
                self.node.take_from_leader(frame);
            }
        };
        let end = tokio::select! {
            end = up => end.map_or_else(|end| end, |()| LinkEnd::Closed),
            () = down => LinkEnd::Goodbye,
            end = self.drive(&up_tx) => end,
            () = stop.cancelled() => LinkEnd::Stopped,
        };
        // A room that waits for this queue must not wait for ever.
        drop(down_rx);
        leader.close_link(link).await;
        end
    }

    /// Sends what is meant for the leader, and how loaded this server is.
    async fn drive(&self, frames: &mpsc::Sender<PeerFrame>) -> LinkEnd {
        self.node.may_lack.notify_one();
        let loads = async {
            let mut ticks = clock::interval(PEER_PING_INTERVAL);
            loop {
                tokio::select! {
                    _ = ticks.tick() => {}
                    () = self.node.load_changed.notified() => {}
                }
                if frames.send(self.node.load()).await.is_err() {
                    return LinkEnd::Closed;
                }
            }
        };
        tokio::select! {
            end = loads => end,
            driven = self.node.router.drive(frames) => {
                if let Err(error) = driven {
                    warn!(error = %ErrorChain(&error), "could not list this server's sessions");
                }
                LinkEnd::Closed
            }
        }
    }

    async fn link_there(&self, leader: &Member, epoch: u64, stop: CancellationToken) -> LinkEnd {
        let dial = async {
            let stream = TcpStream::connect(&leader.record.cluster_addr)
                .await
                .map_err(antiphon_core::net::NetError::Io)?;
            stream
                .set_nodelay(true)
                .map_err(antiphon_core::net::NetError::Io)?;
            let key = &self.node.settings.cluster_key;
            let (reader, writer) =
                handshake(stream, Side::Dialer, key, PEER_FRAME_BYTES_MAX).await?;
            let mut wire = Wire { reader, writer };
            // A leader that is not the newest any more learns it from this.
            let known = self.node.newest_epoch.load(Ordering::Acquire).max(epoch);
            let (theirs, their_epoch) = wire.introduce(self.node.id(), known).await?;
            let ours = self
                .node
                .newest_epoch
                .fetch_max(their_epoch.max(epoch), Ordering::AcqRel);
            if their_epoch < ours.max(epoch) || theirs != leader.id {
                return Err(LinkEnd::StaleEpoch {
                    theirs: their_epoch,
                    ours,
                });
            }
            Ok((wire, their_epoch))
        };
        let dialled = tokio::select! {
            dialled = clock::timeout(HANDSHAKE_TIMEOUT, dial) => dialled,
            () = stop.cancelled() => return LinkEnd::Stopped,
        };
        let (wire, epoch) = match dialled {
            Err(_) => return LinkEnd::Silent,
            Ok(Err(end)) => return end,
            Ok(Ok(connected)) => connected,
        };
        info!(leader = %leader.id, epoch, "linked to the leader");
        let (frame_tx, frame_rx) = mpsc::channel(PEER_QUEUE_DEPTH);
        let dispatcher = follower_side(Arc::clone(&self.node));
        let newest = Arc::clone(&self.node.newest_epoch);
        tokio::select! {
            end = wire.run(frame_rx, &dispatcher, newest, epoch, stop) => end,
            end = self.drive(&frame_tx) => end,
        }
    }
}
