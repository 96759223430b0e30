//! Documents that are not what was written, and logs whose oldest records were removed.

use antiphon_core::contract::{
    AppendOutcome, BackendErrorKind, Extent, MessageArchive, SeqRange, Tail,
};
use antiphon_protocol::ConversationId;
use mongodb::bson::{Document, doc};
use mongodb::{Client, Collection};

use super::{Databases, chat, connect, everything, fill, name, room, seqs};

/// A store, and its messages and conversations as an operator's shell sees them.
async fn opened() -> (
    Databases,
    String,
    Collection<Document>,
    Collection<Document>,
) {
    let databases = Databases::start().await;
    let url = databases.url();
    connect(&url).await;
    let client = Client::with_uri_str(&url).await.unwrap();
    let database = client.default_database().unwrap();
    let (messages, conversations) = ("messages", "conversations");
    (
        databases,
        url,
        database.collection(messages),
        database.collection(conversations),
    )
}

async fn range_kind(archive: &dyn MessageArchive, to: u64) -> BackendErrorKind {
    let window = SeqRange { from: 1, to };
    let read = archive.range(&room("hall"), window, 100, true).await;
    read.unwrap_err().kind
}

#[tokio::test]
async fn a_hole_in_a_log_is_damage_and_no_shorter_page() {
    let (_databases, url, messages, _) = opened().await;
    let store = connect(&url).await;
    let (archive, hall) = (store.archive(), room("hall"));
    fill(&*archive, &hall, 1..=40).await;
    messages.delete_one(doc! { "seq": 20_i64 }).await.unwrap();
    assert_eq!(range_kind(&*archive, 40).await, BackendErrorKind::Corrupt);
    assert_eq!(range_kind(&*archive, 20).await, BackendErrorKind::Corrupt);
    assert_eq!(
        range_kind(&*archive, u64::MAX).await,
        BackendErrorKind::Corrupt
    );
    let above = SeqRange { from: 21, to: 99 };
    let found = archive.range(&hall, above, 100, false).await.unwrap();
    assert_eq!(seqs(&found), (21..=40).collect::<Vec<_>>());
    let at = archive.seq_at(&hall, 1_020).await;
    assert_eq!(at.unwrap_err().kind, BackendErrorKind::Corrupt);
}

#[tokio::test]
async fn a_document_of_another_shape_is_damage_and_never_a_record() {
    let (_databases, url, messages, _) = opened().await;
    let store = connect(&url).await;
    let (archive, hall) = (store.archive(), room("hall"));
    fill(&*archive, &hall, 1..=3).await;
    let whole = archive.range(&hall, everything(), 9, false).await.unwrap();
    let original = messages
        .find_one(doc! { "seq": 2_i64 })
        .await
        .unwrap()
        .unwrap();
    for change in [
        doc! { "$set": { "kind": 9 } },
        doc! { "$set": { "sender": "Not A Name" } },
        doc! { "$set": { "sender": { "$literal": 1 } } },
        doc! { "$set": { "ts_ms": -1_i64 } },
        doc! { "$set": { "epoch": "one" } },
        doc! { "$set": { "client_id": "" } },
        doc! { "$set": { "body_hash": "short" } },
        doc! { "$unset": { "body": 1 } },
    ] {
        let place = doc! { "seq": 2_i64 };
        messages
            .update_one(place.clone(), change.clone())
            .await
            .unwrap();
        assert_eq!(
            range_kind(&*archive, 3).await,
            BackendErrorKind::Corrupt,
            "{change}"
        );
        messages.replace_one(place, &original).await.unwrap();
    }
    let again = archive.range(&hall, everything(), 9, false).await.unwrap();
    assert_eq!(again, whole);
}

#[tokio::test]
async fn a_conversation_that_is_gone_from_its_messages_is_no_empty_log() {
    let (_databases, url, _, conversations) = opened().await;
    let hall = room("hall");
    fill(&*connect(&url).await.archive(), &hall, 1..=3).await;
    conversations.delete_many(doc! {}).await.unwrap();
    let archive = connect(&url).await.archive();
    let outcome = archive.append(vec![super::Record {
        client_id: super::client_id("other"),
        ..chat(&hall, 1)
    }]);
    // Nothing is overwritten, and the top is the one that is there.
    let taken = AppendOutcome::SequenceTaken(Tail { seq: 3, epoch: 1 });
    assert_eq!(outcome.await.unwrap(), [taken]);
    assert_eq!(archive.count().await.unwrap(), 3);
}

#[tokio::test]
async fn a_direct_conversation_without_a_record_is_not_listed() {
    let (_databases, url, messages, conversations) = opened().await;
    let archive = connect(&url).await.archive();
    let with = |peer: &str| ConversationId::direct(name("ann"), name(peer));
    for peer in ["bob", "cat"] {
        archive.append(vec![chat(&with(peer), 1)]).await.unwrap();
    }
    // As if the store had gone away behind the conversation's document.
    let never = doc! { "conversation": with("bob").key() };
    messages.delete_many(never).await.unwrap();
    let listed = archive.direct_conversations(&name("ann")).await.unwrap();
    assert_eq!(listed, [with("cat")]);
    // An old one's first record may be gone.
    let old = doc! { "$set": { "first": 7_i64 } };
    let old_one = doc! { "key": with("bob").key() };
    conversations.update_one(old_one, old).await.unwrap();
    let listed = archive.direct_conversations(&name("ann")).await.unwrap();
    assert_eq!(listed, [with("bob"), with("cat")]);
}

/// Removing the oldest: the first sequence is raised, then the records below it are deleted.
#[tokio::test]
async fn a_log_without_its_oldest_records_is_read_from_its_first() {
    let (_databases, url, messages, conversations) = opened().await;
    let hall = room("hall");
    fill(&*connect(&url).await.archive(), &hall, 1..=1_200).await;
    let first = doc! { "$set": { "first": 600_i64, "hint": 0_i64 } };
    conversations.update_one(doc! {}, first).await.unwrap();
    let oldest = doc! { "seq": { "$lt": 600_i64 } };
    messages.delete_many(oldest).await.unwrap();
    let archive = connect(&url).await.archive();
    let extent = archive.extent(&hall).await.unwrap();
    assert_eq!(
        extent,
        Extent {
            first: 600,
            last: 1_200
        }
    );
    let tail = archive.tail(&hall).await.unwrap();
    assert_eq!(
        tail,
        Some(Tail {
            seq: 1_200,
            epoch: 1
        })
    );
    let range = async |from, to, limit, newest_first| {
        let window = SeqRange { from, to };
        seqs(
            &archive
                .range(&hall, window, limit, newest_first)
                .await
                .unwrap(),
        )
    };
    assert_eq!(range(1, u64::MAX, 2, false).await, [600, 601]);
    assert_eq!(range(590, 601, 50, true).await, [600, 601]);
    assert_eq!(range(1, 599, 50, true).await, [0; 0]);
    assert_eq!(archive.seq_at(&hall, 0).await.unwrap(), Some(600));
    assert_eq!(archive.seq_at(&hall, 1_700).await.unwrap(), Some(700));
    assert_eq!(
        archive.unread(&hall, &name("bob"), 0, 1_000).await.unwrap(),
        601
    );
    let found = archive
        .search(std::slice::from_ref(&hall), "log", 1_000)
        .await;
    assert_eq!(found.unwrap().len(), 601);
    let next = archive.append(vec![chat(&hall, 1_201)]).await.unwrap();
    assert_eq!(next, [AppendOutcome::Stored]);
}
