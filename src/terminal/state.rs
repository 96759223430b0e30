//! What the terminal knows at the moment: who it is, which conversation is current, what is
//! unread elsewhere, which names can be completed. Shared by the chat line and the printer.
//!
//! While a conversation is current, the screen shows that one, private messages, and messages
//! that name the user. What is said in other rooms is counted, and `/next` shows it.

mod names;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

use antiphon_client::StopReason;
use antiphon_core::clock;
use antiphon_protocol::client::{ConversationSummary, Read, Target};
use antiphon_protocol::{Message, RoomName, UserName};

use super::command::{Delayed, Listing};
use super::feed::Crowd;
use super::outage::Outage;
use super::render::{self, Day, Painter};
use super::sanitize;

pub use names::{NAMES_MAX, Names};

/// Unread conversations that the prompt names.
const PROMPT_UNREAD_MAX: usize = 2;
/// Unread messages are counted in the prompt up to here.
const PROMPT_COUNT_MAX: u64 = 99;

/// See the head of the file.
#[derive(Debug, Default)]
pub struct State {
    /// The user's own name.
    pub me: String,
    /// Where plain text goes.
    pub current: Option<Target>,
    /// By conversation, without the current one.
    pub unread: BTreeMap<String, u64>,
    /// Unread conversations in which the user is named.
    pub mentioned: BTreeSet<String>,
    /// Rooms that the user is a member of.
    pub rooms: BTreeSet<String>,
    /// Names for completion.
    pub names: Names,
    /// Whether there is a connection.
    pub connected: bool,
    /// The server of the connection.
    pub server: String,
    /// What was said of the connection.
    pub outage: Outage,
    /// Why the client stopped for good.
    pub stopped: Option<StopReason>,
    /// Users of whom it was said that they are away.
    pub away_told: HashSet<String>,
    /// To whom an answer goes.
    pub reply_to: Option<ReplyTo>,
    /// How far back the user has read.
    pub back: Option<Back>,
    /// The rest of the last list.
    pub listing: Option<Listing>,
    /// Messages that wait for their time.
    pub delayed: Vec<Delayed>,
    /// How many messages were delayed so far.
    pub delays: u64,
    /// Whether the bell rings for the user.
    pub bell: bool,
    /// It is to ring now.
    pub rings: bool,
    /// A text from the editor that was not sent.
    pub draft: String,
    /// Who came and went, not told yet.
    pub crowd: Crowd,
    /// The day of the last message on the screen.
    last_day: Option<Day>,
    /// Rooms of which it was said that they have something new.
    news_told: HashSet<String>,
    /// What was said last of who came or went.
    presence_told: HashMap<String, bool>,
    /// The highest sequence shown, by conversation.
    shown: HashMap<String, u64>,
    /// The first sequence that came while the conversation was current.
    live_from: Option<u64>,
    /// The highest sequence counted as unread or not, by conversation.
    counted: HashMap<String, u64>,
    /// The highest sequence told to the server as read, by conversation.
    read: HashMap<String, u64>,
}

/// To whom an answer goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyTo {
    /// The conversation.
    pub target: Target,
    /// Who named the user there; `None` in private.
    pub name: Option<String>,
}

/// How far back the user has read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Back {
    /// Which conversation.
    pub conversation: String,
    /// The oldest sequence on the screen.
    pub oldest: u64,
    /// Whether it got there by `/history`.
    pub paging: bool,
}

/// What becomes of a message that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// It is shown.
    Shown,
    /// It is counted only; the first one of its room gets a word.
    Counted {
        /// Nothing was said of its room yet.
        first: bool,
    },
    /// It is on the screen already.
    Known,
}

/// The state and its lock, which is never held over an await.
#[derive(Debug, Clone, Default)]
pub struct SharedState(Arc<Mutex<State>>);

impl SharedState {
    /// The state.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// `room:NAME` or `user:NAME`.
pub fn conversation_of(target: &Target) -> String {
    match target {
        Target::Room(room) => format!("room:{room}"),
        Target::User(user) => format!("user:{user}"),
    }
}

impl State {
    /// Takes a login's list of conversations.
    pub fn logged_in(&mut self, me: &str, conversations: &[ConversationSummary]) {
        me.clone_into(&mut self.me);
        self.connected = true;
        self.outage.begins(&self.server, conversations);
        self.rooms.clear();
        self.unread.clear();
        self.news_told.clear();
        self.presence_told.clear();
        let current = self.current_conversation();
        for summary in conversations {
            // A name that cannot be one is not offered, shown or typed for anybody.
            if let Some(room) = summary.name.strip_prefix("room:") {
                if RoomName::parse(room).is_err() {
                    continue;
                }
                self.rooms.insert(room.to_owned());
            } else if let Some(user) = summary.name.strip_prefix("user:") {
                if UserName::parse(user).is_err() {
                    continue;
                }
                self.names.saw_user(user);
            } else {
                continue;
            }
            if summary.unread > 0 && current.as_deref() != Some(&*summary.name) {
                self.unread.insert(summary.name.clone(), summary.unread);
            }
            self.counted.insert(summary.name.clone(), summary.last_seq);
            let read = self.read.entry(summary.name.clone()).or_default();
            *read = summary.read_seq.max(*read);
        }
        self.mentioned.retain(|name| self.unread.contains_key(name));
    }

    /// The server has another log: what was known of places is void.
    pub fn log_replaced(&mut self) {
        self.shown.clear();
        self.counted.clear();
        self.read.clear();
        self.back = None;
        self.live_from = None;
    }

    /// The current conversation's name.
    pub fn current_conversation(&self) -> Option<String> {
        self.current.as_ref().map(conversation_of)
    }

    fn is_current(&self, conversation: &str) -> bool {
        self.current_conversation().as_deref() == Some(conversation)
    }

    /// Plain text goes to `target` from now on.
    pub fn make_current(&mut self, target: Target) {
        let conversation = conversation_of(&target);
        self.unread.remove(&conversation);
        self.mentioned.remove(&conversation);
        self.news_told.remove(&conversation);
        if self.current.as_ref() != Some(&target) {
            self.back = None;
            self.live_from = None;
        }
        self.current = Some(target);
    }

    /// The room is not the user's any more.
    pub fn left(&mut self, room: &str) {
        self.rooms.remove(room);
        let conversation = format!("room:{room}");
        self.unread.remove(&conversation);
        self.mentioned.remove(&conversation);
        if self.is_current(&conversation) {
            self.current = None;
        }
    }

    /// Counts a message that came, and says what becomes of it.
    pub fn saw_message(&mut self, message: &Message) -> Sight {
        let from = message.from.as_str();
        let conversation = &message.conversation;
        self.names.saw_user(from);
        if let Some(room) = conversation.strip_prefix("room:") {
            self.names.saw_member(room, from);
        }
        let own = from == self.me;
        let private = conversation.starts_with("user:");
        let mentioned = !own && render::mentions(&message.message, &self.me);
        if !own {
            self.away_told.remove(from);
            self.remember_reply(message, private, mentioned);
        }
        if self
            .shown
            .get(conversation)
            .is_some_and(|shown| message.seq <= *shown)
        {
            return Sight::Known;
        }
        let current = self.is_current(conversation);
        if !own && !current {
            self.count_unread(message, mentioned);
        }
        if current && self.live_from.is_none() {
            self.live_from = Some(message.seq);
        }
        if current || self.current.is_none() {
            self.saw_seq(conversation, message.seq);
            return Sight::Shown;
        }
        if own || private || mentioned {
            return Sight::Shown;
        }
        let first = self.news_told.insert(conversation.clone());
        Sight::Counted { first }
    }

    fn remember_reply(&mut self, message: &Message, private: bool, mentioned: bool) {
        let from = message.from.clone();
        if private {
            self.reply_to = Some(ReplyTo {
                target: Target::User(from),
                name: None,
            });
        } else if mentioned && let Ok(room) = RoomName::parse(&message.room_name) {
            self.reply_to = Some(ReplyTo {
                target: Target::Room(room),
                name: Some(from.to_string()),
            });
        }
    }

    /// What a login counted already is not counted again when it comes.
    fn count_unread(&mut self, message: &Message, mentioned: bool) {
        let conversation = &message.conversation;
        let counted = self.counted.entry(conversation.clone()).or_default();
        if message.seq > *counted {
            *counted = message.seq;
            let unread = self.unread.entry(conversation.clone()).or_default();
            *unread = unread.saturating_add(1);
        }
        if mentioned {
            self.mentioned.insert(conversation.clone());
        }
    }

    /// Counts what is on the screen.
    pub fn saw_seq(&mut self, conversation: &str, seq: u64) {
        let shown = self.shown.entry(conversation.to_owned()).or_default();
        *shown = seq.max(*shown);
    }

    /// Where the user has read up to.
    pub fn read_up_to(&self, conversation: &str) -> u64 {
        self.read.get(conversation).copied().unwrap_or_default()
    }

    /// Of a page that was asked for after the conversation became current: the messages that
    /// did not come on their own meanwhile. They count as shown.
    pub fn not_shown_yet<'a>(
        &mut self,
        conversation: &str,
        messages: &'a [Message],
    ) -> Vec<&'a Message> {
        let live_from = self.live_from.filter(|_| self.is_current(conversation));
        let live_from = live_from.unwrap_or(u64::MAX);
        let fresh: Vec<&Message> = messages
            .iter()
            .filter(|message| message.seq < live_from)
            .collect();
        if let Some(last) = fresh.last() {
            self.saw_seq(conversation, last.seq);
        }
        fresh
    }

    /// The line in front of a message of `ts`, if it is of another day than the one before.
    pub fn day_line(&mut self, ts: u64, painter: Painter) -> Option<String> {
        let zone = painter.zone();
        let day = zone.day(ts);
        let last = self.last_day.replace(day);
        let last = last.unwrap_or_else(|| zone.day(clock::unix_ms()));
        (last != day).then(|| painter.day_divider(day))
    }

    /// Whether it is news that a user came or went: the server says it once for each room
    /// that is shared.
    pub fn presence_is_news(&mut self, user: &str, is_online: bool) -> bool {
        if self.presence_told.len() >= NAMES_MAX {
            self.presence_told.clear();
        }
        self.presence_told.insert(user.to_owned(), is_online) != Some(is_online)
    }

    /// Whether what happens in a room is shown now.
    pub fn shows_room(&self, room: &str) -> bool {
        match &self.current {
            None => true,
            Some(Target::Room(current)) => current.as_str() == room,
            Some(Target::User(_)) => false,
        }
    }

    /// Whether it is told that somebody came or went: of those who are seen in the current
    /// conversation.
    pub fn shows_presence_of(&self, user: &str) -> bool {
        match &self.current {
            None => true,
            Some(Target::Room(room)) => self.names.is_member(room.as_str(), user),
            Some(Target::User(current)) => current.as_str() == user,
        }
    }

    /// What the server should learn: the current conversation was read up to here.
    pub fn take_read_mark(&mut self) -> Option<Read> {
        let conversation = self.current_conversation()?;
        let seq = *self.shown.get(&conversation)?;
        let read = self.read.entry(conversation.clone()).or_default();
        if *read >= seq {
            return None;
        }
        *read = seq;
        Some(Read { conversation, seq })
    }

    /// Unread conversations: first those that name the user, then private ones, then by name.
    pub fn unread_in_order(&self) -> Vec<(&str, u64)> {
        let mut unread: Vec<(&str, u64)> = self
            .unread
            .iter()
            .map(|(name, count)| (name.as_str(), *count))
            .collect();
        unread.sort_by_key(|(name, _)| {
            (
                !self.mentioned.contains(*name),
                !name.starts_with("user:"),
                *name,
            )
        });
        unread
    }

    /// The prompt, plain: the conversation, and what is unread elsewhere. It stands until the
    /// next line is entered.
    pub fn prompt(&self) -> String {
        let mut prompt = String::new();
        if let Some(current) = self.current_conversation() {
            prompt += &render::label(&current);
            prompt.push(' ');
        }
        if !self.unread.is_empty() {
            let unread = self.unread_in_order();
            let mut named: Vec<String> = unread
                .iter()
                .take(PROMPT_UNREAD_MAX)
                .map(|(name, count)| {
                    let mark = if self.mentioned.contains(*name) {
                        "»"
                    } else {
                        ""
                    };
                    format!("{mark}{} {}", render::label(name), short(*count))
                })
                .collect();
            if unread.len() > PROMPT_UNREAD_MAX {
                named.push(format!("+{}", unread.len() - PROMPT_UNREAD_MAX));
            }
            prompt += &format!("({}) ", named.join(", "));
        }
        if !self.connected && !self.me.is_empty() {
            prompt += "(offline) ";
        }
        prompt + "› "
    }
}

/// Rooms that a line names.
const ROOMS_NAMED_MAX: usize = 12;

/// Rooms as one line tells them.
pub fn rooms_in_words(rooms: &BTreeSet<String>) -> String {
    let named = rooms.iter().take(ROOMS_NAMED_MAX);
    let named: Vec<String> = named
        .map(|room| format!("#{}", sanitize::line(room)))
        .collect();
    let more = rooms.len() - named.len();
    match (named.is_empty(), more) {
        (true, _) => "no room".to_owned(),
        (false, 0) => named.join(", "),
        (false, more) => format!("{} and {more} more", named.join(", ")),
    }
}

/// A count that stays short.
fn short(count: u64) -> String {
    if count > PROMPT_COUNT_MAX {
        format!("{PROMPT_COUNT_MAX}+")
    } else {
        count.to_string()
    }
}

#[cfg(test)]
pub(crate) mod tests;
