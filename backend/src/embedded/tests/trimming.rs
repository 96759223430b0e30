//! Removing the oldest leaves a database that is whole.

use antiphon_core::contract::{Extent, MessageArchive, Trimmed};

use super::super::{Failure, Writing};
use super::{chat, everything, fill, fresh, open, room};

/// All of them are older than what is asked for.
const RECORDS: u64 = 600;

/// Row ids that the search index has for a word, whether the row is there or not.
async fn indexed(store: &super::super::EmbeddedStore, word: &str) -> i64 {
    let query = format!("\"{word}\"");
    let look = move |writing: &mut Writing<'_>| {
        let sql = "SELECT count(*) FROM message_words WHERE message_words MATCH ?1";
        let found = writing.connection.query_row(sql, [query], |row| row.get(0));
        // The index's own check, which fails if the words don't fit the entries.
        let check = "INSERT INTO message_words (message_words) VALUES ('integrity-check')";
        writing.connection.execute(check, [])?;
        Ok::<i64, Failure>(found?)
    };
    store.store.write("test.index", 0, look).await.unwrap()
}

async fn trim(archive: &dyn MessageArchive, limit: usize) -> Trimmed {
    archive.trim(1_000_000, "", limit).await.unwrap()
}

#[tokio::test]
async fn the_search_index_forgets_what_is_removed() {
    let (_dir, store) = fresh().await;
    let (archive, hall) = (store.archive(), room("hall"));
    fill(&*archive, &hall, RECORDS).await;
    assert_eq!(indexed(&store, "log").await, RECORDS.cast_signed());
    assert_eq!(trim(&*archive, 200).await.removed, 200);
    assert_eq!(indexed(&store, "log").await, RECORDS.cast_signed() - 200);
    assert_eq!(indexed(&store, "number200").await, 0);
    assert_eq!(indexed(&store, "number201").await, 1);
    assert_eq!(trim(&*archive, 1_000).await.removed, RECORDS - 201);
    assert_eq!(indexed(&store, "log").await, 1);
    assert_eq!(store.verify().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_log_that_begins_later_is_sound_after_every_open() {
    let (dir, store) = fresh().await;
    let hall = room("hall");
    fill(&*store.archive(), &hall, RECORDS).await;
    let removed = trim(&*store.archive(), 250).await;
    assert_eq!(removed.removed, 250);
    // As a kill would leave it, so that the next open looks at everything.
    let data = dir.path().join("data");
    let copy = dir.path().join("copy");
    std::fs::create_dir(&copy).unwrap();
    for file in ["antiphon.db", "antiphon.db-wal"] {
        if data.join(file).exists() {
            std::fs::copy(data.join(file), copy.join(file)).unwrap();
        }
    }
    store.close().await;
    let store = open(&copy).await;
    let archive = store.archive();
    assert_eq!(store.verify().await.unwrap(), Vec::<String>::new());
    let extent = archive.extent(&hall).await.unwrap();
    let (first, last) = (251, RECORDS);
    assert_eq!(extent, Extent { first, last });
    let found = archive.range(&hall, everything(), 1_000, false).await;
    assert_eq!(found.unwrap().len() as u64, RECORDS - 250);
    archive
        .append(vec![chat(&hall, RECORDS + 1)])
        .await
        .unwrap();
    assert_eq!(trim(&*archive, 1_000).await.removed, RECORDS - 250);
    store.close().await;
}
