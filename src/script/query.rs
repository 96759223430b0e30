//! The commands that one request answers, or a few of a kind.

use antiphon_protocol::RoomName;
use antiphon_protocol::client::{
    CreateRoom, History, JoinRoom, LeaveRoom, ListRooms, Online, Page, Popular, RoomKind,
    RoomMembers, Search, Target, Visibility,
};
use antiphon_protocol::limits::PAGE_MAX;
use serde::Serialize;

use super::ask::{Asker, Whoami};
use super::human::Painter;
use super::out::Out;
use crate::cli::script::{CreateArgs, HistoryArgs, ListArgs, Query};
use crate::exit::Failed;
use crate::output;
use crate::terminal::sanitize;

/// `room:NAME` or `user:NAME`.
pub fn conversation_of(target: &Target) -> String {
    match target {
        Target::Room(room) => format!("room:{room}"),
        Target::User(user) => format!("user:{user}"),
    }
}

/// Messages that are gone for good, as programs read it; the wire has no word for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    event: &'static str,
    /// `room:NAME` or `user:NAME`.
    pub conversation: String,
    /// The first that is missing.
    pub from: u64,
    /// The last that is missing.
    pub to: u64,
}

impl Gap {
    /// From the first to the last.
    pub fn new(conversation: &str, from: u64, to: u64) -> Self {
        Self {
            event: "gap",
            conversation: conversation.to_owned(),
            from,
            to,
        }
    }

    /// Says it on both outputs.
    pub async fn tell(&self, command: &str, out: &mut Out) -> Result<(), Failed> {
        let place = sanitize::line(&self.conversation);
        let (from, to) = (self.from, self.to);
        output::error_line(&format!(
            "antiphon {command}: {place}: messages {from} to {to} are gone"
        ));
        out.json_only(self).await
    }
}

/// Answers a query.
pub async fn answer(
    asker: &Asker,
    who: &Whoami,
    query: Query,
    out: &mut Out,
) -> Result<(), Failed> {
    match query {
        Query::History(args) => history(asker, args, out).await,
        Query::Search(args) => {
            let asked = Search {
                conversation: args.within.as_ref().map(conversation_of),
                words: args.words.join(" "),
                limit: args.limit,
            };
            for message in asker.request(asked).await?.messages {
                out.message(&message).await?;
            }
            Ok(())
        }
        Query::Popular(args) => {
            let asked = Popular {
                n: args.count,
                room_name: args.room,
                window_seconds: args.window,
            };
            let reply = asker.request(asked).await?;
            out.item(&reply, Painter::popular).await
        }
        Query::Rooms(args) => rooms(asker, args, out).await,
        Query::Users(args) => users(asker, args, out).await,
        Query::Members(args) => members(asker, args.room, out).await,
        Query::Join(args) => {
            let room_name = args.room;
            let reply = asker.request(JoinRoom { room_name }).await?;
            out.item(&reply, |_, _| String::new()).await
        }
        Query::Leave(args) => {
            let room_name = args.room;
            let reply = asker.request(LeaveRoom { room_name }).await?;
            out.item(&reply, |_, _| String::new()).await
        }
        Query::Create(args) => create(asker, args, out).await,
        Query::Whoami(_) => {
            let human = |_: Painter, who: &Whoami| {
                format!("{} on {} at {}", who.username, who.server_name, who.gateway)
            };
            out.item(who, human).await
        }
    }
}

async fn create(asker: &Asker, args: CreateArgs, out: &mut Out) -> Result<(), Failed> {
    let asked = CreateRoom {
        room_name: args.room,
        kind: RoomKind::Group,
        visibility: if args.private {
            Visibility::Private
        } else {
            Visibility::Public
        },
        topic: args.topic,
    };
    let reply = asker.request(asked).await?;
    out.item(&reply, |_, _| String::new()).await
}

/// Pages forward. Sequences are dense, so the last N before a place are those behind N before
/// it; a record of the cluster among them takes a place, too.
async fn history(asker: &Asker, args: HistoryArgs, out: &mut Out) -> Result<(), Failed> {
    let conversation = conversation_of(&args.of);
    let page_of = |before_seq, after_seq, limit: u64| History {
        conversation: conversation.clone(),
        before_seq,
        after_seq,
        around_ts: None,
        limit: limit.clamp(1, PAGE_MAX),
    };
    let (mut after, mut left) = match args.after {
        Some(after) => (after, args.limit),
        None if args.limit <= PAGE_MAX => {
            let page = asker
                .request(page_of(args.before, None, args.limit))
                .await?;
            return print_page(page, args.limit, out).await.map(drop);
        }
        None => {
            let top = asker.request(page_of(None, None, 1)).await?.last_seq;
            let before = args.before.unwrap_or(u64::MAX).min(top.saturating_add(1));
            let places = args.limit.min(before.saturating_sub(1));
            (before.saturating_sub(1) - places, places)
        }
    };
    while left > 0 {
        let page = asker.request(page_of(None, Some(after), left)).await?;
        let behind = end_of(&page);
        let more = page.more;
        let before = after;
        if !page.complete && page.first_available_seq > after + 1 {
            let gap = Gap::new(&conversation, after + 1, page.first_available_seq - 1);
            gap.tell("history", out).await?;
        }
        left -= print_page(page, left, out).await?;
        after = behind.unwrap_or(after);
        if !more || after == before {
            return Ok(());
        }
    }
    Ok(())
}

/// The last place of a page.
fn end_of(page: &Page) -> Option<u64> {
    let messages = page.messages.iter().map(|message| message.seq);
    messages.chain(page.sealed.iter().copied()).max()
}

/// Prints messages, at most so many; gives how many.
async fn print_page(page: Page, left: u64, out: &mut Out) -> Result<u64, Failed> {
    let mut printed = 0;
    for message in page
        .messages
        .iter()
        .take(usize::try_from(left).unwrap_or(usize::MAX))
    {
        out.message(message).await?;
        printed += 1;
    }
    Ok(printed)
}

/// How many to ask for, if so many are still wanted.
fn page_limit(left: Option<u64>) -> u64 {
    left.unwrap_or(PAGE_MAX).min(PAGE_MAX)
}

async fn rooms(asker: &Asker, args: ListArgs, out: &mut Out) -> Result<(), Failed> {
    let (mut cursor, mut left) = (None, args.limit);
    while left != Some(0) {
        let asked = ListRooms {
            prefix: args.prefix.clone(),
            cursor,
            limit: page_limit(left),
        };
        let page = asker.request(asked).await?;
        left = left.map(|left| left.saturating_sub(page.rooms.len() as u64));
        for room in &page.rooms {
            out.item(room, Painter::room).await?;
        }
        cursor = page.cursor;
        if cursor.is_none() {
            return Ok(());
        }
    }
    Ok(())
}

async fn users(asker: &Asker, args: ListArgs, out: &mut Out) -> Result<(), Failed> {
    let (mut cursor, mut left) = (None, args.limit);
    while left != Some(0) {
        let asked = Online {
            prefix: args.prefix.clone(),
            cursor,
            limit: page_limit(left),
        };
        let page = asker.request(asked).await?;
        left = left.map(|left| left.saturating_sub(page.users.len() as u64));
        for user in &page.users {
            out.item(user, Painter::online).await?;
        }
        cursor = page.cursor;
        if cursor.is_none() {
            return Ok(());
        }
    }
    Ok(())
}

async fn members(asker: &Asker, room_name: RoomName, out: &mut Out) -> Result<(), Failed> {
    let mut cursor = None;
    loop {
        let asked = RoomMembers {
            room_name: room_name.clone(),
            cursor,
            limit: PAGE_MAX,
        };
        let page = asker.request(asked).await?;
        for member in &page.members {
            out.item(member, Painter::member).await?;
        }
        cursor = page.cursor;
        if cursor.is_none() {
            return Ok(());
        }
    }
}
