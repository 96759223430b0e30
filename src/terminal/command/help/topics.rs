//! What `/help` tells, command by command.

/// One command as `/help` tells it.
#[derive(Debug)]
pub struct Topic {
    /// The word behind the slash.
    pub name: &'static str,
    /// Other spellings of the same, whole.
    pub aliases: &'static [&'static str],
    /// How it is written.
    pub usage: &'static str,
    /// What it does, in a few words.
    pub about: &'static str,
    /// What else there is to know.
    pub more: &'static str,
    /// Its heading.
    pub group: &'static str,
}

const fn topic(
    group: &'static str,
    name: &'static str,
    aliases: &'static [&'static str],
    (usage, about): (&'static str, &'static str),
    more: &'static str,
) -> Topic {
    Topic {
        name,
        aliases,
        usage,
        about,
        more,
        group,
    }
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
        &[],
        ("/msg USER [TEXT]", "talk to somebody in private"),
        "Without a text the private conversation becomes the current one, so that what you type goes there.",
    ),
    topic(
        TALK,
        "reply",
        &[],
        ("/reply TEXT", "answer who wrote to you or named you last"),
        "A private message is answered in private; who named you in a room is answered there, by name.",
    ),
    topic(
        TALK,
        "chat",
        &[],
        (
            "/chat USER TEXT or /chat room:NAME TEXT",
            "say one thing elsewhere",
        ),
        "The current conversation stays what it is.",
    ),
    topic(
        TALK,
        "me",
        &[],
        ("/me DOES SOMETHING", "say what you do"),
        "/me waves shows as: * alice waves.",
    ),
    topic(
        TALK,
        "edit",
        &[],
        ("/edit [TEXT]", "write a long message in your editor"),
        "It opens $VISUAL or $EDITOR and sends what you save to the current conversation. An empty text sends nothing.",
    ),
    topic(
        TALK,
        "delay",
        &[":delay"],
        ("/delay SECONDS TEXT", "say something later"),
        "/delay lists what waits; /delay cancel [NUMBER] takes it back. What waits when you leave is not sent.",
    ),
    topic(
        TALK,
        "emoji",
        &[":emoji"],
        ("/emoji [PAGE]", "list the emoji that have a name"),
        "Write :smile: in a message, or :smi and Tab.",
    ),
    topic(
        TALK,
        "pending",
        &[],
        ("/pending", "list what you said and is not stored"),
        "What waits is sent by itself as soon as there is a connection.",
    ),
    topic(
        TALK,
        "retry",
        &[],
        ("/retry", "send again what came back"),
        "It is safe: a message that was stored after all is not stored twice.",
    ),
    topic(
        TALK,
        "drop",
        &[],
        ("/drop", "give up what came back"),
        "Up brings its text back, if it is not long ago.",
    ),
    topic(
        ROOMS,
        "join",
        &["/joinRoom"],
        ("/join [ROOM]", "join a room and make it the current one"),
        "Without a name you choose from the list. A room that is not there yet is made with /create.",
    ),
    topic(
        ROOMS,
        "leave",
        &[],
        ("/leave [ROOM]", "leave a room"),
        "Without a name: the current room.",
    ),
    topic(
        ROOMS,
        "create",
        &[],
        (
            "/create [--private] ROOM [TOPIC]",
            "make a room and join it",
        ),
        "A public room is listed, and everybody may join. A private one is joined by invitation.",
    ),
    topic(
        ROOMS,
        "rooms",
        &[],
        ("/rooms [next]", "list the rooms"),
        "A dot marks the rooms that you are in.",
    ),
    topic(
        ROOMS,
        "members",
        &[],
        ("/members [next]", "list the current room's members"),
        "A dot marks those who are on line.",
    ),
    topic(
        ROOMS,
        "invite",
        &[],
        ("/invite [USER …]", "invite people to the current room"),
        "Without a name you choose from those who are on line.",
    ),
    topic(
        ROOMS,
        "kick",
        &[],
        (
            "/kick USER [REASON]",
            "remove somebody from the current room",
        ),
        "Only its owner may.",
    ),
    topic(
        PEOPLE,
        "online",
        &[":olu", ":pu"],
        ("/online [PREFIX] [next]", "list who is on line"),
        "With the beginning of a name: only those.",
    ),
    topic(
        PEOPLE,
        "stats",
        &[],
        (
            "/stats USER",
            "tell since when somebody is on line, and where",
        ),
        "",
    ),
    topic(
        PEOPLE,
        "whoami",
        &[":info"],
        ("/whoami", "tell who and where you are"),
        "",
    ),
    topic(
        READ,
        "next",
        &[],
        ("/next", "go to the next conversation with something new"),
        "Those that name you come first, then private ones.",
    ),
    topic(
        READ,
        "unread",
        &[],
        ("/unread", "list the conversations with something new"),
        "",
    ),
    topic(
        READ,
        "history",
        &[],
        (
            "/history [N]",
            "show the last messages of the current conversation",
        ),
        "20 if no number is named. Again: those before.",
    ),
    topic(
        READ,
        "older",
        &[],
        ("/older [N]", "show the messages before those on the screen"),
        "",
    ),
    topic(
        READ,
        "search",
        &[":q WORDS"],
        ("/search [--all] WORDS", "find messages"),
        "In the current conversation; with --all, or outside of one, in all of yours.",
    ),
    topic(
        READ,
        "popular",
        &[],
        ("/popular [ROOM] [N]", "show the words that are used most"),
        "10 if no number is named; in all public rooms, or in one of yours.",
    ),
    topic(
        REST,
        "reconnect",
        &[],
        ("/reconnect", "leave the server and connect anew"),
        "Or, without a connection: try again at once.",
    ),
    topic(
        REST,
        "bell",
        &[],
        (
            "/bell [on|off]",
            "ring when somebody names you or writes to you",
        ),
        "It is off at first.",
    ),
    topic(REST, "clear", &[], ("/clear", "clear the screen"), ""),
    topic(
        REST,
        "help",
        &["/?", ":all"],
        ("/help [COMMAND]", "show this, or more about a command"),
        "",
    ),
    topic(
        REST,
        "quit",
        &["/exit", ":q!", ":q", ":qa"],
        ("/quit", "leave"),
        "Ctrl+D on an empty line does the same.",
    ),
];
