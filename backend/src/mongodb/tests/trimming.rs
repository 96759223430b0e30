//! Removing the oldest, with several servers at it, and one that was cut off in the middle.

use antiphon_core::contract::{AppendOutcome, Extent, MessageArchive, Record, Tail, Trimmed};
use mongodb::bson::{Document, doc};

use super::super::MongoStore;
use super::{Databases, chat, client_id, connect, everything, fill, name, room, seqs};

/// What `fill` writes is older, what the writers write is not.
const BEFORE_MS: u64 = 100_000;
const YOUNG_MS: u64 = 1_000_000;
const OLD: u64 = 1_000;
const YOUNG_EACH: u64 = 40;

async fn trim(archive: &dyn MessageArchive, limit: usize) -> u64 {
    let (mut after, mut total) = (String::new(), 0);
    loop {
        let trimmed = archive.trim(BEFORE_MS, &after, limit).await.unwrap();
        total += trimmed.removed;
        match trimmed.next {
            Some(next) => after = next,
            None => return total,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_servers_may_write_read_and_remove_at_once() {
    let databases = Databases::start().await;
    let url = databases.url();
    let hall = room("hall");
    let stores = [connect(&url).await, connect(&url).await];
    fill(&*stores[0].archive(), &hall, 1..=OLD).await;
    let write = async |store: &MongoStore, writer: u64| {
        let archive = store.archive();
        let (mut next, mut number) = (1, 0);
        while number < YOUNG_EACH {
            let record = Record {
                sender: name(&format!("writer{writer}")),
                client_id: client_id(&number.to_string()),
                ts_ms: YOUNG_MS,
                ..chat(&hall, next)
            };
            match archive.append(vec![record]).await.unwrap().remove(0) {
                AppendOutcome::Stored => (number, next) = (number + 1, next + 1),
                AppendOutcome::SequenceTaken(tail) => next = tail.seq + 1,
                other @ (AppendOutcome::DuplicateClientId(_) | AppendOutcome::NotTried) => {
                    panic!("{other:?}")
                }
            }
        }
    };
    let read = async |store: &MongoStore| {
        let (archive, mut first, mut reads) = (store.archive(), 0, 0);
        while first <= OLD || reads < 20 {
            let found = archive.range(&hall, everything(), 3_000, false).await;
            let found = seqs(&found.unwrap());
            assert!(found.is_sorted_by(|a, b| a + 1 == *b), "{found:?}");
            let extent = archive.extent(&hall).await.unwrap();
            assert!(extent.first >= first && extent.last >= *found.last().unwrap());
            let at = archive.seq_at(&hall, 1_500).await.unwrap();
            assert!(at >= Some(500), "{at:?}");
            archive.unread(&hall, &name("bob"), 0, 50).await.unwrap();
            (first, reads) = (extent.first, reads + 1);
        }
    };
    let archives = stores.each_ref().map(MongoStore::archive);
    let (_, _, one, other, _) = futures_util::join!(
        write(&stores[0], 1),
        write(&stores[1], 2),
        trim(&*archives[0], 30),
        trim(&*archives[1], 40),
        async {
            // Whoever is last removes what the two may have left to each other.
            let third = connect(&url).await;
            futures_util::join!(read(&third), async {
                while trim(&*third.archive(), 50).await > 0 {}
            });
        },
    );
    assert!(one + other <= OLD);
    trim(&*archives[0], 50).await;
    let (first, last) = (OLD + 1, OLD + 2 * YOUNG_EACH);
    for archive in &archives {
        let extent = archive.extent(&hall).await.unwrap();
        assert_eq!(extent, Extent { first, last });
        let found = archive.range(&hall, everything(), 3_000, true).await;
        assert_eq!(seqs(&found.unwrap()), (first..=last).collect::<Vec<_>>());
        assert_eq!(archive.count().await.unwrap(), 2 * YOUNG_EACH);
    }
}

/// The conversation was told, and then the process ended.
#[tokio::test]
async fn what_a_call_has_left_behind_is_removed_by_the_next() {
    let databases = Databases::start().await;
    let url = databases.url();
    let hall = room("hall");
    let archive = connect(&url).await.archive();
    fill(&*archive, &hall, 1..=100).await;
    let client = mongodb::Client::with_uri_str(&url).await.unwrap();
    let database = client.default_database().unwrap();
    let set = doc! { "$set": { "first": 61_i64 } };
    let conversations = database.collection::<Document>("conversations");
    conversations.update_one(doc! {}, set).await.unwrap();
    // And of what it was to remove, it had removed some.
    let some = doc! { "seq": { "$lte": 30_i64 } };
    let messages = database.collection::<Document>("messages");
    messages.delete_many(some).await.unwrap();

    let other = connect(&url).await.archive();
    for archive in [&archive, &other] {
        let found = archive.range(&hall, everything(), 200, false).await;
        assert_eq!(seqs(&found.unwrap()), (61..=100).collect::<Vec<_>>());
    }
    let first = other.trim(500, "", 10).await.unwrap();
    assert_eq!(first.removed, 10);
    assert!(first.next.is_some());
    let mut rest = 0;
    let mut trimmed = first;
    while let Some(next) = trimmed.next {
        trimmed = other.trim(500, &next, 10).await.unwrap();
        rest += trimmed.removed;
    }
    assert_eq!(rest, 20, "31 to 60 go, though nothing is older than asked");
    assert_eq!(archive.count().await.unwrap(), 40);
    assert_eq!(other.trim(500, "", 10).await.unwrap(), Trimmed::default());
}

/// A server that has not looked at a log for long believes in a top that is gone by now, and
/// in a free place behind it.
#[tokio::test]
async fn a_place_that_was_taken_and_removed_is_not_free() {
    let databases = Databases::start().await;
    let url = databases.url();
    let hall = room("hall");
    let (stale, store) = (connect(&url).await, connect(&url).await);
    fill(&*stale.archive(), &hall, 1..=5).await;
    fill(&*store.archive(), &hall, 6..=9).await;
    assert_eq!(trim(&*store.archive(), 100).await, 8);
    stale.store.tops.age();
    let late = |seq| Record {
        client_id: client_id("late"),
        ..chat(&hall, seq)
    };
    let taken = [AppendOutcome::SequenceTaken(Tail { seq: 9, epoch: 1 })];
    for archive in [stale.archive(), connect(&url).await.archive()] {
        for seq in [6, 1, 2, 8, 9] {
            assert_eq!(archive.append(vec![late(seq)]).await.unwrap(), taken);
        }
    }
    let stored = stale.archive().append(vec![late(10)]).await.unwrap();
    assert_eq!(stored, [AppendOutcome::Stored]);
    let found = store.archive().range(&hall, everything(), 9, false).await;
    assert_eq!(seqs(&found.unwrap()), [9, 10]);
}
