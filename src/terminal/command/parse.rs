//! From a line to a command. Total: every line is a command or a clear error.

mod arguments;

use super::delay::SECONDS_MAX;
use super::{
    Bell, ChatTo, Clear, CommandError, Create, Delay, Edit, Emoji, GiveUp, Help, History, Invite,
    Join, Kick, Leave, Me, Members, Msg, Next, Online, Pending, Popular, Quit, Reconnect, Reply,
    Retry, Rooms, Say, Search, Stats, TerminalCommand, Unread, WhoAmI,
};
use antiphon_protocol::client::Target;
use arguments::{
    count, next, nothing, number, optional_room, present, room_name, split_word, switch, text,
    usage, user_name, user_names,
};

/// Words that `/popular` gives if no number is named.
const POPULAR_DEFAULT: u64 = 10;
/// Messages that `/history` gives if no number is named.
const HISTORY_DEFAULT: u64 = 20;

type Parsed = Result<Option<TerminalCommand>, CommandError>;

/// Reads a line that is not empty.
pub fn parse(line: &str) -> Result<TerminalCommand, CommandError> {
    if let Some(command) = colon_command(line)? {
        return Ok(command);
    }
    let Some(command) = line.strip_prefix('/') else {
        return Ok(say(line));
    };
    if command.starts_with('/') {
        return Ok(say(command));
    }
    let (word, rest) = split_word(command);
    let rest = rest.trim();
    for group in [talk, about_rooms, reading, the_rest] {
        if let Some(command) = group(word, rest)? {
            return Ok(command);
        }
    }
    Err(CommandError::unknown(word))
}

/// The spellings of CIM's client. Everything else that begins with a colon is said.
fn colon_command(line: &str) -> Parsed {
    let (word, rest) = split_word(line);
    let rest = rest.trim();
    Ok(Some(match word {
        ":q!" | ":qa" if rest.is_empty() => Quit.into(),
        ":q" if rest.is_empty() => Quit.into(),
        ":q" => search(rest)?,
        ":all" if rest.is_empty() => Help { topic: None }.into(),
        ":info" if rest.is_empty() => WhoAmI.into(),
        ":olu" if rest.is_empty() => online("").into(),
        ":pu" => online(rest).into(),
        ":emoji" => emoji(rest)?,
        ":delay" => delay(rest)?,
        _ => return Ok(None),
    }))
}

fn talk(word: &str, rest: &str) -> Parsed {
    Ok(Some(match word {
        "chat" => chat(rest)?.into(),
        "msg" => {
            let (user, said) = split_word(rest);
            let (user, text) = (user_name(user, "msg")?, present(said));
            Msg { user, text }.into()
        }
        "reply" => {
            let text = text(rest, "reply")?;
            Reply { text }.into()
        }
        "me" => {
            let (text, target) = (text(rest, "me")?, None);
            Me { text, target }.into()
        }
        "edit" => {
            let (text, target) = (rest.to_owned(), None);
            Edit { text, target }.into()
        }
        "delay" => delay(rest)?,
        "emoji" => emoji(rest)?,
        "pending" => nothing(rest, "pending", Pending)?.into(),
        "retry" => nothing(rest, "retry", Retry)?.into(),
        "drop" => nothing(rest, "drop", GiveUp)?.into(),
        _ => return Ok(None),
    }))
}

fn about_rooms(word: &str, rest: &str) -> Parsed {
    Ok(Some(match word {
        "join" | "joinRoom" => {
            let room = optional_room(rest)?;
            Join { room }.into()
        }
        "leave" => {
            let room = optional_room(rest)?;
            Leave { room }.into()
        }
        "create" => create(rest)?,
        "rooms" => {
            let next = next(rest, "rooms")?;
            Rooms { next }.into()
        }
        "members" => {
            let (room, next) = (None, next(rest, "members")?);
            Members { room, next }.into()
        }
        "invite" => {
            let (users, room) = (user_names(rest, "invite")?, None);
            Invite { users, room }.into()
        }
        "kick" => {
            let (user, reason) = split_word(rest);
            let (user, reason) = (user_name(user, "kick")?, present(reason));
            let room = None;
            Kick { user, reason, room }.into()
        }
        _ => return Ok(None),
    }))
}

fn reading(word: &str, rest: &str) -> Parsed {
    Ok(Some(match word {
        "history" | "older" => {
            let command = if word == "older" { "older" } else { "history" };
            let count = count(rest, command, HISTORY_DEFAULT)?;
            let (older, conversation) = (word == "older", None);
            History {
                count,
                older,
                conversation,
            }
            .into()
        }
        "search" => search(rest)?,
        "unread" => nothing(rest, "unread", Unread)?.into(),
        "next" => nothing(rest, "next", Next)?.into(),
        "popular" => popular(rest)?,
        _ => return Ok(None),
    }))
}

fn the_rest(word: &str, rest: &str) -> Parsed {
    Ok(Some(match word {
        "stats" => {
            let user = user_name(rest, "stats")?;
            Stats { user }.into()
        }
        "whoami" => nothing(rest, "whoami", WhoAmI)?.into(),
        "online" => online(rest).into(),
        "reconnect" => nothing(rest, "reconnect", Reconnect)?.into(),
        "bell" => {
            let on = switch(rest, "bell")?;
            Bell { on }.into()
        }
        "clear" => nothing(rest, "clear", Clear)?.into(),
        "help" | "?" => {
            let topic = present(rest);
            Help { topic }.into()
        }
        "quit" | "exit" => nothing(rest, "quit", Quit)?.into(),
        _ => return Ok(None),
    }))
}

fn say(text: &str) -> TerminalCommand {
    Say {
        text: text.to_owned(),
        target: None,
    }
    .into()
}

/// The ancestor's form: `/chat USER TEXT` or `/chat room:NAME TEXT`.
fn chat(rest: &str) -> Result<ChatTo, CommandError> {
    let (to, said) = split_word(rest);
    let text = text(said, "chat")?;
    let target = match to.strip_prefix("room:").or_else(|| to.strip_prefix('#')) {
        Some(room) => Target::Room(room_name(room, "chat")?),
        None => Target::User(user_name(to, "chat")?),
    };
    Ok(ChatTo { target, text })
}

fn create(rest: &str) -> Result<TerminalCommand, CommandError> {
    let (first, others) = split_word(rest);
    let private = first == "--private";
    let rest = if private { others.trim() } else { rest };
    let (room, topic) = split_word(rest);
    let (room, topic) = (room_name(room, "create")?, topic.trim().to_owned());
    Ok(Create {
        room,
        private,
        topic,
    }
    .into())
}

fn search(rest: &str) -> Result<TerminalCommand, CommandError> {
    let (first, others) = split_word(rest);
    let all = first == "--all";
    let words = text(if all { others } else { rest }, "search")?;
    Ok(Search { words, all }.into())
}

fn online(rest: &str) -> Online {
    let (first, others) = split_word(rest);
    if others.trim() == "next" || rest == "next" {
        let prefix = String::new();
        return Online { prefix, next: true };
    }
    Online {
        prefix: first.trim_start_matches('@').to_owned(),
        next: false,
    }
}

/// `/popular`, `/popular 5`, `/popular room1`, `/popular #room1 5`. A room whose name is a
/// number is named with its `#`.
fn popular(rest: &str) -> Result<TerminalCommand, CommandError> {
    let (first, others) = split_word(rest);
    let is_number = first.chars().all(|char| char.is_ascii_digit());
    let (room, counted) = if is_number {
        (None, rest)
    } else {
        (Some(room_name(first, "popular")?), others.trim())
    };
    let count = count(counted, "popular", POPULAR_DEFAULT)?;
    Ok(Popular { count, room }.into())
}

/// `/delay 5 hello`, and CIM's `:delay hello 5`.
fn delay(rest: &str) -> Result<TerminalCommand, CommandError> {
    if rest.is_empty() {
        return Ok(Delay::List.into());
    }
    let (first, others) = split_word(rest);
    if first == "cancel" {
        let which = present(others).map(|raw| number(&raw, "delay")).transpose();
        return Ok(Delay::Cancel(which?).into());
    }
    let (seconds, said) = match first.parse::<u64>() {
        Ok(seconds) => (seconds, others.trim()),
        Err(_) => {
            let (said, last) = rest
                .rsplit_once(char::is_whitespace)
                .ok_or_else(|| usage("delay"))?;
            (number(last, "delay")?, said.trim())
        }
    };
    if seconds > SECONDS_MAX {
        return Err(CommandError::Refused(format!(
            "a message may wait {SECONDS_MAX} seconds, which is a day"
        )));
    }
    let (text, target) = (text(said, "delay")?, None);
    Ok(Delay::Add {
        seconds,
        text,
        target,
    }
    .into())
}

fn emoji(rest: &str) -> Result<TerminalCommand, CommandError> {
    let page = count(rest, "emoji", 1)?;
    Ok(Emoji { page }.into())
}
