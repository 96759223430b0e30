//! The one thread that writes.
//!
//! It takes every write that waits, runs them in one transaction, commits (which syncs), and
//! then answers each: a group commit. A write that is refused undoes only itself. When the
//! commit fails, nobody is told "done", and after a failure of the disk the store stops for
//! good: what a failed sync left behind is only known after the next open.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use antiphon_core::contract::{BackendError, BackendErrorKind, BackendResult};
use antiphon_core::error_chain::ErrorChain;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};
use tracing::{error, warn};

use super::failure::{Failure, copy, is_io};
use super::health::Health;
use super::limits::{
    BATCH_JOBS_MAX, BATCH_ROWS_MAX, COMMITS_PER_WAL_LOOK, WAL_FRAMES_MAX, WAL_FRAMES_WAIT,
};
use super::message_archive::Top;
use super::{opening, seal};

/// What a piece of work sees of the writer.
pub(super) struct Writing<'w> {
    /// The connection, inside the batch's transaction.
    pub(super) connection: &'w Connection,
    /// The top of each log that was written to lately, by conversation key.
    pub(super) tops: &'w mut HashMap<String, Top>,
    /// Words for the search index, by row id; written once per batch, in order of the row
    /// ids, because the index starts a new segment whenever they go back.
    pub(super) words: &'w mut Vec<(i64, String)>,
}

/// How a batch ended.
#[derive(Debug, Clone)]
enum BatchEnd {
    Committed,
    /// Certainly nothing of it is stored.
    RolledBack(Arc<rusqlite::Error>),
    /// Perhaps it is stored.
    Unknown(Arc<rusqlite::Error>),
}

/// What to do with the transaction after a piece of work.
enum Verdict {
    Keep,
    Undo,
    GiveUp(Arc<rusqlite::Error>),
}

type Answer = Box<dyn FnOnce(BatchEnd) + Send>;

/// A write that knows how to answer its caller.
trait Task: Send {
    fn run(self: Box<Self>, writing: &mut Writing<'_>) -> (Verdict, Answer);
    /// Answers without having run, so that certainly nothing is stored.
    fn pass_over(self: Box<Self>, cause: Option<Arc<rusqlite::Error>>);
}

struct Pending<T, F> {
    operation: &'static str,
    answer: oneshot::Sender<BackendResult<T>>,
    work: F,
}

impl<T, F> Task for Pending<T, F>
where
    T: Send + 'static,
    F: FnOnce(&mut Writing<'_>) -> Result<T, Failure> + Send + 'static,
{
    fn run(self: Box<Self>, writing: &mut Writing<'_>) -> (Verdict, Answer) {
        let Self {
            operation,
            answer,
            work,
        } = *self;
        let result = work(writing);
        let verdict = match &result {
            Ok(_) => Verdict::Keep,
            Err(Failure::Sql(error)) => Verdict::GiveUp(Arc::new(copy(error))),
            Err(Failure::Damaged(_) | Failure::Refused(_)) => Verdict::Undo,
        };
        let answer = move |end| {
            // Nobody listens if the caller gave up.
            let _ = answer.send(outcome(operation, result, end));
        };
        (verdict, Box::new(answer))
    }

    fn pass_over(self: Box<Self>, cause: Option<Arc<rusqlite::Error>>) {
        let kind = BackendErrorKind::Unavailable;
        let error = match cause {
            Some(cause) => BackendError::caused(kind, self.operation, cause),
            None => BackendError::new(kind, self.operation),
        };
        // Nobody listens if the caller gave up.
        let _ = self.answer.send(Err(error));
    }
}

/// One write.
pub(super) struct Job {
    task: Box<dyn Task>,
    rows: usize,
}

/// What is sent to the writer.
pub(super) enum Order {
    /// Write.
    Write(Job),
    /// Write what is queued before, then close the database.
    Close(oneshot::Sender<()>),
}

impl Job {
    /// Wraps `work`, which writes about `rows` rows; `answer` gets its result after the commit.
    pub(super) fn new<T: Send + 'static>(
        operation: &'static str,
        rows: usize,
        answer: oneshot::Sender<BackendResult<T>>,
        work: impl FnOnce(&mut Writing<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Self {
        Self {
            task: Box::new(Pending {
                operation,
                answer,
                work,
            }),
            rows,
        }
    }
}

/// What a caller is told. A result that rests on a batch that was not committed is void: it
/// may have seen rows of others that are gone.
fn outcome<T>(
    operation: &'static str,
    result: Result<T, Failure>,
    end: BatchEnd,
) -> BackendResult<T> {
    match (end, result) {
        (BatchEnd::Committed, Ok(value)) => Ok(value),
        (BatchEnd::Committed | BatchEnd::RolledBack(_), Err(failure @ Failure::Sql(_)))
        | (BatchEnd::Committed, Err(failure)) => Err(failure.into_backend_error(operation)),
        (BatchEnd::RolledBack(cause), _) => Err(BackendError::caused(
            BackendErrorKind::Unavailable,
            operation,
            cause,
        )),
        (BatchEnd::Unknown(cause), _) => Err(BackendError::caused(
            BackendErrorKind::Timeout,
            operation,
            cause,
        )),
    }
}

/// The writer.
pub(super) struct Writer {
    /// Its connection.
    pub(super) connection: Connection,
    /// Where the orders come from.
    pub(super) orders: mpsc::Receiver<Order>,
    /// Whether the store still works.
    pub(super) health: Arc<Health>,
    /// The directory, for logs.
    pub(super) dir: PathBuf,
    /// The database's file.
    pub(super) file: PathBuf,
    /// What its seal will name.
    pub(super) generation: u64,
    /// Held until the database is closed.
    pub(super) lock: std::fs::File,
}

impl Writer {
    /// Works until it is told to close, or everybody is gone, or the disk fails.
    pub(super) fn run(mut self) {
        let mut tops = HashMap::new();
        let mut commits = 0;
        let mut closing = None;
        while closing.is_none() {
            let Some(first) = self.orders.blocking_recv() else {
                break;
            };
            let (batch, close) = self.gather(first);
            closing = close;
            if let Some(error) = self.health.failure() {
                for job in batch {
                    job.task.pass_over(Some(Arc::clone(&error)));
                }
                continue;
            }
            if !batch.is_empty() {
                self.commit(batch, &mut tops);
                commits += 1;
            }
            if commits >= COMMITS_PER_WAL_LOOK {
                commits = 0;
                self.checkpoint_if_long();
            }
        }
        self.finish(closing);
    }

    /// Everything that waits, up to the bounds of a batch.
    fn gather(&mut self, first: Order) -> (Vec<Job>, Option<oneshot::Sender<()>>) {
        let mut jobs = Vec::new();
        let mut rows = 0;
        let mut next = Some(first);
        while let Some(order) = next {
            match order {
                Order::Close(done) => return (jobs, Some(done)),
                Order::Write(job) => {
                    rows += job.rows;
                    jobs.push(job);
                }
            }
            let full = jobs.len() >= BATCH_JOBS_MAX || rows >= BATCH_ROWS_MAX;
            next = if full {
                None
            } else {
                self.orders.try_recv().ok()
            };
        }
        (jobs, None)
    }

    fn commit(&mut self, batch: Vec<Job>, tops: &mut HashMap<String, Top>) {
        let mut answers = Vec::with_capacity(batch.len());
        let end = self.transact(batch, tops, &mut answers);
        if let BatchEnd::Committed = &end {
            self.health.committed();
        }
        if let BatchEnd::RolledBack(error) | BatchEnd::Unknown(error) = &end {
            tops.clear();
            self.health.refused(error);
            if is_io(error) {
                error!(dir = %self.dir.display(), error = %ErrorChain(error),
                    "the disk failed; the store stops until it is opened again");
                self.health.fail(error);
            } else {
                warn!(dir = %self.dir.display(), error = %ErrorChain(error), "a commit failed");
            }
        }
        for answer in answers {
            answer(end.clone());
        }
    }

    fn transact(
        &mut self,
        batch: Vec<Job>,
        tops: &mut HashMap<String, Top>,
        answers: &mut Vec<Answer>,
    ) -> BatchEnd {
        let mut words = Vec::new();
        let mut trouble = self
            .connection
            .execute_batch("BEGIN IMMEDIATE")
            .err()
            .map(Arc::new);
        for job in batch {
            let mut writing = Writing {
                connection: &self.connection,
                tops,
                words: &mut words,
            };
            if trouble.is_some() {
                answers.push(unrun(job));
                continue;
            }
            let (error, answer) = run(job, &mut writing);
            answers.push(answer);
            trouble = error;
        }
        let trouble = trouble.or_else(|| self.index(words).err().map(Arc::new));
        if let Some(error) = trouble {
            return self.roll_back(error);
        }
        match self.connection.execute_batch("COMMIT") {
            Ok(()) => BatchEnd::Committed,
            Err(error) => {
                // A no to the commit itself: what the disk holds is not known.
                let _ = self.roll_back(Arc::new(copy(&error)));
                BatchEnd::Unknown(Arc::new(error))
            }
        }
    }

    fn index(&self, mut words: Vec<(i64, String)>) -> rusqlite::Result<()> {
        words.sort_unstable_by_key(|(id, _)| *id);
        let sql = "INSERT INTO message_words (rowid, words) VALUES (?1, ?2)";
        let mut statement = self.connection.prepare_cached(sql)?;
        words
            .iter()
            .try_for_each(|(id, words)| statement.execute((id, words)).map(|_| ()))
    }

    fn roll_back(&self, cause: Arc<rusqlite::Error>) -> BatchEnd {
        if self.connection.is_autocommit() {
            return BatchEnd::RolledBack(cause);
        }
        match self.connection.execute_batch("ROLLBACK") {
            Ok(()) => BatchEnd::RolledBack(cause),
            Err(error) => {
                self.health.fail(&error);
                BatchEnd::Unknown(cause)
            }
        }
    }

    /// Copies the write-ahead log into the database when it has grown long. A failure stops
    /// the store: a sync that failed must not be taken back by one that succeeds.
    fn checkpoint_if_long(&self) {
        let look = || -> rusqlite::Result<()> {
            let frames = self.checkpoint("NOOP")?;
            if frames > WAL_FRAMES_MAX {
                self.checkpoint("PASSIVE")?;
            }
            if frames > WAL_FRAMES_WAIT {
                self.checkpoint("RESTART")?;
            }
            Ok(())
        };
        if let Err(error) = look() {
            error!(dir = %self.dir.display(), error = %ErrorChain(&error),
                "a checkpoint failed; the store stops until it is opened again");
            self.health.fail(&error);
        }
    }

    /// Returns the number of pages in the write-ahead log.
    fn checkpoint(&self, mode: &str) -> rusqlite::Result<i64> {
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        self.connection
            .prepare_cached(&sql)?
            .query_row([], |row| row.get(1))
    }

    fn finish(mut self, closing: Option<oneshot::Sender<()>>) {
        self.orders.close();
        while let Ok(order) = self.orders.try_recv() {
            match order {
                Order::Write(job) => job.task.pass_over(None),
                // Dropped, which tells its sender that it is done.
                Order::Close(_) => {}
            }
        }
        let mut is_closed = false;
        if self.health.failure().is_none() {
            let closed = opening::mark(&self.connection, true)
                .and_then(|()| self.checkpoint("TRUNCATE").map(|_| ()));
            is_closed = closed.is_ok();
            if let Err(error) = closed {
                warn!(dir = %self.dir.display(), error = %ErrorChain(&error),
                    "closing the store failed; the next open checks it");
            }
        }
        drop(self.connection);
        if is_closed && let Err(error) = seal::put(&self.file, self.generation) {
            warn!(dir = %self.dir.display(), error = %ErrorChain(&error),
                "the store was closed but not sealed; the next open checks it");
        }
        drop(self.lock);
        if let Some(done) = closing {
            // Nobody listens if the closer gave up.
            let _ = done.send(());
        }
    }
}

/// Runs one job, and undoes it alone if it is refused. The error is one that spoils the batch.
fn run(job: Job, writing: &mut Writing<'_>) -> (Option<Arc<rusqlite::Error>>, Answer) {
    let connection = writing.connection;
    let step = |sql: &str| connection.prepare_cached(sql)?.execute([]).map(|_| ());
    if let Err(error) = step("SAVEPOINT job") {
        return (Some(Arc::new(error)), unrun(job));
    }
    let (verdict, answer) = job.task.run(writing);
    let ended = match verdict {
        Verdict::Keep => step("RELEASE job"),
        Verdict::Undo => step("ROLLBACK TO job").and_then(|()| step("RELEASE job")),
        Verdict::GiveUp(error) => return (Some(error), answer),
    };
    (ended.err().map(Arc::new), answer)
}

fn unrun(job: Job) -> Answer {
    Box::new(move |end| {
        job.task.pass_over(match end {
            BatchEnd::Committed => None,
            BatchEnd::RolledBack(cause) | BatchEnd::Unknown(cause) => Some(cause),
        });
    })
}
