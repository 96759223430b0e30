//! What this process knows of the logs' tops. Only the oldest records are ever removed, and
//! never the newest; so what is remembered may be low, and after days it may be gone.

use std::collections::HashMap;
use std::sync::Mutex;

use antiphon_core::clock::{self, Instant};

use super::super::limits::{TOP_TRUSTED, TOPS_REMEMBERED_MAX};

/// A record that is there, near the top of its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) seq: u64,
    pub(super) ts_max_ms: i64,
    seen: Instant,
}

impl Known {
    /// A record that was written or seen just now.
    pub(super) fn now(seq: u64, ts_max_ms: i64) -> Self {
        let seen = clock::now();
        Self {
            seq,
            ts_max_ms,
            seen,
        }
    }

    /// Whether it is certainly still there, or the newest is another.
    pub(super) fn is_trusted(&self) -> bool {
        self.seen.elapsed() < TOP_TRUSTED
    }
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
            if known.seq <= seen.seq {
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

    /// As if all was seen long ago.
    #[cfg(test)]
    pub(in super::super) fn age(&self) {
        let mut known = self.0.lock().expect("no panic while it is held");
        for known in known.values_mut() {
            known.seen -= TOP_TRUSTED;
        }
    }
}
