//! Trimming: only the oldest go, and everything else stays as it was.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use antiphon_protocol::ConversationId;

use super::{append_one, chat, client_id, epoch_record, name, pair, room, seqs, store_all};
use crate::contract::{AppendOutcome, Extent, MessageArchive, Record, SeqRange, Tail, Trimmed};

/// Records that the race appends.
const RACED: u64 = 60;
/// More calls than any of these logs takes.
const CALLS_MAX: usize = 1_000;

pub(super) async fn all(make: &impl AsyncFn() -> Arc<dyn MessageArchive>) {
    nothing_is_removed_where_nothing_is(&*make().await).await;
    only_the_oldest_go(&*make().await).await;
    what_is_removed_is_found_no_more(&*make().await).await;
    the_newest_stays_and_the_log_goes_on(&*make().await).await;
    a_clock_that_went_back_leaves_no_hole(&*make().await).await;
    a_call_is_bounded_and_the_next_goes_on(&*make().await).await;
    trimming_writing_and_reading_at_once(make().await).await;
}

const EVERYTHING: SeqRange = SeqRange {
    from: 1,
    to: u64::MAX,
};

/// Trims to the end, `limit` records a call; how many went in all.
async fn trim(archive: &dyn MessageArchive, before_ms: u64, limit: usize) -> u64 {
    let (mut after, mut total) = (String::new(), 0);
    for _ in 0..CALLS_MAX {
        let Trimmed { removed, next } = archive.trim(before_ms, &after, limit).await.expect("trim");
        assert!(removed <= limit as u64, "{removed} of {limit}");
        total += removed;
        match next {
            Some(next) => after = next,
            None => return total,
        }
    }
    panic!("it does not end");
}

async fn read(archive: &dyn MessageArchive, conversation: &ConversationId) -> Vec<u64> {
    let found = archive.range(conversation, EVERYTHING, 1_000, false).await;
    seqs(&found.expect("range"))
}

async fn ten(archive: &dyn MessageArchive, conversation: &ConversationId) -> Vec<Record> {
    let record = |seq| chat(conversation, seq, "ann", &format!("fox number{seq}"));
    let records: Vec<Record> = (1..=10).map(record).collect();
    store_all(archive, records.clone()).await;
    records
}

async fn nothing_is_removed_where_nothing_is(archive: &dyn MessageArchive) {
    let nothing = Trimmed::default();
    assert_eq!(archive.trim(5, "", 10).await.expect("trim"), nothing);
    let hall = room("hall");
    ten(archive, &hall).await;
    assert_eq!(trim(archive, 1_010, 100).await, 0, "the first is not older");
    assert_eq!(read(archive, &hall).await, (1..=10).collect::<Vec<_>>());
}

async fn only_the_oldest_go(archive: &dyn MessageArchive) {
    let (hall, den) = (room("hall"), pair("ann", "bob"));
    let records = ten(archive, &hall).await;
    let young = Record {
        ts_ms: 5_000,
        ..chat(&den, 1, "ann", "psst")
    };
    store_all(archive, vec![young]).await;
    assert_eq!(trim(archive, 1_060, 100).await, 5);
    assert_eq!(trim(archive, 1_060, 100).await, 0, "once is enough");
    let extent = archive.extent(&hall).await.expect("extent");
    assert_eq!(extent, Extent { first: 6, last: 10 });
    let range = async |from, to, newest_first| {
        let window = SeqRange { from, to };
        let found = archive.range(&hall, window, 4, newest_first).await;
        found.expect("range")
    };
    assert_eq!(range(1, 99, false).await, records[5..9]);
    assert_eq!(range(1, 99, true).await, records[6..10]);
    assert_eq!(range(1, 7, true).await, records[5..7]);
    assert_eq!(range(0, 6, false).await, records[5..6]);
    for newest_first in [false, true] {
        assert_eq!(range(1, 5, newest_first).await, []);
        assert_eq!(range(2, 2, newest_first).await, []);
    }
    assert_eq!(
        archive.tail(&hall).await.expect("tail"),
        Some(Tail { seq: 10, epoch: 3 })
    );
    assert_eq!(read(archive, &den).await, [1]);
    assert_eq!(archive.count().await.expect("count"), 6);
}

async fn what_is_removed_is_found_no_more(archive: &dyn MessageArchive) {
    let hall = room("hall");
    let records = ten(archive, &hall).await;
    assert_eq!(trim(archive, 1_060, 100).await, 5);
    for record in &records {
        let found = archive.find(&hall, &name("ann"), &record.client_id).await;
        let left = (record.seq > 5).then_some(record);
        assert_eq!(found.expect("find").as_ref(), left);
        let at = archive.seq_at(&hall, record.ts_ms).await.expect("seq_at");
        assert_eq!(at, Some(record.seq.max(6)));
        let words = format!("number{}", record.seq);
        let found = archive
            .search(std::slice::from_ref(&hall), &words, 10)
            .await;
        let left: Vec<u64> = left.iter().map(|record| record.seq).collect();
        assert_eq!(seqs(&found.expect("search")), left);
    }
    let found = archive.search(std::slice::from_ref(&hall), "fox", 10).await;
    assert_eq!(seqs(&found.expect("search")), [10, 9, 8, 7, 6]);
    let since = archive.since(0, 100).await.expect("since");
    assert_eq!(seqs(&since), [10, 9, 8, 7, 6]);
    for (after, wanted) in [(0, 5), (3, 5), (5, 5), (6, 4), (10, 0)] {
        let unread = archive.unread(&hall, &name("bob"), after, 100).await;
        assert_eq!(unread.expect("unread"), wanted, "behind {after}");
    }
}

async fn the_newest_stays_and_the_log_goes_on(archive: &dyn MessageArchive) {
    let (hall, den) = (room("hall"), room("den"));
    let records = ten(archive, &hall).await;
    store_all(archive, vec![chat(&den, 1, "ann", "a")]).await;
    store_all(archive, vec![epoch_record(&den, 2, 7)]).await;
    assert_eq!(trim(archive, u64::MAX, 100).await, 10);
    assert_eq!(read(archive, &hall).await, [10]);
    // The mark of the newest leader is the fence.
    assert_eq!(
        archive.tail(&den).await.expect("tail"),
        Some(Tail { seq: 2, epoch: 7 })
    );
    assert_eq!(trim(archive, u64::MAX, 100).await, 0);
    let late = |seq| Record {
        client_id: client_id("late"),
        ..chat(&hall, seq, "bob", "late")
    };
    let taken = AppendOutcome::SequenceTaken(Tail { seq: 10, epoch: 3 });
    // A removed place is not free, nor is one behind a removed place.
    for seq in [1, 2, 5, 9, 10, 12] {
        assert_eq!(append_one(archive, late(seq)).await, taken, "{seq}");
    }
    let again = Record {
        client_id: records[9].client_id.clone(),
        ..chat(&hall, 11, "ann", "again")
    };
    let twin = AppendOutcome::DuplicateClientId(Box::new(records[9].clone()));
    assert_eq!(append_one(archive, again).await, twin);
    // The id of a message lives as long as the message.
    let reborn = Record {
        client_id: records[0].client_id.clone(),
        ..chat(&hall, 11, "ann", "fox number11")
    };
    store_all(archive, vec![reborn, chat(&hall, 12, "ann", "on")]).await;
    store_all(archive, vec![chat(&den, 3, "ann", "on")]).await;
    assert_eq!(read(archive, &hall).await, [10, 11, 12]);
    assert_eq!(trim(archive, u64::MAX, 100).await, 3);
    let extent = archive.extent(&hall).await.expect("extent");
    assert_eq!(
        extent,
        Extent {
            first: 12,
            last: 12
        }
    );
}

async fn a_clock_that_went_back_leaves_no_hole(archive: &dyn MessageArchive) {
    let hall = room("hall");
    let times = [100, 300, 200, 250, 400, 500];
    let record = |(seq, ts_ms): (u64, &u64)| Record {
        ts_ms: *ts_ms,
        ..chat(&hall, seq, "ann", "tick")
    };
    let records = (1..).zip(&times).map(record).collect();
    store_all(archive, records).await;
    assert_eq!(trim(archive, 260, 100).await, 1);
    assert_eq!(read(archive, &hall).await, [2, 3, 4, 5, 6]);
    assert_eq!(trim(archive, 301, 100).await, 3);
    assert_eq!(read(archive, &hall).await, [5, 6]);
    let at = archive.seq_at(&hall, 350).await.expect("seq_at");
    assert_eq!(at, Some(5));
}

async fn a_call_is_bounded_and_the_next_goes_on(archive: &dyn MessageArchive) {
    let logs = ["a", "b", "c"].map(room);
    for log in &logs {
        ten(archive, log).await;
    }
    let first = archive.trim(1_090, "", 3).await.expect("trim");
    assert_eq!(first.removed, 3);
    assert!(first.next.is_some());
    assert_eq!(read(archive, &logs[0]).await, (4..=10).collect::<Vec<_>>());
    assert_eq!(read(archive, &logs[1]).await.len(), 10);
    assert_eq!(trim(archive, 1_090, 3).await, 21, "three had gone before");
    for log in &logs {
        assert_eq!(read(archive, log).await, [9, 10]);
    }
    assert_eq!(trim(archive, 1_100, 1).await, 3);
    // From a key on.
    let (ended, beyond) = ("room:b", "room:z");
    store_all(archive, vec![chat(&logs[2], 11, "ann", "x")]).await;
    assert_eq!(
        archive.trim(u64::MAX, beyond, 9).await.expect("trim"),
        Trimmed::default()
    );
    let last = archive.trim(u64::MAX, ended, 9).await.expect("trim");
    assert_eq!(last.removed, 1);
}

/// One writer, two that trim, two that read: what is read is always dense, up to a top that
/// only rises, and never begins earlier than before.
async fn trimming_writing_and_reading_at_once(archive: Arc<dyn MessageArchive>) {
    let hall = room("hall");
    let written = AtomicBool::new(false);
    let write = async {
        for seq in 1..=RACED {
            let record = chat(&hall, seq, "ann", &format!("fox number{seq}"));
            store_all(&*archive, vec![record]).await;
        }
        written.store(true, Ordering::Relaxed);
    };
    let trims = async || {
        let mut total = 0;
        while !written.load(Ordering::Relaxed) {
            total += trim(&*archive, u64::MAX, 3).await;
        }
        total + trim(&*archive, u64::MAX, 3).await
    };
    let reads = async || {
        let (mut first, mut last) = (0, 0);
        while !written.load(Ordering::Relaxed) {
            let found = read(&*archive, &hall).await;
            assert!(found.is_sorted_by(|a, b| a + 1 == *b), "{found:?}");
            let (low, high) = (found.first().copied(), found.last().copied());
            let (low, high) = (low.unwrap_or(0), high.unwrap_or(0));
            assert!(low >= first && high >= last, "{first} {last} {found:?}");
            let extent = archive.extent(&hall).await.expect("extent");
            assert!(extent.first >= low && extent.last >= high, "{extent:?}");
            (first, last) = (extent.first, extent.last);
            let tail = archive.tail(&hall).await.expect("tail");
            assert!(tail.map_or(0, |tail| tail.seq) >= last, "{tail:?}");
            last = tail.map_or(0, |tail| tail.seq);
            let hits = archive.search(std::slice::from_ref(&hall), "fox", 5).await;
            let hits = seqs(&hits.expect("search"));
            assert!(hits.is_sorted_by(|a, b| a > b), "{hits:?}");
            // What is looked for may go meanwhile; it is never said to be damaged.
            let at = archive.seq_at(&hall, 1_010).await.expect("seq_at");
            assert!(at.is_none_or(|at| at >= first), "{at:?} before {first}");
        }
    };
    let (_, one, other, ..) = futures_util::join!(write, trims(), trims(), reads(), reads());
    assert_eq!(one + other, RACED - 1, "each is removed once");
    assert_eq!(read(&*archive, &hall).await, [RACED]);
}
