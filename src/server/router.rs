//! From this server to the owner of the rooms: everything that is meant for the leader goes
//! through one ordered queue, whoever the leader is, and wherever.
//!
//! A room command waits here until it is answered. When the leader changes, what is
//! unanswered is sent to the next one, in order; the log's unique keys absorb what had been
//! done already. A command that may not be done twice is given up as unknown instead.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use antiphon_core::clock::{self, Instant};
use antiphon_core::contract::{BackendError, RoomStore};
use antiphon_protocol::peer::{
    DirectDelivery, EndReason, PeerFrame, PeerUser, RoomCommand, RoomOutcome, RoomSubmit,
};
use antiphon_protocol::{ConnectionId, ErrorBody, RoomName, UserName};
use tokio::sync::{Notify, mpsc, oneshot};

use super::recorder::{leader_unavailable, unknown_outcome};
use super::session::{Sessions, lock};
use super::settings::{FORWARD_QUEUE_MAX, SNAPSHOT_PART_USERS, SUBMIT_DEADLINE, UPLINK_QUEUE_MAX};

/// Called with the outcome of a command, in the order of the leader's frames; must not block.
pub(crate) type Completion = Box<dyn FnOnce(RoomOutcome) + Send>;

struct Pending {
    submit: RoomSubmit,
    connection: ConnectionId,
    completion: Completion,
    deadline: Instant,
    sent: bool,
    /// An earlier leader may have done it.
    sent_before: bool,
}

impl Pending {
    /// What an answer says of the command: a message that this leader refuses may have been
    /// stored by an earlier one, and its sender left since.
    fn told(&self, outcome: RoomOutcome) -> RoomOutcome {
        let is_chat = matches!(self.submit.command, RoomCommand::Chat { .. });
        let failed = matches!(outcome, RoomOutcome::Failed(_));
        if failed && is_chat && self.sent_before {
            RoomOutcome::Failed(unknown_outcome())
        } else {
            outcome
        }
    }

    /// Nobody answers it any more.
    fn end(self) {
        let error = if self.sent {
            unknown_outcome()
        } else {
            leader_unavailable()
        };
        (self.completion)(RoomOutcome::Failed(error));
    }
}

enum Item {
    Submit(u64),
    Session(PeerFrame),
    Forward(Vec<DirectDelivery>),
}

#[derive(Default)]
struct Queue {
    items: VecDeque<Item>,
    pending: BTreeMap<u64, Pending>,
    next_request: u64,
    connected: bool,
    /// Logins that wait until the leader knows of them; by user, as one announces for all.
    announced: BTreeMap<UserName, oneshot::Sender<()>>,
    forwards: usize,
    forwards_dropped: u64,
}

/// The way to the leader.
pub(crate) struct Router {
    queue: Mutex<Queue>,
    changed: Notify,
    sessions: Arc<Sessions>,
    rooms: Arc<dyn RoomStore>,
}

impl std::fmt::Debug for Router {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Router")
    }
}

impl Router {
    /// A way that leads nowhere yet.
    pub(crate) fn new(sessions: Arc<Sessions>, rooms: Arc<dyn RoomStore>) -> Self {
        Self {
            queue: Mutex::default(),
            changed: Notify::new(),
            sessions,
            rooms,
        }
    }

    /// Queues a room command of a connection. `completion` is called once, with the answer or
    /// with an error after `SUBMIT_DEADLINE`.
    pub(crate) fn submit(
        &self,
        connection: ConnectionId,
        user: UserName,
        room: RoomName,
        command: RoomCommand,
        completion: Completion,
    ) {
        let mut queue = lock(&self.queue);
        if queue.pending.len() >= UPLINK_QUEUE_MAX {
            drop(queue);
            completion(RoomOutcome::Failed(overloaded()));
            return;
        }
        queue.next_request += 1;
        let request = queue.next_request;
        let submit = RoomSubmit {
            request,
            user,
            room,
            command,
        };
        let deadline = clock::now() + SUBMIT_DEADLINE;
        queue.pending.insert(
            request,
            Pending {
                submit,
                connection,
                completion,
                deadline,
                sent: false,
                sent_before: false,
            },
        );
        queue.items.push_back(Item::Submit(request));
        drop(queue);
        self.changed.notify_one();
    }

    /// Hands direct deliveries to the leader for users on other servers. Without a leader they
    /// wait, the oldest giving way; what is lost so is in the log, and positioning tells of it.
    pub(crate) fn forward(&self, deliveries: Vec<DirectDelivery>) {
        let mut queue = lock(&self.queue);
        queue.items.push_back(Item::Forward(deliveries));
        queue.forwards += 1;
        if queue.forwards > FORWARD_QUEUE_MAX {
            let oldest = queue
                .items
                .iter()
                .position(|item| matches!(item, Item::Forward(_)));
            oldest.and_then(|at| queue.items.remove(at));
            queue.forwards -= 1;
            queue.forwards_dropped += 1;
        }
        drop(queue);
        self.changed.notify_one();
    }

    /// Announces a user's first session here; the receiver resolves once the leader knows, or
    /// at once if there is none to tell.
    pub(crate) fn session_up(&self, user: UserName, rooms: Vec<RoomName>) -> oneshot::Receiver<()> {
        let (seen_tx, seen_rx) = oneshot::channel();
        let mut queue = lock(&self.queue);
        if queue.connected {
            queue.announced.insert(user.clone(), seen_tx);
        }
        drop(queue);
        self.session_frame(PeerFrame::SessionUp(PeerUser { user, rooms }));
        seen_rx
    }

    /// The leader knows of a user's sessions here.
    pub(crate) fn session_seen(&self, user: &UserName) {
        // Dropping the sender ends the wait, as sending would.
        lock(&self.queue).announced.remove(user);
    }

    /// Announces the end of a user's last session here.
    pub(crate) fn session_down(&self, user: UserName) {
        self.session_frame(PeerFrame::SessionDown { user });
    }

    /// Asks the other servers to end a user's older sessions.
    pub(crate) fn end_sessions(&self, user: UserName, before_ms: u64, reason: EndReason) {
        self.session_frame(PeerFrame::EndSessions {
            user,
            before_ms,
            reason,
        });
    }

    /// Without a link nothing is queued: the next one begins with the whole list.
    fn session_frame(&self, frame: PeerFrame) {
        let mut queue = lock(&self.queue);
        if queue.connected {
            queue.items.push_back(Item::Session(frame));
            drop(queue);
            self.changed.notify_one();
        }
    }

    /// Tells the one who waits how a command ended.
    pub(crate) fn complete(&self, request: u64, outcome: RoomOutcome) {
        let pending = lock(&self.queue).pending.remove(&request);
        if let Some(pending) = pending {
            let told = pending.told(outcome);
            (pending.completion)(told);
        }
    }

    /// Ends what has waited too long; called by a timer.
    pub(crate) fn sweep(&self) {
        let now = clock::now();
        self.end_where(|pending| pending.deadline <= now);
    }

    /// A connection is over. What it asked of a room's members goes to no later leader: its
    /// user may have changed their mind through another server since. A message may go, as it
    /// has a place in the log only once.
    pub(crate) fn connection_ended(&self, connection: ConnectionId) {
        self.end_where(|pending| {
            let is_chat = matches!(pending.submit.command, RoomCommand::Chat { .. });
            pending.connection == connection && !is_chat
        });
    }

    fn end_where(&self, is_over: impl Fn(&Pending) -> bool) {
        let over: Vec<Pending> = {
            let mut queue = lock(&self.queue);
            let over = queue.pending.iter().filter(|(_, pending)| is_over(pending));
            let over: Vec<u64> = over.map(|(request, _)| *request).collect();
            over.iter()
                .filter_map(|request| queue.pending.remove(request))
                .collect()
        };
        over.into_iter().for_each(Pending::end);
    }

    /// Ends everything that waits: the server stops.
    pub(crate) fn give_up(&self) {
        let pending = std::mem::take(&mut lock(&self.queue).pending);
        pending.into_values().for_each(Pending::end);
    }

    /// Sends to a leader until its queue closes: the whole list of sessions, what is
    /// unanswered, then whatever comes.
    pub(crate) async fn drive(&self, frames: &mpsc::Sender<PeerFrame>) -> Result<(), BackendError> {
        for completion in self.begin() {
            completion(RoomOutcome::Failed(unknown_outcome()));
        }
        self.snapshot(frames).await?;
        loop {
            let changed = self.changed.notified();
            while let Some(frame) = self.next() {
                if frames.send(frame).await.is_err() {
                    return Ok(());
                }
            }
            tokio::select! {
                () = changed => {}
                () = frames.closed() => return Ok(()),
            }
        }
    }

    /// Whether there is a link to a leader.
    pub(crate) fn is_connected(&self) -> bool {
        lock(&self.queue).connected
    }

    /// The link is gone.
    pub(crate) fn disconnected(&self) {
        let mut queue = lock(&self.queue);
        queue.connected = false;
        queue.announced.clear();
    }

    /// Lines up what is unanswered for a new leader, and takes out what may not be repeated.
    fn begin(&self) -> Vec<Completion> {
        let mut queue = lock(&self.queue);
        queue.connected = true;
        let (mut again, unknown): (BTreeMap<u64, Pending>, BTreeMap<u64, Pending>) =
            std::mem::take(&mut queue.pending)
                .into_iter()
                .partition(|(_, pending)| !pending.sent || pending.submit.command.is_idempotent());
        for pending in again.values_mut() {
            pending.sent_before |= pending.sent;
        }
        let mut items: VecDeque<Item> =
            again.keys().map(|request| Item::Submit(*request)).collect();
        let kept = queue
            .items
            .drain(..)
            .filter(|item| matches!(item, Item::Forward(_)));
        items.extend(kept);
        queue.items = items;
        queue.pending = again;
        unknown
            .into_values()
            .map(|pending| pending.completion)
            .collect()
    }

    async fn snapshot(&self, frames: &mpsc::Sender<PeerFrame>) -> Result<(), BackendError> {
        let mut users = Vec::new();
        for user in self.sessions.users() {
            let rooms = self.rooms.rooms_of(&user).await?;
            users.push(PeerUser { user, rooms });
            if users.len() == SNAPSHOT_PART_USERS {
                let users = std::mem::take(&mut users);
                let _ = frames
                    .send(PeerFrame::Sessions { users, last: false })
                    .await;
            }
        }
        let _ = frames.send(PeerFrame::Sessions { users, last: true }).await;
        Ok(())
    }

    fn next(&self) -> Option<PeerFrame> {
        let mut queue = lock(&self.queue);
        loop {
            match queue.items.pop_front()? {
                Item::Session(frame) => return Some(frame),
                Item::Forward(deliveries) => {
                    queue.forwards -= 1;
                    return Some(PeerFrame::Forward { deliveries });
                }
                Item::Submit(request) => {
                    if let Some(pending) = queue.pending.get_mut(&request) {
                        pending.sent = true;
                        return Some(PeerFrame::Submit(pending.submit.clone()));
                    }
                }
            }
        }
    }
}

/// Too much waits already.
pub(crate) fn overloaded() -> ErrorBody {
    ErrorBody::retry(
        503,
        "overloaded",
        "the server has too much to do; try again",
        1_000,
    )
}

#[cfg(test)]
mod tests;
