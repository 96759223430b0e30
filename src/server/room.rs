//! Rooms, on their owner: one actor a room, which alone changes the room's members and gives
//! its messages their order. Others hold a handle and send to its bounded queue.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use antiphon_core::clock::Instant;
use antiphon_core::contract::{MessageArchive, RecentMessages, Record, RoomStore};
use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{self, TaskKind};
use antiphon_protocol::client::Visibility;
use antiphon_protocol::peer::{PeerFrame, RoomCommand, RoomOutcome};
use antiphon_protocol::{RoomName, UserName};
use tokio::sync::mpsc;

use super::recorder::Recorder;
use super::session::lock;
use super::settings::ROOM_QUEUE_DEPTH;

mod actor;
mod chat;
mod log;
mod membership;
mod outbox;
mod presence;

pub(crate) use actor::{message_delivery, raw};
pub(crate) use membership::room_not_found;
pub(crate) use outbox::{LinkId, Outbox, Outboxes};
pub(crate) use presence::Presence;

/// Stored messages on their way to the caches: which room's visibility they have.
#[derive(Debug)]
pub(crate) struct Stored {
    /// The records, chat only.
    pub(crate) records: Vec<Record>,
    /// Whether anybody may join the conversation they are in.
    pub(crate) visibility: Visibility,
}

/// Where to send what became of a command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReplyTo {
    /// The link that the command came by.
    pub(crate) link: LinkId,
    /// Its number there.
    pub(crate) request: u64,
}

/// Who was told that somebody came or went: the rooms that both are in share it, so that
/// nobody hears it twice.
pub(crate) type Told = Arc<Mutex<HashSet<UserName>>>;

/// What a room's queue holds.
#[derive(Debug)]
pub(crate) enum RoomInput {
    /// A user's command.
    Command {
        /// The session's user.
        user: UserName,
        /// What to do.
        command: RoomCommand,
        /// Who waits for the outcome.
        reply: ReplyTo,
    },
    /// A user's presence may have changed.
    Recheck(UserName, Told),
}

/// What every room's actor needs.
pub(crate) struct RoomSeat {
    /// The term under which this server leads.
    pub(crate) epoch: u64,
    /// Rooms and members.
    pub(crate) rooms: Arc<dyn RoomStore>,
    /// The logs.
    pub(crate) archive: Arc<dyn MessageArchive>,
    /// The last messages.
    pub(crate) recent: Arc<dyn RecentMessages>,
    /// Writes the logs.
    pub(crate) recorder: Recorder,
    /// Who is where.
    pub(crate) presence: Arc<Presence>,
    /// The links to the servers.
    pub(crate) outboxes: Arc<Outboxes>,
    /// Takes what was stored to the caches; full is not waited for.
    pub(crate) stored: mpsc::Sender<Stored>,
    /// How often a room in use tells its top sequence.
    pub(crate) position_interval: Duration,
    /// Messages are kept so long.
    pub(crate) retention: Option<Duration>,
    /// Nobody is said to have come or gone before this moment.
    pub(crate) presence_from: Instant,
    /// The leader's scope: stops when it is deposed.
    pub(crate) scope: Shutdown,
}

impl std::fmt::Debug for RoomSeat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RoomSeat(epoch {})", self.epoch)
    }
}

/// The rooms that are in memory.
#[derive(Debug)]
pub(crate) struct Rooms {
    seat: Arc<RoomSeat>,
    handles: Arc<Mutex<BTreeMap<RoomName, mpsc::Sender<RoomInput>>>>,
}

impl Rooms {
    /// No rooms yet.
    pub(crate) fn new(seat: Arc<RoomSeat>) -> Self {
        Self {
            seat,
            handles: Arc::default(),
        }
    }

    /// Hands an input to the room's actor, starting it if need be; waits while its queue is
    /// full.
    pub(crate) async fn send(&self, room: &RoomName, mut input: RoomInput) {
        loop {
            let handle = self.handle(room);
            match handle.send(input).await {
                Ok(()) => return,
                // The actor left memory at this very moment: start it again.
                Err(mpsc::error::SendError(back)) => input = back,
            }
            if self.seat.scope.is_stopping() {
                return;
            }
        }
    }

    /// How many rooms are in memory.
    #[cfg(test)]
    pub(crate) fn in_memory(&self) -> usize {
        lock(&self.handles).len()
    }

    fn handle(&self, room: &RoomName) -> mpsc::Sender<RoomInput> {
        let mut handles = lock(&self.handles);
        if let Some(handle) = handles.get(room).filter(|handle| !handle.is_closed()) {
            return handle.clone();
        }
        let (input_tx, input_rx) = mpsc::channel(ROOM_QUEUE_DEPTH);
        handles.insert(room.clone(), input_tx.clone());
        let actor = actor::Actor::new(room.clone(), Arc::clone(&self.seat), input_rx);
        let table = Arc::downgrade(&self.handles);
        let name = room.clone();
        task::spawn(&self.seat.scope, TaskKind::Room, async move {
            actor.run().await;
            // Only a closed queue is removed: a successor may stand there already.
            if let Some(table) = table.upgrade() {
                let mut handles = lock(&table);
                if handles.get(&name).is_some_and(mpsc::Sender::is_closed) {
                    handles.remove(&name);
                }
            }
        });
        input_tx
    }
}

/// The frame that answers a command.
pub(crate) fn result_frame(reply: ReplyTo, outcome: RoomOutcome) -> PeerFrame {
    PeerFrame::Result {
        request: reply.request,
        outcome,
    }
}

#[cfg(test)]
mod tests;
