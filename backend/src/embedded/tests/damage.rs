//! Damage: found, never served.

use std::fs;
use std::path::Path;

use antiphon_core::contract::{BackendErrorKind, Record, UserRecord};
use antiphon_core::random;
use tempfile::TempDir;

use super::super::opening::DATABASE_FILE;
use super::super::{EmbeddedStore, OpenError};
use super::{chat, everything, fill, fresh, name, open, room};

const RECORDS: u64 = 120;

/// A closed database with some records and accounts.
async fn sample() -> Vec<u8> {
    let (dir, store) = fresh().await;
    for place in ["hall", "den"] {
        fill(&*store.archive(), &room(place), RECORDS).await;
    }
    let users = (0..40).map(user).collect();
    store.users().create_many(users).await.unwrap();
    store.close().await;
    fs::read(dir.path().join("data").join(DATABASE_FILE)).unwrap()
}

fn user(number: usize) -> UserRecord {
    let password_hash = Some(format!("hash of {number}"));
    UserRecord {
        name: name(&format!("user{number:02}")),
        password_hash,
        created_at_ms: 3,
    }
}

fn with_database(bytes: &[u8]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(DATABASE_FILE), bytes).unwrap();
    dir
}

/// Reads everything. `Ok(true)` if all is there, `Ok(false)` if something is missing, an error
/// if the store told of damage. Anything else that is read fails the test.
async fn read_all(store: &EmbeddedStore) -> Result<bool, BackendErrorKind> {
    let archive = store.archive();
    let mut complete = true;
    for place in ["hall", "den"] {
        let place = room(place);
        let found = archive
            .range(&place, everything(), 1_000, false)
            .await
            .map_err(|e| e.kind)?;
        let expected: Vec<Record> = (1..=RECORDS).map(|seq| chat(&place, seq)).collect();
        assert!(found.is_empty() || found == expected, "damage was served");
        complete &= !found.is_empty();
        for record in expected.iter().step_by(17) {
            let Record {
                sender, client_id, ..
            } = record;
            let found = archive
                .find(&place, sender, client_id)
                .await
                .map_err(|e| e.kind)?;
            assert!(
                found.is_none() || found.as_ref() == Some(record),
                "damage was served"
            );
            complete &= found.is_some();
        }
        let found = archive
            .search(std::slice::from_ref(&place), "number7", 5)
            .await
            .map_err(|e| e.kind)?;
        assert!(
            found.is_empty() || found == [chat(&place, 7)],
            "damage was served"
        );
        complete &= !found.is_empty();
    }
    for number in 0..40 {
        let found = store
            .users()
            .get(&user(number).name)
            .await
            .map_err(|e| e.kind)?;
        assert!(
            found.is_none() || found == Some(user(number)),
            "damage was served"
        );
        complete &= found.is_some();
    }
    Ok(complete)
}

#[tokio::test]
async fn a_flipped_bit_in_a_record_is_corrupt_and_the_rest_is_served() {
    let mut bytes = sample().await;
    let text = b"text number60 of the log";
    let places: Vec<usize> = (0..bytes.len() - text.len())
        .filter(|at| bytes[*at..].starts_with(text))
        .collect();
    assert_eq!(places.len(), 2, "one per conversation");
    for place in places {
        bytes[place + 12] ^= 1;
    }
    let dir = with_database(&bytes);
    let store = open(dir.path()).await;
    let archive = store.archive();
    let error = archive
        .range(&room("hall"), everything(), 1_000, false)
        .await
        .unwrap_err();
    assert_eq!(error.kind, BackendErrorKind::Corrupt);
    assert!(!error.is_retryable());
    let below = super::SeqRange { from: 1, to: 59 };
    assert_eq!(
        archive
            .range(&room("hall"), below, 100, false)
            .await
            .unwrap()
            .len(),
        59
    );
    let findings = store.verify().await.unwrap();
    assert_eq!(findings.len(), 2, "{findings:?}");
    assert!(
        findings.iter().any(|finding| finding.contains("room:hall")),
        "{findings:?}"
    );
    // A damaged record is never taken for a free client id either.
    let again = archive
        .append(vec![chat(&room("hall"), 60)])
        .await
        .unwrap_err();
    assert_eq!(again.kind, BackendErrorKind::Corrupt);
    // A call that fails midway takes back what it had stored, and only that.
    let mixed = vec![chat(&room("new"), 1), chat(&room("hall"), 60)];
    let (mixed, kept) = tokio::join!(
        archive.append(mixed),
        archive.append(vec![chat(&room("other"), 1)]),
    );
    assert_eq!(mixed.unwrap_err().kind, BackendErrorKind::Corrupt);
    assert_eq!(kept.unwrap(), [super::AppendOutcome::Stored]);
    assert_eq!(archive.tail(&room("new")).await.unwrap(), None);
    let found = archive.search(&[room("new")], "log", 5).await.unwrap();
    assert_eq!(found, []);
    fill(&*archive, &room("new"), 2).await;
    let next = archive
        .append(vec![chat(&room("hall"), RECORDS + 1)])
        .await
        .unwrap();
    assert_eq!(next, [super::AppendOutcome::Stored]);
}

#[tokio::test]
async fn a_file_that_lost_its_end_is_refused_or_told() {
    let sample = sample().await;
    for share in 1..8 {
        let dir = with_database(&sample[..sample.len() * share / 8]);
        let Ok(store) = EmbeddedStore::open(dir.path()).await else {
            continue;
        };
        match read_all(&store).await {
            Err(BackendErrorKind::Corrupt) => {}
            other => panic!("{share}/8 of the file: {other:?}"),
        }
    }
}

const COMMITS: u64 = 30;

/// What a killed process leaves: the database and its write-ahead log, with one commit per
/// record.
async fn killed() -> (Vec<u8>, Vec<u8>) {
    let (dir, store) = fresh().await;
    let data = dir.path().join("data");
    store.close().await;
    let store = open(&data).await;
    for seq in 1..=COMMITS {
        store
            .archive()
            .append(vec![chat(&room("hall"), seq)])
            .await
            .unwrap();
    }
    let files = (
        fs::read(data.join(DATABASE_FILE)).unwrap(),
        fs::read(data.join("antiphon.db-wal")).unwrap(),
    );
    store.close().await;
    files
}

async fn reopened(database: &[u8], log: &[u8]) -> Result<u64, OpenError> {
    let dir = with_database(database);
    fs::write(dir.path().join("antiphon.db-wal"), log).unwrap();
    count(dir.path()).await
}

/// How many records of the log are there; each is what was written.
async fn count(dir: &Path) -> Result<u64, OpenError> {
    let store = EmbeddedStore::open(dir).await?;
    let hall = room("hall");
    let found = store
        .archive()
        .range(&hall, everything(), 1_000, false)
        .await
        .unwrap();
    for (record, seq) in found.iter().zip(1..) {
        assert_eq!(record, &chat(&hall, seq));
    }
    store.close().await;
    Ok(found.len() as u64)
}

#[tokio::test]
async fn a_torn_or_garbage_tail_of_the_write_ahead_log_costs_nothing_acknowledged() {
    let (database, log) = killed().await;
    assert_eq!(reopened(&database, &log).await.unwrap(), COMMITS);
    for garbage in [vec![0xa5; 100], vec![0; 10_000], log[32..20_000].to_vec()] {
        let longer = [log.clone(), garbage].concat();
        assert_eq!(reopened(&database, &longer).await.unwrap(), COMMITS);
    }
    for lost in [1, 100, 4_120] {
        let shorter = &log[..log.len() - lost];
        assert_eq!(
            reopened(&database, shorter).await.unwrap(),
            COMMITS - 1,
            "a torn commit"
        );
    }
}

const LOG_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
const FRAME: usize = FRAME_HEADER + 4_096;

/// Where the frames of a log begin.
fn frames(log: &[u8]) -> impl Iterator<Item = usize> {
    (LOG_HEADER..log.len()).step_by(FRAME)
}

/// Where one of the last commits of a log begins, the last being 1: behind the frame that ended
/// the one before.
fn late_commit(log: &[u8], from_last: usize) -> usize {
    let ends_commit = |at: &usize| log[at + 4..at + 8] != [0; 4];
    let ends: Vec<usize> = frames(log).filter(ends_commit).collect();
    ends[ends.len() - 1 - from_last] + FRAME
}

/// A flip in the very last commit looks like a torn tail: no later one shows that it was synced.
#[tokio::test]
#[expect(clippy::print_stdout, reason = "what was tried")]
async fn a_flipped_bit_of_the_write_ahead_log_is_refused_before_its_last_commit() {
    let (database, log) = killed().await;
    let (last, late) = (late_commit(&log, 1), late_commit(&log, 4));
    let (mut refused, mut torn, mut harmless) = (0, 0, 0);
    // Every bit of the file's header, always, and a bit of each byte of the frames' headers where
    // little lies behind them.
    let headers = (0..LOG_HEADER).flat_map(|place| (0..8).map(move |bit| (place, bit)));
    let late = frames(&log).filter(|at| *at >= late);
    let late = late.flat_map(|at| (at..at + FRAME_HEADER).map(|place| (place, random::below(8))));
    let headers = headers.chain(late);
    let anywhere = super::flips::places(log.len()).into_iter();
    let anywhere = anywhere.map(|place| (place, random::below(8)));
    for (place, bit) in headers.chain(anywhere) {
        let mut bytes = log.clone();
        bytes[place] ^= 1 << bit;
        match reopened(&database, &bytes).await {
            Err(OpenError::Damaged { file, report }) => {
                assert!(report.contains("at byte"), "{report}");
                assert!(file.ends_with("antiphon.db-wal"), "{file:?}");
                refused += 1;
            }
            Err(other) => panic!("byte {place}, bit {bit}: {other:?}"),
            Ok(COMMITS) => harmless += 1,
            Ok(found) => {
                assert!(
                    place >= last && found == COMMITS - 1,
                    "byte {place}, bit {bit}: {found} are left"
                );
                torn += 1;
            }
        }
    }
    println!(
        "{} bits flipped in a write-ahead log of {} bytes, the last commit at byte {last}",
        refused + torn + harmless,
        log.len()
    );
    println!("  refused: {refused}, taken for a torn tail: {torn}, harmless: {harmless}");
    assert!(refused > 100, "{refused}");
}
