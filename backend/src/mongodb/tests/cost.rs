//! What reading costs, counted in queries and in the sequences that they are over; so that it
//! can't depend on how long a log is.

use std::sync::{Arc, Mutex};

use antiphon_core::contract::{Extent, MessageArchive, Record, SeqRange, Tail};
use mongodb::bson::{Document, doc};
use mongodb::event::EventHandler;
use mongodb::event::command::CommandEvent;
use mongodb::options::ClientOptions;

use super::super::limits::{HINT_EVERY, PROBES, SEARCH_WINDOW};
use super::super::{MongoSettings, MongoStore, opening};
use super::{Databases, chat, connect, fill, name, room, seqs};

const LENGTH: u64 = 100_000;
/// Queries that the search for the top may take, the conversation's document included: at
/// most 64 places of doubling distance, then 32 at a time.
const TOP_QUERIES_MAX: usize = 6;

/// The queries of a store.
#[derive(Clone, Default)]
struct Queries(Arc<Mutex<Vec<Document>>>);

impl Queries {
    /// A store whose queries are noted.
    async fn connect(&self, url: &str) -> MongoStore {
        let mut options = ClientOptions::parse(url).await.unwrap();
        let noted = Arc::clone(&self.0);
        options.command_event_handler = Some(EventHandler::callback(move |event| {
            if let CommandEvent::Started(started) = event
                && ["find", "aggregate", "insert"].contains(&started.command_name.as_str())
            {
                noted.lock().unwrap().push(started.command);
            }
        }));
        let opened = opening::open_with(options, MongoSettings::default()).await;
        MongoStore::new(opened.unwrap())
    }

    /// How many queries there were since the last look, and over how many sequences of logs
    /// all of them together. A query of the log without both bounds fails the test.
    fn take(&self) -> (usize, u64) {
        let mut queries = std::mem::take(&mut *self.0.lock().unwrap());
        queries.retain(|query| !query.contains_key("insert"));
        let width = queries.iter().map(width).sum();
        (queries.len(), width)
    }
}

/// The number of messages of each insert since the last look.
fn inserts(queries: &Queries) -> Vec<usize> {
    let queries = std::mem::take(&mut *queries.0.lock().unwrap());
    let inserts = queries
        .iter()
        .filter(|query| query.get_str("insert").is_ok_and(|of| of == "messages"));
    inserts
        .map(|insert| insert.get_array("documents").unwrap().len())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_takes_one_insert_a_log_and_single_records_share_one() {
    let databases = Databases::start().await;
    let queries = Queries::default();
    let archive = queries.connect(&databases.url()).await.archive();
    let logs: Vec<_> = (0..40)
        .map(|number| room(&format!("hall{number}")))
        .collect();
    for seq in 1..=2 {
        let records: Vec<Record> = logs.iter().map(|log| chat(log, seq)).collect();
        archive.append(records).await.unwrap();
        assert_eq!(inserts(&queries), [40]);
    }
    fill(&*archive, &logs[0], 3..=302).await;
    assert_eq!(inserts(&queries), [300]);
    // Where the top is known, an append asks nothing before it writes.
    let records: Vec<Record> = logs[1..].iter().map(|log| chat(log, 3)).collect();
    archive.append(records).await.unwrap();
    let sent = queries.0.lock().unwrap().len();
    assert_eq!(sent, 1);
    let mixed = [&logs[1], &logs[1], &logs[2], &logs[3]];
    let records = mixed
        .iter()
        .zip([4, 5, 4, 4])
        .map(|(log, seq)| chat(log, seq));
    queries.take();
    archive.append(records.collect()).await.unwrap();
    assert_eq!(inserts(&queries), [2, 2]);
}

fn width(query: &Document) -> u64 {
    let collection = query
        .get_str("find")
        .or_else(|_| query.get_str("aggregate"));
    if collection.expect("a collection") != "messages" {
        return 1;
    }
    let filter = query.get_document("filter").unwrap_or_else(|_| {
        let first = &query.get_array("pipeline").unwrap()[0];
        let first = first.as_document().unwrap();
        first.get_document("$match").unwrap()
    });
    if filter.contains_key("client_id") {
        return 1;
    }
    let seq = filter.get("seq");
    let seq = seq.unwrap_or_else(|| panic!("without bounds: {query}"));
    let Some(bounds) = seq.as_document() else {
        return 1;
    };
    match bounds.get_array("$in") {
        Ok(places) => places.len() as u64,
        Err(_) => {
            let (low, high) = (bounds.get_i64("$gte"), bounds.get_i64("$lte"));
            let width = high.expect("an upper bound") - low.expect("a lower bound") + 1;
            width.unsigned_abs()
        }
    }
}

async fn page(archive: &dyn MessageArchive, from: u64, to: u64, newest_first: bool) -> Vec<Record> {
    let window = SeqRange { from, to };
    let page = archive.range(&room("hall"), window, 50, newest_first).await;
    page.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_a_long_log_takes_few_narrow_windows() {
    let databases = Databases::start().await;
    let url = databases.url();
    let hall = room("hall");
    fill(&*connect(&url).await.archive(), &hall, 1..=LENGTH).await;
    let queries = Queries::default();
    let store = queries.connect(&url).await;
    let archive = store.archive();
    queries.take();

    // Inside the log a page is one closed window of its own length.
    let found = page(&*archive, 1, 90_000, true).await;
    assert_eq!(seqs(&found), (89_951..=90_000).collect::<Vec<_>>());
    assert_eq!(queries.take(), (1, 50));
    let found = page(&*archive, 40_001, u64::MAX, false).await;
    assert_eq!(seqs(&found), (40_001..=40_050).collect::<Vec<_>>());
    assert_eq!(queries.take(), (1, 50));

    // At its end, the top is looked for first.
    let found = page(&*archive, 1, u64::MAX, true).await;
    assert_eq!(seqs(&found), (LENGTH - 49..=LENGTH).collect::<Vec<_>>());
    let (count, width) = queries.take();
    assert!(count <= 2 + TOP_QUERIES_MAX, "{count} queries");
    assert!(width <= 2 * 50 + 64 + 5 * PROBES, "over {width} sequences");
    let found = page(&*archive, LENGTH - 9, u64::MAX, false).await;
    assert_eq!(found.len(), 10);

    // A long page is read in windows of bounded length.
    let window = SeqRange { from: 1, to: 5_000 };
    let found = archive.range(&hall, window, 5_000, false).await.unwrap();
    assert_eq!(found.len(), 5_000);
    queries.take();

    let at = archive.seq_at(&hall, 1_000 + 77_777).await.unwrap();
    assert_eq!(at, Some(77_777));
    let (count, width) = queries.take();
    assert!(
        count <= 12 && width <= 10 * PROBES + 64,
        "{count} over {width}"
    );

    let unread = archive
        .unread(&hall, &name("bob"), 10, 1_000)
        .await
        .unwrap();
    assert_eq!(unread, 1_000);
    let (_, width) = queries.take();
    assert!(width <= 1_000 + 64 + 5 * PROBES, "over {width} sequences");

    // A rare word is looked for in few windows, which together are no longer than the log.
    let found = archive
        .search(std::slice::from_ref(&hall), "number5", 10)
        .await;
    assert_eq!(seqs(&found.unwrap()), [5]);
    let (count, width) = queries.take();
    assert!(count <= 12 && width <= LENGTH + 500, "{count} over {width}");
    // A common one in the newest window only.
    let found = archive.search(std::slice::from_ref(&hall), "log", 10).await;
    assert_eq!(found.unwrap().len(), 10);
    let (_, width) = queries.take();
    assert!(width <= SEARCH_WINDOW + 500, "over {width} sequences");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_top_is_found_by_few_looks_with_and_without_a_hint() {
    let databases = Databases::start().await;
    let url = databases.url();
    let hall = room("hall");
    let writer = connect(&url).await;
    let client = mongodb::Client::with_uri_str(&url).await.unwrap();
    let database = client.default_database().unwrap();
    let conversations = database.collection::<Document>("conversations");
    let mut length = 0;
    for wanted in [1, 2, 31, 33, 1_000, 1_024, 1_025, 5_000, 33_333] {
        fill(&*writer.archive(), &hall, length + 1..=wanted).await;
        length = wanted;
        let hint = conversations.find_one(doc! {}).await.unwrap().unwrap();
        let hint = hint.get_i64("hint").unwrap().unsigned_abs();
        assert!(
            hint <= length && length - hint <= HINT_EVERY,
            "{hint} of {length}"
        );
        for with_hint in [false, true] {
            let hint = if with_hint { hint } else { 0 };
            let set = doc! { "$set": { "hint": i64::try_from(hint).unwrap() } };
            conversations.update_one(doc! {}, set).await.unwrap();
            // A store that knows nothing yet.
            let queries = Queries::default();
            let archive = queries.connect(&url).await.archive();
            queries.take();
            let tail = archive.tail(&hall).await.unwrap();
            assert_eq!(
                tail,
                Some(Tail {
                    seq: length,
                    epoch: 1
                })
            );
            let (count, width) = queries.take();
            assert!(count <= TOP_QUERIES_MAX, "{count} queries for {length}");
            assert!(width <= 65 + 4 * PROBES, "over {width} for {length}");
            // Once it knows, it looks there.
            let extent = archive.extent(&hall).await.unwrap();
            assert_eq!(
                extent,
                Extent {
                    first: 1,
                    last: length
                }
            );
            assert!(queries.take().0 <= 2);
        }
    }
    let append = writer.archive().append(vec![chat(&hall, length + 1)]).await;
    append.unwrap();
}
