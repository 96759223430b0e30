//! What the log holds and what was told of it, from the first record to the last: the history
//! of one log.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use antiphon_core::clock;
use antiphon_core::contract::{
    AppendOutcome, MessageArchive, Record as Stored, RecordKind, body_hash,
};
use antiphon_core::random;
use antiphon_protocol::{ConversationId, UserName};

use super::super::support::{Stores, client_id, user};
use crate::server::session::lock;
use crate::torture::history::{
    Collected, History, LogEntry, LogHead, Outcome, Record, Recorder, Run, Send,
};
use crate::torture::load::digits;

/// Who writes behind the servers' backs, while readers are away.
pub(super) const GHOST: &str = "ghost";
/// In November 2023. Retention goes on from here, a millisecond each time, so that what it takes
/// is always older than writers may ask for, and what it leaves is taken some times later.
const LONG_AGO_MS: u64 = 1_700_000_000_000;
/// What is to stay outlives so many times.
const STAYS: u64 = 10;
const TRIM_MAX: usize = 1_000;

/// See the head of the file.
pub(super) struct Book {
    pub(super) name: String,
    pub(super) recorder: Recorder,
    /// What is wrong besides what the checkers look at.
    pub(super) problems: Mutex<Vec<String>>,
    collected: Collected,
    archive: Arc<dyn MessageArchive>,
    began: u64,
    sessions: AtomicU32,
    numbers: AtomicU64,
    /// What is older goes.
    keeps_from_ms: AtomicU64,
    /// What the ghost wrote to one reader, also what is gone since.
    written: tokio::sync::Mutex<BTreeMap<ConversationId, Vec<(u64, String)>>>,
}

/// A conversation by the name that all give it.
pub(super) fn called(conversation: &ConversationId) -> String {
    match conversation {
        ConversationId::Room(room) => format!("room:{room}"),
        ConversationId::Direct(one, other) => format!("direct:{one},{other}"),
    }
}

impl Book {
    pub(super) fn new(generation: usize, seed: u64, archive: &Arc<dyn MessageArchive>) -> Self {
        let run = Run {
            seed,
            users: super::MEMBERS as u32,
            rooms: super::ROOMS as u32,
            servers: super::SERVERS as u32,
            ..Run::of_this_build()
        };
        let (recorder, collected) = Recorder::memory(run);
        Self {
            name: format!("log{}", digits(generation as u64, 2)),
            recorder,
            problems: Mutex::default(),
            collected,
            archive: Arc::clone(archive),
            began: clock::elapsed_us(),
            sessions: AtomicU32::new(1),
            numbers: AtomicU64::new(1),
            keeps_from_ms: AtomicU64::new(LONG_AGO_MS),
            written: tokio::sync::Mutex::default(),
        }
    }

    pub(super) fn now(&self) -> u64 {
        clock::elapsed_us().saturating_sub(self.began)
    }

    pub(super) fn next_session(&self) -> u32 {
        self.sessions.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn problem(&self, words: String) {
        lock(&self.problems).push(words);
    }

    /// Whether everything up to a place is gone.
    pub(super) async fn is_gone(&self, conversation: &ConversationId, to: u64) -> bool {
        self.archive.extent(conversation).await.unwrap().first > to
    }

    pub(super) async fn top(&self, conversation: &ConversationId) -> u64 {
        self.archive.extent(conversation).await.unwrap().last
    }

    /// Writes so many records that the next [`Book::trim`] takes, unless one before them stays,
    /// and so many behind them that stay for a while.
    pub(super) async fn write(&self, conversation: &ConversationId, old: u64, young: u64) {
        let mut written = self.written.lock().await;
        let top = self.top(conversation).await;
        let oldest_ms = match conversation {
            // Of these, everything is read back in the end.
            ConversationId::Room(_) => clock::unix_ms(),
            ConversationId::Direct(..) => self.keeps_from_ms.load(Ordering::Relaxed),
        };
        let (mut records, mut sends) = (Vec::new(), Vec::new());
        for seq in top + 1..=top + old + young {
            let number = self.next_number();
            let id = format!("{}-ghost-{}", self.name, digits(number, 6));
            let (begin, is_old) = (self.now(), seq <= top + old);
            records.push(Stored {
                conversation: conversation.clone(),
                seq,
                epoch: 0,
                kind: RecordKind::Chat,
                sender: user(GHOST),
                client_id: client_id(&id),
                message_id: random::message_id(),
                body_hash: body_hash("text", &id),
                ts_ms: oldest_ms + if is_old { 0 } else { STAYS },
                format: "text".into(),
                body: id.clone(),
            });
            sends.push(Send {
                session: 0,
                user: GHOST.to_owned(),
                conversation: called(conversation),
                id,
                number,
                begin,
                end: begin,
                outcome: Outcome::Ok,
                seq: Some(seq),
                why: None,
            });
        }
        if records.is_empty() {
            return;
        }
        let outcomes = self.archive.append(records).await.unwrap();
        assert!(outcomes.iter().all(|one| *one == AppendOutcome::Stored));
        for mut send in sends {
            let line = written.entry(conversation.clone()).or_default();
            line.push((send.seq.expect("it is stored"), send.id.clone()));
            send.end = self.now();
            self.recorder.put(Record::Send(send)).await;
        }
    }

    /// Removes what is old, as a leader does.
    pub(super) async fn trim(&self) {
        let before_ms = self.keeps_from_ms.fetch_add(1, Ordering::Relaxed) + 1;
        let mut after = String::new();
        loop {
            let trimmed = self.archive.trim(before_ms, &after, TRIM_MAX).await;
            match trimmed.unwrap().next {
                Some(next) => after = next,
                None => return,
            }
        }
    }

    /// All that happened, and all that the log held: of the rooms and pairs as it is read back,
    /// of what the ghost wrote as it was written.
    pub(super) async fn close(&self, stores: &Stores, talked: &[ConversationId]) -> History {
        let put = async |record| self.recorder.put(record).await;
        for conversation in talked {
            let log = stores.log(conversation).await;
            put(self.head(conversation, log.len() as u64)).await;
            for record in log {
                let is_chat = record.kind == RecordKind::Chat;
                let from = is_chat.then(|| record.sender.as_str().to_owned());
                let id = is_chat.then_some(record.body);
                put(entry(conversation, record.seq, from, id)).await;
            }
        }
        for (conversation, line) in &*self.written.lock().await {
            if talked.contains(conversation) {
                continue;
            }
            put(self.head(conversation, line.len() as u64)).await;
            for (seq, id) in line {
                let (from, id) = (Some(GHOST.to_owned()), Some(id.clone()));
                put(entry(conversation, *seq, from, id)).await;
            }
        }
        put(Record::End { at: self.now() }).await;
        self.collected.take()
    }

    fn head(&self, conversation: &ConversationId, last_seq: u64) -> Record {
        Record::LogHead(LogHead {
            conversation: called(conversation),
            base: 0,
            last_seq,
            complete: true,
        })
    }
}

fn entry(
    conversation: &ConversationId,
    seq: u64,
    from: Option<String>,
    id: Option<String>,
) -> Record {
    Record::LogEntry(LogEntry {
        conversation: called(conversation),
        seq,
        epoch: None,
        from,
        id,
    })
}

/// What the ghost writes to a reader.
pub(super) fn whispered(reader: &UserName) -> ConversationId {
    ConversationId::direct(user(GHOST), reader.clone())
}
