//! The `antiphon client` command: questions first, then a chat line that incoming messages
//! never disturb.
//!
//! Three kinds of threads: this one owns the terminal (line editor and questions, one at a
//! time), the runtime owns the socket, and the printer thread owns the external printer.

pub mod chat_line;
pub mod command;
pub mod gate;
pub mod output;
pub mod questions;
pub mod render;
pub mod sanitize;
pub mod sign_in;
pub mod view;

use std::io::{BufRead, IsTerminal, Read};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use antiphon_client::{Client, Event, Events, StopReason};
use antiphon_core::clock;
use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{self, TaskKind};
use antiphon_protocol::client as wire;
use antiphon_protocol::limits::PASSWORD_CHARS_MAX;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use self::chat_line::{ChatLine, Typed};
use self::command::{CommandDispatcher, Reply, Session, lock};
use self::gate::Mode;
use self::output::Output;
use self::render::Style;
use self::view::View;

/// How long the first prompt waits for the connection, and leaving for the goodbye.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(3);
/// Longest password line read from standard input, in bytes.
const PASSWORD_LINE_BYTES_MAX: u64 = 4 * PASSWORD_CHARS_MAX as u64 + 2;

/// The options of `antiphon client`. What is not given is asked for.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ClientOptions {
    /// The gateway's address
    #[arg(long, value_name = "URL")]
    pub gateway: Option<String>,
    /// The name to log in with
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Read the password from the first line of standard input; needs --user
    #[arg(long, requires = "user", conflicts_with = "open")]
    pub password_stdin: bool,
    /// Log in without a password, where the server allows it; needs --user
    #[arg(long, requires = "user")]
    pub open: bool,
}

/// How the command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// As the user wished.
    Ok,
    /// Something failed.
    Failure,
    /// Not called as it must be.
    Usage,
    /// The name or the password is wrong.
    Credentials,
    /// No gateway or no server.
    Unreachable,
    /// By Ctrl+C.
    Interrupted,
}

impl Exit {
    /// The process's exit status.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::Credentials => 3,
            Self::Unreachable => 4,
            Self::Interrupted => 130,
        }
    }
}

impl From<&StopReason> for Exit {
    fn from(reason: &StopReason) -> Self {
        match reason {
            StopReason::Asked => Self::Ok,
            StopReason::Credentials(_) => Self::Credentials,
            StopReason::Closed(_) | StopReason::Refused(_) => Self::Failure,
        }
    }
}

/// Runs the client to its end. It blocks and has a runtime of its own: not to be called from
/// within another.
pub fn run(options: &ClientOptions) -> Exit {
    match try_run(options) {
        Ok(exit) | Err(exit) => exit,
    }
}

fn try_run(options: &ClientOptions) -> Result<Exit, Exit> {
    let typed = options.password_stdin || std::io::stdin().is_terminal();
    if !typed || !std::io::stdout().is_terminal() {
        return Err(no_terminal());
    }
    let stdin_password = if options.password_stdin {
        Some(read_password()?)
    } else {
        None
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| failure("no runtime", &error))?;
    let (gateway, user, credentials) = questions::interview(options, stdin_password, &runtime)?;
    let _entered = runtime.enter();
    let scope = Shutdown::new();
    let (client, events) = Client::builder(gateway, credentials).start(&scope);
    let view = Arc::new(Mutex::new(View::new(user)));
    let mut line = ChatLine::open(Arc::clone(&view), options.password_stdin)
        .map_err(|error| failure("the terminal cannot be used", &error))?;
    let output = Output::default();
    let printer = output.start(line.printer());
    let questions = Box::new(questions::Asking(output.clone()));
    let style = Style::detect();
    let (logged_in_tx, logged_in_rx) = oneshot::channel();
    let pumped = task::spawn(
        &scope,
        TaskKind::Client,
        pump(
            events,
            Arc::clone(&view),
            output.clone(),
            style,
            logged_in_tx,
        ),
    );
    let mut session = Session {
        client,
        view,
        output,
        questions,
        style,
        scope: scope.clone(),
    };
    let exit = chat(&mut session, &mut line, &runtime, logged_in_rx);
    session.client.stop();
    runtime.block_on(async {
        // A server that doesn't answer does not hold up the user.
        let _ended = clock::timeout(SETTLE_TIMEOUT, pumped).await;
    });
    scope.stop();
    session.output.close();
    drop(line);
    // It has printed what there was; a panic in it was told already.
    let _printed = printer.join();
    Ok(exit)
}

fn no_terminal() -> Exit {
    output::error_now(
        "antiphon client talks with a person at a terminal; standard input and output must be one.\n\
         Without questions: antiphon client --gateway URL --user NAME (--open | --password-stdin)",
    );
    Exit::Usage
}

fn failure(what: &str, error: &dyn std::error::Error) -> Exit {
    output::error_now(&format!("{what}: {error}"));
    Exit::Failure
}

fn read_password() -> Result<wire::Secret, Exit> {
    let mut line = String::new();
    let stdin = std::io::stdin().lock();
    stdin
        .take(PASSWORD_LINE_BYTES_MAX)
        .read_line(&mut line)
        .map_err(|error| failure("--password-stdin", &error))?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        output::error_now("--password-stdin: standard input has no password");
        return Err(Exit::Usage);
    }
    Ok(wire::Secret(password.to_owned()))
}

/// Shows what comes until the client has stopped.
async fn pump(
    mut events: Events,
    view: Arc<Mutex<View>>,
    output: Output,
    style: Style,
    logged_in_tx: oneshot::Sender<()>,
) {
    let mut logged_in_tx = Some(logged_in_tx);
    while let Some(event) = events.recv().await {
        let line = lock(&view).on_event(style, &event);
        if let Some(line) = line {
            output.line(line);
        }
        if matches!(event, Event::LoggedIn { .. }) {
            // Whoever waited for it may have given up.
            let _told = logged_in_tx
                .take()
                .map(|logged_in_tx| logged_in_tx.send(()));
        }
    }
}

fn chat(
    session: &mut Session,
    line: &mut ChatLine,
    runtime: &Runtime,
    logged_in_rx: oneshot::Receiver<()>,
) -> Exit {
    // Without a connection the chat line opens all the same; it says so itself.
    let _logged_in = runtime.block_on(async { clock::timeout(SETTLE_TIMEOUT, logged_in_rx).await });
    welcome(session);
    let dispatcher = command::dispatcher();
    let mut interrupted = false;
    loop {
        if let Some(reason) = &session.view().stopped {
            return Exit::from(reason);
        }
        let prompt = session.view().prompt();
        session.output.set(Mode::Editing);
        let typed = line.read(&prompt);
        session.output.set(Mode::Idle);
        match typed {
            Typed::End => return Exit::Ok,
            Typed::Interrupted if interrupted => return Exit::Interrupted,
            Typed::Interrupted => {
                interrupted = true;
                session
                    .output
                    .line(session.style.dim("— Ctrl+C once more leaves"));
            }
            Typed::Line(text) => {
                interrupted = false;
                if runtime.block_on(execute(session, &dispatcher, &text)) {
                    return Exit::Ok;
                }
            }
        }
        session.output.settle();
    }
}

fn welcome(session: &Session) {
    let (rooms, unread) = {
        let view = session.view();
        let rooms: Vec<_> = view.rooms().iter().map(|room| format!("#{room}")).collect();
        (rooms.join(", "), view.unread())
    };
    if !rooms.is_empty() {
        session.output.line(
            session
                .style
                .dim(&format!("— your rooms: {rooms}; {unread} unread")),
        );
    }
    session.output.line(
        session
            .style
            .dim("— /join a room, /msg somebody, /help for more"),
    );
}

/// Carries out one line. True if the user leaves.
async fn execute(session: &mut Session, dispatcher: &CommandDispatcher, text: &str) -> bool {
    let answer = match command::parse(text) {
        Ok(None) => Ok(Reply::Lines(Vec::new())),
        Ok(Some(command)) => dispatcher.dispatch(session, command).await,
        Err(failure) => Err(failure),
    };
    mark_read(session);
    match answer {
        Ok(Reply::Leave) => return true,
        Ok(Reply::Lines(lines)) => lines.into_iter().for_each(|line| session.output.line(line)),
        Err(failure) => session.output.line(failure.line(session.style)),
    }
    false
}

/// Whoever types has seen what stands above.
fn mark_read(session: &Session) {
    if !session.client.is_connected() {
        return;
    }
    if let Some((conversation, seq)) = session.view().take_read() {
        let client = session.client.clone();
        let _task = task::spawn(&session.scope, TaskKind::Client, async move {
            // The next line tries again with a higher sequence.
            client
                .request(wire::Read { conversation, seq })
                .await
                .is_ok()
        });
    }
}
