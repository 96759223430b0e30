//! What may be printed, and when: pure state, no terminal.
//!
//! While a question is open nothing is printed; lines wait in a bounded ring, and what finds
//! no room is counted.

use std::collections::VecDeque;

/// Lines that may wait.
pub const LINES_MAX: usize = 500;

/// What the terminal is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The chat line is open; lines are printed above it.
    Editing,
    /// A question is open; nothing is printed.
    Asking,
    /// Neither.
    Idle,
}

/// The lines that wait.
#[derive(Debug)]
pub struct Gate {
    mode: Mode,
    lines: VecDeque<String>,
    dropped: u64,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            mode: Mode::Idle,
            lines: VecDeque::new(),
            dropped: 0,
        }
    }
}

impl Gate {
    /// Adds a line; the oldest one gives way.
    pub fn push(&mut self, line: String) {
        if self.lines.len() >= LINES_MAX {
            self.lines.pop_front();
            self.dropped += 1;
        }
        self.lines.push_back(line);
    }

    /// Says what the terminal does from now on.
    pub fn set(&mut self, mode: Mode) {
        self.mode = mode;
    }

    /// Everything that may be printed now, each line with its end.
    pub fn take(&mut self) -> Option<String> {
        match self.mode {
            Mode::Asking => None,
            Mode::Editing | Mode::Idle => self.take_all(),
        }
    }

    /// Everything, whatever the terminal does.
    pub fn take_all(&mut self) -> Option<String> {
        let mut text = String::new();
        if self.dropped > 0 {
            text = format!("… {} more, /history\n", self.dropped);
            self.dropped = 0;
        }
        for line in self.lines.drain(..) {
            text.push_str(&line);
            text.push('\n');
        }
        (!text.is_empty()).then_some(text)
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

#[cfg(test)]
mod tests;
