//! The table of commands with its words, `/help` and `/quit`.

use antiphon_core::dispatcher::CommandHandler;
use async_trait::async_trait;

use super::{
    Chat, Create, Failure, Help, History, Invite, Join, Kick, Leave, Members, Msg, Online,
    PAGE_MAX, POPULAR_MAX, Popular, Quit, Reply, Rooms, Search, Session, Stats, TerminalCommand,
    Unread, Whoami, number_or, one_word, split_word, word_or_none,
};

const HISTORY_DEFAULT: u64 = 20;
const POPULAR_DEFAULT: u64 = 10;

/// Under which heading `/help` lists a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Writing.
    Talk,
    /// Rooms.
    Rooms,
    /// People.
    People,
    /// Reading back.
    Reading,
    /// The client itself.
    Client,
}

const GROUPS: [(Group, &str); 5] = [
    (Group::Talk, "Talk"),
    (Group::Rooms, "Rooms"),
    (Group::People, "People"),
    (Group::Reading, "Reading back"),
    (Group::Client, "This client"),
];

/// A command's name, words and reader.
#[derive(Debug)]
pub struct Spec {
    /// Behind the slash; case does not matter.
    pub name: &'static str,
    /// Other names of it.
    pub aliases: &'static [&'static str],
    /// Its heading.
    pub group: Group,
    /// How it is written.
    pub usage: &'static str,
    /// One line.
    pub summary: &'static str,
    /// What else is to be known.
    pub details: &'static str,
    /// Reads what stands behind the name; `None` if that is not right.
    pub parse: fn(&str) -> Option<TerminalCommand>,
}

impl Spec {
    /// The command of this name or alias.
    pub fn find(name: &str) -> Option<&'static Self> {
        let is = |other: &&str| other.eq_ignore_ascii_case(name);
        SPECS
            .iter()
            .find(|spec| is(&spec.name) || spec.aliases.iter().any(is))
    }
}

fn empty(rest: &str, command: impl Into<TerminalCommand>) -> Option<TerminalCommand> {
    rest.is_empty().then(|| command.into())
}

macro_rules! into_command {
    ($($name:ident),*) => {
        $(impl From<$name> for TerminalCommand {
            fn from(command: $name) -> Self {
                Self::$name(command)
            }
        })*
    };
}
into_command!(Rooms, Members, Online, Unread, Whoami, Quit);

fn chat(rest: &str) -> Option<TerminalCommand> {
    let (to, text) = split_word(rest);
    let (to, text) = (to.to_owned(), text.to_owned());
    (!text.is_empty()).then_some(TerminalCommand::Chat(Chat { to, text }))
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of a reader")]
fn msg(rest: &str) -> Option<TerminalCommand> {
    let (user, text) = split_word(rest);
    let user = (!user.is_empty()).then(|| user.to_owned());
    Some(TerminalCommand::Msg(Msg {
        user,
        text: text.to_owned(),
    }))
}

fn create(rest: &str) -> Option<TerminalCommand> {
    let (room, rest) = split_word(rest);
    let private = match rest {
        "" | "public" => false,
        "private" => true,
        _ => return None,
    };
    let room = one_word(room)?;
    Some(TerminalCommand::Create(Create { room, private }))
}

fn search(rest: &str) -> Option<TerminalCommand> {
    let words = rest.to_owned();
    (!rest.is_empty()).then_some(TerminalCommand::Search(Search { words }))
}

macro_rules! spec {
    ($name:literal $aliases:expr, $group:ident, $usage:literal, $summary:literal, $details:literal, $parse:expr) => {
        Spec {
            name: $name,
            aliases: &$aliases,
            group: Group::$group,
            usage: $usage,
            summary: $summary,
            details: $details,
            parse: $parse,
        }
    };
}

/// Every command, in the order of `/help`.
pub static SPECS: &[Spec] = &[
    spec!("msg" [], Talk, "/msg [user] [text]", "talk with one user",
        "Without a text, what you type from then on goes to that user. Without a user, choose one who is online.",
        msg),
    spec!("chat" [], Talk, "/chat user text, or /chat room:NAME text", "send to a user or a room",
        "Sends one message and leaves you where you are.", chat),
    spec!(
        "join"["joinRoom"],
        Rooms,
        "/join [room]",
        "join a room and go there",
        "Without a name, choose one from a list: type to filter it.",
        |rest| Some(TerminalCommand::Join(Join {
            room: word_or_none(rest)?
        }))
    ),
    spec!("leave" [], Rooms, "/leave [room]", "leave a room for good",
        "Without a name, the room you are in. Asks first.",
        |rest| Some(TerminalCommand::Leave(Leave { room: word_or_none(rest)? }))),
    spec!("create" [], Rooms, "/create room [private]", "make a room and go there",
        "A private room is not listed; people join it by invitation.", create),
    spec!("rooms" [], Rooms, "/rooms", "list the rooms", "Public rooms and your own.",
        |rest| empty(rest, Rooms {})),
    spec!("members" [], Rooms, "/members", "who is a member here", "Only in a room.",
        |rest| empty(rest, Members {})),
    spec!("invite" [], Rooms, "/invite user", "ask a user into this room", "Only in a room.",
        |rest| Some(TerminalCommand::Invite(Invite { user: one_word(rest)? }))),
    spec!("kick" [], Rooms, "/kick user", "remove a user from this room",
        "Only for the room's owner.",
        |rest| Some(TerminalCommand::Kick(Kick { user: one_word(rest)? }))),
    spec!("online" [], People, "/online", "who is online", "Everybody with a connection now.",
        |rest| empty(rest, Online {})),
    spec!("stats" [], People, "/stats user", "since when a user is online",
        "Tells for how long, and on which server.",
        |rest| Some(TerminalCommand::Stats(Stats { user: one_word(rest)? }))),
    spec!("popular" [], People, "/popular [n]", "the words said most",
        "The top n, 10 if not said, at most 100.",
        |rest| Some(TerminalCommand::Popular(Popular { n: number_or(rest, POPULAR_DEFAULT, POPULAR_MAX)? }))),
    spec!("history" [], Reading, "/history [n]", "the newest messages here",
        "The last n, 20 if not said, at most 500. Times are UTC.",
        |rest| Some(TerminalCommand::History(History { n: number_or(rest, HISTORY_DEFAULT, PAGE_MAX)? }))),
    spec!("search" [], Reading, "/search words", "find messages that have all the words",
        "In all of your conversations, newest last.", search),
    spec!("unread" [], Reading, "/unread", "where something is unread",
        "The number in the prompt counts messages elsewhere.", |rest| empty(rest, Unread {})),
    spec!("whoami" [], Client, "/whoami", "who and where you are", "Also whether you are connected.",
        |rest| empty(rest, Whoami {})),
    spec!(
        "help"["?"],
        Client,
        "/help [command]",
        "this list, or more on one command",
        "Text without a slash goes to where you are; //text sends /text. Times are UTC.",
        |rest| Some(TerminalCommand::Help(Help {
            topic: word_or_none(rest)?
        }))
    ),
    spec!(
        "quit"["exit"],
        Client,
        "/quit",
        "leave",
        "Ctrl+D leaves as well.",
        |rest| empty(rest, Quit {})
    ),
];

pub(super) struct Handlers;

fn list() -> Vec<String> {
    let width = SPECS
        .iter()
        .map(|spec| spec.usage.chars().count())
        .max()
        .unwrap_or(0);
    let mut lines = Vec::new();
    for (group, title) in GROUPS {
        lines.push(format!("{title}:"));
        for spec in SPECS.iter().filter(|spec| spec.group == group) {
            lines.push(format!("  {:width$}  {}", spec.usage, spec.summary));
        }
    }
    lines.push("Text without a slash goes to where you are; //text sends /text.".to_owned());
    lines.push("Times are UTC. /help command tells more.".to_owned());
    lines
}

#[async_trait]
impl CommandHandler<Session, Help, Reply, Failure> for Handlers {
    async fn handle(&self, _: &mut Session, Help { topic }: Help) -> Result<Reply, Failure> {
        let Some(topic) = topic else {
            return Ok(Reply::Lines(list()));
        };
        let topic = topic.trim_start_matches('/');
        let spec = Spec::find(topic).ok_or_else(|| Failure::Unknown(topic.to_owned()))?;
        let mut lines = vec![
            format!("{}  {}", spec.usage, spec.summary),
            spec.details.to_owned(),
        ];
        if !spec.aliases.is_empty() {
            lines.push(format!("Also: /{}", spec.aliases.join(", /")));
        }
        Ok(Reply::Lines(lines))
    }
}

#[async_trait]
impl CommandHandler<Session, Quit, Reply, Failure> for Handlers {
    async fn handle(&self, _: &mut Session, Quit {}: Quit) -> Result<Reply, Failure> {
        Ok(Reply::Leave)
    }
}
