//! What every [`MessageArchive`] keeps.

mod appending;
mod reading;
mod trimming;

use std::sync::Arc;

use antiphon_protocol::{ClientId, ConversationId, MessageId, RoomName, UserName};

use crate::contract::{AppendOutcome, MessageArchive, Record, RecordKind};

/// Runs the suite; `make` gives an empty log each time.
pub async fn all(make: impl AsyncFn() -> Arc<dyn MessageArchive>) {
    appending::all(&make).await;
    reading::all(&make).await;
    trimming::all(&make).await;
}

fn name(raw: &str) -> UserName {
    UserName::parse(raw).expect("a name")
}

fn room(raw: &str) -> ConversationId {
    ConversationId::Room(RoomName::parse(raw).expect("a name"))
}

fn pair(a: &str, b: &str) -> ConversationId {
    ConversationId::direct(name(a), name(b))
}

fn client_id(raw: &str) -> ClientId {
    ClientId::parse(raw).expect("a client id")
}

/// A chat record; its client id is unique per conversation and sequence.
fn chat(conversation: &ConversationId, seq: u64, sender: &str, body: &str) -> Record {
    Record {
        conversation: conversation.clone(),
        seq,
        epoch: 3,
        kind: RecordKind::Chat,
        sender: name(sender),
        client_id: client_id(&format!("c-{seq}")),
        message_id: MessageId(format!("id of {seq}")),
        body_hash: [seq as u8; 16],
        ts_ms: 1_000 + seq * 10,
        format: "text".to_owned(),
        body: body.to_owned(),
    }
}

fn epoch_record(conversation: &ConversationId, seq: u64, epoch: u64) -> Record {
    Record {
        kind: RecordKind::Epoch,
        epoch,
        format: String::new(),
        ..chat(conversation, seq, "antiphon", "")
    }
}

async fn append_one(archive: &dyn MessageArchive, record: Record) -> AppendOutcome {
    let mut outcomes = archive.append(vec![record]).await.expect("append");
    assert_eq!(outcomes.len(), 1, "one outcome per record");
    outcomes.remove(0)
}

async fn store_all(archive: &dyn MessageArchive, records: Vec<Record>) {
    let wanted = vec![AppendOutcome::Stored; records.len()];
    assert_eq!(archive.append(records).await.expect("append"), wanted);
}

fn seqs(records: &[Record]) -> Vec<u64> {
    records.iter().map(|record| record.seq).collect()
}

fn bodies(records: &[Record]) -> Vec<&str> {
    records.iter().map(|record| record.body.as_str()).collect()
}
