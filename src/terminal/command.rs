//! The commands of the chat line: one table, one typed enum, one dispatcher.

mod help;
mod history;
mod people;
mod room;
mod say;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use antiphon_client::{Client, RequestError};
use antiphon_core::dispatcher::{Dispatcher, Request};
use antiphon_core::interceptor::before;
use antiphon_core::shutdown::Shutdown;
use antiphon_protocol::client::Target;
use antiphon_protocol::limits::{MESSAGE_CHARS_MAX, PAGE_MAX, POPULAR_MAX};
use antiphon_protocol::name::NameError;
use antiphon_protocol::{RoomName, UserName};

use super::output::Output;
use super::questions::Questions;
use super::render::Style;
use super::sanitize::sanitize_inline;
use super::view::View;

pub use help::{Group, SPECS, Spec};

/// What every handler works with.
#[derive(Debug)]
pub struct Session {
    /// The connection, which mends itself.
    pub client: Client,
    /// What the user sees.
    pub view: Arc<Mutex<View>>,
    /// Where lines go.
    pub output: Output,
    /// Who asks the user.
    pub questions: Box<dyn Questions>,
    /// How lines look.
    pub style: Style,
    /// The tasks of this session.
    pub scope: Shutdown,
}

impl Session {
    /// The view, for a moment.
    pub fn view(&self) -> MutexGuard<'_, View> {
        lock(&self.view)
    }

    fn room_or_current(&self, room: Option<String>) -> Result<RoomName, Failure> {
        match room {
            Some(room) => parse_room(&room),
            None => match &self.view().current {
                Some(Target::Room(room)) => Ok(room.clone()),
                Some(Target::User(_)) | None => Err(Failure::NoRoom),
            },
        }
    }

    fn current(&self) -> Result<Target, Failure> {
        self.view().current.clone().ok_or(Failure::NoPlace)
    }
}

/// Locks the view; a panic elsewhere does not make it wrong.
pub fn lock(view: &Mutex<View>) -> MutexGuard<'_, View> {
    view.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a command answers.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    /// Lines that are safe to show.
    Lines(Vec<String>),
    /// The user leaves.
    Leave,
}

impl Reply {
    fn line(line: impl Into<String>) -> Self {
        Self::Lines(vec![line.into()])
    }
    fn none() -> Self {
        Self::Lines(Vec::new())
    }
}

/// Why a command did nothing.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Not written as it must be.
    #[error("usage: {0}")]
    Usage(&'static str),
    /// Not a command.
    #[error("unknown command /{0}; /help lists the commands")]
    Unknown(String),
    /// Plain text without a place to go to.
    #[error("you are nowhere yet: /join a room or /msg somebody first")]
    NoPlace,
    /// A command on the current room outside of one.
    #[error("you are in no room: /join one first, or name it")]
    NoRoom,
    /// A name that cannot be one.
    #[error("{0}")]
    Name(#[from] NameError),
    /// A text over the limit.
    #[error("a message has at most {MESSAGE_CHARS_MAX} characters, this one has {0}")]
    TooLong(usize),
    /// No connection at the moment.
    #[error("not connected at the moment; plain messages are kept and sent later")]
    NotConnected,
    /// The server did not do it.
    #[error("{0}")]
    Request(#[from] RequestError),
    /// The user thought better of it.
    #[error("nothing done")]
    Cancelled,
}

impl Failure {
    /// The line to show.
    pub fn line(&self, style: Style) -> String {
        style.dim(&format!("— {}", sanitize_inline(&self.to_string())))
    }
}

macro_rules! terminal_commands {
    ($($(#[$doc:meta])* $name:ident($action:literal) { $($field:ident: $type:ty),* })*) => {
        $($(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[allow(missing_docs, reason = "the command's doc names its fields")]
        pub struct $name { $(pub $field: $type),* }

        impl TryFrom<TerminalCommand> for $name {
            type Error = TerminalCommand;
            fn try_from(command: TerminalCommand) -> Result<Self, TerminalCommand> {
                #[allow(clippy::wildcard_enum_match_arm, reason = "the other arm gives the command back")]
                match command {
                    TerminalCommand::$name(command) => Ok(command),
                    other => Err(other),
                }
            }
        })*

        /// Everything that can be typed.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum TerminalCommand { $($(#[$doc])* $name($name),)* }

        impl Request for TerminalCommand {
            fn action(&self) -> &'static str {
                match self { $(Self::$name(_) => $action,)* }
            }
        }
    };
}

terminal_commands! {
    /// Plain text, to the current place.
    Say("say") { text: String }
    /// `to` is `room:NAME` or a user.
    Chat("chat") { to: String, text: String }
    /// Goes to a direct conversation, or only sends there.
    Msg("msg") { user: Option<String>, text: String }
    /// Joins a room and goes there.
    Join("join") { room: Option<String> }
    /// Leaves a room.
    Leave("leave") { room: Option<String> }
    /// Makes a room and goes there.
    Create("create") { room: String, private: bool }
    /// Lists rooms.
    Rooms("rooms") {}
    /// Lists the current room's members.
    Members("members") {}
    /// Asks a user into the current room.
    Invite("invite") { user: String }
    /// Removes a user from the current room.
    Kick("kick") { user: String }
    /// Lists who is there.
    Online("online") {}
    /// Tells about a user.
    Stats("stats") { user: String }
    /// The words said most.
    Popular("popular") { n: u64 }
    /// The newest messages here.
    History("history") { n: u64 }
    /// Messages that have all the words.
    Search("search") { words: String }
    /// Where something is unread.
    Unread("unread") {}
    /// Tells who and where the user is.
    Whoami("whoami") {}
    /// Lists the commands, or explains one.
    Help("help") { topic: Option<String> }
    /// Ends the client.
    Quit("quit") {}
}

/// Reads a line; `None` for an empty one.
pub fn parse(line: &str) -> Result<Option<TerminalCommand>, Failure> {
    let line = line.trim();
    if line.is_empty() {
        return Ok(None);
    }
    let Some(command) = line.strip_prefix('/') else {
        return Ok(Some(TerminalCommand::Say(Say {
            text: line.to_owned(),
        })));
    };
    if command.starts_with('/') {
        return Ok(Some(TerminalCommand::Say(Say {
            text: command.to_owned(),
        })));
    }
    let (name, rest) = split_word(command);
    let spec = Spec::find(name).ok_or_else(|| Failure::Unknown(name.to_owned()))?;
    (spec.parse)(rest)
        .map(Some)
        .ok_or(Failure::Usage(spec.usage))
}

fn split_word(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim())
}

fn one_word(rest: &str) -> Option<String> {
    (!rest.is_empty() && !rest.contains(char::is_whitespace)).then(|| rest.to_owned())
}

/// `Some(None)` for no word, `None` for several.
fn word_or_none(rest: &str) -> Option<Option<String>> {
    if rest.is_empty() {
        Some(None)
    } else {
        one_word(rest).map(Some)
    }
}

/// A number within bounds, or the default if there is none.
fn number_or(rest: &str, default: u64, max: u64) -> Option<u64> {
    if rest.is_empty() {
        return Some(default);
    }
    rest.parse()
        .ok()
        .filter(|number| (1..=max).contains(number))
}

fn parse_room(room: &str) -> Result<RoomName, Failure> {
    let room = room.strip_prefix("room:").unwrap_or(room);
    Ok(RoomName::parse(room.strip_prefix('#').unwrap_or(room))?)
}

fn parse_user(user: &str) -> Result<UserName, Failure> {
    Ok(UserName::parse(user.strip_prefix('@').unwrap_or(user))?)
}

/// The dispatcher of the chat line.
pub type CommandDispatcher = Dispatcher<Session, TerminalCommand, Reply, Failure>;

/// The table and, in the order of the call, the interceptors.
pub fn dispatcher() -> CommandDispatcher {
    Dispatcher::new(NoHandler)
        .around(before("trim", trim))
        .around(before("message_length", message_length))
        .around(before("needs_connection", needs_connection))
        .on::<Say>("say", say::Handlers)
        .on::<Chat>("chat", say::Handlers)
        .on::<Msg>("msg", say::Handlers)
        .on::<Join>("join", room::Handlers)
        .on::<Leave>("leave", room::Handlers)
        .on::<Create>("create", room::Handlers)
        .on::<Rooms>("rooms", room::Handlers)
        .on::<Members>("members", room::Handlers)
        .on::<Invite>("invite", room::Handlers)
        .on::<Kick>("kick", room::Handlers)
        .on::<Online>("online", people::Handlers)
        .on::<Stats>("stats", people::Handlers)
        .on::<Popular>("popular", people::Handlers)
        .on::<Whoami>("whoami", people::Handlers)
        .on::<History>("history", history::Handlers)
        .on::<Search>("search", history::Handlers)
        .on::<Unread>("unread", history::Handlers)
        .on::<Help>("help", help::Handlers)
        .on::<Quit>("quit", help::Handlers)
}

struct NoHandler;

#[async_trait::async_trait]
impl antiphon_core::dispatcher::Handler<Session, TerminalCommand, Reply, Failure> for NoHandler {
    async fn call(&self, _: &mut Session, command: TerminalCommand) -> Result<Reply, Failure> {
        Err(Failure::Unknown(command.action().to_owned()))
    }
}

/// The text that a command sends, if it sends one.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "only these three carry a message"
)]
fn text_of(command: &mut TerminalCommand) -> Option<&mut String> {
    match command {
        TerminalCommand::Say(say) => Some(&mut say.text),
        TerminalCommand::Chat(chat) => Some(&mut chat.text),
        TerminalCommand::Msg(msg) => Some(&mut msg.text),
        _ => None,
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of an interceptor")]
fn trim(_: &mut Session, command: &mut TerminalCommand) -> Result<(), Failure> {
    if let Some(text) = text_of(command) {
        // A NUL cannot be sent; a paste may hold one.
        *text = text.trim().replace('\0', "");
    }
    Ok(())
}

fn message_length(_: &mut Session, command: &mut TerminalCommand) -> Result<(), Failure> {
    let chars = text_of(command).map_or(0, |text| text.chars().count());
    if chars > MESSAGE_CHARS_MAX {
        Err(Failure::TooLong(chars))
    } else {
        Ok(())
    }
}

/// Messages are queued without a connection; everything that waits for an answer is not.
fn needs_connection(session: &mut Session, command: &mut TerminalCommand) -> Result<(), Failure> {
    let needs = match command {
        TerminalCommand::Say(_)
        | TerminalCommand::Chat(_)
        | TerminalCommand::Msg(_)
        | TerminalCommand::Whoami(_)
        | TerminalCommand::Help(_)
        | TerminalCommand::Quit(_) => false,
        TerminalCommand::Join(_)
        | TerminalCommand::Leave(_)
        | TerminalCommand::Create(_)
        | TerminalCommand::Rooms(_)
        | TerminalCommand::Members(_)
        | TerminalCommand::Invite(_)
        | TerminalCommand::Kick(_)
        | TerminalCommand::Online(_)
        | TerminalCommand::Stats(_)
        | TerminalCommand::Popular(_)
        | TerminalCommand::History(_)
        | TerminalCommand::Search(_)
        | TerminalCommand::Unread(_) => true,
    };
    if needs && !session.client.is_connected() {
        Err(Failure::NotConnected)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
