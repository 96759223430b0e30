//! The printer's thread: takes what comes from the network and from this terminal's own tasks,
//! makes lines of it, and hands them through the gate to the line editor, which prints them
//! above what is being typed.

use std::sync::Arc;

use antiphon_client::{Event, Events};
use antiphon_core::clock;
use rustyline::ExternalPrinter;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::feed;
use super::gate::Gate;
use super::render::Painter;
use super::screen;
use super::state::SharedState;

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
    /// How things look.
    pub painter: Painter,
}

enum Next {
    Event(Box<Event>),
    Line(String),
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
                    let lines = feed::lines(*event, &mut self.state.lock(), self.painter);
                    lines.into_iter().for_each(|line| self.gate.push(line));
                }
                Next::Line(line) => self.gate.push(line),
                Next::Opened => {}
                Next::Settled => {
                    let lines = feed::settled(&mut self.state.lock(), self.painter);
                    lines.into_iter().for_each(|line| self.gate.push(line));
                }
                Next::End => return,
            }
            self.flush();
        }
    }

    /// A screen that takes nothing for a while holds up the connection: nothing is dropped.
    async fn next(&mut self) -> Next {
        let full = self.gate.is_full();
        let due = self.state.lock().crowd.due();
        let settled = async {
            match due {
                Some(due) => clock::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.gate.opened() => Next::Opened,
            event = self.events.recv(), if !full => match event {
                Some(event) => Next::Event(Box::new(event)),
                None => Next::End,
            },
            () = settled, if !full => Next::Settled,
            Some(line) = self.lines_rx.recv(), if !full => Next::Line(line),
        }
    }

    fn flush(&mut self) {
        while let Some(line) = self.gate.take() {
            // A terminal that has gone away ends the chat by its end of input.
            let _printed = self.out.print(screen::fit(&line) + "\n");
            self.gate.printed();
        }
        if std::mem::take(&mut self.state.lock().rings) {
            screen::ring();
        }
    }
}
