//! The commands of the chat line: one enum, one table of handlers, one visible chain.
//!
//! Each command is a struct in a file of its group, with [`Execute`] for what it does.

mod delay;
mod editor;
mod emoji;
mod help;
mod interceptor;
mod listing;
mod page;
mod parse;
mod people;
mod reading;
mod room;
mod talk;
mod this_terminal;
mod unsent;

use antiphon_client::RequestError;
use antiphon_core::dispatcher::{CommandHandler, Dispatcher, Handler, Request};
use async_trait::async_trait;

use super::sanitize;
use super::session::Session;

pub use delay::{Delay, Delayed};
pub use emoji::{EMOJI, Emoji};
pub use help::{Help, TOPICS, Topic};
pub use listing::Listing;
pub use parse::parse;
pub use people::{Online, Stats, WhoAmI};
pub use reading::{History, Next, Popular, Search, Unread};
pub use room::{Create, Invite, Join, Kick, Leave, Members, Rooms};
pub use talk::{ChatTo, Edit, Me, Msg, Reply, Say};
pub use this_terminal::{Bell, Clear, Quit, Reconnect};
pub use unsent::{GiveUp, Pending, Retry};

pub(in crate::terminal) use delay::give_up;

/// What a command leaves on the screen.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Lines, clean and painted.
    pub lines: Vec<String>,
    /// The chat is over.
    pub quit: bool,
    /// The screen is to be cleared first.
    pub clear: bool,
}

impl Answer {
    /// Nothing to show.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// Some lines.
    pub fn lines(lines: Vec<String>) -> Self {
        Self {
            lines,
            ..Self::default()
        }
    }

    /// One line.
    pub fn line(line: impl Into<String>) -> Self {
        Self::lines(vec![line.into()])
    }
}

/// Why a command did nothing, or nothing certain.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// It was written wrongly.
    #[error("usage: {0}")]
    Usage(&'static str),
    /// A name that cannot be one.
    #[error("{0:?} cannot be a name: {1}")]
    Name(String, String),
    /// There is no such command.
    #[error("there is no command /{0}; /help lists them")]
    Unknown(String),
    /// There is no such command, but one that looks like it.
    #[error("there is no command /{0}; did you mean /{1}?")]
    Misspelled(String, &'static str),
    /// Nobody wrote, and nobody named the user.
    #[error("nobody has written to you yet")]
    NobodyToAnswer,
    /// Plain text, and no place for it to go.
    #[error("no conversation yet: /join a room, or /msg somebody")]
    NoConversation,
    /// The command needs a room, and none is current.
    #[error("no room yet: /join one first")]
    NoRoom,
    /// It needs the server.
    #[error("not connected at the moment; what you say is kept, commands are not")]
    NotConnected,
    /// The server's words, or the connection's.
    #[error("{0}")]
    Refused(String),
    /// The user changed their mind.
    #[error("nothing done")]
    Cancelled,
}

impl CommandError {
    /// There is no such command; perhaps another was meant.
    fn unknown(word: &str) -> Self {
        let word = help::shown(word.trim_start_matches('/'));
        match help::meant(&word) {
            Some(meant) => Self::Misspelled(word, meant),
            None => Self::Unknown(word),
        }
    }
}

impl From<RequestError> for CommandError {
    fn from(error: RequestError) -> Self {
        if matches!(error, RequestError::NotConnected) {
            Self::NotConnected
        } else {
            Self::Refused(sanitize::line(&error.to_string()))
        }
    }
}

/// What a command does.
#[async_trait]
pub trait Execute: Sized + Send {
    /// Does it.
    async fn execute(self, session: &mut Session) -> Result<Answer, CommandError>;
}

struct Run;

#[async_trait]
impl<T: Execute + 'static> CommandHandler<Session, T, Answer, CommandError> for Run {
    async fn handle(&self, session: &mut Session, command: T) -> Result<Answer, CommandError> {
        command.execute(session).await
    }
}

struct NoHandler;

#[async_trait]
impl Handler<Session, TerminalCommand, Answer, CommandError> for NoHandler {
    async fn call(
        &self,
        _session: &mut Session,
        command: TerminalCommand,
    ) -> Result<Answer, CommandError> {
        Err(CommandError::Unknown(command.action().to_owned()))
    }
}

/// The table of this terminal.
pub type Commands = Dispatcher<Session, TerminalCommand, Answer, CommandError>;

macro_rules! terminal_commands {
    ($($name:ident: $action:literal),* $(,)?) => {
        /// Everything that can be typed.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum TerminalCommand {
            $(#[doc = concat!("See [`", stringify!($name), "`].")] $name($name),)*
        }

        $(impl From<$name> for TerminalCommand {
            fn from(command: $name) -> Self {
                Self::$name(command)
            }
        }
        impl TryFrom<TerminalCommand> for $name {
            type Error = TerminalCommand;
            fn try_from(command: TerminalCommand) -> Result<Self, TerminalCommand> {
                if let TerminalCommand::$name(command) = command {
                    Ok(command)
                } else {
                    Err(command)
                }
            }
        })*

        impl TerminalCommand {
            /// The name of every action.
            pub const ACTIONS: &'static [&'static str] = &[$($action),*];
        }

        impl Request for TerminalCommand {
            fn action(&self) -> &'static str {
                match self { $(Self::$name(_) => $action,)* }
            }
        }

        fn with_handlers(commands: Commands) -> Commands {
            commands$(.on::<$name>($action, Run))*
        }
    };
}

terminal_commands! {
    Say: "say", ChatTo: "chat", Msg: "msg", Reply: "reply", Me: "me", Edit: "edit",
    Delay: "delay", Emoji: "emoji",
    Pending: "pending", Retry: "retry", GiveUp: "drop",
    Join: "join", Leave: "leave", Create: "create", Rooms: "rooms", Members: "members",
    Invite: "invite", Kick: "kick",
    Stats: "stats", WhoAmI: "whoami", Online: "online",
    History: "history", Search: "search", Unread: "unread", Next: "next", Popular: "popular",
    Bell: "bell", Reconnect: "reconnect", Clear: "clear", Help: "help", Quit: "quit",
}

/// The table and the chain, in the order of the call.
pub fn commands() -> Commands {
    with_handlers(
        Dispatcher::new(NoHandler)
            .around(interceptor::spoken_errors())
            .around(interceptor::current_conversation())
            .around(interceptor::connection()),
    )
}

#[cfg(test)]
mod tests;
