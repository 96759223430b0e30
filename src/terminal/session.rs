//! What a command works with: the client, the state, the way to the screen.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use antiphon_client::{Client, SendError};
use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{self, TaskKind};
use antiphon_core::{clock, random};
use antiphon_protocol::ClientId;
use antiphon_protocol::client::{Ack, Target, UserInfo};
use futures_util::FutureExt;
use tokio::sync::mpsc;

use super::gate::{Gate, Mode};
use super::questions::NoAnswer;
use super::render::{self, Painter};
use super::sanitize;
use super::state::{SharedState, conversation_of};

/// Lines of this terminal's own tasks that wait for the printer.
pub const LINES_MAX: usize = 64;
/// An own message that is not there by then gets a line that says so.
const SLOW_SEND: Duration = Duration::from_secs(1);
/// Time for the last word to the server.
const FAREWELL: Duration = Duration::from_secs(1);
/// How much of a text an error repeats.
const EXCERPT_CHARS_MAX: usize = 40;

/// See the head of the file.
#[derive(Debug, Clone)]
pub struct Session {
    /// The connection that keeps itself.
    pub client: Client,
    /// What is known.
    pub state: SharedState,
    /// How things look.
    pub painter: Painter,
    /// The way to the screen.
    pub gate: Arc<Gate>,
    /// Lines of tasks, to the printer.
    pub lines_tx: mpsc::Sender<String>,
    /// Ends the tasks.
    pub scope: Shutdown,
}

impl Session {
    /// Queues a message, in order, and lets a task wait for what becomes of it.
    pub fn send(&mut self, target: Target, text: String) {
        self.send_in_format(target, text, "text");
    }

    /// The same for a text in another format.
    pub fn send_in_format(&mut self, target: Target, text: String, format: &'static str) {
        let client_id =
            ClientId::parse(&random::hex::<16>()).expect("hexadecimal is visible ASCII");
        let excerpt = excerpt(&text);
        let client = self.client.clone();
        let id = client_id.clone();
        let to = target.clone();
        let mut sending =
            Box::pin(async move { client.send_in_format(to, text, format, id).await });
        // The first look queues the message, so that what is typed later comes behind it.
        let at_once = (&mut sending).now_or_never();
        let report = Report {
            client: self.client.clone(),
            state: self.state.clone(),
            painter: self.painter,
            lines_tx: self.lines_tx.clone(),
            target,
            excerpt,
        };
        task::spawn(&self.scope, TaskKind::Client, async move {
            let outcome = match at_once {
                Some(outcome) => outcome,
                None => match clock::timeout(SLOW_SEND, &mut sending).await {
                    Ok(outcome) => outcome,
                    Err(_) => {
                        report.slow().await;
                        sending.await
                    }
                },
            };
            report.outcome(outcome).await;
        });
    }

    /// Asks a question: nothing else is written meanwhile.
    pub fn ask<T>(&self, question: impl FnOnce() -> Result<T, NoAnswer>) -> Result<T, NoAnswer> {
        self.gate.shut(Mode::Asking);
        let answer = question();
        self.gate.shut(Mode::Idle);
        answer
    }

    /// Tells the server what was read, in its own time.
    pub fn tell_read_soon(&self) {
        let Some(read) = self.state.lock().take_read_mark() else {
            return;
        };
        let client = self.client.clone();
        task::spawn(&self.scope, TaskKind::Client, async move {
            // What the server misses it learns with the next message that is read.
            let _told = client.request(read).await;
        });
    }

    /// Tells the server what was read, now.
    pub async fn tell_read(&self) {
        let read = self.state.lock().take_read_mark();
        if let Some(read) = read {
            let _told = clock::timeout(FAREWELL, self.client.request(read)).await;
        }
    }
}

/// What is said about a message that was sent.
struct Report {
    client: Client,
    state: SharedState,
    painter: Painter,
    lines_tx: mpsc::Sender<String>,
    target: Target,
    excerpt: String,
}

impl Report {
    async fn line(&self, line: String) {
        // Without a printer there is nobody to tell.
        let _sent = self.lines_tx.send(line).await;
    }

    async fn slow(&self) {
        let place = render::label(&conversation_of(&self.target));
        let words = format!("… {place} \"{}\" waits to be sent", self.excerpt);
        self.line(self.painter.dim(&words)).await;
    }

    async fn outcome(self, outcome: Result<Ack, SendError>) {
        match outcome {
            Ok(_) => self.tell_if_away().await,
            Err(SendError::Stopped) => {}
            Err(error) => {
                let why = sanitize::line(&error.to_string());
                let words = format!("! \"{}\": {why}", self.excerpt);
                self.line(self.painter.error(&words)).await;
            }
        }
    }

    /// Once for each absence: the message waits for somebody who is away.
    async fn tell_if_away(&self) {
        let Target::User(user) = &self.target else {
            return;
        };
        let asked = UserInfo {
            username: user.clone(),
        };
        let away = match self.client.request(asked).await {
            Ok(info) => !info.is_online,
            Err(error) => error.refusal().is_some_and(|body| body.code == 404),
        };
        let newly = {
            let mut state = self.state.lock();
            let told: &mut HashSet<String> = &mut state.away_told;
            if away {
                told.insert(user.to_string())
            } else {
                told.remove(user.as_str());
                false
            }
        };
        if newly {
            let name = sanitize::line(user.as_str());
            let words = format!("— {name} is not on line; what you write waits for them");
            self.line(self.painter.dim(&words)).await;
        }
    }
}

/// The beginning of a text, clean, on one line.
fn excerpt(text: &str) -> String {
    let clean = sanitize::line(text);
    let mut excerpt: String = clean.chars().take(EXCERPT_CHARS_MAX).collect();
    if clean.chars().count() > EXCERPT_CHARS_MAX {
        excerpt.push('…');
    }
    excerpt
}
