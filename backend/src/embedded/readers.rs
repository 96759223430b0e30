//! The connections that read: a few, each used by one caller at a time on a blocking thread.
//! A read that passes its deadline is interrupted.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use antiphon_core::clock;
use antiphon_core::contract::{BackendError, BackendErrorKind, BackendResult};
use antiphon_core::task;
use rusqlite::{Connection, InterruptHandle};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::failure::{Failure, is_io};
use super::health::Health;
use super::limits::{CALL_DEADLINE, CHECK_DEADLINE, READERS};
use super::{looking, schema};

/// The pool.
pub(super) struct Readers {
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
    health: Arc<Health>,
}

impl Readers {
    /// Opens the connections.
    /// `is_still` says that nobody will write meanwhile.
    pub(super) fn open(file: &Path, is_still: bool, health: Arc<Health>) -> rusqlite::Result<Self> {
        let open = |_| {
            let connection = looking::connect(file, is_still)?;
            schema::set_up_reader(&connection)?;
            Ok(connection)
        };
        let idle = (0..READERS)
            .map(open)
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let permits = Arc::new(Semaphore::new(idle.len()));
        Ok(Self {
            idle: Arc::new(Mutex::new(idle)),
            permits,
            health,
        })
    }

    /// Runs `work` in one read transaction, under the deadline.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> BackendResult<T> {
        self.read_until(operation, clock::now() + CALL_DEADLINE, work)
            .await
    }

    /// Runs `work` in one read transaction, for as long as a check of the whole file takes.
    pub(super) async fn read_at_length<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> BackendResult<T> {
        self.read_until(operation, clock::now() + CHECK_DEADLINE, work)
            .await
    }

    async fn read_until<T: Send + 'static>(
        &self,
        operation: &'static str,
        deadline: clock::Instant,
        work: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> BackendResult<T> {
        let unavailable = || BackendError::new(BackendErrorKind::Unavailable, operation);
        if let Some(error) = self.health.failure() {
            return Err(BackendError::caused(
                BackendErrorKind::Unavailable,
                operation,
                error,
            ));
        }
        let permit = Arc::clone(&self.permits).acquire_owned();
        let permit = tokio::time::timeout_at(deadline, permit).await;
        let permit = permit
            .map_err(|_| unavailable())?
            .map_err(|_| unavailable())?;
        let lease = Lease::new(&self.idle, permit).ok_or_else(unavailable)?;
        let interrupter = Arc::clone(&lease.interrupter);
        let reading = task::blocking(move || lease.run(work));
        let Ok(result) = tokio::time::timeout_at(deadline, reading).await else {
            interrupter.interrupt();
            return Err(BackendError::new(BackendErrorKind::Timeout, operation));
        };
        let result = result.ok_or_else(unavailable)?;
        result.map_err(|failure| self.told(failure).into_backend_error(operation))
    }

    /// A disk that can't be read stops the store as well.
    fn told(&self, failure: Failure) -> Failure {
        if let Failure::Sql(error) = &failure
            && is_io(error)
        {
            self.health.fail(error);
        }
        failure
    }

    /// Refuses further reads, waits for those that run, and closes the connections.
    pub(super) async fn close(&self) {
        let all = Arc::clone(&self.permits).acquire_many_owned(READERS);
        // A read that is stuck keeps its connection; the rest can be closed.
        let _all = clock::timeout(CALL_DEADLINE, all).await;
        self.permits.close();
        lock(&self.idle).clear();
    }
}

fn lock(idle: &Mutex<Vec<Connection>>) -> MutexGuard<'_, Vec<Connection>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection on loan; it goes back when this is dropped, whatever happens.
struct Lease {
    connection: Option<Connection>,
    idle: Arc<Mutex<Vec<Connection>>>,
    interrupter: Arc<Interrupter>,
    _permit: OwnedSemaphorePermit,
}

impl Lease {
    fn new(idle: &Arc<Mutex<Vec<Connection>>>, permit: OwnedSemaphorePermit) -> Option<Self> {
        let connection = lock(idle).pop()?;
        let handle = connection.get_interrupt_handle();
        let interrupter = Arc::new(Interrupter(Mutex::new(Some(handle))));
        let idle = Arc::clone(idle);
        Some(Self {
            connection: Some(connection),
            idle,
            interrupter,
            _permit: permit,
        })
    }

    fn run<T>(self, work: impl FnOnce(&Connection) -> Result<T, Failure>) -> Result<T, Failure> {
        let connection = self
            .connection
            .as_ref()
            .expect("it is there until the drop");
        let transaction = connection.unchecked_transaction()?;
        work(&transaction)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.interrupter.disarm();
        if let Some(connection) = self.connection.take() {
            lock(&self.idle).push(connection);
        }
    }
}

/// Stops the read of one lease, never that of the next.
struct Interrupter(Mutex<Option<InterruptHandle>>);

impl Interrupter {
    fn interrupt(&self) {
        if let Some(handle) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            handle.interrupt();
        }
    }

    fn disarm(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
