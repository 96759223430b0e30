//! The gate between incoming lines and the screen.
//!
//! Lines pass while a line is being edited, because the line editor prints them above it.
//! While a question is open, or while nothing reads the keyboard, they wait in a bounded ring.
//! What falls out of it is counted and told.
//!
//! The editor prints what it is handed when nobody types, and what it holds when the chat ends
//! it never prints. So a copy of what was handed to it stays here until it is on the screen.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;

use super::shown::Shown;

/// Lines that wait while the gate is shut.
pub const WAITING_MAX: usize = 500;
/// Lines handed to the screen at once, so that it is drawn anew once for all of them.
pub const BATCH_MAX: usize = 50;
/// Batches that may be handed over and not be on the screen: one that is just being drawn, one
/// that the editor holds, and one that it does not take yet.
const HANDED_MAX: usize = 3;
/// How long Enter waits for a line that is on its way to the screen.
const ON_ITS_WAY: Duration = Duration::from_millis(50);

/// Who has the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The line editor: lines pass.
    Editing,
    /// A question: lines wait, and the oldest fall out.
    Asking,
    /// A command: lines wait, and their source waits if there are too many.
    Idle,
}

#[derive(Debug)]
struct Inner {
    mode: Mode,
    waiting: VecDeque<Shown>,
    lost: u64,
    printing: bool,
    /// Handed to the editor, and not on the screen as far as is known.
    handed: VecDeque<Shown>,
}

/// See the head of the file.
#[derive(Debug)]
pub struct Gate {
    inner: Mutex<Inner>,
    opened: Notify,
    printed: Condvar,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            inner: Mutex::new(Inner {
                mode: Mode::Idle,
                waiting: VecDeque::new(),
                lost: 0,
                printing: false,
                handed: VecDeque::new(),
            }),
            opened: Notify::new(),
            printed: Condvar::new(),
        }
    }
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Lets lines pass.
    pub fn open(&self) {
        self.lock().mode = Mode::Editing;
        self.opened.notify_one();
    }

    /// Holds lines back from now on, and waits a moment for one that is on its way to the
    /// screen. False if it is on its way still, so that nobody may count on what the screen
    /// shows.
    pub fn shut(&self, mode: Mode) -> bool {
        let mut inner = self.lock();
        inner.mode = mode;
        let waited = self
            .printed
            .wait_timeout_while(inner, ON_ITS_WAY, |inner| inner.printing);
        let (inner, _) = waited.unwrap_or_else(|poisoned| poisoned.into_inner());
        !inner.printing
    }

    /// Resolves after the gate was opened. Cancel-safe.
    pub async fn opened(&self) {
        self.opened.notified().await;
    }

    /// Takes a line to be printed.
    pub fn push(&self, line: Shown) {
        let mut inner = self.lock();
        if inner.waiting.len() >= WAITING_MAX && inner.mode == Mode::Asking {
            inner.waiting.pop_front();
            inner.lost += 1;
        }
        inner.waiting.push_back(line);
    }

    /// Whether the source of lines had better wait.
    pub fn is_full(&self) -> bool {
        let inner = self.lock();
        inner.mode == Mode::Idle && inner.waiting.len() >= WAITING_MAX
    }

    /// The next lines for the screen, if the gate is open. [`Gate::printed`] must follow.
    pub fn take(&self) -> Option<Shown> {
        let mut inner = self.lock();
        if inner.mode != Mode::Editing {
            return None;
        }
        let mut lines = Vec::new();
        let lost = std::mem::take(&mut inner.lost);
        if lost > 0 {
            lines.push(Shown::new(&format!("… {lost} more, /history")));
        }
        let batch = inner.waiting.len().min(BATCH_MAX);
        lines.extend(inner.waiting.drain(..batch));
        inner.printing = !lines.is_empty();
        let lines = inner.printing.then(|| Shown::joined(&lines))?;
        if inner.handed.len() == HANDED_MAX {
            // The editor took a later one, so this is on the screen.
            inner.handed.pop_front();
        }
        inner.handed.push_back(lines.clone());
        Some(lines)
    }

    /// The lines that were taken have been handed to the editor.
    pub fn printed(&self) {
        self.lock().printing = false;
        self.printed.notify_all();
    }

    /// The editor has drawn the oldest of what it was handed.
    pub fn shown(&self) {
        self.lock().handed.pop_front();
    }

    /// Everything that is not on the screen, whatever the mode: for the end, when the editor
    /// draws no more.
    pub fn drain(&self) -> Vec<Shown> {
        let mut inner = self.lock();
        let handed = std::mem::take(&mut inner.handed);
        handed.into_iter().chain(inner.waiting.drain(..)).collect()
    }
}

#[cfg(test)]
mod tests;
