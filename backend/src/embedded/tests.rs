//! Tests of the embedded store.

mod contracts;
mod damage;
mod opening;

use std::path::Path;

use antiphon_core::contract::{AppendOutcome, MessageArchive, Record, RecordKind, SeqRange};
use antiphon_protocol::{ClientId, ConversationId, MessageId, RoomName, UserName};
use tempfile::TempDir;

use super::EmbeddedStore;

async fn open(dir: &Path) -> EmbeddedStore {
    EmbeddedStore::open(dir).await.expect("the directory opens")
}

async fn fresh() -> (TempDir, EmbeddedStore) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let store = open(&dir.path().join("data")).await;
    (dir, store)
}

fn name(raw: &str) -> UserName {
    UserName::parse(raw).expect("a name")
}

fn room(raw: &str) -> ConversationId {
    ConversationId::Room(RoomName::parse(raw).expect("a name"))
}

fn chat(conversation: &ConversationId, seq: u64) -> Record {
    Record {
        conversation: conversation.clone(),
        seq,
        epoch: 1,
        kind: RecordKind::Chat,
        sender: name("ann"),
        client_id: ClientId::parse(&format!("c-{seq}")).expect("a client id"),
        message_id: MessageId(format!("id of {seq}")),
        body_hash: [7; 16],
        ts_ms: seq.saturating_add(1_000),
        format: "text".to_owned(),
        body: format!("text number{seq} of the log"),
    }
}

async fn fill(archive: &dyn MessageArchive, conversation: &ConversationId, count: u64) {
    for chunk in (1..=count).collect::<Vec<_>>().chunks(100) {
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
