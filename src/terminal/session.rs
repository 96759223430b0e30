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
use antiphon_protocol::limits::MESSAGE_CHARS_MAX;
use futures_util::FutureExt;
use tokio::sync::mpsc;

use super::gate::{Gate, Mode};
use super::questions::NoAnswer;
use super::render::{self, Painter};
use super::sanitize;
use super::state::{SharedState, conversation_of};
use super::unsent::{Entry, Fate, SharedUnsent, UNSENT_MAX};

/// Lines of this terminal's own tasks that wait for the printer.
pub const LINES_MAX: usize = 64;
/// An own message that is not there by then gets a line that says so.
const SLOW_SEND: Duration = Duration::from_secs(1);
/// Time for the last word to the server.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long a message may wait for its acknowledgment: a walk from one network to another.
pub const SEND_PATIENCE: Duration = Duration::from_secs(600);
/// Messages that come back together are told together.
const GATHER: Duration = Duration::from_millis(200);
/// Time for messages on their way when the user leaves.
const SETTLE: Duration = Duration::from_secs(2);
/// Lost messages that are listed when the user leaves.
const LISTED_MAX: usize = 10;

/// See the head of the file.
#[derive(Debug, Clone)]
pub struct Session {
    /// The connection that keeps itself.
    pub client: Client,
    /// What is known.
    pub state: SharedState,
    /// How things look.
    pub painter: Painter,
    /// Own messages that are not stored.
    pub unsent: SharedUnsent,
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
        let length = text.chars().count();
        if length > MESSAGE_CHARS_MAX {
            let words = format!(
                "! {length} characters are too many, {MESSAGE_CHARS_MAX} is the most: nothing \
                 was sent; Up brings the text back"
            );
            return self.say_soon(self.painter.error(&words));
        }
        let client_id =
            ClientId::parse(&random::hex::<16>()).expect("hexadecimal is visible ASCII");
        self.send_as(client_id, target, text, format);
    }

    /// Sends everything that came back once more; how many they are.
    pub fn retry(&mut self) -> usize {
        let back = self.unsent.lock().take_back();
        let count = back.len();
        for entry in back {
            self.send_as(entry.client_id, entry.target, entry.text, entry.format);
        }
        count
    }

    fn send_as(&mut self, client_id: ClientId, target: Target, text: String, format: &'static str) {
        let added = self
            .unsent
            .lock()
            .add(client_id.clone(), target.clone(), text.clone(), format);
        if !added {
            let words = format!(
                "! {UNSENT_MAX} messages are not stored yet: this one was not sent; Up brings \
                 the text back"
            );
            return self.say_soon(self.painter.error(&words));
        }
        let report = Report {
            client: self.client.clone(),
            state: self.state.clone(),
            unsent: self.unsent.clone(),
            painter: self.painter,
            lines_tx: self.lines_tx.clone(),
            client_id: client_id.clone(),
            target: target.clone(),
            excerpt: sanitize::excerpt(&text),
        };
        let client = self.client.clone();
        let mut sending =
            Box::pin(async move { client.send_in_format(target, text, format, client_id).await });
        // The first look queues the message, so that what is typed later comes behind it.
        let at_once = (&mut sending).now_or_never();
        let patience = if self.client.is_connected() {
            SLOW_SEND
        } else {
            Duration::ZERO
        };
        task::spawn(&self.scope, TaskKind::Client, async move {
            let outcome = match at_once {
                Some(outcome) => outcome,
                None => match clock::timeout(patience, &mut sending).await {
                    Ok(outcome) => outcome,
                    Err(_) => {
                        report.waits_long().await;
                        sending.await
                    }
                },
            };
            report.outcome(outcome).await;
        });
    }

    /// A line for the printer, which takes it before the next line is typed.
    fn say_soon(&self, line: String) {
        let lines_tx = self.lines_tx.clone();
        task::spawn(&self.scope, TaskKind::Client, async move {
            // Without a printer there is nobody to tell.
            let _sent = lines_tx.send(line).await;
        });
    }

    /// Gives messages on their way a moment. The lines about those that are not stored then.
    pub async fn settle(&self) -> Vec<String> {
        if self.client.is_connected() {
            self.unsent.settle(SETTLE).await;
        }
        self.unsent_lines(LISTED_MAX)
    }

    /// What is not stored, as lines, at most so many and one about the rest.
    pub fn unsent_lines(&self, most: usize) -> Vec<String> {
        let unsent = self.unsent.lock();
        let mut lines: Vec<String> = unsent
            .entries()
            .take(most)
            .map(|entry| {
                let about = about(entry);
                if matches!(entry.fate, Fate::Waiting | Fate::WaitingLong) {
                    self.painter.dim(&format!("  {about}: waiting"))
                } else {
                    self.painter
                        .error(&format!("  {about}: {}", why(&entry.fate)))
                }
            })
            .collect();
        let more = unsent.entries().len().saturating_sub(most);
        if more > 0 {
            lines.push(self.painter.dim(&format!("  and {more} more")));
        }
        lines
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

/// `#room "the beginning of the text"`.
fn about(entry: &Entry) -> String {
    let place = render::label(&conversation_of(&entry.target));
    format!("{place} \"{}\"", sanitize::excerpt(&entry.text))
}

fn why(fate: &Fate) -> &str {
    match fate {
        Fate::Waiting | Fate::WaitingLong => "waiting",
        Fate::Refused(why) => why,
        Fate::Unknown => "no answer came, so it may be stored or not",
    }
}

/// What is said about a message that was sent.
struct Report {
    client: Client,
    state: SharedState,
    unsent: SharedUnsent,
    painter: Painter,
    lines_tx: mpsc::Sender<String>,
    client_id: ClientId,
    target: Target,
    excerpt: String,
}

impl Report {
    async fn line(&self, line: String) {
        // Without a printer there is nobody to tell.
        let _sent = self.lines_tx.send(line).await;
    }

    async fn waits_long(&self) {
        self.unsent.lock().waits_long(&self.client_id);
        let place = render::label(&conversation_of(&self.target));
        let why = if self.client.is_connected() {
            "no answer yet"
        } else {
            "no connection"
        };
        let words = format!("… {place} \"{}\" waits to be stored ({why})", self.excerpt);
        self.line(self.painter.dim(&words)).await;
    }

    async fn outcome(self, outcome: Result<Ack, SendError>) {
        let fate = match outcome {
            Ok(_) => {
                self.unsent.stored(&self.client_id);
                return self.tell_if_away().await;
            }
            // Whoever stops the client says what is lost.
            Err(SendError::Stopped) => return,
            Err(SendError::Unknown { .. }) => Fate::Unknown,
            Err(error @ (SendError::Refused(_) | SendError::NotSent | SendError::QueueFull)) => {
                Fate::Refused(sanitize::reason(&error.to_string()))
            }
        };
        self.unsent.came_back(&self.client_id, fate);
        // What fails together is told together: nobody reads sixty lines.
        clock::sleep(GATHER).await;
        let untold = self.unsent.lock().take_untold();
        let words = match untold.as_slice() {
            [] => return,
            [one] if one.fate == Fate::Unknown => format!(
                "? {}: {}; /retry is safe: it is stored once at most",
                about(one),
                why(&one.fate)
            ),
            [one] => format!(
                "! not stored: {} ({}); /retry sends it again, /drop gives it up",
                about(one),
                why(&one.fate)
            ),
            [first, ..] => format!(
                "! {} messages are not stored, {} and so on ({}); /pending lists them, /retry \
                 sends them again, /drop gives them up",
                untold.len(),
                about(first),
                why(&first.fate)
            ),
        };
        self.line(self.painter.error(&words)).await;
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
