//! A database that dies, hangs, or goes away for a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use antiphon_core::clock::{self, Instant};
use antiphon_core::contract::{
    AppendOutcome, BackendError, BackendErrorKind, MemberRecord, MessageArchive, Record,
    RoomRecord, Standing, UserRecord,
};
use antiphon_core::random;
use antiphon_protocol::client::Visibility;
use antiphon_protocol::{ConversationId, RoomName};

use super::super::MongoStore;
use super::super::limits::{CALL_DEADLINE, PING_DEADLINE, SERVER_SELECTION_TIMEOUT};
use super::{Databases, chat, client_id, connect, everything, fill, name, room};

/// Above what a call may take, for a machine that builds at the same time.
const SLACK: Duration = Duration::from_millis(900);
/// A sender is told by then.
const TOLD_WITHIN: Duration = Duration::from_secs(6);
const AWAY: Duration = Duration::from_secs(8);
const RECOVERED_WITHIN: Duration = Duration::from_secs(5);

async fn timed<T>(
    call: impl Future<Output = Result<T, BackendError>>,
) -> (Result<T, BackendErrorKind>, Duration) {
    let start = clock::now();
    let result = call.await;
    (result.map_err(|error| error.kind), start.elapsed())
}

fn member(user: &str) -> MemberRecord {
    MemberRecord {
        room: RoomName::parse("hall").unwrap(),
        user: name(user),
        standing: Standing::Member,
        since_ms: 0,
    }
}

/// Every kind of call, and how it ended.
async fn call_all(store: &MongoStore) -> Vec<(BackendErrorKind, Duration)> {
    let (archive, users, rooms) = (store.archive(), store.users(), store.rooms());
    let hall = room("hall");
    let account = UserRecord {
        name: name("zoe"),
        password_hash: None,
        created_at_ms: 0,
    };
    let own = room("other");
    let calls: Vec<futures_util::future::BoxFuture<'_, _>> = vec![
        Box::pin(async {
            timed(async { archive.append(vec![chat(&own, 1)]).await.map(|_| ()) }).await
        }),
        Box::pin(async { timed(async { archive.tail(&hall).await.map(|_| ()) }).await }),
        Box::pin(async { timed(async { users.create(account).await }).await }),
        Box::pin(async { timed(async { rooms.put_member(member("bob"), 0).await }).await }),
        Box::pin(async {
            timed(async { rooms.set_read(&name("bob"), &hall, 1).await.map(|_| ()) }).await
        }),
    ];
    let results = futures_util::future::join_all(calls).await;
    let failed = |(result, took): (Result<(), BackendErrorKind>, Duration)| {
        (result.expect_err("the database is away"), took)
    };
    results.into_iter().map(failed).collect()
}

/// Calls until one succeeds; how long that took.
async fn recovered(archive: &dyn MessageArchive, conversation: &ConversationId) -> Duration {
    let start = clock::now();
    while archive.tail(conversation).await.is_err() {
        assert!(
            start.elapsed() < 2 * RECOVERED_WITHIN,
            "it does not recover"
        );
        clock::sleep(Duration::from_millis(20)).await;
    }
    start.elapsed()
}

/// Pitfall 87: an outage is an error of the calls, in time.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_ends_calls_in_time_and_then_at_once() {
    let databases = Databases::of_own_server().await;
    let store = connect(&databases.url()).await;
    let hall = room("hall");
    fill(&*store.archive(), &hall, 1..=3).await;
    databases.server().kill();
    let limit = SERVER_SELECTION_TIMEOUT + PING_DEADLINE + SLACK;
    for (kind, took) in call_all(&store).await {
        assert!(
            took < limit && limit < TOLD_WITHIN,
            "{kind:?} after {took:?}"
        );
        assert!(
            matches!(
                kind,
                BackendErrorKind::Unavailable | BackendErrorKind::Timeout
            ),
            "{kind:?}"
        );
    }
    // It is known to be away now: nothing was sent, and nobody waits.
    for _ in 0..5 {
        for (kind, took) in call_all(&store).await {
            assert_eq!(kind, BackendErrorKind::Unavailable);
            assert!(took < PING_DEADLINE + SLACK, "{took:?}");
        }
    }
    assert_eq!(
        store.health().await.unwrap_err().kind,
        BackendErrorKind::Unavailable
    );
    databases.server().restart().await;
    let took = recovered(&*store.archive(), &hall).await;
    assert!(took < RECOVERED_WITHIN, "{took:?}");
    store.health().await.unwrap();
    let outcome = store.archive().append(vec![chat(&hall, 4)]).await;
    assert_eq!(outcome.unwrap(), [AppendOutcome::Stored]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_database_leaves_writes_unknown_and_then_refuses() {
    let databases = Databases::of_own_server().await;
    let store = connect(&databases.url()).await;
    let hall = room("hall");
    let archive = store.archive();
    fill(&*archive, &hall, 1..=3).await;
    databases.server().pause();
    let (result, took) = timed(archive.append(vec![chat(&hall, 4)])).await;
    assert_eq!(
        result.unwrap_err(),
        BackendErrorKind::Timeout,
        "it was sent"
    );
    assert!(
        took < CALL_DEADLINE + PING_DEADLINE + SLACK && took < TOLD_WITHIN,
        "{took:?}"
    );
    let (result, took) = timed(archive.append(vec![chat(&room("den"), 1)])).await;
    assert_eq!(result.unwrap_err(), BackendErrorKind::Unavailable);
    assert!(took < PING_DEADLINE + SLACK, "{took:?}");
    // Long enough for the driver to find out as well.
    let start = clock::now();
    while start.elapsed() < AWAY {
        let (result, took) = timed(archive.append(vec![chat(&room("den"), 1)])).await;
        assert_eq!(result.unwrap_err(), BackendErrorKind::Unavailable);
        assert!(took < PING_DEADLINE + SLACK, "{took:?}");
        clock::sleep(Duration::from_millis(50)).await;
    }
    let (result, took) = timed(store.health()).await;
    assert_eq!(result.unwrap_err(), BackendErrorKind::Unavailable);
    assert!(took < PING_DEADLINE + SLACK, "{took:?}");
    databases.server().resume();
    let took = recovered(&*archive, &hall).await;
    assert!(took < RECOVERED_WITHIN, "{took:?}");
    // The retry by client id tells which of the two it was; it is there once, either way.
    let outcome = archive.append(vec![chat(&hall, 4)]).await.unwrap();
    match &outcome[..] {
        [AppendOutcome::Stored] => {}
        [AppendOutcome::DuplicateClientId(record)] => assert_eq!(**record, chat(&hall, 4)),
        other => panic!("{other:?}"),
    }
    let found = archive.range(&hall, everything(), 9, false).await.unwrap();
    assert_eq!(
        found,
        (1..=4).map(|seq| chat(&hall, seq)).collect::<Vec<_>>()
    );
    assert_eq!(
        archive.tail(&room("den")).await.unwrap(),
        None,
        "refused, so not there"
    );
}

const WRITERS: u64 = 6;
const KILLS: u64 = 3;
/// Of each writer.
const ACKED_BETWEEN_KILLS: u64 = 30;
const BATCH: u64 = 5;

/// What the writers have been told.
#[derive(Default)]
struct Told {
    acked: [AtomicU64; WRITERS as usize],
    stop: AtomicBool,
}

/// Sends batches and, as the server does, looks messages up when an outcome is not known.
/// Returns (client id, sequence) of what was acked, in the order of sending.
async fn write_under_fire(
    archive: Arc<dyn MessageArchive>,
    conversation: ConversationId,
    writer: u64,
    told: Arc<Told>,
) -> Vec<(u64, u64)> {
    let mut acked: Vec<(u64, u64)> = Vec::new();
    let (mut next, mut number) = (1, 0);
    while !told.stop.load(Ordering::Relaxed) {
        let records = (0..BATCH).map(|place| Record {
            sender: name(&format!("writer{writer}")),
            client_id: client_id(&format!("{}", number + place)),
            ..chat(&conversation, next + place)
        });
        match archive.append(records.collect()).await {
            Ok(outcomes) => {
                for outcome in outcomes {
                    match outcome {
                        AppendOutcome::Stored => {
                            acked.push((number, next));
                            (number, next) = (number + 1, next + 1);
                            told.acked[writer as usize].fetch_add(1, Ordering::Relaxed);
                        }
                        // Of a send whose outcome was not known.
                        AppendOutcome::DuplicateClientId(existing) => {
                            acked.push((number, existing.seq));
                            number += 1;
                            told.acked[writer as usize].fetch_add(1, Ordering::Relaxed);
                        }
                        AppendOutcome::SequenceTaken(tail) => next = tail.seq + 1,
                        AppendOutcome::NotTried => {}
                    }
                }
            }
            Err(error) => {
                assert!(error.is_retryable(), "{error:?}");
            }
        }
        // A writer that never pauses always beats one that has to look for the top again.
        clock::sleep(Duration::from_millis(random::below(10))).await;
    }
    acked
}

/// Two stores on one database, writers on shared and on own logs, and a database that is
/// killed again and again.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_acked_is_lost_or_doubled_when_the_database_is_killed() {
    let databases = Databases::of_own_server().await;
    let url = databases.url();
    let stores = [connect(&url).await, connect(&url).await];
    let told = Arc::new(Told::default());
    let log_of = |writer: u64| room(["hall", "den", "yard"][(writer / 2) as usize]);
    let scope = antiphon_core::shutdown::Shutdown::new();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let archive = stores[(writer % 2) as usize].archive();
            let work = write_under_fire(archive, log_of(writer), writer, Arc::clone(&told));
            antiphon_core::task::spawn(&scope, antiphon_core::task::TaskKind::Client, work)
        })
        .collect();
    for kill in 1..=KILLS {
        wait_for_acks(&told, kill * ACKED_BETWEEN_KILLS).await;
        databases.server().restart().await;
    }
    wait_for_acks(&told, (KILLS + 1) * ACKED_BETWEEN_KILLS).await;
    told.stop.store(true, Ordering::Relaxed);
    let mut acked = Vec::new();
    for writer in writers {
        acked.push(writer.await.unwrap().expect("no writer panicked"));
    }
    let reader = connect(&url).await;
    for log in ["hall", "den", "yard"] {
        let (archive, log_id) = (reader.archive(), room(log));
        let found = archive.range(&log_id, everything(), 1_000_000, false);
        let found = found.await.expect("dense");
        let keys: std::collections::HashSet<_> = found
            .iter()
            .map(|record| (&record.sender, &record.client_id))
            .collect();
        assert_eq!(keys.len(), found.len(), "nothing is there twice");
        for writer in (0..WRITERS).filter(|writer| log_of(*writer) == room(log)) {
            let own: Vec<(u64, u64)> = found
                .iter()
                .filter(|record| record.sender == name(&format!("writer{writer}")))
                .map(|record| (record.client_id.as_str().parse().unwrap(), record.seq))
                .collect();
            let acked = &acked[writer as usize];
            assert_eq!(
                own[..acked.len()],
                acked[..],
                "acked, so it is there, in order"
            );
            assert!(
                own.len() - acked.len() <= BATCH as usize,
                "or it was the last batch"
            );
        }
    }
}

async fn wait_for_acks(told: &Told, wanted: u64) {
    let start: Instant = clock::now();
    let behind = |acked: &AtomicU64| acked.load(Ordering::Relaxed) < wanted;
    while told.acked.iter().any(behind) {
        assert!(
            start.elapsed() < Duration::from_secs(40),
            "the writers stand still"
        );
        clock::sleep(Duration::from_millis(5)).await;
    }
}

/// Rooms are written by transactions: over kills, each decision is there wholly or not at all,
/// and the count of members is the number of rows.
#[tokio::test(flavor = "multi_thread")]
async fn members_and_their_count_stay_together_when_the_database_is_killed() {
    let databases = Databases::of_own_server().await;
    let store = connect(&databases.url()).await;
    let rooms = store.rooms();
    let hall = RoomName::parse("hall").unwrap();
    let record = RoomRecord {
        name: hall.clone(),
        visibility: Visibility::Public,
        topic: String::new(),
        created_at_ms: 0,
    };
    rooms
        .create(record, vec![member("owner")], 0)
        .await
        .unwrap();
    let mut certain = 1_u64;
    let mut unknown = 0_u64;
    for round in 0..3 {
        let joins = (0..30).map(|number| {
            let (rooms, user) = (Arc::clone(&rooms), format!("user{round}x{number}"));
            async move { rooms.put_member(member(&user), 0).await }
        });
        let kill = async {
            // In the middle of the joins.
            while rooms.member_count(&hall).await.unwrap_or(0) < certain + 5 {
                clock::sleep(Duration::from_millis(1)).await;
            }
            databases.server().restart().await;
        };
        let (results, ()) = tokio::join!(futures_util::future::join_all(joins), kill);
        for result in results {
            match result.map_err(|error| error.kind) {
                Ok(()) => certain += 1,
                Err(BackendErrorKind::Timeout) => unknown += 1,
                Err(BackendErrorKind::Unavailable) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
        recovered(&*store.archive(), &room("hall")).await;
        let rows = rooms.members(&hall).await.unwrap().len() as u64;
        assert_eq!(rooms.member_count(&hall).await.unwrap(), rows);
        assert!(
            (certain..=certain + unknown).contains(&rows),
            "{certain} {unknown} {rows}"
        );
        certain = rows;
        unknown = 0;
    }
}
