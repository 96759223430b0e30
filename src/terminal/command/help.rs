//! `/help`: every command in groups, or one in full.

use async_trait::async_trait;

use super::super::sanitize;
use super::super::session::Session;
use super::{Answer, CommandError, Execute};

/// One command as `/help` tells it.
#[derive(Debug)]
pub struct Topic {
    /// The word behind the slash.
    pub name: &'static str,
    /// Other words for the same.
    pub aliases: &'static [&'static str],
    /// How it is written.
    pub usage: &'static str,
    /// What it does, in a few words.
    pub about: &'static str,
    /// What else there is to know.
    pub more: &'static str,
    group: &'static str,
}

const fn topic(
    group: &'static str,
    name: &'static str,
    usage: &'static str,
    about: &'static str,
    more: &'static str,
) -> Topic {
    Topic {
        name,
        aliases: &[],
        usage,
        about,
        more,
        group,
    }
}

const fn also(mut topic: Topic, aliases: &'static [&'static str]) -> Topic {
    topic.aliases = aliases;
    topic
}

const TALK: &str = "Talk";
const ROOMS: &str = "Rooms";
const PEOPLE: &str = "People";
const READ: &str = "Read";
const REST: &str = "This terminal";

/// Every command, in the order of `/help`.
pub const TOPICS: &[Topic] = &[
    topic(
        TALK,
        "msg",
        "/msg USER [TEXT]",
        "talk to somebody in private",
        "Without a text the private conversation becomes the current one, so that what you type goes there.",
    ),
    topic(
        TALK,
        "chat",
        "/chat USER TEXT or /chat room:NAME TEXT",
        "say one thing elsewhere",
        "The current conversation stays what it is.",
    ),
    topic(
        TALK,
        "pending",
        "/pending",
        "list what you said and is not stored",
        "What waits is sent by itself as soon as there is a connection.",
    ),
    topic(
        TALK,
        "retry",
        "/retry",
        "send again what came back",
        "It is safe: a message that was stored after all is not stored twice.",
    ),
    topic(
        TALK,
        "drop",
        "/drop",
        "give up what came back",
        "Up brings its text back, if it is not long ago.",
    ),
    also(
        topic(
            ROOMS,
            "join",
            "/join [ROOM]",
            "join a room and make it the current one",
            "Without a name you choose from the list. A room that is not there yet is made with /create.",
        ),
        &["joinRoom"],
    ),
    topic(
        ROOMS,
        "leave",
        "/leave [ROOM]",
        "leave a room",
        "Without a name: the current room.",
    ),
    topic(
        ROOMS,
        "create",
        "/create ROOM",
        "make a room and join it",
        "It is public: everybody may join.",
    ),
    topic(
        ROOMS,
        "rooms",
        "/rooms",
        "list the rooms",
        "A dot marks the rooms that you are in.",
    ),
    topic(
        ROOMS,
        "members",
        "/members",
        "list the current room's members",
        "A dot marks those who are on line.",
    ),
    topic(
        ROOMS,
        "invite",
        "/invite USER",
        "invite somebody to the current room",
        "",
    ),
    topic(
        ROOMS,
        "kick",
        "/kick USER",
        "remove somebody from the current room",
        "Only its owner may.",
    ),
    topic(PEOPLE, "online", "/online", "list who is on line", ""),
    topic(
        PEOPLE,
        "stats",
        "/stats USER",
        "tell since when somebody is on line, and where",
        "",
    ),
    topic(
        PEOPLE,
        "whoami",
        "/whoami",
        "tell who and where you are",
        "",
    ),
    topic(
        READ,
        "history",
        "/history [N]",
        "show the last messages of the current conversation",
        "20 if no number is named.",
    ),
    topic(
        READ,
        "search",
        "/search WORDS",
        "find messages, newest first",
        "In all of your conversations.",
    ),
    topic(
        READ,
        "unread",
        "/unread",
        "list the conversations with something unread",
        "",
    ),
    topic(
        READ,
        "popular",
        "/popular [N]",
        "show the words that are used most",
        "10 if no number is named.",
    ),
    also(
        topic(
            REST,
            "help",
            "/help [COMMAND]",
            "show this, or more about a command",
            "",
        ),
        &["?"],
    ),
    also(
        topic(
            REST,
            "quit",
            "/quit",
            "leave",
            "Ctrl+D on an empty line does the same.",
        ),
        &["exit"],
    ),
];

const NOTES: &[&str] = &[
    "Anything else goes to the current conversation; //text says /text.",
    "Tab completes /commands, @users and #rooms. Times are UTC.",
];

/// How a command is written.
pub(super) fn usage_of(name: &str) -> &'static str {
    find(name).map_or("/help", |topic| topic.usage)
}

fn find(name: &str) -> Option<&'static Topic> {
    TOPICS
        .iter()
        .find(|topic| topic.name == name || topic.aliases.contains(&name))
}

/// `/help [COMMAND]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Help {
    /// The command's name.
    pub topic: Option<String>,
}

#[async_trait]
impl Execute for Help {
    async fn execute(self, session: &mut Session) -> Result<Answer, CommandError> {
        let painter = session.painter;
        if let Some(name) = self.topic {
            let topic = find(&name).ok_or_else(|| CommandError::Unknown(sanitize::line(&name)))?;
            let mut lines = vec![format!("{}  {}", painter.bold(topic.usage), topic.about)];
            lines.extend(Some(topic.more.to_owned()).filter(|more| !more.is_empty()));
            if !topic.aliases.is_empty() {
                lines.push(painter.dim(&format!("also: /{}", topic.aliases.join(", /"))));
            }
            return Ok(Answer::lines(lines));
        }
        let width = TOPICS
            .iter()
            .map(|topic| short(topic).len())
            .max()
            .unwrap_or(0);
        let mut lines = Vec::new();
        let mut group = "";
        for topic in TOPICS {
            if topic.group != group {
                group = topic.group;
                lines.push(painter.bold(group));
            }
            lines.push(format!("  {:width$}  {}", short(topic), topic.about));
        }
        lines.extend(NOTES.iter().map(|note| painter.dim(note)));
        Ok(Answer::lines(lines))
    }
}

/// The usage without its second form.
fn short(topic: &Topic) -> &'static str {
    topic.usage.split(" or ").next().unwrap_or(topic.usage)
}
