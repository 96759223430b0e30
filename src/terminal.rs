//! `antiphon client`: questions first, then a chat line.
//!
//! Three threads: this one owns the keyboard (inquire and rustyline, one at a time), the
//! runtime owns the socket, the printer's thread owns the screen above the line. Everything
//! that others wrote passes [`sanitize`] before it is shown.

pub mod chat_line;
pub mod command;
pub mod feed;
pub mod gate;
pub mod outage;
pub mod printer;
pub mod questions;
pub mod render;
pub mod sanitize;
pub mod screen;
pub mod session;
pub mod shown;
pub mod state;
pub mod unsent;

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use antiphon_client::{Client, Events, StopReason};
use antiphon_core::shutdown::Shutdown;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use crate::account::entry::LOGIN_DEADLINE;
use crate::account::{self, Account, Door, Environment, Purpose};
use crate::cli::ClientArgs;
use crate::exit::{Exit, Failed};
use chat_line::{ChatLine, Typed};
use command::{Answer, Commands, TerminalCommand};
use gate::Gate;
use printer::Printer;
use render::Painter;
use session::Session;
use state::SharedState;
use unsent::SharedUnsent;

/// Time for the goodbye.
const STOP_GRACE: Duration = Duration::from_secs(3);

fn end(exit: Exit, words: &str) -> Exit {
    screen::error_line(&format!("antiphon client: {words}"));
    exit
}

/// Runs the client; `color` says whether the user wants colors.
pub fn run(runtime: &Runtime, args: &ClientArgs, environment: &Environment, color: bool) -> Exit {
    let stdin_is_terminal = std::io::stdin().is_terminal();
    if !std::io::stdout().is_terminal() || !(stdin_is_terminal || args.account.password_stdin) {
        return end(
            Exit::Usage,
            "the chat needs a terminal on standard input and output; only the password may come \
             from elsewhere: --gateway URL --user NAME --password-stdin",
        );
    }
    // Tasks are spawned from this thread, too.
    let _entered = runtime.enter();
    let scope = Shutdown::new();
    let state = SharedState::default();
    let (client, events) = match get_in(runtime, args, environment, &scope, &state) {
        Ok(online) => online,
        Err(Failed { exit, words }) if words.is_empty() => return exit,
        Err(Failed { exit, words }) => return end(exit, &words),
    };
    let exit = chat(
        runtime,
        (client, events),
        &scope,
        state,
        color,
        stdin_is_terminal,
    );
    scope.stop();
    // What does not end in time ends with the process.
    let _in_time = runtime.block_on(scope.wait(STOP_GRACE));
    exit
}

fn get_in(
    runtime: &Runtime,
    args: &ClientArgs,
    environment: &Environment,
    scope: &Shutdown,
    state: &SharedState,
) -> Result<(Client, Events), Failed> {
    let mut account = Account::new(&args.account, environment)?;
    let door = Door {
        runtime,
        scope,
        purpose: Purpose::Chat,
        timeout: LOGIN_DEADLINE,
        patience: Some(session::SEND_PATIENCE),
        interrupt: &Shutdown::new(),
    };
    let live = account::live(&mut account, &door)?;
    let mut known = state.lock();
    known.server = live.server;
    known.logged_in(live.username.as_str(), &live.conversations);
    Ok((live.client, live.events))
}

fn chat(
    runtime: &Runtime,
    (client, events): (Client, Events),
    scope: &Shutdown,
    state: SharedState,
    color: bool,
    stdin_is_terminal: bool,
) -> Exit {
    let painter = Painter::new(color);
    let gate = Arc::new(Gate::default());
    let unsent = SharedUnsent::default();
    let line = ChatLine::new(
        gate.clone(),
        state.clone(),
        unsent.clone(),
        painter,
        stdin_is_terminal,
    )
    .and_then(|mut line| line.printer().map(|printer| (line, printer)));
    let (mut line, out) = match line {
        Ok(line) => line,
        Err(error) => return end(Exit::Failure, &format!("the terminal: {error}")),
    };
    let (lines_tx, lines_rx) = mpsc::channel(session::LINES_MAX);
    let printer = Printer {
        out,
        events,
        lines_rx,
        gate: gate.clone(),
        state: state.clone(),
        unsent: unsent.clone(),
        painter,
    };
    // Before the printer: what comes from now on is not what was there.
    welcome(&state, painter);
    let handle = runtime.handle().clone();
    let printing = std::thread::Builder::new()
        .name("printer".to_owned())
        .spawn(move || printer.run(&handle));
    let printing = match printing {
        Ok(printing) => printing,
        Err(error) => return end(Exit::Failure, &format!("no thread for the screen: {error}")),
    };
    let mut session = Session {
        client,
        state,
        painter,
        unsent,
        gate,
        lines_tx,
        scope: scope.clone(),
    };
    let exit = read_lines(runtime, &mut line, &mut session);
    if let Some(words) = command::give_up(&session) {
        screen::line(&words);
    }
    let unsent = runtime.block_on(session.settle());
    runtime.block_on(session.tell_read());
    session.client.stop();
    // A printer that waits for the editor to take a line waits no longer.
    drop(line);
    // Its panic was printed already.
    let _joined = printing.join();
    session
        .gate
        .drain()
        .iter()
        .for_each(|line| screen::line(line.as_str()));
    left(&session, &unsent, exit)
}

/// Who leaves messages behind is told, and whoever started the client is, too.
fn left(session: &Session, unsent: &[String], exit: Exit) -> Exit {
    if unsent.is_empty() {
        return exit;
    }
    screen::line(&session.painter.error("! not stored:"));
    unsent.iter().for_each(|line| screen::line(line));
    match exit {
        Exit::Done => Exit::Failure,
        Exit::Failure
        | Exit::Usage
        | Exit::Credentials
        | Exit::Unreachable
        | Exit::Interrupted
        | Exit::ReaderGone => exit,
    }
}

fn welcome(state: &SharedState, painter: Painter) {
    let state = state.lock();
    let server = sanitize::excerpt(&state.server);
    let words = format!(
        "{} {} {}",
        painter.dim("— you are"),
        painter.own_name(&state.me),
        painter.dim(&format!("on {server}; /help lists the commands"))
    );
    screen::line(&words);
    if state.rooms.is_empty() {
        screen::line(&painter.dim("— you are in no room yet: /join shows them"));
    } else {
        let rooms = state::rooms_in_words(&state.rooms);
        let words = format!("— your rooms: {rooms}; /join ROOM goes there");
        screen::line(&painter.dim(&words));
    }
    if !state.unread.is_empty() {
        screen::line(&painter.dim("— there is something new: /next shows it, /unread lists it"));
    }
}

fn read_lines(runtime: &Runtime, line: &mut ChatLine, session: &mut Session) -> Exit {
    let commands = command::commands();
    let mut interrupted_before = false;
    let mut warned_before = false;
    loop {
        let (prompt, stopped) = {
            let state = session.state.lock();
            (state.prompt(), state.stopped.clone())
        };
        if let Some(reason) = stopped {
            return stopped_exit(&reason);
        }
        session.tell_read_soon();
        let status = session.unsent.lock().status();
        match line.read(&status, &prompt) {
            Typed::Line { text, erasable } => {
                interrupted_before = false;
                let leaves = take_line(runtime, &commands, line, session, &text, erasable);
                if leaves && (warned_before || !warn_of_unsent(runtime, session)) {
                    return Exit::Done;
                }
                warned_before = leaves;
            }
            Typed::Interrupted if interrupted_before => return Exit::Interrupted,
            Typed::Interrupted => {
                interrupted_before = true;
                let words = "— Ctrl+C once more to leave, or /quit";
                screen::line(&session.painter.dim(words));
            }
            Typed::End => return Exit::Done,
            Typed::Broken(why) => return end(Exit::Failure, &format!("the terminal: {why}")),
        }
    }
}

/// Whether something is not stored, so that leaving had better be thought over.
fn warn_of_unsent(runtime: &Runtime, session: &Session) -> bool {
    let unsent = runtime.block_on(session.settle());
    if unsent.is_empty() {
        return false;
    }
    let words = "! these are not stored yet; /quit once more leaves without them:";
    screen::line(&session.painter.error(words));
    unsent.iter().for_each(|line| screen::line(line));
    true
}

fn stopped_exit(reason: &StopReason) -> Exit {
    match reason {
        StopReason::Asked => Exit::Done,
        StopReason::Credentials(_) => Exit::Credentials,
        StopReason::Closed(_) | StopReason::Refused(_) => Exit::Failure,
    }
}

/// Does what a line says; true if it says to leave.
fn take_line(
    runtime: &Runtime,
    commands: &Commands,
    line: &mut ChatLine,
    session: &mut Session,
    text: &str,
    erasable: bool,
) -> bool {
    let harmless = sanitize::typed(text);
    let trimmed = harmless.trim();
    if trimmed.is_empty() {
        if erasable {
            line.erase(text);
        }
        return false;
    }
    let command = match command::parse(trimmed) {
        Ok(command) => command,
        Err(error) => {
            if erasable {
                line.erase(text);
                screen::line(&session.painter.typed(&harmless));
            }
            screen::line(&session.painter.command_error(&error));
            return false;
        }
    };
    // A message appears in its place among the others once it is stored. If something was
    // printed at the very moment of Enter, what was typed can't be taken back: it stays too.
    // A command stays, without the prompt, which is out of date soon.
    if erasable {
        line.erase(text);
        if !becomes_message(&command, session) {
            screen::line(&session.painter.typed(&harmless));
        }
    }
    // The chain turns errors into answers.
    let answer = runtime.block_on(commands.dispatch(session, command));
    let answer = answer.unwrap_or_else(|error| Answer::line(session.painter.command_error(&error)));
    if answer.clear {
        line.clear();
    }
    answer.lines.iter().for_each(|line| screen::line(line));
    answer.quit
}

fn becomes_message(command: &TerminalCommand, session: &Session) -> bool {
    if let TerminalCommand::Msg(msg) = command {
        return msg.text.is_some();
    }
    let state = session.state.lock();
    let said_here = matches!(command, TerminalCommand::Say(_) | TerminalCommand::Me(_));
    let answers = matches!(command, TerminalCommand::Reply(_)) && state.reply_to.is_some();
    let here = said_here && state.current.is_some();
    here || answers || matches!(command, TerminalCommand::ChatTo(_))
}
