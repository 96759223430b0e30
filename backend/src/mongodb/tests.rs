//! Tests of the MongoDB store, on a real server.

mod concerns;
mod contracts;
mod cost;
mod damage;
mod indexes;
mod lost_reply;
mod outage;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use antiphon_core::contract::{AppendOutcome, MessageArchive, Record, RecordKind, SeqRange};
use antiphon_protocol::{ClientId, ConversationId, MessageId, RoomName, UserName};
use antiphon_test_services::MongoServer;

use super::{MongoSettings, MongoStore};

/// A server, and the stores of a test on it, each in a database of its own.
struct Databases {
    server: MongoServer,
    made: AtomicU64,
    stores: Mutex<Vec<MongoStore>>,
}

impl Databases {
    async fn start() -> Self {
        Self {
            server: MongoServer::start().await,
            made: AtomicU64::new(0),
            stores: Mutex::new(Vec::new()),
        }
    }

    /// A database that nobody has used.
    fn url(&self) -> String {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        self.server.url(&format!("antiphon_{number}"))
    }

    /// A part of a new store, which is kept until the end.
    async fn make<T>(&self, part: impl Fn(&MongoStore) -> T) -> T {
        let store = connect(&self.url()).await;
        let made = part(&store);
        self.stores.lock().unwrap().push(store);
        made
    }
}

async fn connect(url: &str) -> MongoStore {
    MongoStore::connect(url, MongoSettings::default())
        .await
        .expect("the database can be used")
}

fn name(raw: &str) -> UserName {
    UserName::parse(raw).expect("a name")
}

fn room(raw: &str) -> ConversationId {
    ConversationId::Room(RoomName::parse(raw).expect("a name"))
}

fn client_id(raw: &str) -> ClientId {
    ClientId::parse(raw).expect("a client id")
}

fn chat(conversation: &ConversationId, seq: u64) -> Record {
    Record {
        conversation: conversation.clone(),
        seq,
        epoch: 1,
        kind: RecordKind::Chat,
        sender: name("ann"),
        client_id: client_id(&format!("c-{seq}")),
        message_id: MessageId(format!("id of {seq}")),
        body_hash: [7; 16],
        ts_ms: seq.saturating_add(1_000),
        format: "text".to_owned(),
        body: format!("text number{seq} of the log"),
    }
}

async fn fill(
    archive: &dyn MessageArchive,
    conversation: &ConversationId,
    seqs: std::ops::RangeInclusive<u64>,
) {
    for chunk in seqs.collect::<Vec<_>>().chunks(1_000) {
        let records: Vec<Record> = chunk.iter().map(|seq| chat(conversation, *seq)).collect();
        let stored = vec![AppendOutcome::Stored; records.len()];
        assert_eq!(archive.append(records).await.expect("append"), stored);
    }
}

fn everything() -> SeqRange {
    SeqRange {
        from: 1,
        to: u64::MAX,
    }
}

fn seqs(records: &[Record]) -> Vec<u64> {
    records.iter().map(|record| record.seq).collect()
}
