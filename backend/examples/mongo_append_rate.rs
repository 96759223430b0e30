//! Measures appends per second and the latency of reads on a MongoDB, for orientation. Takes
//! the URL of a database that it may fill.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use antiphon_backend::mongodb::{MongoSettings, MongoStore};
use antiphon_core::clock;
use antiphon_core::contract::{AppendOutcome, MessageArchive, Record, RecordKind, SeqRange};
use antiphon_core::random;
use antiphon_protocol::{ClientId, ConversationId, RoomName, UserName};

const SPAN: Duration = Duration::from_secs(3);
const LOG_LENGTH: u64 = 100_000;
const READS: u32 = 100;
const BODY: &str = "We meet at the old bridge tomorrow evening, bring the lanterns and \
                    something warm to drink; the others know the way and will wait for us \
                    there until about nine, then walk on to the";

#[tokio::main]
async fn main() {
    let url = std::env::args().nth(1).expect("the URL of a database");
    let settings = MongoSettings::default();
    let store = MongoStore::connect(&url, settings)
        .await
        .expect("a database");
    for (conversations, per_call) in [
        (1, 1),
        (1, 16),
        (1, 64),
        (1, 256),
        (16, 1),
        (64, 1),
        (16, 16),
        (16, 64),
    ] {
        let rate = appends(&store, conversations, per_call).await;
        tell(&format!(
            "{conversations} callers of one conversation each x {per_call} records a call: \
             {rate:.0} records/s"
        ));
    }
    for conversations in [64, 256] {
        let rate = together(&store, conversations).await;
        tell(&format!(
            "one caller, {conversations} conversations x 1 record a call: {rate:.0} records/s"
        ));
    }
    reads(&url, &store).await;
}

fn tell(line: &str) {
    writeln!(std::io::stdout(), "{line}").expect("standard output is open");
}

fn fresh() -> ConversationId {
    let name = format!("r{}", random::hex::<6>());
    ConversationId::Room(RoomName::parse(&name).expect("a name"))
}

fn record(conversation: &ConversationId, seq: u64) -> Record {
    Record {
        conversation: conversation.clone(),
        seq,
        epoch: 1,
        kind: RecordKind::Chat,
        sender: UserName::parse("ann").expect("a name"),
        client_id: ClientId::parse(&format!("c-{seq}")).expect("an id"),
        message_id: random::message_id(),
        body_hash: [0; 16],
        ts_ms: clock::unix_ms(),
        format: "text".to_owned(),
        body: BODY.to_owned(),
    }
}

async fn appends(store: &MongoStore, callers: u64, per_call: u64) -> f64 {
    let end = clock::now() + SPAN;
    let write = |_| {
        let archive = store.archive();
        async move {
            let conversation = fresh();
            let mut next = 1;
            while clock::now() < end {
                let records = (next..next + per_call).map(|seq| record(&conversation, seq));
                expect_stored(&*archive, records.collect()).await;
                next += per_call;
            }
            next - 1
        }
    };
    let written: u64 = futures_util::future::join_all((0..callers).map(write))
        .await
        .iter()
        .sum();
    written as f64 / SPAN.as_secs_f64()
}

/// As the writer of direct messages does: one call with a record of each conversation.
async fn together(store: &MongoStore, conversations: u64) -> f64 {
    let archive = store.archive();
    let conversations: Vec<ConversationId> = (0..conversations).map(|_| fresh()).collect();
    let end = clock::now() + SPAN;
    let mut next = 1;
    while clock::now() < end {
        let records = conversations
            .iter()
            .map(|conversation| record(conversation, next));
        expect_stored(&*archive, records.collect()).await;
        next += 1;
    }
    ((next - 1) * conversations.len() as u64) as f64 / SPAN.as_secs_f64()
}

async fn expect_stored(archive: &dyn MessageArchive, records: Vec<Record>) {
    let outcomes = archive.append(records).await.expect("append");
    let stored = |outcome: &AppendOutcome| *outcome == AppendOutcome::Stored;
    assert!(outcomes.iter().all(stored), "{outcomes:?}");
}

async fn reads(url: &str, store: &MongoStore) {
    let log = fresh();
    for start in (1..=LOG_LENGTH).step_by(500) {
        let records = (start..start + 500).map(|seq| record(&log, seq)).collect();
        expect_stored(&*store.archive(), records).await;
    }
    let archive = store.archive();
    let page = SeqRange {
        from: 1,
        to: 60_000,
    };
    timed("a page of 50 inside 100,000", || async {
        archive
            .range(&log, page, 50, true)
            .await
            .expect("range")
            .len()
    })
    .await;
    timed("a search for a word that all have, 50 hits", || async {
        let found = archive
            .search(std::slice::from_ref(&log), "lanterns bridge", 50)
            .await;
        found.expect("search").len()
    })
    .await;
    timed("the top, known", || async {
        archive
            .tail(&log)
            .await
            .expect("tail")
            .map_or(0, |tail| tail.seq as usize)
    })
    .await;
    let mut total = Duration::ZERO;
    for _ in 0..10 {
        let settings = MongoSettings::default();
        let cold = MongoStore::connect(url, settings)
            .await
            .expect("a database");
        cold.health().await.expect("it answers");
        let archive: Arc<dyn MessageArchive> = cold.archive();
        let start = clock::now();
        archive.tail(&log).await.expect("tail");
        total += start.elapsed();
        cold.close().await;
    }
    tell(&format!(
        "the top, not known: {:.2} ms",
        total.as_secs_f64() * 100.0
    ));
}

async fn timed<F: Future<Output = usize>>(what: &str, call: impl Fn() -> F) {
    let start = clock::now();
    let mut told = 0;
    for _ in 0..READS {
        told = call().await;
    }
    let each = start.elapsed().as_secs_f64() * 1_000.0 / f64::from(READS);
    tell(&format!("{what}: {each:.2} ms ({told})"));
}
