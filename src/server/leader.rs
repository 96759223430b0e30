//! What a server does besides as the leader: it owns the rooms, knows who is where, hands
//! direct deliveries to the server that a user is on, and publishes the list of servers.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use antiphon_core::clock::{self, Instant};
use antiphon_core::contract::{Backends, ClusterView, Directory, DirectoryEntry};
use antiphon_core::error_chain::ErrorChain;
use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{self, TaskKind};
use antiphon_protocol::NodeId;
use antiphon_protocol::peer::{DirectDelivery, PeerFrame, RoomSubmit};
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use super::metrics::Metrics;
use super::recorder::Recorder;
use super::retention::Retention;
use super::room::{
    LinkId, Outbox, Outboxes, Presence, ReplyTo, RoomInput, RoomSeat, Rooms, Stored, Told,
};
use super::session::lock;
use super::settings::{DIRECTORY_INTERVAL, DIRECTORY_TTL, PRESENCE_QUIET, Settings};

/// So long a leader that ends waits for its links to end, and so long they may take.
pub(crate) const GOODBYE_GRACE: Duration = Duration::from_millis(500);

/// So long a new leader waits for the servers to tell who is on them before it takes the
/// first command: what it delivered earlier would reach only some of them at once.
const GATHERING_MAX: Duration = Duration::from_millis(500);

/// A server that was not heard for so long gets no new clients.
const CUT_OFF_AFTER: Duration = Duration::from_secs(5);
/// Every server says each second that it is there.
const HEARD_WITHIN: Duration = Duration::from_millis(2_500);

#[derive(Debug, Clone, Copy, Default)]
struct Load {
    connections: u64,
    draining: bool,
    /// When it was told.
    heard: Option<Instant>,
}

fn lag_ms(now: Instant, heard: Instant) -> u64 {
    let silent = now.saturating_duration_since(heard);
    u64::try_from(silent.as_millis()).unwrap_or(u64::MAX)
}

/// One term of leadership.
#[derive(Debug)]
pub(crate) struct Leader {
    epoch: u64,
    rooms: Rooms,
    presence: Arc<Presence>,
    outboxes: Arc<Outboxes>,
    loads: Mutex<HashMap<NodeId, Load>>,
    began: Instant,
    /// The servers that have not told yet who is on them.
    awaited: Mutex<BTreeSet<NodeId>>,
    gathered: watch::Sender<bool>,
    backends: Backends,
    scope: Shutdown,
}

impl Leader {
    /// Begins a term.
    pub(crate) fn start(
        epoch: u64,
        settings: &Settings,
        backends: &Backends,
        stored: mpsc::Sender<Stored>,
        view: watch::Receiver<ClusterView>,
    ) -> Arc<Self> {
        let scope = Shutdown::new();
        let (presence, outboxes) = (Arc::new(Presence::default()), Arc::new(Outboxes::default()));
        let seat = RoomSeat {
            epoch,
            rooms: Arc::clone(&backends.rooms),
            archive: Arc::clone(&backends.archive),
            recent: Arc::clone(&backends.recent),
            recorder: Recorder::new(Arc::clone(&backends.archive)),
            presence: Arc::clone(&presence),
            outboxes: Arc::clone(&outboxes),
            stored,
            position_interval: settings.position_interval,
            retention: settings.retention,
            presence_from: clock::now() + PRESENCE_QUIET,
            scope: scope.clone(),
        };
        let members = view
            .borrow()
            .members
            .values()
            .map(|member| member.id.clone())
            .collect();
        let leader = Arc::new(Self {
            epoch,
            rooms: Rooms::new(Arc::new(seat)),
            presence,
            outboxes,
            loads: Mutex::default(),
            began: clock::now(),
            awaited: Mutex::new(members),
            gathered: watch::Sender::new(false),
            backends: backends.clone(),
            scope: scope.clone(),
        });
        leader.check_gathered();
        let patient = Arc::clone(&leader);
        task::spawn(&scope, TaskKind::Timer, async move {
            clock::sleep(GATHERING_MAX).await;
            patient.gathered.send_replace(true);
        });
        task::spawn(
            &scope,
            TaskKind::Timer,
            Arc::clone(&leader).publish_directory(view),
        );
        if let Some(keep) = settings.retention {
            let retention = Retention {
                archive: Arc::clone(&backends.archive),
                keep,
                metrics: Metrics::new(settings.metrics.clone(), &settings.name),
            };
            task::spawn(&scope, TaskKind::Timer, retention.run());
        }
        info!(epoch, "leading");
        leader
    }

    /// The term.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The servers that are linked, this one among them.
    pub(crate) fn linked(&self) -> BTreeSet<NodeId> {
        let links = self.outboxes.nodes().into_iter();
        links.map(|(_, node)| node).collect()
    }

    /// The servers that were heard just now, this one included. A link that nothing comes
    /// through is none.
    pub(crate) fn heard(&self) -> BTreeSet<String> {
        let now = clock::now();
        let is_heard = |load: &Load| {
            let heard = load.heard;
            heard.is_some_and(|heard| now.saturating_duration_since(heard) < HEARD_WITHIN)
        };
        let loads = lock(&self.loads);
        let heard = loads.iter().filter(|(_, load)| is_heard(load));
        heard.map(|(node, _)| node.name.clone()).collect()
    }

    /// Stops when the term ends, for whatever reason.
    pub(crate) fn scope(&self) -> &Shutdown {
        &self.scope
    }

    /// The rooms that it owns.
    #[cfg(test)]
    pub(crate) fn rooms(&self) -> &Rooms {
        &self.rooms
    }

    /// Ends the term: rooms finish what they are writing, and every server is told to look
    /// for the next leader.
    pub(crate) async fn end(&self, grace: std::time::Duration) {
        self.scope.stop();
        if !self.scope.wait(grace).await {
            warn!(epoch = self.epoch, "rooms did not stop in time");
        }
        for (link, _) in self.outboxes.nodes() {
            self.outboxes.send(link, PeerFrame::Goodbye).await;
        }
        // Whoever resigns at once is not heard out: the servers turn to the next leader.
        if clock::timeout(GOODBYE_GRACE, self.outboxes.all_closed())
            .await
            .is_err()
        {
            warn!(
                epoch = self.epoch,
                "a server did not hear the goodbye in time"
            );
        }
        let link_overflows = self.outboxes.overflows();
        info!(epoch = self.epoch, link_overflows, "leadership ended");
    }

    fn check_gathered(&self) {
        if lock(&self.awaited).is_empty() {
            self.gathered
                .send_if_modified(|gathered| !std::mem::replace(gathered, true));
        }
    }

    /// A server has linked.
    pub(crate) fn open_link(&self, outbox: Outbox) -> LinkId {
        self.outboxes.open(outbox)
    }

    /// A link has ended, and with it the sessions behind it.
    pub(crate) async fn close_link(&self, link: LinkId) {
        self.outboxes.close(link);
        for (user, rooms) in self.presence.link_gone(link) {
            self.recheck(user, rooms).await;
        }
    }

    /// Handles a frame of a server.
    pub(crate) async fn receive(&self, link: LinkId, node: &NodeId, frame: PeerFrame) {
        match frame {
            PeerFrame::Sessions { users, last } => {
                for user in users {
                    let (user, rooms) = self.presence.up(link, user);
                    self.recheck(user, rooms).await;
                }
                if last {
                    lock(&self.awaited).remove(node);
                    self.check_gathered();
                }
            }
            PeerFrame::SessionUp(user) => {
                let (user, rooms) = self.presence.up(link, user);
                self.recheck(user.clone(), rooms).await;
                self.outboxes
                    .send(link, PeerFrame::SessionSeen { user })
                    .await;
            }
            PeerFrame::SessionDown { user } => {
                let (user, rooms) = self.presence.down(link, &user);
                self.recheck(user, rooms).await;
            }
            PeerFrame::Submit(submit) => self.submit(link, submit).await,
            PeerFrame::Forward { deliveries } => self.forward(link, deliveries).await,
            PeerFrame::Load {
                connections,
                draining,
            } => {
                lock(&self.loads).insert(
                    node.clone(),
                    Load {
                        connections,
                        draining,
                        heard: Some(clock::now()),
                    },
                );
            }
            PeerFrame::EndSessions {
                user,
                before_ms,
                reason,
            } => {
                for other in self.presence.links_of(&user) {
                    if other != link {
                        let user = user.clone();
                        let frame = PeerFrame::EndSessions {
                            user,
                            before_ms,
                            reason,
                        };
                        self.outboxes.send(other, frame).await;
                    }
                }
            }
            PeerFrame::Hello { .. }
            | PeerFrame::Ping
            | PeerFrame::Goodbye
            | PeerFrame::StaleEpoch { .. }
            | PeerFrame::SessionSeen { .. }
            | PeerFrame::Result { .. }
            | PeerFrame::Audience { .. }
            | PeerFrame::Deliver { .. }
            | PeerFrame::Tell { .. }
            | PeerFrame::Direct(_) => {}
        }
    }

    /// Hands a command to its room. A link's own sessions came before it; those of the other
    /// servers are waited for. A term that ends leaves the command to the next.
    async fn submit(&self, link: LinkId, submit: RoomSubmit) {
        let mut gathered = self.gathered.subscribe();
        tokio::select! {
            biased;
            _ = gathered.wait_for(|gathered| *gathered) => {}
            () = self.scope.stopping() => return,
        }
        let RoomSubmit {
            request,
            user,
            room,
            command,
        } = submit;
        let reply = ReplyTo { link, request };
        self.rooms
            .send(
                &room,
                RoomInput::Command {
                    user,
                    command,
                    reply,
                },
            )
            .await;
    }

    async fn recheck(
        &self,
        user: antiphon_protocol::UserName,
        rooms: Vec<antiphon_protocol::RoomName>,
    ) {
        let told = Told::default();
        for room in rooms {
            self.rooms
                .send(&room, RoomInput::Recheck(user.clone(), Arc::clone(&told)))
                .await;
        }
    }

    /// One hop: from the sender's server to those that the users are on. The sender's server
    /// has served its own sessions itself.
    async fn forward(&self, from: LinkId, deliveries: Vec<DirectDelivery>) {
        for direct in deliveries {
            for link in self.presence.links_of(&direct.to) {
                if link != from {
                    self.outboxes
                        .send(link, PeerFrame::Direct(direct.clone()))
                        .await;
                }
            }
        }
    }

    /// Publishes the list of servers, again and again.
    async fn publish_directory(self: Arc<Self>, mut view: watch::Receiver<ClusterView>) {
        let mut ticks = clock::interval(DIRECTORY_INTERVAL);
        let mut failing = false;
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                changed = view.changed() => if changed.is_err() { return },
            }
            let members = view.borrow_and_update().clone();
            let live: BTreeSet<NodeId> = members
                .members
                .values()
                .map(|member| member.id.clone())
                .collect();
            let directory = self.directory(&members);
            let published = self
                .backends
                .directory
                .publish(directory, DIRECTORY_TTL)
                .await;
            // Whose list is refused has a successor, and its view of who is live is old.
            let told = match published {
                Ok(()) => self.backends.sessions.retain_nodes(&live).await,
                Err(error) => Err(error),
            };
            let failed_before = std::mem::replace(&mut failing, told.is_err());
            match told {
                Ok(()) if failed_before => info!("the cluster's state is published again"),
                Err(error) if !failed_before => {
                    warn!(error = %ErrorChain(&error), "could not publish the cluster's state");
                }
                Ok(()) | Err(_) => {}
            }
        }
    }

    fn directory(&self, view: &ClusterView) -> Directory {
        let now = clock::now();
        let mut loads = lock(&self.loads);
        loads.retain(|node, _| {
            let member = view.members.get(&node.name);
            member.is_some_and(|member| member.id == *node)
        });
        let entry = |member: &antiphon_core::contract::Member| {
            let load = loads.get(&member.id).copied().unwrap_or_default();
            let silent = now.saturating_duration_since(load.heard.unwrap_or(self.began));
            // Rooms can't be used there.
            let is_cut_off = silent > CUT_OFF_AFTER;
            DirectoryEntry {
                name: member.record.name.clone(),
                host: member.record.client_host.clone(),
                port: member.record.client_port,
                connections: load.connections,
                weight: if load.draining || is_cut_off { 0 } else { 1 },
                is_leader: view
                    .leader
                    .as_ref()
                    .is_some_and(|leader| leader.id == member.id),
                lag_ms: load.heard.map(|heard| lag_ms(now, heard)),
            }
        };
        let servers = view.members.values().map(entry).collect();
        Directory {
            epoch: self.epoch,
            generated_at_ms: clock::unix_ms(),
            servers,
        }
    }
}
