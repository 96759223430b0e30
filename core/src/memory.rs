//! In-process implementations: the soft state of the embedded mode, tests, simulation.
//!
//! Each keeps its contract's promises within one process and forgets everything with it.
//! Their locks are never held over an await.

mod coordinator;
mod recent_messages;
mod server_directory;
mod session_registry;
mod word_ranking;

pub use coordinator::MemoryCoordinator;
pub use recent_messages::MemoryRecentMessages;
pub use server_directory::MemoryServerDirectory;
pub use session_registry::MemorySessionRegistry;
pub use word_ranking::MemoryWordRanking;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, also after a panic elsewhere: every change below leaves its state whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
