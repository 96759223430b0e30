//! The printer's thread: takes what comes from the network and from this terminal's own tasks,
//! makes lines of it, and hands them through the gate to the line editor, which prints them
//! above what is being typed.

use std::sync::Arc;

use antiphon_client::{Event, Events};
use antiphon_core::clock::{self, Instant};
use rustyline::ExternalPrinter;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::feed;
use super::gate::Gate;
use super::render::Painter;
use super::screen;
use super::shown::Shown;
use super::state::SharedState;
use super::unsent::SharedUnsent;

/// What the printer's thread works with.
#[derive(Debug)]
pub struct Printer<P> {
    /// The line editor's printer.
    pub out: P,
    /// From the network.
    pub events: Events,
    /// From this terminal's own tasks.
    pub lines_rx: mpsc::Receiver<String>,
    /// The way to the screen.
    pub gate: Arc<Gate>,
    /// What is known.
    pub state: SharedState,
    /// Own messages that are not stored.
    pub unsent: SharedUnsent,
    /// How things look.
    pub painter: Painter,
}

enum Next {
    Event(Box<Event>),
    Line(String),
    Due,
    Opened,
    Settled,
    End,
}

impl<P: ExternalPrinter> Printer<P> {
    /// Runs until the client has stopped. Blocks; not for a thread of the runtime.
    pub fn run(mut self, runtime: &Handle) {
        loop {
            match runtime.block_on(self.next()) {
                Next::Event(event) => {
                    // An own message that comes back from the log is stored, acknowledged or not.
                    if let Event::Message(message) = &*event
                        && let Some(client_id) = &message.client_id
                    {
                        self.unsent.stored(client_id);
                    }
                    let lines = feed::lines(*event, &mut self.state.lock(), self.painter);
                    lines.iter().for_each(|line| self.push(line));
                }
                Next::Line(line) => self.push(&line),
                Next::Due => {
                    let line = self.state.lock().outage.caught_up();
                    let line = line.map(|line| self.painter.dim(&line));
                    line.iter().for_each(|line| self.push(line));
                }
                Next::Opened => {}
                Next::Settled => {
                    let lines = feed::settled(&mut self.state.lock(), self.painter);
                    lines.iter().for_each(|line| self.push(line));
                }
                Next::End => return,
            }
            self.flush();
        }
    }

    /// A screen that takes nothing for a while holds up the connection: nothing is dropped.
    async fn next(&mut self) -> Next {
        let full = self.gate.is_full();
        let (crowd, outage) = {
            let state = self.state.lock();
            (state.crowd.due(), state.outage.due())
        };
        let settled = at(crowd);
        let due = at(outage);
        tokio::select! {
            () = self.gate.opened() => Next::Opened,
            event = self.events.recv(), if !full => match event {
                Some(event) => Next::Event(Box::new(event)),
                None => Next::End,
            },
            () = settled, if !full => Next::Settled,
            Some(line) = self.lines_rx.recv(), if !full => Next::Line(line),
            () = due, if !full => Next::Due,
        }
    }

    fn push(&self, line: &str) {
        self.gate.push(Shown::new(line));
    }

    fn flush(&mut self) {
        while let Some(lines) = self.gate.take() {
            // A terminal that has gone away ends the chat by its end of input; what the editor
            // did not take when it ended is in the gate still.
            let _printed = self.out.print(screen::fit(&lines) + "\n");
            self.gate.printed();
        }
        if std::mem::take(&mut self.state.lock().rings) {
            screen::ring();
        }
    }
}

/// Waits for a time, if there is one.
async fn at(due: Option<Instant>) {
    match due {
        Some(due) => clock::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
