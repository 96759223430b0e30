use std::sync::atomic::Ordering;

use antiphon_core::contract::BackendErrorKind;
use antiphon_core::random;

use super::*;
use crate::server::settings::BATCH_MAX;
use crate::server::tests::support::archive::{Fault, FaultyArchive};
use crate::server::tests::support::{Stores, client_id, hash_of, record, room, stores, user};

const EPOCH: u64 = 7;

fn draft(sender: &str, id: &str, body: &str) -> Draft {
    Draft {
        kind: RecordKind::Chat,
        sender: user(sender),
        client_id: client_id(id),
        message_id: random::message_id(),
        body_hash: hash_of(body),
        ts_ms: 1,
        format: "text".into(),
        body: body.into(),
    }
}

fn drafts(ids: impl IntoIterator<Item = usize>) -> Vec<Draft> {
    let draft = |n: usize| draft("alice", &format!("m{n}"), &format!("text {n}"));
    ids.into_iter().map(draft).collect()
}

fn hall() -> ConversationId {
    ConversationId::Room(room("hall"))
}

struct Fixture {
    stores: Stores,
    archive: Arc<FaultyArchive>,
    recorder: Recorder,
}

async fn fixture() -> Fixture {
    let stores = stores().await;
    let archive = FaultyArchive::new(&stores.backends.archive);
    let recorder = Recorder::new(Arc::clone(&archive) as Arc<dyn MessageArchive>);
    Fixture {
        stores,
        archive,
        recorder,
    }
}

impl Fixture {
    async fn append(&self, log: Log, drafts: Vec<Draft>) -> (Log, Vec<Written>) {
        let count = drafts.len();
        let mut parts = [Part::new(log, drafts)];
        self.recorder.append(&mut parts).await;
        let [part] = parts;
        let (log, written) = part.finish();
        assert_eq!(written.len(), count);
        (log, written)
    }

    async fn intrude(&self, seq: u64, epoch: u64) {
        let intruder = record(&hall(), seq, epoch, &format!("intruder-{seq}"));
        let outcome = self.archive.append(vec![intruder]).await.unwrap();
        assert_eq!(outcome, [AppendOutcome::Stored]);
    }
}

/// A word and the place for each result.
fn told(written: &[Written]) -> Vec<(&'static str, u64)> {
    let told = written.iter().map(|written| match written {
        Written::Stored(record) => ("stored", record.seq),
        Written::Duplicate(record) => ("duplicate", record.seq),
        Written::ClientIdConflict => ("conflict", 0),
        Written::Deposed => ("deposed", 0),
        Written::Unavailable => ("unavailable", 0),
        Written::Unknown => ("unknown", 0),
    });
    told.collect()
}

#[tokio::test]
async fn a_batch_is_one_call_and_dense_from_one() {
    let f = fixture().await;
    let (log, written) = f.append(Log::new(hall(), EPOCH), drafts(0..3)).await;
    assert_eq!(
        told(&written),
        [("stored", 1), ("stored", 2), ("stored", 3)]
    );
    assert_eq!(log.top(), Some(3));
    assert_eq!(f.archive.appends.load(Ordering::Relaxed), 1);
    assert_eq!(f.stores.room_log("hall").await.len(), 3);
}

#[tokio::test]
async fn a_retry_gets_the_place_it_has_and_another_text_is_refused() {
    let f = fixture().await;
    let (log, _) = f.append(Log::new(hall(), EPOCH), drafts(0..2)).await;
    let again = vec![
        draft("alice", "m1", "text 1"),
        draft("alice", "m0", "another text"),
        draft("bob", "m0", "bob's id is his own"),
    ];
    let (log, written) = f.append(log, again).await;
    assert_eq!(
        told(&written),
        [("duplicate", 2), ("conflict", 0), ("stored", 3)]
    );
    assert_eq!(log.top(), Some(3));
    assert_eq!(f.stores.room_log("hall").await.len(), 3);
}

#[tokio::test]
async fn duplicates_in_the_middle_of_a_batch_leave_no_hole() {
    let f = fixture().await;
    let (log, _) = f.append(Log::new(hall(), EPOCH), drafts([1, 3])).await;
    let (log, written) = f.append(log, drafts(0..6)).await;
    let expected = [
        ("stored", 3),
        ("duplicate", 1),
        ("stored", 4),
        ("duplicate", 2),
        ("stored", 5),
        ("stored", 6),
    ];
    assert_eq!(told(&written), expected);
    assert_eq!(log.top(), Some(6));
    assert_eq!(f.stores.room_log("hall").await.len(), 6);
}

/// A new leader gets everything again that the old one had not answered: each of it may be in
/// the log, and none of it may be called "certainly not stored".
#[tokio::test]
async fn a_whole_batch_of_retries_is_recognized() {
    let f = fixture().await;
    let (_, first) = f
        .append(Log::new(hall(), EPOCH), drafts(0..BATCH_MAX))
        .await;
    let (_, again) = f
        .append(Log::new(hall(), EPOCH + 1), drafts(0..BATCH_MAX))
        .await;
    for ((_, seq), retry) in told(&first).into_iter().zip(told(&again)) {
        assert_eq!(retry, ("duplicate", seq));
    }
    assert_eq!(f.stores.room_log("hall").await.len(), BATCH_MAX);
}

#[tokio::test]
async fn a_taken_sequence_is_retried_at_the_new_top() {
    let f = fixture().await;
    // The first intruder is of an older term: a zombie does not depose.
    f.archive
        .plan([Fault::Behind(EPOCH - 1), Fault::Behind(EPOCH)]);
    let (log, written) = f.append(Log::at(hall(), EPOCH, 0), drafts(0..2)).await;
    assert_eq!(told(&written), [("stored", 3), ("stored", 4)]);
    assert_eq!(log.top(), Some(4));
    assert_eq!(f.stores.room_log("hall").await.len(), 4);
}

#[tokio::test]
async fn a_newer_term_on_top_deposes_the_writer() {
    let f = fixture().await;
    let (log, _) = f.append(Log::new(hall(), EPOCH), drafts(0..2)).await;
    f.intrude(3, EPOCH + 1).await;
    let (_, written) = f.append(log, drafts(2..5)).await;
    assert_eq!(told(&written), [("deposed", 0); 3]);
    // Also one that reads the tail first.
    let (_, written) = f.append(Log::new(hall(), EPOCH), drafts(2..5)).await;
    assert_eq!(told(&written), [("deposed", 0); 3]);
    assert_eq!(f.stores.room_log("hall").await.len(), 3);
}

#[tokio::test]
async fn a_timeout_after_the_commit_is_resolved_by_looking() {
    let f = fixture().await;
    f.archive.plan([Fault::Done(BackendErrorKind::Timeout)]);
    let (log, written) = f.append(Log::new(hall(), EPOCH), drafts(0..2)).await;
    assert_eq!(told(&written), [("stored", 1), ("stored", 2)]);
    assert_eq!(log.top(), None, "the next append reads the tail");
    let (_, written) = f.append(log, drafts(2..3)).await;
    assert_eq!(told(&written), [("stored", 3)]);
}

/// What was in the log before this call is not to be delivered a second time.
#[tokio::test]
async fn a_timeout_of_a_retry_is_a_duplicate() {
    let f = fixture().await;
    let (log, _) = f.append(Log::new(hall(), EPOCH), drafts(0..1)).await;
    f.archive.plan([Fault::Refused(BackendErrorKind::Timeout)]);
    let again = vec![
        draft("alice", "m0", "text 0"),
        draft("alice", "m0", "another text"),
        draft("alice", "m9", "new"),
    ];
    let (_, written) = f.append(log, again).await;
    assert_eq!(
        told(&written),
        [("duplicate", 1), ("conflict", 0), ("unknown", 0)]
    );
}

#[tokio::test]
async fn a_timeout_before_the_commit_is_unknown_and_the_tail_is_read_again() {
    let f = fixture().await;
    let (log, _) = f.append(Log::new(hall(), EPOCH), drafts(0..1)).await;
    f.archive.plan([Fault::Refused(BackendErrorKind::Timeout)]);
    let (log, written) = f.append(log, drafts(1..3)).await;
    assert_eq!(told(&written), [("unknown", 0), ("unknown", 0)]);
    // It arrives late after all.
    f.intrude(2, EPOCH).await;
    let tails = f.archive.tails.load(Ordering::Relaxed);
    let (log, written) = f.append(log, drafts(1..3)).await;
    assert_eq!(told(&written), [("stored", 3), ("stored", 4)]);
    assert_eq!(f.archive.tails.load(Ordering::Relaxed), tails + 1);
    assert_eq!(log.top(), Some(4));
}

#[tokio::test]
async fn a_timeout_that_cannot_be_looked_up_is_unknown() {
    let f = fixture().await;
    let (log, _) = f.append(Log::new(hall(), EPOCH), drafts(0..1)).await;
    f.archive.plan([Fault::Done(BackendErrorKind::Timeout)]);
    f.archive.unreadable.store(true, Ordering::Relaxed);
    let (_, written) = f.append(log, drafts(1..2)).await;
    assert_eq!(told(&written), [("unknown", 0)]);
}

/// Pitfall 87.
#[tokio::test]
async fn a_store_that_is_away_refuses_and_nothing_is_written() {
    let f = fixture().await;
    f.archive
        .plan([Fault::Refused(BackendErrorKind::Unavailable)]);
    let (log, written) = f.append(Log::new(hall(), EPOCH), drafts(0..2)).await;
    assert_eq!(told(&written), [("unavailable", 0); 2]);
    let error = written[0].error().unwrap();
    assert_eq!((error.code, error.retryable), (503, true));
    let (_, written) = f.append(log, drafts(0..2)).await;
    assert_eq!(told(&written), [("stored", 1), ("stored", 2)]);
}

#[tokio::test]
async fn endless_contention_ends_after_bounded_rounds() {
    let f = fixture().await;
    f.archive.contended.store(true, Ordering::Relaxed);
    let (_, written) = f.append(Log::new(hall(), EPOCH), drafts(0..2)).await;
    assert_eq!(told(&written), [("unavailable", 0); 2]);
    assert_eq!(f.archive.appends.load(Ordering::Relaxed), APPEND_ROUNDS_MAX);
    f.archive.contended.store(false, Ordering::Relaxed);
    let (_, written) = f.append(Log::new(hall(), EPOCH), drafts(0..2)).await;
    assert_eq!(told(&written)[0].0, "stored");
}

#[tokio::test]
async fn one_conversation_that_is_contended_does_not_hold_up_another() {
    let f = fixture().await;
    let other = ConversationId::Room(room("other"));
    f.archive.plan([Fault::Behind(EPOCH)]);
    let mut parts = [
        Part::new(Log::at(hall(), EPOCH, 0), drafts(0..2)),
        Part::new(Log::new(other.clone(), EPOCH), drafts(0..2)),
    ];
    f.recorder.append(&mut parts).await;
    let [first, second] = parts;
    assert_eq!(told(&first.finish().1), [("stored", 2), ("stored", 3)]);
    assert_eq!(told(&second.finish().1), [("stored", 1), ("stored", 2)]);
}

/// Direct conversations have a writer on each server and no term; the log alone keeps them
/// apart. Batch sizes come from a seed.
/// Pitfall 89: the order is that of the sequence, whoever writes.
#[tokio::test]
async fn two_writers_of_one_conversation_end_dense_and_without_loss() {
    for seed in 0..6_u64 {
        let f = fixture().await;
        let pair = ConversationId::direct(user("alice"), user("bob"));
        let write = async |name: &str, mut state: u64| {
            let mut log = Log::new(pair.clone(), 0);
            let mut places = Vec::new();
            let mut sent = 0;
            while sent < 40 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let size = 1 + (state >> 33) as usize % 7;
                let batch = (sent..sent + size)
                    .map(|n| draft(name, &format!("m{n}"), name))
                    .collect();
                sent += size;
                let (next, written) = f.append(log, batch).await;
                log = next;
                for (word, seq) in told(&written) {
                    assert_eq!(word, "stored", "seed {seed}");
                    places.push(seq);
                }
            }
            assert!(places.is_sorted(), "seed {seed}: order of a sender");
            places
        };
        let (a, b) = tokio::join!(write("alice", seed), write("bob", seed + 1_000));
        let records = f.stores.log(&pair).await;
        assert_eq!(records.len(), a.len() + b.len(), "seed {seed}");
    }
}
