//! The bounds of the MongoDB store.

use std::time::Duration;

/// Longest wait for a server of the replica set that can take a call: above
/// [`HEARTBEAT_EVERY`], for after an answer like "not the primary" the driver waits for the
/// next look at the server.
pub(super) const SERVER_SELECTION_TIMEOUT: Duration = Duration::from_secs(3);
/// Longest wait for a connection to open.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How often each server of the set is looked at.
pub(super) const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);
/// Longest call. With [`PING_DEADLINE`] behind it, a sender is told within 6 s.
pub(super) const CALL_DEADLINE: Duration = Duration::from_secs(4);
/// Longest call that reads much: counts, and the rebuilding of caches.
pub(super) const SCAN_DEADLINE: Duration = Duration::from_secs(30);
/// Longest answer to the question whether the database is there.
pub(super) const PING_DEADLINE: Duration = Duration::from_millis(500);
/// How often that is asked while it is not.
pub(super) const PROBE_EVERY: Duration = Duration::from_millis(500);
/// Longest start: indexes may have to be built.
pub(super) const OPEN_DEADLINE: Duration = Duration::from_secs(600);
/// Longest removal of a database.
pub(super) const REMOVE_DEADLINE: Duration = Duration::from_secs(30);
/// Connections to each server.
pub(super) const CONNECTIONS_MAX: u32 = 64;
/// Connections that open at the same time.
pub(super) const CONNECTING_MAX: u32 = 8;
/// Conversations of one call that are written or searched at the same time.
pub(super) const CONVERSATIONS_AT_ONCE: usize = 16;
/// Documents in one insert.
pub(super) const INSERT_DOCUMENTS_MAX: usize = 1_000;
/// Inserts that one conversation's part of an append may take: each but the first follows a
/// retry of the driver that met its own record, or a conflict that was not to be seen yet.
pub(super) const INSERT_ROUNDS_MAX: usize = 32;
/// Wait for a conflicting record to become durable, and with it visible.
pub(super) const CONFLICT_WAIT: Duration = Duration::from_millis(25);
/// Logs whose top this process remembers; about 200 bytes each. When it is full, it starts
/// again from empty.
pub(super) const TOPS_REMEMBERED_MAX: usize = 100_000;
/// The top of a log is noted in its conversation whenever it passes a multiple of this.
pub(super) const HINT_EVERY: u64 = 1_024;
/// Places of a log that one query looks at, when it is searched by halving.
pub(super) const PROBES: u64 = 32;
/// Records read by one query of a page.
pub(super) const PAGE_RECORDS_MAX: u64 = 512;
/// Sequences of the first window in which unread messages are counted, at least and at most.
pub(super) const UNREAD_WINDOW_MIN: u64 = 64;
/// See [`UNREAD_WINDOW_MIN`].
pub(super) const UNREAD_WINDOW_MAX: u64 = 8_192;
/// Sequences of the first, newest window of a search; each further one is
/// [`SEARCH_GROWTH`] times as wide, so that a log of any length takes few windows.
pub(super) const SEARCH_WINDOW: u64 = 512;
/// See [`SEARCH_WINDOW`].
pub(super) const SEARCH_GROWTH: u64 = 4;
/// So long after a log's top was seen, an append behind it takes no look at it. What may be
/// removed is older by far, so that the record behind that top can't have come and gone since.
pub(super) const TOP_TRUSTED: Duration = Duration::from_secs(600);
/// Logs that one call looks at for records to remove.
pub(super) const TRIM_LOGS_MAX: i64 = 64;
/// Looks at a log whose first records are removed meanwhile, again and again.
pub(super) const LOOKS_MAX: usize = 16;
/// Expired tokens dropped with each token stored.
pub(super) const TOKENS_DROPPED_MAX: i64 = 64;
/// Runs of one transaction; a further one follows a conflict with another process. That one is
/// a deposed leader, whose transaction ends at once or is ended.
pub(super) const TRANSACTION_RUNS_MAX: u32 = 64;
/// Commits of one transaction, when the outcome of one is not known.
pub(super) const COMMITS_MAX: u32 = 3;
/// Back-off between two runs: the first bound and the largest.
pub(super) const TRANSACTION_BACKOFF: (Duration, Duration) =
    (Duration::from_millis(5), Duration::from_millis(100));
/// Rooms that this process writes to at the same time; others wait, so that a process is
/// never in conflict with itself.
pub(super) const ROOM_LOCKS: usize = 64;
/// So long a write to a room's document waits before it asks who holds it up.
pub(super) const ROOM_PATIENCE: Duration = Duration::from_millis(500);
/// Rooms behind each of these locks whose session this process remembers; when there are more,
/// it starts again from none.
pub(super) const NOTED_MAX: usize = 1_024;
/// Upserts of a read cursor, when another process made the same one meanwhile.
pub(super) const UPSERTS_MAX: u32 = 3;

const _: () = assert!(HEARTBEAT_EVERY.as_millis() < SERVER_SELECTION_TIMEOUT.as_millis());
const _: () = assert!(SERVER_SELECTION_TIMEOUT.as_millis() < CALL_DEADLINE.as_millis());
const _: () = assert!(CONVERSATIONS_AT_ONCE < CONNECTIONS_MAX as usize);
const _: () = assert!(PROBES >= 2 && SEARCH_GROWTH >= 2);
