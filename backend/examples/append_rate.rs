//! Measures appends per second, next to a bare log with one `fdatasync` per batch on the same
//! disk in the same run. Takes the folder to measure in as its argument (the system's
//! temporary folder if there is none).

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use antiphon_backend::embedded::EmbeddedStore;
use antiphon_core::clock::{self, Instant};
use antiphon_core::contract::{AppendOutcome, Record, RecordKind, SeqRange};
use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{self, TaskKind};
use antiphon_protocol::{ClientId, ConversationId, RoomName, UserName};
use tokio::sync::oneshot;

const SPAN: Duration = Duration::from_secs(4);
const IN_FLIGHT: u64 = 256;
const BODY: &str = "We meet at the old bridge tomorrow evening, bring the lanterns and \
                    something warm to drink; the others know the way and will wait for us \
                    there until about nine, then walk on to the";

#[tokio::main]
async fn main() {
    let base = std::env::args_os()
        .nth(1)
        .map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = base.join(format!("antiphon-append-rate-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("the folder can be made");
    let raw = raw_log(&dir.join("raw.log")).await;
    tell(&format!(
        "bare log + fdatasync, {IN_FLIGHT} in flight: {raw:.0} records/s"
    ));
    for (rooms, per_call) in [(IN_FLIGHT, 1), (16, 16), (4, 64)] {
        let data = dir.join(format!("data-{rooms}"));
        let rate = store(&data, rooms, per_call).await;
        tell(&format!(
            "embedded store, {rooms} rooms x {per_call} records a call: {rate:.0} records/s, \
             {:.2} of the bare log",
            rate / raw
        ));
        reads(&data).await;
    }
    std::fs::remove_dir_all(&dir).expect("the folder can be removed");
}

fn tell(line: &str) {
    writeln!(std::io::stdout(), "{line}").expect("standard output is open");
}

/// One thread writes what is queued, syncs, and answers.
async fn raw_log(file: &std::path::Path) -> f64 {
    let mut file = File::create(file).expect("the file can be made");
    let (jobs, queue) = mpsc::sync_channel::<oneshot::Sender<()>>(IN_FLIGHT as usize);
    let writer = std::thread::spawn(move || {
        while let Ok(first) = queue.recv() {
            let answers: Vec<_> = std::iter::once(first).chain(queue.try_iter()).collect();
            let batch = vec![b'x'; answers.len() * (BODY.len() + 60)];
            file.write_all(&batch)
                .and_then(|()| file.sync_data())
                .expect("the disk works");
            for answer in answers {
                let _ = answer.send(());
            }
        }
    });
    let rate = run(IN_FLIGHT, |_| {
        let jobs = jobs.clone();
        move |_| {
            let (answer_tx, answer_rx) = oneshot::channel();
            jobs.send(answer_tx).expect("the writer runs");
            async move {
                answer_rx.await.expect("the writer answers");
                1
            }
        }
    })
    .await;
    drop(jobs);
    writer.join().expect("the writer ends");
    rate
}

async fn store(dir: &std::path::Path, rooms: u64, per_call: u64) -> f64 {
    let store = EmbeddedStore::open(dir).await.expect("the store opens");
    let archive = store.archive();
    let rate = run(rooms, |number| {
        let (archive, conversation) = (Arc::clone(&archive), room(number));
        move |call: u64| {
            let first = call * per_call + 1;
            let records: Vec<Record> = (first..first + per_call)
                .map(|seq| record(&conversation, seq))
                .collect();
            let archive = Arc::clone(&archive);
            async move {
                let outcomes = archive.append(records).await.expect("append");
                assert!(
                    outcomes
                        .iter()
                        .all(|outcome| *outcome == AppendOutcome::Stored)
                );
                per_call
            }
        }
    })
    .await;
    store.close().await;
    rate
}

/// Runs `count` loops at once for a while; records a second.
async fn run<S, F>(count: u64, make: impl Fn(u64) -> S) -> f64
where
    S: Fn(u64) -> F + Send + 'static,
    F: Future<Output = u64> + Send,
{
    let scope = Shutdown::new();
    let done = Arc::new(AtomicU64::new(0));
    let start = clock::now();
    let loops: Vec<_> = (0..count)
        .map(|number| {
            let (step, done) = (make(number), Arc::clone(&done));
            task::spawn(&scope, TaskKind::Client, async move {
                let mut call = 0;
                while start.elapsed() < SPAN {
                    done.fetch_add(step(call).await, Ordering::Relaxed);
                    call += 1;
                }
            })
        })
        .collect();
    for handle in loops {
        assert!(handle.await.expect("no abort").is_some(), "a loop panicked");
    }
    done.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64()
}

/// How long the usual reads take on what was written.
async fn reads(dir: &std::path::Path) {
    let start = clock::now();
    let store = EmbeddedStore::open(dir).await.expect("the store opens");
    let opened = start.elapsed();
    let archive = store.archive();
    let last = archive.extent(&room(0)).await.expect("extent").last;
    let window = SeqRange {
        from: last.saturating_sub(49),
        to: last,
    };
    let page = timed(async || drop(archive.range(&room(0), window, 50, true).await)).await;
    let search = timed(async || drop(archive.search(&[room(0)], "lanterns", 50).await)).await;
    let count = archive.count().await.expect("count");
    let start = clock::now();
    let findings = store.verify().await.expect("verify");
    tell(&format!(
        "  {count} records, opened in {opened:?}, page of 50 in {page:?}, search in {search:?}, \
         whole check in {:?} ({} findings), {} bytes a record",
        start.elapsed(),
        findings.len(),
        size(dir) / count
    ));
    store.close().await;
    drop(store);
    // As after a kill, but with an empty write-ahead log.
    let mut seal = EmbeddedStore::database_file(dir).into_os_string();
    seal.push("-seal");
    std::fs::remove_file(seal).expect("a store of this size is sealed");
    let start = clock::now();
    let store = EmbeddedStore::open(dir).await.expect("the store opens");
    tell(&format!(
        "  opened without its seal in {:?}",
        start.elapsed()
    ));
    store.close().await;
}

async fn timed(work: impl AsyncFn()) -> Duration {
    const ROUNDS: u32 = 100;
    let start: Instant = clock::now();
    for _ in 0..ROUNDS {
        work().await;
    }
    start.elapsed() / ROUNDS
}

fn size(dir: &std::path::Path) -> u64 {
    let files = std::fs::read_dir(dir).expect("the folder is there");
    files
        .map(|file| {
            file.and_then(|file| file.metadata())
                .map_or(0, |meta| meta.len())
        })
        .sum()
}

fn room(number: u64) -> ConversationId {
    ConversationId::Room(RoomName::parse(&format!("room{number}")).expect("a name"))
}

fn record(conversation: &ConversationId, seq: u64) -> Record {
    Record {
        conversation: conversation.clone(),
        seq,
        epoch: 1,
        kind: RecordKind::Chat,
        sender: UserName::parse("ann").expect("a name"),
        client_id: ClientId::parse(&format!("client-{seq}")).expect("a client id"),
        message_id: antiphon_core::random::message_id(),
        body_hash: [1; 16],
        ts_ms: clock::unix_ms(),
        format: "text".to_owned(),
        body: format!("{BODY} river{}", seq % 1_000),
    }
}
