//! The loop of a room's actor, what it keeps in memory, and its audience.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use antiphon_core::clock::{self, Instant};
use antiphon_core::contract::{BackendError, BackendErrorKind, MemberRecord, RoomRecord, Tail};
use antiphon_core::error_chain::ErrorChain;
use antiphon_core::mutant::{self, Mutant};
use antiphon_protocol::message::{Message, Presence as PresenceEvent};
use antiphon_protocol::peer::{Delivery, OwnCopy, PeerFrame, RoomCommand, RoomOutcome};
use antiphon_protocol::{ConversationId, ErrorBody, RoomName, UserName, codec};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::log::RoomLog;
use super::{LinkId, ReplyTo, RoomInput, RoomSeat, Told, result_frame};
use crate::server::fan_out::position_frame;
use crate::server::predecessor::Remembered;
use crate::server::recorder::{leader_unavailable, store_unavailable, unknown_outcome};
use crate::server::session::lock;
use crate::server::settings::{BATCH_MAX, PRESENCE_MEMBERS_MAX, REMEMBERED_SENDERS_MAX, ROOM_IDLE};

/// What is known of a room that exists.
pub(super) struct Room {
    pub(super) record: RoomRecord,
    pub(super) members: HashMap<UserName, MemberRecord>,
}

/// Users to look at again, each with those who know already that they came or went; without
/// such a list nobody is told.
pub(super) type Rechecks = BTreeMap<UserName, Option<Told>>;

/// Who no user is: names that begin with `_` can't be registered.
const NOBODY: &str = "_leader";

/// The sender of a leader's mark.
pub(super) fn nobody() -> UserName {
    UserName::parse(NOBODY).expect("a name by the rules")
}

/// The members who are on, by the link behind which they are.
#[derive(Default)]
struct Audience(BTreeMap<LinkId, BTreeSet<UserName>>);

impl Audience {
    fn links_of(&self, user: &UserName) -> Vec<LinkId> {
        self.0
            .iter()
            .filter(|(_, users)| users.contains(user))
            .map(|(link, _)| *link)
            .collect()
    }

    fn add(&mut self, link: LinkId, user: UserName) {
        self.0.entry(link).or_default().insert(user);
    }

    fn remove(&mut self, link: LinkId, user: &UserName) {
        if let Some(users) = self.0.get_mut(&link) {
            users.remove(user);
            if users.is_empty() {
                self.0.remove(&link);
            }
        }
    }
}

pub(super) struct Actor {
    pub(super) name: RoomName,
    pub(super) seat: Arc<RoomSeat>,
    inputs: mpsc::Receiver<RoomInput>,
    /// `None` before it was read; then whether there is such a room.
    pub(super) room: Option<Option<Room>>,
    pub(super) log: RoomLog,
    pub(super) recent: Option<VecDeque<Message>>,
    pub(super) remembered: Remembered<UserName>,
    audience: Audience,
    pub(super) last_append: Option<Instant>,
    last_input: Instant,
}

impl Actor {
    pub(super) fn new(
        name: RoomName,
        seat: Arc<RoomSeat>,
        inputs: mpsc::Receiver<RoomInput>,
    ) -> Self {
        Self {
            name,
            seat,
            inputs,
            room: None,
            log: RoomLog::default(),
            recent: None,
            remembered: Remembered::new(REMEMBERED_SENDERS_MAX),
            audience: Audience::default(),
            last_append: None,
            last_input: clock::now(),
        }
    }

    /// Handles inputs until the leader's scope stops or the room is no longer needed. What is
    /// still queued when the scope stops stays unanswered: its servers hand it to the next
    /// leader.
    pub(super) async fn run(mut self) {
        let mut ticks = clock::interval(self.seat.position_interval);
        // Not at once: what was just written was just delivered.
        ticks.reset();
        let scope = self.seat.scope.clone();
        let mut batch = Vec::with_capacity(BATCH_MAX);
        loop {
            tokio::select! {
                biased;
                () = scope.stopping() => break,
                taken = self.inputs.recv_many(&mut batch, BATCH_MAX) => {
                    if taken == 0 {
                        break;
                    }
                    self.last_input = clock::now();
                    self.handle(&mut batch).await;
                }
                _ = ticks.tick() => {
                    self.read_again().await;
                    self.tell_position().await;
                }
            }
            if self.inputs.is_empty() && self.is_idle() {
                self.inputs.close();
                // What slipped in before the close is still answered.
                while self.inputs.recv_many(&mut batch, BATCH_MAX).await > 0 {
                    self.handle(&mut batch).await;
                }
                break;
            }
        }
    }

    fn is_idle(&self) -> bool {
        let absent = matches!(self.room, None | Some(None));
        self.audience.0.is_empty() && (absent || self.last_input.elapsed() > ROOM_IDLE)
    }

    /// Handles a batch in order: runs of messages are written together.
    async fn handle(&mut self, batch: &mut Vec<RoomInput>) {
        let mut chats = Vec::new();
        let mut rechecks = BTreeMap::new();
        for input in batch.drain(..) {
            match input {
                RoomInput::Recheck(user, told) => {
                    rechecks.insert(user, Some(told));
                }
                RoomInput::Command {
                    user,
                    command,
                    reply,
                } => {
                    self.recheck_all(&mut rechecks).await;
                    if matches!(command, RoomCommand::Chat { .. }) {
                        chats.push((user, command, reply));
                    } else {
                        self.chat(std::mem::take(&mut chats)).await;
                        self.change(user, command, reply).await;
                    }
                }
            }
        }
        self.chat(chats).await;
        self.recheck_all(&mut rechecks).await;
        self.read_again().await;
    }

    /// After a change of unknown outcome the room is read anew for the sake of its audience,
    /// also if nobody asks for it: whoever is out must hear nothing more.
    async fn read_again(&mut self) {
        if self.room.is_none()
            && !self.audience.0.is_empty()
            && let Err(error) = self.load().await
        {
            debug!(room = %self.name, ext = error.ext, "room not readable yet");
        }
    }

    /// Reads the room, unless that was done.
    pub(super) async fn load(&mut self) -> Result<Option<&mut Room>, ErrorBody> {
        if self.room.is_none() {
            match self.read().await {
                Ok((room, tail)) => {
                    self.take_tail(tail)?;
                    self.room = Some(room);
                    self.recent = None;
                    self.fill_audience().await;
                }
                Err(error) => return Err(self.refusal(&error)),
            }
        }
        Ok(self.room.as_mut().and_then(Option::as_mut))
    }

    /// Reads the room after it is taken for this term: a leader before this one can no longer
    /// change what is read here.
    async fn read(&self) -> Result<(Option<Room>, Option<Tail>), BackendError> {
        let claimed = self.seat.rooms.claim(&self.name, self.seat.epoch).await?;
        let Some(record) = claimed else {
            return Ok((None, None));
        };
        let rows = self.seat.rooms.members(&self.name).await?;
        let members = rows
            .into_iter()
            .map(|row| (row.user.clone(), row))
            .collect();
        let tail = self.seat.archive.tail(&self.conversation()).await?;
        Ok((Some(Room { record, members }), tail))
    }

    /// The log's top sequence; read if an append of unknown outcome has left it open.
    pub(super) async fn top(&mut self) -> Result<u64, ErrorBody> {
        if let Some(top) = self.log.top() {
            return Ok(top);
        }
        let tail = self.seat.archive.tail(&self.conversation()).await;
        let tail = tail.map_err(|error| self.refusal(&error))?;
        self.take_tail(tail)?;
        Ok(tail.map_or(0, |tail| tail.seq))
    }

    /// A newer leader's top ends this term, and with it what was asked of it.
    fn take_tail(&mut self, tail: Option<Tail>) -> Result<(), ErrorBody> {
        match RoomLog::behind(self.conversation(), self.seat.epoch, tail) {
            Some(log) => {
                self.log = log;
                Ok(())
            }
            None => {
                self.deposed();
                Err(leader_unavailable())
            }
        }
    }

    /// A newer leader has written: this one ends.
    pub(super) fn deposed(&self) {
        if mutant::is_on(Mutant::NoFence) {
            return;
        }
        warn!(room = %self.name, epoch = self.seat.epoch, "a newer leader has written, stepping down");
        self.seat.scope.stop();
    }

    /// What the sender is told after a failed call of a store.
    pub(super) fn refusal(&self, error: &BackendError) -> ErrorBody {
        warn!(room = %self.name, error = %ErrorChain(error), "a store failed");
        match error.kind {
            BackendErrorKind::Timeout => unknown_outcome(),
            BackendErrorKind::Conflict => {
                self.deposed();
                leader_unavailable()
            }
            BackendErrorKind::Unavailable
            | BackendErrorKind::NotFound
            | BackendErrorKind::Corrupt => store_unavailable(),
        }
    }

    pub(super) fn conversation(&self) -> ConversationId {
        ConversationId::Room(self.name.clone())
    }

    pub(super) async fn answer(&self, reply: ReplyTo, outcome: RoomOutcome) {
        self.seat
            .outboxes
            .send(reply.link, result_frame(reply, outcome))
            .await;
    }

    pub(super) async fn fail(&self, reply: ReplyTo, error: ErrorBody) {
        self.answer(reply, RoomOutcome::Failed(error)).await;
    }

    async fn fill_audience(&mut self) {
        let Some(Some(room)) = &self.room else { return };
        let members = room.members.values().filter(|row| row.standing.is_member());
        // Nobody is told: who is on was told elsewhere, or under an earlier leader.
        let mut users: Rechecks = members.map(|row| (row.user.clone(), None)).collect();
        // Who was in it and is no longer a member is taken out.
        users.extend(
            self.audience
                .0
                .values()
                .flatten()
                .map(|user| (user.clone(), None)),
        );
        let top = self.log.top();
        self.update_audience(users, top).await;
    }

    /// Looks again where these users are, and tells the servers what changed.
    async fn recheck_all(&mut self, users: &mut Rechecks) {
        if users.is_empty() {
            return;
        }
        let users = std::mem::take(users);
        if self.room.is_none() {
            // Reading the room looks at every member.
            if let Err(error) = self.load().await {
                debug!(room = %self.name, ext = error.ext, "room not readable yet");
            }
            return;
        }
        let top = self.log.top();
        self.update_audience(users, top).await;
    }

    /// Brings the audience up to date for these users, and tells the others who came or went
    /// where a list of those who know is given.
    pub(super) async fn update_audience(&mut self, users: Rechecks, position: Option<u64>) {
        let Some(Some(room)) = &self.room else { return };
        let mut changes: BTreeMap<LinkId, (Vec<UserName>, Vec<UserName>)> = BTreeMap::new();
        let mut turned = Vec::new();
        for (user, told) in users {
            let is_member = room
                .members
                .get(&user)
                .is_some_and(|row| row.standing.is_member());
            let links = if is_member {
                self.seat.presence.links_of(&user)
            } else {
                Vec::new()
            };
            let before = self.audience.links_of(&user);
            for link in links.iter().filter(|link| !before.contains(link)) {
                self.audience.add(*link, user.clone());
                changes.entry(*link).or_default().0.push(user.clone());
            }
            for link in before.iter().filter(|link| !links.contains(link)) {
                self.audience.remove(*link, &user);
                changes.entry(*link).or_default().1.push(user.clone());
            }
            if let Some(told) = told
                && is_member
                && links.is_empty() != before.is_empty()
            {
                turned.push((user, !links.is_empty(), told));
            }
        }
        for (link, (added, removed)) in changes {
            let room = self.name.clone();
            self.seat
                .outboxes
                .send(
                    link,
                    PeerFrame::Audience {
                        room,
                        added,
                        removed,
                        position,
                    },
                )
                .await;
        }
        self.tell_presence(turned).await;
    }

    async fn tell_presence(&self, turned: Vec<(UserName, bool, Told)>) {
        let Some(Some(room)) = &self.room else { return };
        if room.members.len() > PRESENCE_MEMBERS_MAX || clock::now() < self.seat.presence_from {
            return;
        }
        for (username, is_online, told) in turned {
            lock(&told).insert(username.clone());
            let event = event(
                "presence",
                &PresenceEvent {
                    username,
                    is_online,
                },
            );
            for (link, audience) in &self.audience.0 {
                let users: Vec<UserName> = {
                    let mut told = lock(&told);
                    audience
                        .iter()
                        .filter(|user| told.insert((*user).clone()))
                        .cloned()
                        .collect()
                };
                if !users.is_empty() {
                    let frame = PeerFrame::Tell {
                        users,
                        delivery: event.clone(),
                    };
                    self.seat.outboxes.send(*link, frame).await;
                }
            }
        }
    }

    /// Sends a delivery to every server with online members: one frame each.
    pub(super) async fn deliver(&self, delivery: Delivery) {
        for link in self.audience.0.keys() {
            let frame = PeerFrame::Deliver {
                room: self.name.clone(),
                delivery: delivery.clone(),
            };
            self.seat.outboxes.send(*link, frame).await;
        }
    }

    /// Tells the top sequence of a room that was written to within the last two intervals.
    async fn tell_position(&self) {
        if mutant::is_on(Mutant::NoPositioning) {
            return;
        }
        let recently = |at: Instant| at.elapsed() < self.seat.position_interval * 2;
        let Some(top) = self.log.top() else {
            return;
        };
        if self.last_append.is_some_and(recently) {
            let frame = position_frame(format!("room:{}", self.name), top);
            self.deliver(Delivery {
                frame: raw(frame),
                own: None,
            })
            .await;
        }
    }
}

/// JSON text that our own codec made, as it is.
pub(crate) fn raw(frame: String) -> Box<RawValue> {
    RawValue::from_string(frame).expect("the codec makes valid JSON")
}

/// An event as a delivery.
pub(crate) fn event<T: Serialize>(action: &str, data: &T) -> Delivery {
    Delivery {
        frame: raw(codec::encode_event(None, action, data)),
        own: None,
    }
}

/// A message as a delivery; the sender's own connections get the client id if they chose it.
pub(crate) fn message_delivery(message: &Message, own: Option<OwnCopy>) -> Delivery {
    let frame = codec::encode_event(Some(message.message_id.as_str()), "chat", message);
    Delivery {
        frame: raw(frame),
        own,
    }
}
