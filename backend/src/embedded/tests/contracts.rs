//! The contracts' suites, and what the embedded store promises beyond them.

use std::sync::{Arc, Mutex};

use antiphon_core::conformance;
use antiphon_core::contract::{AppendOutcome, BackendErrorKind, Extent, Record, Tail, UserRecord};
use tempfile::TempDir;

use super::super::{EmbeddedStore, Failure};
use super::{chat, everything, fill, fresh, name, room};

/// Keeps the folders and stores of a suite until its end.
#[derive(Default)]
struct Kept(Mutex<Vec<(TempDir, EmbeddedStore)>>);

impl Kept {
    async fn make<T>(&self, part: impl Fn(&EmbeddedStore) -> T) -> T {
        let (dir, store) = fresh().await;
        let made = part(&store);
        self.0.lock().unwrap().push((dir, store));
        made
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_user_store_keeps_its_contract() {
    let kept = Kept::default();
    conformance::user_store::all(async || kept.make(EmbeddedStore::users).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_room_store_keeps_its_contract() {
    let kept = Kept::default();
    conformance::room_store::all(async || kept.make(EmbeddedStore::rooms).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_message_archive_keeps_its_contract() {
    let kept = Kept::default();
    conformance::message_archive::all(async || kept.make(EmbeddedStore::archive).await).await;
}

#[tokio::test]
async fn a_sequence_beyond_the_next_is_refused_so_that_no_hole_can_be() {
    let (_dir, store) = fresh().await;
    let (archive, hall) = (store.archive(), room("hall"));
    let beyond = archive.append(vec![chat(&hall, 2)]).await.unwrap();
    assert_eq!(
        beyond,
        [AppendOutcome::SequenceTaken(Tail { seq: 0, epoch: 0 })]
    );
    fill(&*archive, &hall, 3).await;
    for seq in [5, 1 << 40, u64::MAX] {
        let beyond = archive.append(vec![chat(&hall, seq)]).await.unwrap();
        assert_eq!(
            beyond,
            [AppendOutcome::SequenceTaken(Tail { seq: 3, epoch: 1 })]
        );
    }
    assert_eq!(
        archive.extent(&hall).await.unwrap(),
        Extent { first: 1, last: 3 }
    );
}

#[tokio::test]
async fn numbers_above_the_signed_ones_come_back() {
    let (_dir, store) = fresh().await;
    let (archive, hall) = (store.archive(), room("hall"));
    let record = Record {
        epoch: u64::MAX,
        ts_ms: u64::MAX - 1,
        ..chat(&hall, 1)
    };
    archive.append(vec![record.clone()]).await.unwrap();
    assert_eq!(
        archive.range(&hall, everything(), 9, true).await.unwrap(),
        [record]
    );
    assert_eq!(archive.seq_at(&hall, 5).await.unwrap(), Some(1));
}

#[tokio::test]
async fn sixteen_tasks_on_one_log_end_dense() {
    let (_dir, store) = fresh().await;
    let hall = room("hall");
    let race = |racer: u64| {
        let (archive, hall) = (store.archive(), hall.clone());
        async move {
            let mut seq = 1;
            for number in 0..25 {
                let id = format!("{racer}-{number}");
                let client_id = antiphon_protocol::ClientId::parse(&id).unwrap();
                loop {
                    let record = Record {
                        client_id: client_id.clone(),
                        ..chat(&hall, seq)
                    };
                    match &archive.append(vec![record]).await.unwrap()[0] {
                        AppendOutcome::Stored => break,
                        AppendOutcome::SequenceTaken(tail) => seq = tail.seq + 1,
                        other @ (AppendOutcome::DuplicateClientId(_) | AppendOutcome::NotTried) => {
                            panic!("{other:?}")
                        }
                    }
                }
            }
        }
    };
    futures(16, race).await;
    let found = store
        .archive()
        .range(&hall, everything(), 1_000, false)
        .await
        .unwrap();
    let seqs: Vec<u64> = found.iter().map(|record| record.seq).collect();
    assert_eq!(seqs, (1..=400).collect::<Vec<_>>());
    assert_eq!(store.verify().await.unwrap(), Vec::<String>::new());
}

/// Runs `count` tasks at once and waits for all.
async fn futures<F>(count: u64, task: impl Fn(u64) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let scope = antiphon_core::shutdown::Shutdown::new();
    let kind = antiphon_core::task::TaskKind::Client;
    let handles: Vec<_> = (0..count)
        .map(|number| antiphon_core::task::spawn(&scope, kind, task(number)))
        .collect();
    for handle in handles {
        assert!(handle.await.unwrap().is_some(), "a task panicked");
    }
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_passes() {
    let (_dir, store) = fresh().await;
    let (archive, hall) = (store.archive(), room("hall"));
    fill(&*archive, &hall, 10).await;
    let set_room = async |pages: i64| {
        let set = move |writing: &mut super::super::Writing<'_>| {
            let limit = format!("PRAGMA max_page_count = {pages}");
            let got: i64 = writing.connection.query_row(&limit, [], |row| row.get(0))?;
            Ok::<i64, Failure>(got)
        };
        store
            .store
            .write("test.max_page_count", 0, set)
            .await
            .unwrap()
    };
    let _ = set_room(1).await;
    let mut refused = None;
    for seq in 11..2_000 {
        if let Err(error) = archive.append(vec![chat(&hall, seq)]).await {
            refused = Some((seq, error.kind));
            break;
        }
    }
    let (seq, kind) = refused.expect("no page is left at some point");
    assert_eq!(
        kind,
        BackendErrorKind::Unavailable,
        "rolled back, so certainly not stored"
    );
    assert_eq!(
        archive.tail(&hall).await.unwrap(),
        Some(Tail {
            seq: seq - 1,
            epoch: 1
        })
    );
    let _ = set_room(1_000_000).await;
    let again = archive.append(vec![chat(&hall, seq)]).await.unwrap();
    assert_eq!(again, [AppendOutcome::Stored]);
    assert_eq!(store.verify().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn the_write_ahead_log_stays_short_while_others_read() {
    let (dir, store) = fresh().await;
    let (archive, hall) = (store.archive(), room("hall"));
    let mut longest = 0;
    for call in 0..150 {
        let records: Vec<Record> = (1..=50)
            .map(|number| Record {
                body: "x".repeat(8_000),
                ..chat(&hall, call * 50 + number)
            })
            .collect();
        let reading = archive.range(&hall, everything(), 5, true);
        let (appended, read) = tokio::join!(archive.append(records), reading);
        assert!(
            appended
                .unwrap()
                .iter()
                .all(|outcome| *outcome == AppendOutcome::Stored)
        );
        read.unwrap();
        let file = dir.path().join("data/antiphon.db-wal");
        longest = longest.max(std::fs::metadata(file).unwrap().len());
    }
    // Without checkpoints it would have all of the 60 MB of text.
    assert!(longest < 32 << 20, "{longest}");
}

#[tokio::test]
async fn after_close_every_call_is_refused() {
    let (_dir, store) = fresh().await;
    let (archive, users, rooms) = (store.archive(), store.users(), store.rooms());
    fill(&*archive, &room("hall"), 1).await;
    store.close().await;
    store.close().await;
    let user = UserRecord {
        name: name("ann"),
        password_hash: None,
        created_at_ms: 0,
    };
    let kinds = [
        archive
            .append(vec![chat(&room("hall"), 2)])
            .await
            .unwrap_err()
            .kind,
        archive.count().await.unwrap_err().kind,
        users.create(user).await.unwrap_err().kind,
        rooms.count().await.unwrap_err().kind,
    ];
    assert_eq!(kinds, [BackendErrorKind::Unavailable; 4]);
}

#[test]
fn the_stores_can_be_shared() {
    fn shared<T: Send + Sync>() {}
    shared::<EmbeddedStore>();
    shared::<Arc<EmbeddedStore>>();
}
