//! Direct messages: written by the sender's own server, so that they need no leader. A
//! conversation always has the same writer here; writers on other servers are kept apart by
//! the log itself.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use antiphon_core::clock::{self, Instant};
use antiphon_core::contract::{Record, RecordKind};
use antiphon_core::mutant::{self, Mutant};
use antiphon_core::random;
use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{self, TaskKind};
use antiphon_protocol::client::{Ack, Durability, Visibility};
use antiphon_protocol::peer::{Delivery, DirectDelivery, OwnCopy, RoomOutcome};
use antiphon_protocol::{ClientId, ConnectionId, ConversationId, UserName};
use tokio::sync::mpsc;

use super::fan_out::{FanOut, position_frame};
use super::message::view;
use super::predecessor::{Remembered, admit};
use super::recorder::{Draft, Log, Part, Recorder, Written};
use super::room::{Stored, message_delivery, raw};
use super::router::{Completion, Router, overloaded};
use super::settings::{
    BATCH_MAX, DIRECT_WRITERS, PEER_SILENCE_MAX, REMEMBERED_DIRECT_MAX, ROOM_QUEUE_DEPTH,
};

/// Conversations whose top a writer remembers.
const TOPS_MAX: usize = 10_000;

/// A direct message on its way to the log.
pub(crate) struct DirectMessage {
    /// The sender.
    pub(crate) from: UserName,
    /// The receiver.
    pub(crate) to: UserName,
    /// The client's id, or one made for it.
    pub(crate) client_id: ClientId,
    /// Whether the client chose the id.
    pub(crate) own: bool,
    /// Hash of format and text as sent.
    pub(crate) body_hash: [u8; 16],
    /// The format.
    pub(crate) format: String,
    /// The text after moderation.
    pub(crate) body: String,
    /// Another message of the sender's, which must be stored.
    pub(crate) after: Option<ClientId>,
    /// The connection it came by; it gets no copy if it did not choose the id, as the
    /// ancestor's client would show it twice.
    pub(crate) origin: ConnectionId,
    /// Told how it ended.
    pub(crate) completion: Completion,
}

impl std::fmt::Debug for DirectMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DirectMessage({} bytes)", self.body.len())
    }
}

/// What a writer needs.
#[derive(Debug, Clone)]
pub(crate) struct DirectSeat {
    /// Writes the logs.
    pub(crate) recorder: Recorder,
    /// This server's sessions.
    pub(crate) fan_out: Arc<FanOut>,
    /// The way to the others'.
    pub(crate) router: Arc<Router>,
    /// Takes what was stored to the caches.
    pub(crate) stored: mpsc::Sender<Stored>,
    /// How often an active conversation tells its top.
    pub(crate) position_interval: std::time::Duration,
}

/// The writers.
#[derive(Debug)]
pub(crate) struct DirectWriters {
    shards: Vec<mpsc::Sender<DirectMessage>>,
}

impl DirectWriters {
    /// Starts the writers in `scope`.
    pub(crate) fn start(seat: &DirectSeat, scope: &Shutdown) -> Self {
        let shards = (0..DIRECT_WRITERS).map(|_| {
            let (message_tx, message_rx) = mpsc::channel(ROOM_QUEUE_DEPTH);
            let writer = Writer {
                seat: seat.clone(),
                tops: BTreeMap::new(),
                remembered: Remembered::new(REMEMBERED_DIRECT_MAX),
            };
            task::spawn(
                scope,
                TaskKind::DirectWriter,
                writer.run(message_rx, scope.clone()),
            );
            message_tx
        });
        Self {
            shards: shards.collect(),
        }
    }

    /// Queues a message; waits while the queue is full.
    pub(crate) async fn send(&self, message: DirectMessage) {
        let conversation = ConversationId::direct(message.from.clone(), message.to.clone());
        let mut hasher = DefaultHasher::new();
        conversation.hash(&mut hasher);
        let shard = (hasher.finish() % self.shards.len() as u64) as usize;
        if let Err(mpsc::error::SendError(message)) = self.shards[shard].send(message).await {
            (message.completion)(RoomOutcome::Failed(overloaded()));
        }
    }
}

struct Top {
    /// `None` if the log must be asked.
    seq: Option<u64>,
    written: Instant,
}

struct Writer {
    seat: DirectSeat,
    tops: BTreeMap<ConversationId, Top>,
    remembered: Remembered<(ConversationId, UserName)>,
}

impl Writer {
    async fn run(mut self, mut messages: mpsc::Receiver<DirectMessage>, scope: Shutdown) {
        let mut ticks = clock::interval(self.seat.position_interval);
        // Not at once: what was just written was just delivered.
        ticks.reset();
        let mut batch = Vec::with_capacity(BATCH_MAX);
        loop {
            tokio::select! {
                biased;
                taken = messages.recv_many(&mut batch, BATCH_MAX) => {
                    if taken == 0 {
                        return;
                    }
                    self.write(std::mem::take(&mut batch)).await;
                }
                () = scope.stopping() => return,
                _ = ticks.tick() => self.tell_positions().await,
            }
        }
    }

    async fn write(&mut self, batch: Vec<DirectMessage>) {
        let mut by_conversation: BTreeMap<ConversationId, Vec<DirectMessage>> = BTreeMap::new();
        for message in batch {
            let conversation = ConversationId::direct(message.from.clone(), message.to.clone());
            by_conversation
                .entry(conversation)
                .or_default()
                .push(message);
        }
        let mut parts = Vec::new();
        let mut waiting = Vec::new();
        for (conversation, messages) in by_conversation {
            let (messages, drafts) = self.admitted(&conversation, messages).await;
            if drafts.is_empty() {
                continue;
            }
            let top = self.tops.get(&conversation).and_then(|top| top.seq);
            let log = match top {
                Some(seq) => Log::at(conversation.clone(), 0, seq),
                None => Log::new(conversation.clone(), 0),
            };
            parts.push(Part::new(log, drafts));
            waiting.push((conversation, messages));
        }
        self.seat.recorder.append(&mut parts).await;
        let mut stored = Vec::new();
        for (part, (conversation, messages)) in parts.into_iter().zip(waiting) {
            let (log, written) = part.finish();
            self.remember(conversation, log.top());
            for (message, outcome) in messages.into_iter().zip(written) {
                stored.extend(self.settle(message, outcome));
            }
        }
        if !stored.is_empty() {
            let stored = Stored {
                records: stored,
                visibility: Visibility::Private,
            };
            // Counting and caching are approximate by promise.
            let _ = self.seat.stored.try_send(stored);
        }
    }

    /// The messages that may be written, with their drafts; the others are refused.
    async fn admitted(
        &self,
        conversation: &ConversationId,
        messages: Vec<DirectMessage>,
    ) -> (Vec<DirectMessage>, Vec<Draft>) {
        let mut admitted = Vec::with_capacity(messages.len());
        let mut drafts = Vec::with_capacity(messages.len());
        for message in messages {
            let draft = draft(&message);
            let sender = (conversation.clone(), message.from.clone());
            let after = message.after.as_ref();
            let may = match after.filter(|after| !self.remembered.has(&sender, after)) {
                Some(after) => {
                    let recorder = &self.seat.recorder;
                    admit(recorder, conversation, &draft, after, &drafts).await
                }
                None => Ok(()),
            };
            match may {
                Ok(()) => {
                    admitted.push(message);
                    drafts.push(draft);
                }
                Err(error) => (message.completion)(RoomOutcome::Failed(error)),
            }
        }
        (admitted, drafts)
    }

    fn remember(&mut self, conversation: ConversationId, top: Option<u64>) {
        if self.tops.len() >= TOPS_MAX {
            self.tops.clear();
        }
        let written = clock::now();
        self.tops.insert(conversation, Top { seq: top, written });
    }

    /// Delivers and acks one message; gives its record if it is new.
    fn settle(&mut self, message: DirectMessage, outcome: Written) -> Option<Record> {
        if let Some(error) = outcome.error() {
            (message.completion)(RoomOutcome::Failed(error));
            return None;
        }
        let (record, duplicate) = match outcome {
            Written::Stored(record) => (record, false),
            Written::Duplicate(record) => (record, true),
            Written::ClientIdConflict
            | Written::Deposed
            | Written::Unavailable
            | Written::Unknown => return None,
        };
        let sender = (record.conversation.clone(), record.sender.clone());
        self.remembered.note(sender, record.client_id.clone());
        if !duplicate {
            self.deliver(&message, &record);
        }
        let ack = Ack {
            conversation: record.conversation.name_for(&message.from),
            seq: record.seq,
            message_id: record.message_id.clone(),
            ts: record.ts_ms,
            durability: Durability::Stored,
            duplicate,
        };
        (message.completion)(RoomOutcome::Ack(ack));
        (!duplicate).then_some(record)
    }

    fn deliver(&self, message: &DirectMessage, record: &Record) {
        let own = message.own.then(|| OwnCopy {
            user: message.from.clone(),
            client_id: message.client_id.clone(),
        });
        let to_sender = message_delivery(&view(record, &message.from), own);
        // Who writes to oneself has nobody else to show it.
        let shown_already = !message.own && message.to != message.from;
        let except = shown_already.then_some(message.origin);
        let mut forwarded = Vec::new();
        if message.to != message.from {
            let to_receiver = message_delivery(&view(record, &message.to), None);
            self.seat.fan_out.to_user(&message.to, &to_receiver, None);
            forwarded.push(DirectDelivery {
                to: message.to.clone(),
                delivery: to_receiver,
            });
        }
        self.seat.fan_out.to_user(&message.from, &to_sender, except);
        forwarded.push(DirectDelivery {
            to: message.from.clone(),
            delivery: to_sender,
        });
        self.seat.router.forward(forwarded);
    }

    /// Tells both users the top of every conversation that was written to within the last two
    /// intervals, and long enough ago for a dead link to have been found out. The log is asked:
    /// other servers write there too.
    async fn tell_positions(&mut self) {
        if mutant::is_on(Mutant::NoPositioning) {
            return;
        }
        let interval = self.seat.position_interval;
        let recent = interval + interval.max(PEER_SILENCE_MAX * 2);
        self.tops.retain(|_, top| top.written.elapsed() < recent);
        for conversation in self.tops.keys() {
            let ConversationId::Direct(a, b) = conversation else {
                continue;
            };
            let Ok(Some(tail)) = self.seat.recorder.tail(conversation).await else {
                continue;
            };
            let deliveries: Vec<DirectDelivery> = BTreeSet::from([a, b])
                .into_iter()
                .map(|user| {
                    let frame = position_frame(conversation.name_for(user), tail.seq);
                    let delivery = Delivery {
                        frame: raw(frame),
                        own: None,
                    };
                    DirectDelivery {
                        to: user.clone(),
                        delivery,
                    }
                })
                .collect();
            for direct in &deliveries {
                self.seat
                    .fan_out
                    .to_user(&direct.to, &direct.delivery, None);
            }
            self.seat.router.forward(deliveries);
        }
    }
}

fn draft(message: &DirectMessage) -> Draft {
    Draft {
        kind: RecordKind::Chat,
        sender: message.from.clone(),
        client_id: message.client_id.clone(),
        message_id: random::message_id(),
        body_hash: message.body_hash,
        ts_ms: clock::unix_ms(),
        format: message.format.clone(),
        body: message.body.clone(),
    }
}

#[cfg(test)]
mod tests;
