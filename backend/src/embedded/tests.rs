//! Tests of the embedded store.

mod contracts;
mod damage;
mod flips;
mod opening;
mod search_index;
mod trimming;

use std::path::Path;

use antiphon_core::contract::{AppendOutcome, MessageArchive, Record, RecordKind, SeqRange};
use antiphon_protocol::{ClientId, ConversationId, MessageId, RoomName, UserName};
use tempfile::TempDir;

use super::{EmbeddedStore, OpenError};

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

/// A store that is only read writes nothing, and refuses to.
#[tokio::test]
async fn a_store_can_be_looked_at_without_a_trace() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    assert!(EmbeddedStore::open_to_read(dir).await.unwrap().is_none());
    assert_eq!(std::fs::read_dir(dir).unwrap().count(), 0);
    let store = EmbeddedStore::open(dir).await.unwrap();
    let user = antiphon_core::contract::UserRecord {
        name: antiphon_protocol::UserName::parse("ann").unwrap(),
        password_hash: None,
        created_at_ms: 5,
    };
    store.users().create(user.clone()).await.unwrap();
    let busy = EmbeddedStore::open_to_read(dir).await;
    assert!(matches!(busy, Err(OpenError::Locked { .. })), "{busy:?}");
    assert!(matches!(
        EmbeddedStore::wipe(dir).await,
        Err(OpenError::Locked { .. })
    ));
    store.close().await;
    drop(store);

    let bytes = || std::fs::read(EmbeddedStore::database_file(dir)).unwrap();
    let (before, files) = (bytes(), std::fs::read_dir(dir).unwrap().count());
    let looked = EmbeddedStore::open_to_read(dir).await.unwrap().unwrap();
    assert_eq!(
        looked.users().get(&user.name).await.unwrap(),
        Some(user.clone())
    );
    assert!(looked.users().set_password(&user.name, "x").await.is_err());
    assert!(
        EmbeddedStore::open(dir).await.is_err(),
        "it is held meanwhile"
    );
    looked.close().await;
    drop(looked);
    assert!(bytes() == before);
    assert_eq!(std::fs::read_dir(dir).unwrap().count(), files);

    let removed = EmbeddedStore::wipe(dir).await.unwrap();
    assert_eq!(
        removed,
        [
            super::seal::path(&EmbeddedStore::database_file(dir)),
            EmbeddedStore::database_file(dir)
        ]
    );
    assert!(EmbeddedStore::wipe(dir).await.unwrap().is_empty());
    let store = EmbeddedStore::open(dir).await.unwrap();
    assert_eq!(store.users().count().await.unwrap(), 0);
    store.close().await;
}
