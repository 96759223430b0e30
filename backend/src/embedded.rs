//! The embedded store: accounts, rooms and the message log in one SQLite file of a data
//! directory, for one process.
//!
//! Every write goes to one thread, which commits many callers' writes at once and answers
//! after the sync. Reads use a few connections of their own. Each row carries a checksum: a
//! damaged row is an error of kind `Corrupt`, never data. See `docs/adr/001-embedded-store.md`.

mod checksum;
mod failure;
mod health;
mod limits;
mod looking;
mod message_archive;
mod opening;
mod readers;
mod room_store;
mod schema;
mod seal;
mod user_store;
mod words;
mod write_ahead_log;
mod writer;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use antiphon_core::contract::{
    BackendError, BackendErrorKind, BackendResult, MessageArchive, RoomStore, UserStore,
};
use antiphon_core::{clock, task};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

pub use opening::OpenError;

use failure::Failure;
use health::{Commits, Health};
use limits::{CALL_DEADLINE, WRITE_QUEUE_DEPTH};
use readers::Readers;
use writer::{Job, Order, Writer, Writing};

/// An open data directory. It is closed by [`EmbeddedStore::close`], or when the last user of
/// it is dropped.
pub struct EmbeddedStore {
    store: Arc<Store>,
}

/// What the contracts' implementations share.
struct Store {
    orders: mpsc::Sender<Order>,
    readers: Readers,
    health: Arc<Health>,
    log_id: String,
    generation: u64,
    /// Of a store that is only read; otherwise the writer has it.
    _lock: Option<File>,
}

impl EmbeddedStore {
    /// Opens the data directory `dir`, making it if it is absent, and takes it for this
    /// process alone.
    pub async fn open(dir: &Path) -> Result<Self, OpenError> {
        let owned = dir.to_owned();
        let opened = task::blocking(move || start(&owned)).await;
        Ok(Self {
            store: Arc::new(opened.ok_or_else(|| panicked(dir))??),
        })
    }

    /// Opens the store of a directory for reading alone, and takes it for this process
    /// meanwhile; `None` if there is none. Nothing is written: writes fail with
    /// `Unavailable`, and [`EmbeddedStore::generation`] is 0.
    pub async fn open_to_read(dir: &Path) -> Result<Option<Self>, OpenError> {
        let owned = dir.to_owned();
        let opened = task::blocking(move || start_to_read(&owned)).await;
        let store = opened.unwrap_or_else(|| Err(panicked(dir)))?;
        Ok(store.map(|store| Self {
            store: Arc::new(store),
        }))
    }

    /// Removes the store of a directory that no process has open, and leaves every other
    /// file there; returns what was removed.
    pub async fn wipe(dir: &Path) -> Result<Vec<PathBuf>, OpenError> {
        let owned = dir.to_owned();
        let wiped = task::blocking(move || looking::wipe(&owned)).await;
        wiped.unwrap_or_else(|| Err(panicked(dir)))
    }

    /// The database's file in a data directory.
    pub fn database_file(dir: &Path) -> PathBuf {
        dir.join(opening::DATABASE_FILE)
    }

    /// Accounts and resume tokens.
    pub fn users(&self) -> Arc<dyn UserStore> {
        Arc::new(user_store::EmbeddedUserStore(Arc::clone(&self.store)))
    }

    /// Rooms, members and read cursors.
    pub fn rooms(&self) -> Arc<dyn RoomStore> {
        Arc::new(room_store::EmbeddedRoomStore(Arc::clone(&self.store)))
    }

    /// The message log.
    pub fn archive(&self) -> Arc<dyn MessageArchive> {
        Arc::new(message_archive::EmbeddedMessageArchive(Arc::clone(
            &self.store,
        )))
    }

    /// Counts the opens of this directory, durably: the base of leadership epochs.
    pub fn generation(&self) -> u64 {
        self.store.generation
    }

    /// Whether the store takes writes, as far as it is known; some time after one was refused,
    /// as by a full disk, a small one is tried.
    pub async fn probe(&self) -> BackendResult<()> {
        const OPERATION: &str = "embedded.probe";
        match self.store.health.commits() {
            Commits::Refused(error) => Err(BackendError::caused(
                BackendErrorKind::Unavailable,
                OPERATION,
                error,
            )),
            Commits::Unknown => {
                let work =
                    |writing: &mut Writing<'_>| Ok(opening::mark(writing.connection, false)?);
                self.store.write(OPERATION, 1, work).await
            }
            Commits::Succeed => {
                let work = |connection: &Connection| Ok(opening::meta(connection, "clean")?);
                self.store.read(OPERATION, work).await.map(|_| ())
            }
        }
    }

    /// Reads the whole database and checks it: pages, indexes against tables, and the
    /// checksum of every message. What is found is told; nothing found is an empty list.
    /// Unlike other calls it may take up to an hour.
    pub async fn verify(&self) -> BackendResult<Vec<String>> {
        self.store
            .readers
            .read_at_length("embedded.verify", message_archive::verify)
            .await
    }

    /// Writes what is queued, copies the write-ahead log into the database and closes it.
    /// Later calls fail with `Unavailable`.
    pub async fn close(&self) {
        self.store.readers.close().await;
        let (done_tx, done_rx) = oneshot::channel();
        if self.store.orders.send(Order::Close(done_tx)).await.is_ok() {
            // It is closed also if the writer ended otherwise.
            let _ = done_rx.await;
        }
    }
}

impl std::fmt::Debug for EmbeddedStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EmbeddedStore")
    }
}

fn panicked(dir: &Path) -> OpenError {
    OpenError::Directory {
        dir: dir.to_owned(),
        source: std::io::Error::other("opening it panicked"),
    }
}

fn start(dir: &Path) -> Result<Store, OpenError> {
    let opened = opening::open(dir)?;
    let health = Arc::new(Health::default());
    let readers = Readers::open(&opened.file, false, Arc::clone(&health));
    let readers = readers.map_err(|error| opening::told(&opened.file, error))?;
    let (orders, orders_rx) = mpsc::channel(WRITE_QUEUE_DEPTH);
    let writer = Writer {
        connection: opened.connection,
        orders: orders_rx,
        health: Arc::clone(&health),
        dir: dir.to_owned(),
        file: opened.file,
        generation: opened.generation,
        lock: opened.lock,
    };
    let thread = std::thread::Builder::new().name("antiphon-store".to_owned());
    let spawned = thread.spawn(move || writer.run());
    spawned.map_err(|source| OpenError::Directory {
        dir: dir.to_owned(),
        source,
    })?;
    let (log_id, generation) = (opened.log_id, opened.generation);
    Ok(Store {
        orders,
        readers,
        health,
        log_id,
        generation,
        _lock: None,
    })
}

fn start_to_read(dir: &Path) -> Result<Option<Store>, OpenError> {
    let Some(looked) = looking::look(dir)? else {
        return Ok(None);
    };
    let health = Arc::new(Health::default());
    let readers = Readers::open(&looked.file, looked.is_settled, Arc::clone(&health));
    let readers = readers.map_err(|error| opening::told(&looked.file, error))?;
    // Nobody takes the orders, so writes are refused as unavailable.
    let (orders, _) = mpsc::channel(WRITE_QUEUE_DEPTH);
    Ok(Some(Store {
        orders,
        readers,
        health,
        log_id: looked.log_id,
        generation: 0,
        _lock: looked.lock,
    }))
}

impl Store {
    /// Has the writer run `work`, and waits for the commit.
    async fn write<T: Send + 'static>(
        &self,
        operation: &'static str,
        rows: usize,
        work: impl FnOnce(&mut Writing<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> BackendResult<T> {
        let unavailable = || BackendError::new(BackendErrorKind::Unavailable, operation);
        let unknown = || BackendError::new(BackendErrorKind::Timeout, operation);
        if let Some(error) = self.health.failure() {
            return Err(BackendError::caused(
                BackendErrorKind::Unavailable,
                operation,
                error,
            ));
        }
        let deadline = clock::now() + CALL_DEADLINE;
        let place = tokio::time::timeout_at(deadline, self.orders.reserve()).await;
        let place = place
            .map_err(|_| unavailable())?
            .map_err(|_| unavailable())?;
        let (answer_tx, answer_rx) = oneshot::channel();
        place.send(Order::Write(Job::new(operation, rows, answer_tx, work)));
        let answer = tokio::time::timeout_at(deadline, answer_rx).await;
        answer.map_err(|_| unknown())?.map_err(|_| unknown())?
    }

    /// Runs `work` on a connection that reads.
    async fn read<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> BackendResult<T> {
        self.readers.read(operation, work).await
    }
}

/// A number as the database keeps it: the same bits.
fn stored(number: u64) -> i64 {
    number.cast_signed()
}

/// A bound for comparing with stored numbers.
fn bound(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A row limit.
fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
