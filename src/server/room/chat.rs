//! Messages of a room: who may write, their order, the log, and their delivery.

use std::collections::VecDeque;

use antiphon_core::clock;
use antiphon_core::contract::{BackendError, Record, RecordKind, SeqRange};
use antiphon_core::random;
use antiphon_protocol::client::{Ack, Durability};
use antiphon_protocol::limits::RECENT_MAX;
use antiphon_protocol::message::{Message, RoomEvent, RoomEventKind};
use antiphon_protocol::peer::{OwnCopy, RoomCommand, RoomOutcome};
use antiphon_protocol::{ClientId, ErrorBody, UserName};

use super::actor::{Actor, event, message_delivery, nobody};
use super::membership::room_not_found;
use super::{ReplyTo, Stored};
use crate::server::message::view;
use crate::server::predecessor::admit;
use crate::server::recorder::{Draft, Log, Part, Written, leader_unavailable, store_unavailable};
use crate::server::retention::expires_before;

type Chat = (UserName, RoomCommand, ReplyTo);

impl Actor {
    /// Writes a run of messages with one append, delivers them in order, and acks.
    pub(super) async fn chat(&mut self, chats: Vec<Chat>) {
        if chats.is_empty() {
            return;
        }
        if let Err(error) = self.writable().await {
            for (_, _, reply) in chats {
                self.fail(reply, error.clone()).await;
            }
            return;
        }
        let mut accepted = Vec::new();
        let mut drafts = Vec::new();
        for (user, command, reply) in chats {
            let RoomCommand::Chat {
                client_id,
                own,
                body_hash,
                message,
                format,
                after,
            } = command
            else {
                continue;
            };
            let draft = Draft {
                kind: RecordKind::Chat,
                sender: user,
                client_id,
                message_id: random::message_id(),
                body_hash,
                ts_ms: clock::unix_ms(),
                format,
                body: message,
            };
            match self.admit(&draft, after.as_ref(), &drafts).await {
                Ok(()) => {
                    drafts.push(draft);
                    accepted.push((reply, own));
                }
                Err(error) => self.fail(reply, error).await,
            }
        }
        let written = self.append(drafts).await;
        self.publish(accepted, written).await;
    }

    /// Whether a message may be written behind those of its batch that may.
    async fn admit(
        &self,
        draft: &Draft,
        after: Option<&ClientId>,
        batch: &[Draft],
    ) -> Result<(), ErrorBody> {
        if !self.is_member(&draft.sender) {
            return Err(room_not_found());
        }
        match after.filter(|after| !self.remembered.has(&draft.sender, after)) {
            Some(after) => {
                let recorder = &self.seat.recorder;
                admit(recorder, &self.conversation(), draft, after, batch).await
            }
            None => Ok(()),
        }
    }

    fn is_member(&self, user: &UserName) -> bool {
        let room = self.room.as_ref().and_then(Option::as_ref);
        room.and_then(|room| room.members.get(user))
            .is_some_and(|row| row.standing.is_member())
    }

    /// Makes sure that the room is there and that a message may be the next in its log.
    async fn writable(&mut self) -> Result<(), ErrorBody> {
        if self.load().await?.is_none() {
            return Err(room_not_found());
        }
        if self.log.is_open() {
            return Ok(());
        }
        self.seal().await
    }

    /// Makes sure that no leader before this one can write to the log any more: it ends with
    /// a record of this term, or gets this term's mark. The room was loaded.
    pub(super) async fn seal(&mut self) -> Result<(), ErrorBody> {
        if self.log.is_sealed() {
            return Ok(());
        }
        let client_id = ClientId::parse(&self.seat.epoch.to_string()).expect("digits");
        let mark = Draft {
            kind: RecordKind::Epoch,
            sender: nobody(),
            client_id,
            message_id: random::message_id(),
            body_hash: [0; 16],
            ts_ms: clock::unix_ms(),
            format: String::new(),
            body: String::new(),
        };
        match self.append(vec![mark]).await.pop() {
            Some(Written::Stored(record) | Written::Duplicate(record)) => {
                self.log.seal();
                let kind = RoomEventKind::Epoch;
                let seq = Some(record.seq);
                self.tell(RoomEvent {
                    seq,
                    ..self.happened(kind, None)
                })
                .await;
                Ok(())
            }
            Some(other) => Err(other.error().unwrap_or_else(leader_unavailable)),
            None => Err(store_unavailable()),
        }
    }

    async fn append(&mut self, drafts: Vec<Draft>) -> Vec<Written> {
        if drafts.is_empty() {
            return Vec::new();
        }
        let log = self.log.take();
        let log = log.unwrap_or_else(|| Log::new(self.conversation(), self.seat.epoch));
        let before = log.top();
        let mut parts = [Part::new(log, drafts)];
        self.seat.recorder.append(&mut parts).await;
        let [part] = parts;
        let (log, written) = part.finish();
        let stored = written
            .iter()
            .filter(|outcome| matches!(outcome, Written::Stored(_)))
            .count();
        if log.top() != before.map(|top| top + stored as u64) {
            // Somebody else has written, or may have: the log knows, this memory does not.
            self.recent = None;
        }
        self.log.put_back(log, stored > 0);
        self.last_append = Some(clock::now());
        if written
            .iter()
            .any(|outcome| matches!(outcome, Written::Deposed))
        {
            self.deposed();
        }
        written
    }

    async fn publish(&mut self, accepted: Vec<(ReplyTo, bool)>, written: Vec<Written>) {
        let mut records = Vec::new();
        for ((reply, own), outcome) in accepted.into_iter().zip(written) {
            let error = outcome.error();
            match outcome {
                Written::Stored(record) => {
                    self.remember(&record);
                    self.deliver_message(&record, own).await;
                    self.answer(reply, RoomOutcome::Ack(self.ack(&record, false)))
                        .await;
                    records.push(record);
                }
                Written::Duplicate(record) => {
                    self.remember(&record);
                    self.answer(reply, RoomOutcome::Ack(self.ack(&record, true)))
                        .await;
                }
                // Unanswered: its server hands it to the newer leader.
                Written::Deposed => {}
                Written::ClientIdConflict | Written::Unavailable | Written::Unknown => {
                    self.fail(reply, error.unwrap_or_else(store_unavailable))
                        .await;
                }
            }
        }
        let Some(Some(room)) = &self.room else { return };
        if !records.is_empty() {
            let stored = Stored {
                records,
                visibility: room.record.visibility,
            };
            // Counting and caching are approximate by promise: a full queue is not waited for.
            let _ = self.seat.stored.try_send(stored);
        }
    }

    fn remember(&mut self, record: &Record) {
        self.remembered
            .note(record.sender.clone(), record.client_id.clone());
    }

    async fn deliver_message(&mut self, record: &Record, own: bool) {
        let message = view(record, &record.sender);
        let own = own.then(|| OwnCopy {
            user: record.sender.clone(),
            client_id: record.client_id.clone(),
        });
        self.deliver(message_delivery(&message, own)).await;
        if let Some(recent) = &mut self.recent {
            recent.push_back(message);
            if recent.len() > RECENT_MAX {
                recent.pop_front();
            }
        }
    }

    fn ack(&self, record: &Record, duplicate: bool) -> Ack {
        Ack {
            conversation: format!("room:{}", self.name),
            seq: record.seq,
            message_id: record.message_id.clone(),
            ts: record.ts_ms,
            durability: Durability::Stored,
            duplicate,
        }
    }

    /// Something that happened in this room just now.
    pub(super) fn happened(&self, kind: RoomEventKind, username: Option<UserName>) -> RoomEvent {
        RoomEvent {
            room_name: self.name.clone(),
            kind,
            username,
            by: None,
            reason: None,
            seq: None,
            ts: clock::unix_ms(),
        }
    }

    /// Tells the room's audience what happened.
    pub(super) async fn tell(&self, happened: RoomEvent) {
        self.deliver(event("roomEvent", &happened)).await;
    }

    /// The last messages, oldest first.
    pub(super) async fn recent(&mut self) -> Result<Vec<Message>, ErrorBody> {
        let top = self.top().await?;
        if self.recent.is_none() {
            let read = self.read_recent(top).await;
            let records = read.map_err(|error| self.refusal(&error))?;
            self.recent = Some(
                records
                    .iter()
                    .map(|record| view(record, &record.sender))
                    .collect(),
            );
        }
        self.drop_expired(top);
        Ok(self.recent.iter().flatten().cloned().collect())
    }

    /// What is older than messages are kept is shown no more, whether it is removed yet or
    /// not. The cache has it for some time longer.
    fn drop_expired(&mut self, top: u64) {
        let (Some(recent), Some(keep)) = (&mut self.recent, self.seat.retention) else {
            return;
        };
        let before = expires_before(keep);
        // The log keeps its newest record.
        while recent
            .front()
            .is_some_and(|oldest| oldest.ts < before && oldest.seq < top)
        {
            recent.pop_front();
        }
    }

    /// From the cache if it has all up to the top of the log, else from the archive. What the
    /// cache could not be told, because it was away, leaves a hole.
    async fn read_recent(&self, top: u64) -> Result<VecDeque<Record>, BackendError> {
        let conversation = self.conversation();
        let cached = self.seat.recent.latest(&conversation, RECENT_MAX).await;
        if let Ok(Some(records)) = cached
            && records.len() == RECENT_MAX
            && records.last().is_some_and(|record| record.seq == top)
            && records.is_sorted_by(|one, next| one.seq + 1 == next.seq)
        {
            return Ok(records.into());
        }
        let all = SeqRange { from: 1, to: top };
        // Marks of leaders take places too: read some more than are wanted.
        let read = self
            .seat
            .archive
            .range(&conversation, all, RECENT_MAX * 2, true)
            .await?;
        let chat = read
            .into_iter()
            .filter(|record| record.kind == RecordKind::Chat);
        let mut records: VecDeque<Record> = chat.collect();
        while records.len() > RECENT_MAX {
            records.pop_front();
        }
        Ok(records)
    }
}
