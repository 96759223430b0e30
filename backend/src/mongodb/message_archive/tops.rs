//! What this process knows of the logs' tops. A record that was there is there for ever (only
//! the oldest are ever removed), so what is remembered may be low, but is never wrong.

use std::collections::HashMap;
use std::sync::Mutex;

use super::super::limits::TOPS_REMEMBERED_MAX;

/// A record that is there, near the top of its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) seq: u64,
    pub(super) ts_max_ms: i64,
}

/// See the module.
#[derive(Debug, Default)]
pub(in super::super) struct Tops(Mutex<HashMap<String, Known>>);

impl Tops {
    /// The highest record known of a log.
    pub(super) fn get(&self, key: &str) -> Option<Known> {
        let known = self.0.lock().expect("no panic while it is held");
        known.get(key).copied()
    }

    /// A durable record was written or seen.
    pub(super) fn raise(&self, key: &str, seen: Known) {
        let mut known = self.0.lock().expect("no panic while it is held");
        if let Some(known) = known.get_mut(key) {
            if known.seq < seen.seq {
                *known = seen;
            }
            return;
        }
        if known.len() >= TOPS_REMEMBERED_MAX {
            known.clear();
        }
        known.insert(key.to_owned(), seen);
    }

    /// Forgets a log, after a failure.
    pub(super) fn forget(&self, key: &str) {
        let mut known = self.0.lock().expect("no panic while it is held");
        known.remove(key);
    }
}
