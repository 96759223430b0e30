//! A history in memory, for who judges it in the same process.

use std::sync::{Arc, Mutex};

use super::{History, Record, Run};

/// What was put so far. A clone is the same.
#[derive(Debug, Clone)]
pub struct Collected(Arc<Mutex<History>>);

impl Collected {
    pub(super) fn new(run: Run) -> Self {
        Self(Arc::new(Mutex::new(History::new(run))))
    }

    pub(super) fn add(&self, record: Record) {
        self.0.lock().expect("no holder panics").add(record);
    }

    /// Takes the history, and leaves an empty one of the same run.
    pub fn take(&self) -> History {
        let mut history = self.0.lock().expect("no holder panics");
        let empty = History::new(history.run.clone());
        std::mem::replace(&mut *history, empty)
    }
}
