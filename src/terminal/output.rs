//! The only module that prints. Lines go through the gate to one printer thread, which owns
//! the line editor's external printer, so that they never disturb what is being typed.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustyline::ExternalPrinter;

use super::gate::{Gate, Mode};

/// How long a question waits for lines that are being printed, and leaving for the last ones.
const SETTLE_TIMEOUT: Duration = Duration::from_millis(500);

#[derive(Debug, Default)]
struct State {
    gate: Gate,
    printing: bool,
    closed: bool,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'s>(&'s self, state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        self.changed
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where lines go. A clone is the same place.
#[derive(Debug, Clone, Default)]
pub struct Output(Arc<Shared>);

impl Output {
    /// Queues a line that is already safe to show. Never blocks on the terminal.
    pub fn line(&self, line: impl Into<String>) {
        self.0.lock().gate.push(line.into());
        self.0.changed.notify_all();
    }

    /// Says what the terminal does from now on. Before a question, what waits is printed.
    pub fn set(&self, mode: Mode) {
        if mode == Mode::Asking {
            self.settle();
        }
        self.0.lock().gate.set(mode);
        self.0.changed.notify_all();
    }

    /// Waits, for a bounded time, until everything that may be printed is.
    pub fn settle(&self) {
        let busy = |state: &mut State| state.printing || !state.gate.is_empty();
        let state = self.0.lock();
        // A printer that is stuck does not hold up the user.
        drop(
            self.0
                .changed
                .wait_timeout_while(state, SETTLE_TIMEOUT, busy),
        );
    }

    /// What waits, taken out without being printed: for tests of commands.
    #[cfg(test)]
    pub(crate) fn take(&self) -> String {
        self.0.lock().gate.take_all().unwrap_or_default()
    }

    /// Starts the printer thread.
    pub fn start(&self, printer: Option<impl ExternalPrinter + Send + 'static>) -> JoinHandle<()> {
        let shared = Arc::clone(&self.0);
        std::thread::spawn(move || print_all(&shared, printer))
    }

    /// Ends the printer thread when the lines that wait are printed.
    pub fn close(&self) {
        self.settle();
        self.0.lock().closed = true;
        self.0.changed.notify_all();
    }
}

fn print_all(shared: &Shared, mut printer: Option<impl ExternalPrinter>) {
    let mut state = shared.lock();
    loop {
        if let Some(text) = state.gate.take() {
            state.printing = true;
            drop(state);
            let printed = printer.as_mut().map(|printer| printer.print(text.clone()));
            if !matches!(printed, Some(Ok(()))) {
                // The editor is gone: the terminal is in its usual mode again.
                now(&text);
            }
            state = shared.lock();
            state.printing = false;
            shared.changed.notify_all();
        } else if state.closed {
            return;
        } else {
            state = shared.wait(state);
        }
    }
}

/// Prints at once: before the printer thread starts and after it ends.
pub fn now(text: &str) {
    let mut stdout = std::io::stdout().lock();
    // A terminal that is gone cannot be told so.
    let _written = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
}

/// Prints an error at once.
pub fn error_now(text: &str) {
    let _written = std::io::stderr()
        .lock()
        .write_all(format!("{text}\n").as_bytes());
}
