//! The gate between incoming lines and the screen.
//!
//! Lines pass while a line is being edited, because the line editor prints them above it.
//! While a question is open, or while nothing reads the keyboard, they wait in a bounded ring.
//! What falls out of it is counted and told.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use tokio::sync::Notify;

/// Lines that wait while the gate is shut.
pub const WAITING_MAX: usize = 500;

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
    waiting: VecDeque<String>,
    lost: u64,
    printing: bool,
}

/// See the head of the file.
#[derive(Debug)]
pub struct Gate {
    inner: Mutex<Inner>,
    opened: Notify,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            inner: Mutex::new(Inner {
                mode: Mode::Idle,
                waiting: VecDeque::new(),
                lost: 0,
                printing: false,
            }),
            opened: Notify::new(),
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

    /// Holds lines back from now on. False if one is on its way to the screen at this moment,
    /// so that nobody may count on what the screen shows.
    pub fn shut(&self, mode: Mode) -> bool {
        let mut inner = self.lock();
        inner.mode = mode;
        !inner.printing
    }

    /// Resolves after the gate was opened. Cancel-safe.
    pub async fn opened(&self) {
        self.opened.notified().await;
    }

    /// Takes a line to be printed.
    pub fn push(&self, line: String) {
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

    /// The next line for the screen, if the gate is open. [`Gate::printed`] must follow.
    pub fn take(&self) -> Option<String> {
        let mut inner = self.lock();
        if inner.mode != Mode::Editing {
            return None;
        }
        let lost = std::mem::take(&mut inner.lost);
        let line = if lost > 0 {
            Some(format!("… {lost} more, /history"))
        } else {
            inner.waiting.pop_front()
        };
        inner.printing = line.is_some();
        line
    }

    /// The line that was taken has been handed to the screen.
    pub fn printed(&self) {
        self.lock().printing = false;
    }

    /// Everything that still waits, whatever the mode: for the end.
    pub fn drain(&self) -> Vec<String> {
        self.lock().waiting.drain(..).collect()
    }
}

#[cfg(test)]
mod tests;
