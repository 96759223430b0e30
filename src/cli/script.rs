//! The commands for scripts: what each does, and the flags that all of them have.

use std::path::PathBuf;
use std::time::Duration;

use antiphon_protocol::client::Target;
use antiphon_protocol::{RoomName, UserName};
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use super::AccountArgs;

/// Longest wait that `--timeout` may name, in seconds.
const TIMEOUT_SECONDS_MAX: u64 = 24 * 3_600;

/// `room:NAME` or `user:NAME`; `#NAME` and `@NAME` will do.
fn conversation(raw: &str) -> Result<Target, String> {
    let room = raw.strip_prefix("room:").or_else(|| raw.strip_prefix('#'));
    let user = raw.strip_prefix("user:").or_else(|| raw.strip_prefix('@'));
    match (room, user) {
        (Some(name), _) => room_name(name).map(Target::Room),
        (None, Some(name)) => UserName::parse(name)
            .map(Target::User)
            .map_err(|error| error.to_string()),
        (None, None) => Err("room:NAME or user:NAME is expected".to_owned()),
    }
}

fn room_name(raw: &str) -> Result<RoomName, String> {
    let raw = raw.strip_prefix("room:").unwrap_or(raw);
    RoomName::parse(raw.strip_prefix('#').unwrap_or(raw)).map_err(|error| error.to_string())
}

/// `90`, `90s`, `10m`, `2h`, `1d`.
pub(super) fn seconds(raw: &str) -> Result<u64, String> {
    let expected = || "seconds, or a number with s, m, h or d, are expected".to_owned();
    let (number, factor) = match raw.char_indices().next_back().ok_or_else(expected)? {
        (at, 's') => (&raw[..at], 1),
        (at, 'm') => (&raw[..at], 60),
        (at, 'h') => (&raw[..at], 3_600),
        (at, 'd') => (&raw[..at], 24 * 3_600),
        (_, _) => (raw, 1),
    };
    let number: u64 = number.parse().map_err(|_| expected())?;
    number
        .checked_mul(factor)
        .filter(|s| *s > 0)
        .ok_or_else(expected)
}

fn timeout(raw: &str) -> Result<Duration, String> {
    Ok(Duration::from_secs(seconds(raw)?.min(TIMEOUT_SECONDS_MAX)))
}

/// The flags of every command that talks to a server.
#[derive(Debug, Clone, Default, Args)]
pub struct Common {
    /// One JSON object a line on standard output
    #[arg(long)]
    pub json: bool,
    /// Give up after so many seconds without a server or an answer [default: 20; 60 for a message]
    #[arg(long, value_name = "S", value_parser = timeout)]
    pub timeout: Option<Duration>,
    /// Who and where.
    #[command(flatten)]
    pub account: AccountArgs,
}

/// A command's own flags and the common ones.
#[derive(Debug, Clone, Args)]
pub struct With<T: Args> {
    /// Its own.
    #[command(flatten)]
    pub own: T,
    /// The common ones.
    #[command(flatten)]
    pub common: Common,
}

/// Flags of `antiphon send`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(
    after_long_help = "Examples:\n  antiphon send room:garden \"good morning\"\n  tail -f app.log | antiphon send room:alerts -\n  antiphon send room:garden - --json --client-id import-7 < lines.txt\n\nWith - each line of standard input is one message; empty lines are passed over.\nMessages are stored in the order of the lines. At the first that is not stored no more\nare read, unless --keep-going says otherwise.\n\nWith --client-id the whole command can be run again: what was stored is not stored twice.\nThe messages of standard input get ID-1, ID-2, … by their lines."
)]
pub struct SendArgs {
    /// Where it goes: room:NAME or user:NAME
    #[arg(value_name = "CONVERSATION", value_parser = conversation)]
    pub to: Target,
    /// The message; - or nothing for one message a line from standard input
    #[arg(value_name = "TEXT")]
    pub text: Vec<String>,
    /// The message's own id, with which it can be sent again and is stored once
    #[arg(long, value_name = "ID")]
    pub client_id: Option<String>,
    /// Go on after a message that is not stored
    #[arg(long)]
    pub keep_going: bool,
}

/// Flags of `antiphon tail`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(
    after_long_help = "Examples:\n  antiphon tail                                 everything that reaches you\n  antiphon tail room:garden --since 0           from the beginning, then live\n  antiphon tail room:garden --json | jq -r .message\n\nEach message comes once and in its conversation's order, over lost connections and servers.\nMessages that are gone for good are told on standard error and, with --json, as\n{\"event\":\"gap\",\"conversation\":…,\"from\":…,\"to\":…}. It joins no room: antiphon join does."
)]
pub struct TailArgs {
    /// Which conversations: room:NAME or user:NAME [default: all of yours]
    #[arg(value_name = "CONVERSATION", value_parser = conversation)]
    pub conversations: Vec<Target>,
    /// Begin behind this sequence of each named conversation; 0 for its beginning
    #[arg(long, value_name = "SEQ", requires = "conversations")]
    pub since: Option<u64>,
    /// End after so many messages
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
}

/// Flags of `antiphon history`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct HistoryArgs {
    /// Which conversation: room:NAME or user:NAME
    #[arg(value_name = "CONVERSATION", value_parser = conversation)]
    pub of: Target,
    /// The last messages before this sequence
    #[arg(long, value_name = "SEQ", conflicts_with = "after")]
    pub before: Option<u64>,
    /// The first messages behind this sequence
    #[arg(long, value_name = "SEQ")]
    pub after: Option<u64>,
    /// How many
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
    pub limit: u64,
}

/// Flags of `antiphon search`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct SearchArgs {
    /// Words that a message must have, all of them
    #[arg(required = true)]
    pub words: Vec<String>,
    /// Only in this conversation: room:NAME or user:NAME
    #[arg(long = "in", value_name = "CONVERSATION", value_parser = conversation)]
    pub within: Option<Target>,
    /// The newest so many
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50,
        value_parser = clap::value_parser!(u64).range(1..=antiphon_protocol::limits::PAGE_MAX))]
    pub limit: u64,
}

/// Flags of `antiphon popular`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct PopularArgs {
    /// Only of this room [default: of all public rooms]
    #[arg(value_name = "ROOM", value_parser = room_name)]
    pub room: Option<RoomName>,
    /// How many words
    #[arg(short = 'n', value_name = "N", default_value_t = 10,
        value_parser = clap::value_parser!(u64).range(1..=antiphon_protocol::limits::POPULAR_MAX))]
    pub count: u64,
    /// Of the last seconds (or 10m, 2h, 1d) [default: the server's]
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub window: Option<u64>,
}

/// Flags of `antiphon rooms` and `antiphon users`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct ListArgs {
    /// Only names that begin so
    #[arg(value_name = "PREFIX")]
    pub prefix: Option<String>,
    /// At most so many [default: all]
    #[arg(long, short = 'n', value_name = "N")]
    pub limit: Option<u64>,
}

/// Flags of commands on one room.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct RoomArgs {
    /// The room
    #[arg(value_name = "ROOM", value_parser = room_name)]
    pub room: RoomName,
}

/// Flags of `antiphon create`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct CreateArgs {
    /// The room
    #[arg(value_name = "ROOM", value_parser = room_name)]
    pub room: RoomName,
    /// What it is about
    #[arg(long, default_value = "")]
    pub topic: String,
    /// Only who is invited gets in
    #[arg(long)]
    pub private: bool,
}

/// No flags of its own.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Nothing {}

/// Flags of `antiphon exec`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(
    after_long_help = "A line is one of\n  a command of this program, as in the shell:    send room:garden \"good morning\"\n  a request of the protocol, in its own JSON:    {\"id\":1,\"action\":\"online\",\"data\":{}}\n\nA command answers as it does alone, with --json too; a request is answered by the frame\nthat the server sends, {\"re\":1,\"action\":\"online\",\"data\":{…}}. Empty lines and lines that\nbegin with # are passed over. All lines share one login and come one after the other. The\nfirst that fails ends the command with its exit code, unless --keep-going says otherwise.\n\nExample:\n  antiphon exec - --json <<'END'\n  create garden\n  send room:garden \"good morning\"\n  {\"action\":\"roomInfo\",\"data\":{\"roomName\":\"garden\"}}\n  END"
)]
pub struct ExecArgs {
    /// Where the lines are; - for standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Go on after a line that fails; the exit code is still that of the first
    #[arg(long)]
    pub keep_going: bool,
}

/// What can be asked or done with one request, or a few of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Query {
    /// Messages of a conversation, oldest first
    History(HistoryArgs),
    /// Messages with all of these words, newest first
    Search(SearchArgs),
    /// The words that are used most
    Popular(PopularArgs),
    /// Public rooms, and yours
    Rooms(ListArgs),
    /// Who is on line
    Users(ListArgs),
    /// Who is in a room
    Members(RoomArgs),
    /// Become a member of a room
    Join(RoomArgs),
    /// Leave a room
    Leave(RoomArgs),
    /// Make a room
    Create(CreateArgs),
    /// Who you are, and where
    Whoami(Nothing),
}

/// What a line of `antiphon exec` may say.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum LineCommand {
    /// Send one message
    Send(SendArgs),
    /// Ask for something.
    #[command(flatten)]
    Query(Query),
}

/// One line of `antiphon exec`.
#[derive(Debug, Parser)]
#[command(name = "", no_binary_name = true, disable_help_subcommand = true)]
pub struct ExecLine {
    /// What it says.
    #[command(subcommand)]
    pub command: LineCommand,
}

/// The subcommands of `antiphon profile`.
#[derive(Debug, Clone, Subcommand)]
pub enum ProfileCommand {
    /// Every profile
    List,
    /// One profile
    Show {
        /// Its name
        #[arg(default_value = crate::profile::DEFAULT_PROFILE)]
        name: String,
    },
    /// Remove a profile and its login from this computer; `antiphon logout` ends it everywhere
    Forget {
        /// Its name
        name: String,
    },
}

/// The commands of scripts, and of shells.
#[derive(Debug, Subcommand)]
pub enum ScriptCommand {
    /// Send a message, or one message a line of standard input
    Send(With<SendArgs>),
    /// Follow conversations: each message once, in order
    Tail(With<TailArgs>),
    /// Print messages of a conversation, oldest first
    History(With<HistoryArgs>),
    /// Print messages with all of these words, newest first
    Search(With<SearchArgs>),
    /// Print the words that are used most
    Popular(With<PopularArgs>),
    /// Print public rooms, and yours
    Rooms(With<ListArgs>),
    /// Print who is on line
    Users(With<ListArgs>),
    /// Print who is in a room
    Members(With<RoomArgs>),
    /// Become a member of a room
    Join(With<RoomArgs>),
    /// Leave a room
    Leave(With<RoomArgs>),
    /// Make a room
    Create(With<CreateArgs>),
    /// Print who you are, and where
    Whoami(With<Nothing>),
    /// Do what the lines of a file say
    Exec(With<ExecArgs>),
    /// End the profile's login, here and on the server
    Logout(With<Nothing>),
    /// Say which accounts are remembered
    Profile {
        /// One JSON object a line
        #[arg(long, global = true)]
        json: bool,
        /// What to do.
        #[command(subcommand)]
        command: ProfileCommand,
    },
    /// Print what makes a shell complete commands and flags
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Print the manual page, or write one for each command into a folder
    Man {
        /// The folder
        dir: Option<PathBuf>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversations_are_read_in_each_form() {
        let room = Target::Room(RoomName::parse("garden").unwrap());
        let user = Target::User(UserName::parse("alice").unwrap());
        for (raw, read) in [
            ("room:garden", &room),
            ("#garden", &room),
            ("user:alice", &user),
            ("@Alice", &user),
        ] {
            assert_eq!(conversation(raw).as_ref(), Ok(read), "{raw}");
        }
        for raw in ["garden", "", "room:", "user:a b", "rooms:x"] {
            assert!(conversation(raw).is_err(), "{raw}");
        }
    }

    #[test]
    fn windows_have_units() {
        for (raw, read) in [
            ("90", 90),
            ("90s", 90),
            ("10m", 600),
            ("2h", 7_200),
            ("1d", 86_400),
        ] {
            assert_eq!(seconds(raw), Ok(read), "{raw}");
        }
        for raw in ["", "m", "0", "-1", "1w", "é", "99999999999999999999d"] {
            assert!(seconds(raw).is_err(), "{raw}");
        }
    }
}
