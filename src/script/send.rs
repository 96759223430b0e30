//! `send`: one message, or one message a line, in order.
//!
//! Up to [`WINDOW`] messages are on their way at once. Behind that no line is read, so that the
//! pressure reaches whoever writes the pipe. Receipts come in the order of the lines.

use std::future::Future;
use std::io::IsTerminal;
use std::pin::Pin;

use antiphon_client::{Client, Event, Events, SendError, StopReason};
use antiphon_core::random;
use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{self, TaskKind};
use antiphon_protocol::client::{Ack, Target};
use antiphon_protocol::limits::MESSAGE_CHARS_MAX;
use antiphon_protocol::{ClientId, ErrorBody};
use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use serde::Serialize;
use tokio::sync::watch;

use super::lines::{self, Line, Lines};
use super::out::Out;
use crate::account::entry::Live;
use crate::cli::script::SendArgs;
use crate::exit::{Exit, Failed};
use crate::output;
use crate::terminal::sanitize;

/// Messages on their way at once; well within what the client queues.
pub const WINDOW: usize = 128;
const _: () = assert!(WINDOW <= antiphon_client::limits::OUTBOX_MAX);
const _: () = assert!(WINDOW <= antiphon_client::limits::COMMANDS_MAX);

/// Four bytes a character.
const LINE_BYTES_MAX: usize = 4 * MESSAGE_CHARS_MAX;

/// What the server acknowledged, in the wire's shape, with the id that it was sent under.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt<'a> {
    /// The acknowledgment.
    #[serde(flatten)]
    pub ack: &'a Ack,
    /// The message's id.
    pub client_id: &'a ClientId,
}

/// A message that has no receipt, as programs read it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct NoReceipt<'a> {
    /// `refused`, `notSent` or `unknown`.
    event: &'static str,
    line: u64,
    client_id: &'a ClientId,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a ErrorBody>,
}

/// An id that nobody has used.
pub fn random_id() -> ClientId {
    ClientId::parse(&random::hex::<16>()).expect("hexadecimal is visible ASCII")
}

/// Reads `--client-id`.
pub fn client_id(raw: &str) -> Result<ClientId, Failed> {
    let words = "--client-id: 1 to 64 visible ASCII characters without quotes are expected";
    ClientId::parse(raw).ok_or_else(|| Failed::usage(words))
}

#[derive(Debug)]
enum Source {
    One(String),
    Lines,
}

/// What is to be sent.
#[derive(Debug)]
pub struct Plan {
    to: Target,
    source: Source,
    id: Option<String>,
    keep_going: bool,
}

impl Plan {
    /// Reads the flags.
    pub fn new(args: SendArgs) -> Result<Self, Failed> {
        let text = args.text.join(" ");
        let source = match text.as_str() {
            "-" => Source::Lines,
            "" if args.text.is_empty() && !std::io::stdin().is_terminal() => Source::Lines,
            "" => return Err(Failed::usage("there is no TEXT to send; - reads lines")),
            _ => Source::One(text),
        };
        if let Some(raw) = &args.client_id {
            // The longest that a line may get.
            let longest = match source {
                Source::One(_) => raw.clone(),
                Source::Lines => format!("{raw}-{}", u64::MAX),
            };
            client_id(&longest)?;
        }
        Ok(Self {
            to: args.to,
            source,
            id: args.client_id,
            keep_going: args.keep_going,
        })
    }

    fn id_of(&self, line: u64) -> ClientId {
        let named = match (&self.id, &self.source) {
            (None, _) => None,
            (Some(id), Source::One(_)) => ClientId::parse(id),
            (Some(id), Source::Lines) => ClientId::parse(&format!("{id}-{line}")),
        };
        named.unwrap_or_else(random_id)
    }
}

/// How one message ended.
struct Sent {
    line: u64,
    client_id: ClientId,
    outcome: Result<Ack, SendError>,
}

type Sending = Pin<Box<dyn Future<Output = Sent> + Send>>;

/// See the head of the file.
#[derive(Debug)]
pub struct Sender {
    client: Client,
    stopped_rx: watch::Receiver<Option<StopReason>>,
    stored: u64,
    streamed: bool,
    first_failure: Option<Failed>,
}

impl Sender {
    /// Sends as this client.
    pub fn new(live: Live, scope: &Shutdown) -> Self {
        Self {
            client: live.client,
            stopped_rx: watch_stop(live.events, scope),
            stored: 0,
            streamed: false,
            first_failure: None,
        }
    }

    /// Sends everything; ends behind the last receipt.
    pub async fn run(&mut self, plan: Plan, out: &mut Out) -> Result<(), Failed> {
        match &plan.source {
            Source::One(text) => {
                let line = Line {
                    number: 1,
                    text: text.clone(),
                };
                let sent = self.start(&plan, line).await;
                self.take(sent, &plan, out).await?;
            }
            Source::Lines => {
                let lines = lines::stdin(LINE_BYTES_MAX)?;
                self.streamed = true;
                self.stream(lines, &plan, out).await?;
            }
        }
        self.first_failure.take().map_or(Ok(()), Err)
    }

    /// Says how many lines were stored, however it ended.
    pub fn tell_count(&self) {
        if self.streamed {
            let plural = if self.stored == 1 { "" } else { "s" };
            let words = format!("antiphon send: {} message{plural} stored", self.stored);
            output::error_line(&words);
        }
    }

    async fn stream(&mut self, mut lines: Lines, plan: &Plan, out: &mut Out) -> Result<(), Failed> {
        let mut under_way: FuturesOrdered<Sending> = FuturesOrdered::new();
        let mut reading = true;
        while reading || !under_way.is_empty() {
            tokio::select! {
                biased;
                Some(sent) = under_way.next(), if !under_way.is_empty() => {
                    self.take(sent, plan, out).await?;
                    reading &= plan.keep_going || self.first_failure.is_none();
                }
                line = lines.recv(), if reading && under_way.len() < WINDOW => match line {
                    Some(Ok(line)) if line.text.trim().is_empty() => {}
                    Some(Ok(line)) => under_way.push_back(self.start(plan, line)),
                    Some(Err(error)) => {
                        self.first_failure.get_or_insert(error);
                        reading = false;
                    }
                    None => reading = false,
                },
            }
        }
        Ok(())
    }

    /// The future queues the message when it is looked at first; it must not give way then, or
    /// a later one might pass it.
    fn start(&self, plan: &Plan, line: Line) -> Sending {
        let client = self.client.clone();
        let (to, client_id) = (plan.to.clone(), plan.id_of(line.number));
        Box::pin(tokio::task::unconstrained(async move {
            let sending = client.send_with_id(to, line.text, client_id.clone());
            Sent {
                line: line.number,
                outcome: sending.await,
                client_id,
            }
        }))
    }

    async fn take(&mut self, sent: Sent, plan: &Plan, out: &mut Out) -> Result<(), Failed> {
        let Sent {
            line,
            client_id,
            outcome,
        } = sent;
        let error = match outcome {
            Ok(ack) => {
                self.stored += 1;
                let receipt = Receipt {
                    ack: &ack,
                    client_id: &client_id,
                };
                return out.json_only(&receipt).await;
            }
            Err(error) => error,
        };
        let (event, body) = match &error {
            SendError::Refused(body) => ("refused", Some(body)),
            SendError::Unknown { .. } => ("unknown", None),
            SendError::NotSent | SendError::QueueFull | SendError::Stopped => ("notSent", None),
        };
        let told = NoReceipt {
            event,
            line,
            client_id: &client_id,
            error: body,
        };
        out.json_only(&told).await?;
        let failed = self.failed(&error, line, &client_id, plan).await;
        // The first is told at the end.
        if self.first_failure.is_some() {
            output::error_line(&format!("antiphon send: {failed}"));
        }
        self.first_failure.get_or_insert(failed);
        Ok(())
    }

    async fn failed(&self, error: &SendError, line: u64, id: &ClientId, plan: &Plan) -> Failed {
        let failed = failed(error, id, &self.stopped_rx).await;
        let words = match (&plan.source, &plan.id, error) {
            (Source::One(_), _, _) => failed.words,
            (Source::Lines, Some(id), SendError::Unknown { .. }) => format!(
                "line {line}: {error}; the same command with --client-id {id} stores it once"
            ),
            (Source::Lines, _, _) => format!("line {line}: {}", failed.words),
        };
        Failed::new(failed.exit, words)
    }
}

/// What a message without a receipt means for the command.
pub(super) async fn failed(
    error: &SendError,
    id: &ClientId,
    stopped_rx: &watch::Receiver<Option<StopReason>>,
) -> Failed {
    let why = sanitize::line(&error.to_string());
    match error {
        SendError::Refused(body) => {
            Failed::failure(format!("{why} ({})", sanitize::line(&body.ext)))
        }
        SendError::Unknown { .. } => Failed::failure(format!(
            "{why}; the same text with --client-id {} stores it once",
            id.as_str()
        )),
        SendError::NotSent => Failed::unreachable(why),
        SendError::QueueFull => Failed::failure(why),
        SendError::Stopped => stopped(&mut stopped_rx.clone()).await,
    }
}

/// Reads events so that they hold nothing up, and keeps why the client stopped.
pub(super) fn watch_stop(
    mut events: Events,
    scope: &Shutdown,
) -> watch::Receiver<Option<StopReason>> {
    let (stopped_tx, stopped_rx) = watch::channel(None);
    task::spawn(scope, TaskKind::Client, async move {
        while let Some(event) = events.recv().await {
            if let Event::Stopped { reason } = event {
                stopped_tx.send_replace(Some(reason));
            }
        }
    });
    stopped_rx
}

/// What a client's end means for the command.
pub(super) fn after_stop(reason: &StopReason) -> Failed {
    let words = sanitize::line(&reason.to_string());
    match reason {
        StopReason::Credentials(_) => Failed::new(Exit::Credentials, words),
        StopReason::Asked | StopReason::Closed(_) | StopReason::Refused(_) => {
            Failed::failure(words)
        }
    }
}

async fn stopped(stopped_rx: &mut watch::Receiver<Option<StopReason>>) -> Failed {
    let reason = stopped_rx.wait_for(Option::is_some).await;
    let reason = reason.ok().and_then(|reason| reason.clone());
    reason
        .as_ref()
        .map_or_else(|| Failed::failure("the client has stopped"), after_stop)
}
