//! Appending: order, uniqueness, batches.

use std::sync::Arc;

use super::{append_one, chat, client_id, epoch_record, name, pair, room, seqs, store_all};
use crate::contract::{AppendOutcome, Extent, MessageArchive, Record, SeqRange, Tail};

pub(super) async fn all(make: &impl AsyncFn() -> Arc<dyn MessageArchive>) {
    the_log_has_a_name_that_stays(&*make().await).await;
    an_empty_call_stores_nothing(&*make().await).await;
    a_record_comes_back_as_it_was_appended(&*make().await).await;
    a_taken_sequence_is_told_with_the_top(&*make().await).await;
    a_client_id_is_stored_once(&*make().await).await;
    the_client_id_is_looked_at_before_the_sequence(&*make().await).await;
    a_client_id_is_of_one_sender_in_one_conversation(&*make().await).await;
    the_first_failure_ends_its_conversation_alone(&*make().await).await;
    a_batch_refuses_repeats_within_itself(&*make().await).await;
    one_callers_conflict_leaves_anothers_records(make().await).await;
    racing_writers_end_dense(make().await).await;
    racing_retries_of_one_message_store_it_once(make().await).await;
}

async fn the_log_has_a_name_that_stays(archive: &dyn MessageArchive) {
    let log_id = archive.log_id();
    assert!(!log_id.is_empty());
    store_all(archive, vec![chat(&room("hall"), 1, "ann", "hi")]).await;
    assert_eq!(archive.log_id(), log_id);
}

async fn an_empty_call_stores_nothing(archive: &dyn MessageArchive) {
    assert_eq!(archive.append(Vec::new()).await.expect("append"), []);
    assert_eq!(archive.count().await.expect("count"), 0);
}

async fn a_record_comes_back_as_it_was_appended(archive: &dyn MessageArchive) {
    let hall = room("hall");
    let strange = Record {
        format: "markdown".to_owned(),
        body: "a\0b \u{1f389} \"quotes\" 你好\r\n".to_owned(),
        ..chat(&hall, 2, "李雷", "")
    };
    let direct = Record {
        epoch: 0,
        ..chat(&pair("ann", "bob"), 1, "ann", "psst")
    };
    let long = Record {
        epoch: 4,
        body: "ж".repeat(8_000),
        ..chat(&hall, 4, "ann", "")
    };
    let records = vec![
        chat(&hall, 1, "ann", "hi"),
        strange,
        epoch_record(&hall, 3, 4),
        long,
        direct,
    ];
    store_all(archive, records.clone()).await;
    for record in records {
        let Record {
            conversation,
            seq,
            sender,
            client_id,
            ..
        } = &record;
        let window = SeqRange {
            from: *seq,
            to: *seq,
        };
        let found = archive
            .range(conversation, window, 1, false)
            .await
            .expect("range");
        assert_eq!(found, std::slice::from_ref(&record));
        let found = archive
            .find(conversation, sender, client_id)
            .await
            .expect("find");
        assert_eq!(found.as_ref(), Some(&record));
    }
    assert_eq!(archive.count().await.expect("count"), 5);
}

async fn a_taken_sequence_is_told_with_the_top(archive: &dyn MessageArchive) {
    let hall = room("hall");
    store_all(
        archive,
        vec![chat(&hall, 1, "ann", "one"), chat(&hall, 2, "ann", "two")],
    )
    .await;
    store_all(archive, vec![epoch_record(&hall, 3, 8)]).await;
    for seq in 1..=3 {
        let late = Record {
            client_id: client_id("late"),
            ..chat(&hall, seq, "bob", "late")
        };
        let outcome = append_one(archive, late).await;
        assert_eq!(
            outcome,
            AppendOutcome::SequenceTaken(Tail { seq: 3, epoch: 8 })
        );
    }
    let found = archive
        .range(&hall, SeqRange { from: 1, to: 9 }, 9, false)
        .await
        .expect("range");
    assert_eq!(seqs(&found), [1, 2, 3]);
    assert!(
        found.iter().all(|record| record.body != "late"),
        "nothing is overwritten"
    );
    let absent = archive
        .find(&hall, &name("bob"), &client_id("late"))
        .await
        .expect("find");
    assert_eq!(absent, None);
}

async fn a_client_id_is_stored_once(archive: &dyn MessageArchive) {
    let hall = room("hall");
    let first = chat(&hall, 1, "ann", "one");
    store_all(archive, vec![first.clone()]).await;
    let again = Record {
        client_id: first.client_id.clone(),
        body_hash: [99; 16],
        ..chat(&hall, 2, "ann", "another text")
    };
    let outcome = append_one(archive, again).await;
    assert_eq!(outcome, AppendOutcome::DuplicateClientId(Box::new(first)));
    assert_eq!(
        archive.tail(&hall).await.expect("tail"),
        Some(Tail { seq: 1, epoch: 3 })
    );
    store_all(archive, vec![chat(&hall, 2, "ann", "two")]).await;
}

async fn the_client_id_is_looked_at_before_the_sequence(archive: &dyn MessageArchive) {
    let hall = room("hall");
    let records: Vec<Record> = (1..=3).map(|seq| chat(&hall, seq, "ann", "text")).collect();
    store_all(archive, records.clone()).await;
    // A retry after an unknown outcome: both keys are taken, by the record itself.
    for record in records {
        let outcome = append_one(archive, record.clone()).await;
        assert_eq!(outcome, AppendOutcome::DuplicateClientId(Box::new(record)));
    }
    assert_eq!(archive.count().await.expect("count"), 3);
}

async fn a_client_id_is_of_one_sender_in_one_conversation(archive: &dyn MessageArchive) {
    let (hall, den) = (room("hall"), room("den"));
    let same = |record: Record| Record {
        client_id: client_id("same"),
        ..record
    };
    let records = vec![
        same(chat(&hall, 1, "ann", "anns")),
        same(chat(&hall, 2, "bob", "bobs")),
        same(chat(&den, 1, "ann", "anns in the den")),
        same(chat(&pair("ann", "bob"), 1, "ann", "anns to bob")),
    ];
    store_all(archive, records.clone()).await;
    let found = archive
        .find(&hall, &name("bob"), &client_id("same"))
        .await
        .expect("find");
    assert_eq!(found.as_ref(), Some(&records[1]));
    let absent = archive
        .find(&den, &name("bob"), &client_id("same"))
        .await
        .expect("find");
    assert_eq!(absent, None);
    let absent = archive
        .find(&room("none"), &name("bob"), &client_id("same"))
        .await
        .expect("find");
    assert_eq!(absent, None);
}

async fn the_first_failure_ends_its_conversation_alone(archive: &dyn MessageArchive) {
    let (hall, den) = (room("hall"), room("den"));
    let first = chat(&hall, 1, "ann", "one");
    store_all(archive, vec![first.clone()]).await;
    let duplicate = Record {
        client_id: first.client_id.clone(),
        ..chat(&hall, 3, "ann", "again")
    };
    let batch = vec![
        chat(&hall, 2, "ann", "two"),
        chat(&den, 1, "bob", "den one"),
        duplicate,
        chat(&den, 2, "bob", "den two"),
        Record {
            client_id: client_id("next"),
            ..chat(&hall, 3, "ann", "three")
        },
        Record {
            client_id: client_id("other"),
            ..chat(&den, 2, "bob", "den two again")
        },
        chat(&den, 3, "bob", "den three"),
        chat(&hall, 4, "ann", "four"),
    ];
    let outcomes = archive.append(batch).await.expect("append");
    let expected = [
        AppendOutcome::Stored,
        AppendOutcome::Stored,
        AppendOutcome::DuplicateClientId(Box::new(first)),
        AppendOutcome::Stored,
        AppendOutcome::NotTried,
        AppendOutcome::SequenceTaken(Tail { seq: 2, epoch: 3 }),
        AppendOutcome::NotTried,
        AppendOutcome::NotTried,
    ];
    assert_eq!(outcomes, expected);
    assert_eq!(
        archive.extent(&hall).await.expect("extent"),
        Extent { first: 1, last: 2 }
    );
    assert_eq!(
        archive.extent(&den).await.expect("extent"),
        Extent { first: 1, last: 2 }
    );
    store_all(
        archive,
        vec![
            chat(&hall, 3, "ann", "three"),
            chat(&den, 3, "bob", "three"),
        ],
    )
    .await;
}

async fn a_batch_refuses_repeats_within_itself(archive: &dyn MessageArchive) {
    let hall = room("hall");
    let first = chat(&hall, 1, "ann", "one");
    let again = Record {
        client_id: first.client_id.clone(),
        ..chat(&hall, 2, "ann", "again")
    };
    let outcomes = archive
        .append(vec![first.clone(), again])
        .await
        .expect("append");
    let expected = [
        AppendOutcome::Stored,
        AppendOutcome::DuplicateClientId(Box::new(first)),
    ];
    assert_eq!(outcomes, expected);
    assert_eq!(archive.count().await.expect("count"), 1);
}

async fn one_callers_conflict_leaves_anothers_records(archive: Arc<dyn MessageArchive>) {
    let (hall, den) = (room("hall"), room("den"));
    store_all(&*archive, vec![chat(&hall, 1, "ann", "one")]).await;
    // Many calls at once, so that a store that gathers calls has them in one commit.
    let call = |number: u64| {
        let archive = Arc::clone(&archive);
        let late = Record {
            client_id: client_id("late"),
            ..chat(&hall, 1, "bob", "late")
        };
        let own = chat(&room(&format!("room{number}")), 1, "ann", "kept");
        async move { archive.append(vec![own, late]).await.expect("append") }
    };
    for outcomes in futures_util::future::join_all((0..16).map(call)).await {
        let taken = AppendOutcome::SequenceTaken(Tail { seq: 1, epoch: 3 });
        assert_eq!(outcomes, [AppendOutcome::Stored, taken]);
    }
    assert_eq!(archive.count().await.expect("count"), 17);
    assert_eq!(archive.tail(&den).await.expect("tail"), None);
}

const RACERS: u64 = 16;
const APPENDS_EACH: u64 = 12;

/// The writers' loop: take the next sequence, and the one behind the top if it was taken.
async fn append_until_stored(archive: &dyn MessageArchive, mut record: Record) -> u64 {
    // Each refusal means that another's record was stored.
    for _ in 0..=RACERS * APPENDS_EACH {
        match append_one(archive, record.clone()).await {
            AppendOutcome::Stored => return record.seq,
            AppendOutcome::SequenceTaken(tail) => record.seq = tail.seq + 1,
            AppendOutcome::DuplicateClientId(existing) => return existing.seq,
            AppendOutcome::NotTried => panic!("a single record is tried"),
        }
    }
    panic!("refused more often than there are records");
}

async fn racing_writers_end_dense(archive: Arc<dyn MessageArchive>) {
    let hall = room("hall");
    let race = |racer: u64| {
        let (archive, hall) = (Arc::clone(&archive), hall.clone());
        async move {
            let mut stored = Vec::new();
            for number in 0..APPENDS_EACH {
                let next = stored.last().map_or(1, |seq| seq + 1);
                let sender = format!("racer{racer}");
                let id = client_id(&format!("{racer}-{number}"));
                let record = Record {
                    client_id: id,
                    ..chat(&hall, next, &sender, "race")
                };
                stored.push(append_until_stored(&*archive, record).await);
            }
            stored
        }
    };
    let mut all: Vec<u64> = Vec::new();
    for stored in futures_util::future::join_all((0..RACERS).map(race)).await {
        assert!(
            stored.is_sorted_by(|a, b| a < b),
            "a sender's order is kept: {stored:?}"
        );
        all.extend(stored);
    }
    all.sort_unstable();
    let total = RACERS * APPENDS_EACH;
    assert_eq!(all, (1..=total).collect::<Vec<_>>());
    let window = SeqRange {
        from: 1,
        to: u64::MAX,
    };
    let found = archive
        .range(&hall, window, 1_000, false)
        .await
        .expect("range");
    assert_eq!(seqs(&found), all);
}

async fn racing_retries_of_one_message_store_it_once(archive: Arc<dyn MessageArchive>) {
    let hall = room("hall");
    let race = |_| {
        let (archive, record) = (Arc::clone(&archive), chat(&hall, 1, "ann", "once"));
        async move { append_until_stored(&*archive, record).await }
    };
    let told = futures_util::future::join_all((0..RACERS).map(race)).await;
    assert!(told.iter().all(|seq| *seq == 1), "{told:?}");
    assert_eq!(archive.count().await.expect("count"), 1);
}
