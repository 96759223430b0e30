#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test looks at the variants that it is about"
)]

mod audience;
mod expiry;
mod failing;
mod messages;
mod model;
mod order;
mod rules;

use std::sync::Arc;
use std::time::Duration;

use antiphon_core::contract::{Backends, ClusterView};
use antiphon_core::net::ClusterKey;
use antiphon_protocol::client::Ack;
use antiphon_protocol::message::Message;
use antiphon_protocol::peer::{PeerFrame, PeerUser, RoomCommand, RoomOutcome, RoomSubmit};
use antiphon_protocol::{ErrorBody, NodeId};
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{LinkId, Outbox, Stored};
use crate::server::leader::Leader;
use crate::server::settings::Settings;
use crate::server::tests::support::archive::FaultyArchive;
use crate::server::tests::support::rooms::FaultyRooms;
use crate::server::tests::support::{PATIENCE, Stores, client_id, hash_of, room, stores, user};

/// The room of most tests.
const HALL: &str = "hall";
const EPOCH: u64 = 7;

/// Stores, in which the archive and the rooms can be made to fail.
struct Fixture {
    stores: Stores,
    backends: Backends,
    archive: Arc<FaultyArchive>,
    rooms: Arc<FaultyRooms>,
    settings: Settings,
    view: watch::Sender<ClusterView>,
}

async fn fixture() -> Fixture {
    let stores = stores().await;
    let archive = FaultyArchive::new(&stores.backends.archive);
    let rooms = FaultyRooms::new(&stores.backends.rooms);
    let mut backends = stores.backends.clone();
    backends.archive = Arc::clone(&archive) as Arc<_>;
    backends.rooms = Arc::clone(&rooms) as Arc<_>;
    Fixture {
        stores,
        backends,
        archive,
        rooms,
        settings: Settings::new("n1", ClusterKey::random()),
        view: watch::Sender::default(),
    }
}

impl Fixture {
    fn leader(&self, epoch: u64) -> Term {
        let (stored_tx, stored) = mpsc::channel(64);
        let leader = Leader::start(
            epoch,
            &self.settings,
            &self.backends,
            stored_tx,
            self.view.subscribe(),
        );
        Term { leader, stored }
    }

    /// A leader and one link with these users on.
    async fn led(&self, users: &[&str]) -> (Term, Link) {
        let term = self.leader(EPOCH);
        let mut link = term.link("f1");
        for name in users {
            link.up(&self.backends, name).await;
        }
        (term, link)
    }
}

/// One leader.
struct Term {
    leader: Arc<Leader>,
    stored: mpsc::Receiver<Stored>,
}

impl Term {
    fn link(&self, name: &str) -> Link {
        let (frame_tx, frames) = mpsc::channel(4_096);
        let node = NodeId {
            name: name.into(),
            incarnation: 1,
        };
        let drop_link = CancellationToken::new();
        let outbox = Outbox {
            node: node.clone(),
            frames: frame_tx,
            drop_link: drop_link.clone(),
            is_local: false,
        };
        Link {
            id: self.leader.open_link(outbox),
            leader: Arc::clone(&self.leader),
            node,
            frames,
            seen: Vec::new(),
            requests: 0,
            drop_link,
        }
    }
}

/// One follower's link, in the follower's hands.
struct Link {
    id: LinkId,
    leader: Arc<Leader>,
    node: NodeId,
    frames: mpsc::Receiver<PeerFrame>,
    /// Every frame but the results.
    seen: Vec<PeerFrame>,
    requests: u64,
    drop_link: CancellationToken,
}

impl Link {
    async fn send(&self, frame: PeerFrame) {
        self.leader.receive(self.id, &self.node, frame).await;
    }

    async fn up(&mut self, backends: &Backends, name: &str) {
        let rooms = backends.rooms.rooms_of(&user(name)).await.unwrap();
        let user = user(name);
        self.send(PeerFrame::SessionUp(PeerUser { user, rooms }))
            .await;
    }

    async fn down(&self, name: &str) {
        self.send(PeerFrame::SessionDown { user: user(name) }).await;
    }

    async fn submit(&mut self, name: &str, in_room: &str, command: RoomCommand) -> u64 {
        self.requests += 1;
        let submit = RoomSubmit {
            request: self.requests,
            user: user(name),
            room: room(in_room),
            command,
        };
        self.send(PeerFrame::Submit(submit)).await;
        self.requests
    }

    async fn next(&mut self) -> PeerFrame {
        let next = antiphon_core::clock::timeout(PATIENCE, self.frames.recv());
        next.await.expect("a frame in time").expect("an open link")
    }

    /// The outcome of a request; what comes before it is kept.
    async fn outcome(&mut self, wanted: u64) -> RoomOutcome {
        loop {
            match self.next().await {
                PeerFrame::Result { request, outcome } if request == wanted => return outcome,
                PeerFrame::Result { .. } => {}
                other => self.seen.push(other),
            }
        }
    }

    async fn ask(&mut self, name: &str, command: RoomCommand) -> RoomOutcome {
        let request = self.submit(name, HALL, command).await;
        self.outcome(request).await
    }

    async fn refused(&mut self, name: &str, command: RoomCommand) -> ErrorBody {
        match self.ask(name, command).await {
            RoomOutcome::Failed(error) => error,
            other => panic!("not refused: {other:?}"),
        }
    }

    async fn chat(&mut self, name: &str, text: &str) -> Ack {
        match self.ask(name, chat(text)).await {
            RoomOutcome::Ack(ack) => ack,
            other => panic!("not acked: {other:?}"),
        }
    }

    async fn done(&mut self, name: &str, command: RoomCommand) {
        let outcome = self.ask(name, command).await;
        assert_eq!(outcome, RoomOutcome::Done);
    }

    async fn join(&mut self, name: &str) -> (u64, Vec<Message>) {
        match self.ask(name, RoomCommand::Join).await {
            RoomOutcome::Joined { reply, recent } => (reply.last_seq, recent),
            other => panic!("not joined: {other:?}"),
        }
    }

    /// Everything that the room's actor sent before now, since the last call.
    async fn catch_up(&mut self) -> Vec<PeerFrame> {
        let error = self.refused("nobody", RoomCommand::Leave).await;
        assert_eq!(error.ext, "room_not_found");
        std::mem::take(&mut self.seen)
    }
}

fn chat(text: &str) -> RoomCommand {
    RoomCommand::Chat {
        client_id: client_id(&text.replace(' ', "-")),
        own: true,
        body_hash: hash_of(text),
        message: text.into(),
        format: "text".into(),
        after: None,
    }
}

fn kick(name: &str) -> RoomCommand {
    RoomCommand::Kick {
        username: user(name),
        reason: None,
    }
}

fn invite(name: &str) -> RoomCommand {
    RoomCommand::Invite {
        username: user(name),
    }
}

/// Action and data of the room's deliveries.
fn deliveries(frames: &[PeerFrame]) -> Vec<(String, Value)> {
    let delivered = frames.iter().filter_map(|frame| match frame {
        PeerFrame::Deliver { delivery, .. } | PeerFrame::Tell { delivery, .. } => {
            let mut frame: Value = serde_json::from_str(delivery.frame.get()).unwrap();
            Some((
                frame["action"].as_str().unwrap().into(),
                frame["data"].take(),
            ))
        }
        _ => None,
    });
    delivered.collect()
}

/// Place and text of the delivered messages.
fn messages(frames: &[PeerFrame]) -> Vec<(u64, String)> {
    let chats = deliveries(frames)
        .into_iter()
        .filter(|(action, _)| action == "chat");
    chats
        .map(|(_, data)| {
            let text = data["message"].as_str().unwrap().to_owned();
            (data["seq"].as_u64().unwrap(), text)
        })
        .collect()
}

/// Kind and user of the delivered room events.
fn room_events(frames: &[PeerFrame]) -> Vec<(String, String)> {
    let events = deliveries(frames)
        .into_iter()
        .filter(|(action, _)| action == "roomEvent");
    events
        .map(|(_, data)| {
            let word = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
            (word("kind"), word("username"))
        })
        .collect()
}

/// Users added and removed, and the position told.
fn audience(frames: &[PeerFrame]) -> Vec<(String, String, Option<u64>)> {
    let names = |users: &[antiphon_protocol::UserName]| {
        let mut names: Vec<String> = users.iter().map(ToString::to_string).collect();
        names.sort();
        names.join(" ")
    };
    let changes = frames.iter().filter_map(|frame| match frame {
        PeerFrame::Audience {
            added,
            removed,
            position,
            ..
        } => Some((names(added), names(removed), *position)),
        _ => None,
    });
    changes.collect()
}

/// Lets so much time pass at once.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}
