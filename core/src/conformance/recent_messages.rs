//! The last messages of each conversation.

use std::sync::Arc;

use antiphon_protocol::limits::RECENT_MAX;
use antiphon_protocol::{ClientId, ConversationId, MessageId, RoomName, UserName};

use super::eventually;
use crate::contract::{RecentMessages, Record, RecordKind};

const RECENT: u64 = RECENT_MAX as u64;

/// Every promise.
pub async fn all<Fut: Future<Output = Arc<dyn RecentMessages>>>(make: impl Fn() -> Fut) {
    what_was_never_pushed_is_not_cached(&*make().await).await;
    a_record_is_read_as_it_was_pushed(&*make().await).await;
    records_come_in_the_order_of_their_sequences(&*make().await).await;
    only_the_newest_are_kept(&*make().await).await;
    a_record_is_there_once(&*make().await).await;
    a_limit_takes_the_newest(&*make().await).await;
    conversations_are_kept_apart(&*make().await).await;
}

fn room(name: &str) -> ConversationId {
    ConversationId::Room(RoomName::parse(name).expect("a name"))
}

fn user(name: &str) -> UserName {
    UserName::parse(name).expect("a name")
}

fn record(conversation: &ConversationId, seq: u64) -> Record {
    Record {
        conversation: conversation.clone(),
        seq,
        epoch: 3,
        kind: RecordKind::Chat,
        sender: user("ann"),
        client_id: ClientId::parse(&format!("c-{seq}")).expect("a client id"),
        message_id: MessageId(format!("m-{seq}")),
        body_hash: [seq.to_le_bytes()[0]; 16],
        ts_ms: 1_700_000_000_000 + seq,
        format: "text".to_owned(),
        body: format!("\"message\"\n{seq} 你好 \u{1f600}\0"),
    }
}

async fn push(store: &dyn RecentMessages, conversation: &ConversationId, seqs: &[u64]) {
    let records: Vec<_> = seqs.iter().map(|&seq| record(conversation, seq)).collect();
    store.push(&records).await.expect("pushed");
}

async fn seqs(store: &dyn RecentMessages, of: &ConversationId, limit: usize) -> Option<Vec<u64>> {
    let records = store.latest(of, limit).await.expect("an answer")?;
    Some(records.iter().map(|record| record.seq).collect())
}

async fn holds(store: &dyn RecentMessages, of: &ConversationId, expected: &[u64]) {
    let what = format!("{} holds {expected:?}", of.key());
    eventually(&what, async || {
        (seqs(store, of, RECENT_MAX).await.as_deref() == Some(expected)).then_some(())
    })
    .await;
}

/// Not cached is not empty; pushing nothing caches nothing.
pub async fn what_was_never_pushed_is_not_cached(store: &dyn RecentMessages) {
    assert_eq!(seqs(store, &room("lobby"), 10).await, None);
    store.push(&[]).await.expect("nothing to do");
    push(store, &room("other"), &[1]).await;
    holds(store, &room("other"), &[1]).await;
    assert_eq!(seqs(store, &room("lobby"), 10).await, None);
}

/// Every field.
pub async fn a_record_is_read_as_it_was_pushed(store: &dyn RecentMessages) {
    let direct = ConversationId::direct(user("zoe"), user("ann"));
    for conversation in [room("lobby"), direct] {
        push(store, &conversation, &[7]).await;
        holds(store, &conversation, &[7]).await;
        let read = store.latest(&conversation, 1).await.expect("an answer");
        assert_eq!(read, Some(vec![record(&conversation, 7)]));
    }
}

/// Whatever the order of the pushes; holes stay holes.
pub async fn records_come_in_the_order_of_their_sequences(store: &dyn RecentMessages) {
    let lobby = room("lobby");
    push(store, &lobby, &[5, 3]).await;
    push(store, &lobby, &[10, 9]).await;
    push(store, &lobby, &[4]).await;
    push(store, &lobby, &[100]).await;
    holds(store, &lobby, &[3, 4, 5, 9, 10, 100]).await;
}

/// Trimmed on every write; a late old record doesn't push out a newer one.
pub async fn only_the_newest_are_kept(store: &dyn RecentMessages) {
    let lobby = room("lobby");
    let all: Vec<u64> = (100..100 + 2 * RECENT).collect();
    push(store, &lobby, &all).await;
    let newest: Vec<u64> = (100 + RECENT..100 + 2 * RECENT).collect();
    holds(store, &lobby, &newest).await;
    push(store, &lobby, &[1, 99]).await;
    holds(store, &lobby, &newest).await;
    assert_eq!(seqs(store, &lobby, 10 * RECENT_MAX).await, Some(newest));
    push(store, &lobby, &[100 + 2 * RECENT]).await;
    holds(
        store,
        &lobby,
        &(101 + RECENT..=100 + 2 * RECENT).collect::<Vec<_>>(),
    )
    .await;
}

/// However often it is pushed, in one call or in several.
pub async fn a_record_is_there_once(store: &dyn RecentMessages) {
    let lobby = room("lobby");
    push(store, &lobby, &[1, 2, 2]).await;
    push(store, &lobby, &[2, 1]).await;
    push(store, &lobby, &[3]).await;
    holds(store, &lobby, &[1, 2, 3]).await;
}

/// Oldest of them first.
pub async fn a_limit_takes_the_newest(store: &dyn RecentMessages) {
    let lobby = room("lobby");
    push(store, &lobby, &[1, 2, 3, 4]).await;
    holds(store, &lobby, &[1, 2, 3, 4]).await;
    assert_eq!(seqs(store, &lobby, 2).await, Some(vec![3, 4]));
    assert_eq!(seqs(store, &lobby, 0).await, Some(Vec::new()));
}

/// Also when one call has records of several, and when names look alike across kinds.
pub async fn conversations_are_kept_apart(store: &dyn RecentMessages) {
    let lobby = room("ann");
    let direct = ConversationId::direct(user("ann"), user("ann"));
    let other = ConversationId::direct(user("ann"), user("bob"));
    let mixed = [
        record(&lobby, 1),
        record(&direct, 2),
        record(&other, 3),
        record(&lobby, 4),
    ];
    store.push(&mixed).await.expect("pushed");
    holds(store, &lobby, &[1, 4]).await;
    holds(store, &direct, &[2]).await;
    holds(store, &other, &[3]).await;
}
