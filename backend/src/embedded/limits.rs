//! The bounds of the embedded store.

use std::time::Duration;

/// Longest wait of a caller for an answer. It is above the longest commit seen on a slow
/// disk (a checkpoint of [`WAL_FRAMES_MAX`] pages with two syncs).
pub(super) const CALL_DEADLINE: Duration = Duration::from_secs(5);
/// Longest check of a whole database: 100 GB at 30 MB/s.
pub(super) const CHECK_DEADLINE: Duration = Duration::from_secs(3_600);
/// Writes that wait for the writer; behind that, callers wait for a place.
pub(super) const WRITE_QUEUE_DEPTH: usize = 1_024;
/// Most writes in one commit.
pub(super) const BATCH_JOBS_MAX: usize = 512;
/// No further write joins a commit that has this many rows. One call may bring more.
pub(super) const BATCH_ROWS_MAX: usize = 4_096;
/// Connections that read, each on a blocking thread while it does.
pub(super) const READERS: u32 = 4;
/// Prepared statements kept per connection: more than there are in this crate.
pub(super) const STATEMENTS_CACHED: usize = 64;
/// Conversations whose top the writer remembers; about 200 bytes each. When it is full, it
/// starts again from empty.
pub(super) const TAILS_CACHED_MAX: usize = 100_000;
/// The write-ahead log is copied into the database when it has this many pages (16 MiB).
pub(super) const WAL_FRAMES_MAX: i64 = 4_096;
/// When it has this many pages (64 MiB), because there was always a reader that kept it from
/// starting anew, the writer waits for the readers.
pub(super) const WAL_FRAMES_WAIT: i64 = 4 * WAL_FRAMES_MAX;
/// Longest such wait.
pub(super) const READERS_WAIT: Duration = Duration::from_millis(100);
/// Commits between two looks at the length of the write-ahead log.
pub(super) const COMMITS_PER_WAL_LOOK: u32 = 16;
/// Page cache of the writing connection, in KiB.
pub(super) const WRITER_CACHE_KIB: i64 = 65_536;
/// Page cache of each reading connection, in KiB.
pub(super) const READER_CACHE_KIB: i64 = 8_192;
/// Logs that one call looks at for records to remove.
pub(super) const TRIM_LOGS_MAX: usize = 256;
/// Expired tokens dropped with each token stored.
pub(super) const TOKENS_DROPPED_MAX: i64 = 64;
/// So long after a commit was refused the store is not called ready.
pub(super) const REFUSAL_TOLD: Duration = Duration::from_secs(3);
/// A database up to this size is sealed when it is closed, and otherwise checked whole when it
/// is opened: about a second (256 MiB, some 600,000 messages).
pub(super) const WHOLE_CHECK_BYTES_MAX: u64 = 256 << 20;
/// Findings of an integrity check that are told.
pub(super) const FINDINGS_MAX: usize = 5;

const _: () = assert!(BATCH_JOBS_MAX <= WRITE_QUEUE_DEPTH);
