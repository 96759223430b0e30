//! A history in a file: written while the run goes on, read whole to be judged.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use antiphon_core::task;
use tokio::sync::mpsc;

use super::{FORMAT, History, Record};

/// Records that wait to be written; behind that the run waits.
const QUEUE_DEPTH: usize = 8_192;
/// Longest line.
const LINE_BYTES_MAX: u64 = 1024 * 1024;
/// Most lines that are read: some hours of a busy run, and some gigabytes of memory.
const LINES_MAX: usize = 20_000_000;

/// Why a history can't be read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The file.
    #[error("{} can't be read", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A line.
    #[error("line {line} is not a record of a history")]
    Line {
        /// Which, from 1.
        line: usize,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// No `run` at the beginning.
    #[error("the first line does not say what the run was")]
    NoRun,
    /// Of another build.
    #[error("a history of form {0}; this build reads form {FORMAT}")]
    Format(u32),
    /// Too long.
    #[error("more than {LINES_MAX} lines, or a line over {LINE_BYTES_MAX} bytes")]
    TooLong,
}

/// Why a history can't be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The file.
    #[error("{} can't be written", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The writer's thread.
    #[error("the writer of the history broke")]
    Broken,
}

/// The way to the writer.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    record_tx: mpsc::Sender<Record>,
    /// A record was dropped.
    overflowed: Arc<AtomicBool>,
}

/// See [`super::Recorder::create`].
pub(super) fn create(
    path: &Path,
) -> Result<(Queue, impl Future<Output = Result<(), WriteError>> + use<>), WriteError> {
    let path = path.to_path_buf();
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |source| WriteError::File { path, source }
    };
    let file = File::create(&path).map_err(failed(&path))?;
    let (record_tx, mut record_rx) = mpsc::channel(QUEUE_DEPTH);
    let writing = async move {
        let write = move || {
            let mut out = BufWriter::new(file);
            while let Some(record) = record_rx.blocking_recv() {
                put(&mut out, &record)?;
            }
            out.flush()
        };
        let written = task::blocking(write).await.ok_or(WriteError::Broken)?;
        written.map_err(failed(&path))
    };
    let overflowed = Arc::default();
    let queue = Queue {
        record_tx,
        overflowed,
    };
    Ok((queue, writing))
}

impl Queue {
    pub(super) async fn put(&self, record: Record) {
        let is_end = matches!(record, Record::End { .. });
        if !(is_end && self.overflowed.load(Ordering::Relaxed)) {
            let _told_at_the_end = self.record_tx.send(record).await;
        }
    }

    pub(super) fn put_at_once(&self, record: Record) {
        if self.record_tx.try_send(record).is_err() {
            self.overflowed.store(true, Ordering::Relaxed);
        }
    }
}

fn put(out: &mut impl Write, record: &Record) -> io::Result<()> {
    serde_json::to_writer(&mut *out, record)?;
    out.write_all(b"\n")
}

/// Reads a whole history.
pub fn read(path: &Path) -> Result<History, HistoryError> {
    let failed = |source| HistoryError::File {
        path: path.to_path_buf(),
        source,
    };
    let mut input = BufReader::new(File::open(path).map_err(failed)?);
    let mut history = None;
    let mut line = String::new();
    for number in 1.. {
        line.clear();
        let mut bounded = (&mut input).take(LINE_BYTES_MAX);
        if bounded.read_line(&mut line).map_err(failed)? == 0 {
            break;
        }
        if number > LINES_MAX || line.len() as u64 == LINE_BYTES_MAX {
            return Err(HistoryError::TooLong);
        }
        let record: Record = serde_json::from_str(&line).map_err(|source| HistoryError::Line {
            line: number,
            source,
        })?;
        match (&mut history, record) {
            (None, Record::Run(run)) if run.format != FORMAT => {
                return Err(HistoryError::Format(run.format));
            }
            (None, Record::Run(run)) => history = Some(History::new(run)),
            (None, _) => return Err(HistoryError::NoRun),
            (Some(history), record) => history.add(record),
        }
    }
    history.ok_or(HistoryError::NoRun)
}
