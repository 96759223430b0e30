//! What the terminal knows at the moment: who it is, which conversation is current, what is
//! unread elsewhere, which names can be completed. Shared by the chat line and the printer.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

use antiphon_client::StopReason;
use antiphon_protocol::client::{ConversationSummary, Read, Target};
use antiphon_protocol::{Message, RoomName, UserName};

use super::outage::Outage;
use super::render;

/// Names that are kept for completion.
pub const NAMES_MAX: usize = 2_000;
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
    /// Rooms that the user is a member of.
    pub rooms: BTreeSet<String>,
    /// Rooms that were seen in a list.
    pub rooms_seen: BTreeSet<String>,
    /// Users that were seen.
    pub users: BTreeSet<String>,
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
    /// What was said last of who came or went.
    presence_told: HashMap<String, bool>,
    /// The highest sequence shown, by conversation.
    shown: HashMap<String, u64>,
    /// The highest sequence told to the server as read, by conversation.
    read: HashMap<String, u64>,
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
                self.saw_user(user);
            } else {
                continue;
            }
            if summary.unread > 0 && current.as_deref() != Some(&*summary.name) {
                self.unread.insert(summary.name.clone(), summary.unread);
            }
        }
    }

    /// The current conversation's name.
    pub fn current_conversation(&self) -> Option<String> {
        self.current.as_ref().map(conversation_of)
    }

    /// Plain text goes to `target` from now on.
    pub fn make_current(&mut self, target: Target) {
        self.unread.remove(&conversation_of(&target));
        self.current = Some(target);
    }

    /// The room is not the user's any more.
    pub fn left(&mut self, room: &str) {
        self.rooms.remove(room);
        let conversation = format!("room:{room}");
        self.unread.remove(&conversation);
        if self.current_conversation().as_deref() == Some(&*conversation) {
            self.current = None;
        }
    }

    /// Counts a message that is about to be shown.
    pub fn saw_message(&mut self, message: &Message) {
        let from = message.from.as_str();
        self.saw_user(from);
        self.saw_seq(&message.conversation, message.seq);
        let own = from == self.me;
        if !own {
            self.away_told.remove(from);
        }
        if !own && self.current_conversation().as_deref() != Some(&*message.conversation) {
            *self.unread.entry(message.conversation.clone()).or_default() += 1;
        }
    }

    /// Counts what is on the screen.
    pub fn saw_seq(&mut self, conversation: &str, seq: u64) {
        let shown = self.shown.entry(conversation.to_owned()).or_default();
        *shown = seq.max(*shown);
    }

    /// Remembers a name for completion.
    pub fn saw_user(&mut self, user: &str) {
        if self.users.len() < NAMES_MAX {
            self.users.insert(user.to_owned());
        }
    }

    /// Whether it is news that a user came or went: the server says it once for each room
    /// that is shared.
    pub fn presence_is_news(&mut self, user: &str, is_online: bool) -> bool {
        if self.presence_told.len() >= NAMES_MAX {
            self.presence_told.clear();
        }
        self.presence_told.insert(user.to_owned(), is_online) != Some(is_online)
    }

    /// Remembers a room for completion.
    pub fn saw_room(&mut self, room: &str) {
        if self.rooms_seen.len() < NAMES_MAX {
            self.rooms_seen.insert(room.to_owned());
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

    /// The prompt, plain: the conversation, and what is unread elsewhere. It stands until the
    /// next line is entered, so it says nothing about the connection, which changes meanwhile.
    pub fn prompt(&self) -> String {
        let mut prompt = String::new();
        if let Some(current) = self.current_conversation() {
            prompt += &render::label(&current);
            prompt.push(' ');
        }
        if !self.unread.is_empty() {
            let named = self.unread.iter().take(PROMPT_UNREAD_MAX);
            let mut named: Vec<String> = named
                .map(|(name, count)| format!("{} {}", render::label(name), short(*count)))
                .collect();
            if self.unread.len() > PROMPT_UNREAD_MAX {
                named.push(format!("+{}", self.unread.len() - PROMPT_UNREAD_MAX));
            }
            prompt += &format!("({}) ", named.join(", "));
        }
        prompt + "› "
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
mod tests;
