//! What the user sees at the moment: the current place, what is unread elsewhere, who and
//! what is known for completion. Changed by events and by commands; it does no I/O.

use std::collections::{BTreeSet, HashMap, VecDeque};

use antiphon_client::{Event, StopReason};
use antiphon_protocol::client::Target;
use antiphon_protocol::{ClientId, Message, UserName};

use super::render::{self, Style};

/// The prompt counts unread messages up to here; beyond, the number says no more.
const PROMPT_UNREAD_MAX: u64 = 99;

/// Own messages that were sent from here and may still come back.
const OWN_MAX: usize = 512;
/// Names kept for completion.
const NAMES_MAX: usize = 5_000;

/// A place's conversation as the wire names it.
pub fn conversation_of(place: &Target) -> String {
    match place {
        Target::Room(room) => format!("room:{room}"),
        Target::User(user) => format!("user:{user}"),
    }
}

/// What the user sees.
#[derive(Debug)]
pub struct View {
    /// Who the user is.
    pub me: UserName,
    /// Where plain text goes.
    pub current: Option<Target>,
    /// Why the client has stopped, once it has.
    pub stopped: Option<StopReason>,
    unread: HashMap<String, u64>,
    shown: HashMap<String, u64>,
    own: VecDeque<(ClientId, String)>,
    rooms: BTreeSet<String>,
    users: BTreeSet<String>,
}

impl View {
    /// Nothing seen yet.
    pub fn new(me: UserName) -> Self {
        Self {
            me,
            current: None,
            stopped: None,
            unread: HashMap::new(),
            shown: HashMap::new(),
            own: VecDeque::new(),
            rooms: BTreeSet::new(),
            users: BTreeSet::new(),
        }
    }

    /// Takes an event and gives the line to print, if it has one.
    pub fn on_event(&mut self, style: Style, event: &Event) -> Option<String> {
        match event {
            Event::Message(message) => return self.on_message(style, message),
            Event::RoomEvent(event) => return render::room_event(style, event, &self.me),
            Event::LoggedIn {
                username,
                conversations,
                ..
            } => {
                self.me = username.clone();
                self.unread.clear();
                for conversation in conversations {
                    self.learn(&conversation.name);
                    self.unread
                        .insert(conversation.name.clone(), conversation.unread);
                }
                self.read_current();
            }
            Event::Presence(presence) => self.learn_user(presence.username.as_str()),
            Event::Stopped { reason } => self.stopped = Some(reason.clone()),
            Event::Connected { .. }
            | Event::Disconnected { .. }
            | Event::Notice(_)
            | Event::Gap { .. } => {}
        }
        render::connection(style, event)
    }

    fn on_message(&mut self, style: Style, message: &Message) -> Option<String> {
        self.learn(&message.conversation);
        self.learn_user(message.from.as_str());
        let shown = self.shown.entry(message.conversation.clone()).or_default();
        *shown = (*shown).max(message.seq);
        let current = self.current.as_ref().map(conversation_of);
        let here = current.as_deref() == Some(message.conversation.as_str());
        if !here && message.from != self.me {
            *self.unread.entry(message.conversation.clone()).or_default() += 1;
        }
        // The typed line stands there already, unless the server stored another text.
        let typed = message.client_id.as_ref().and_then(|id| self.take_own(id));
        if here && typed.as_ref() == Some(&message.message) {
            return None;
        }
        Some(render::message(
            style,
            message,
            &self.me,
            current.as_deref(),
        ))
    }

    fn take_own(&mut self, id: &ClientId) -> Option<String> {
        let at = self.own.iter().position(|(own, _)| own == id)?;
        self.own.remove(at).map(|(_, text)| text)
    }

    /// Remembers a message that was typed here.
    pub fn remember_own(&mut self, id: ClientId, text: String) {
        if self.own.len() >= OWN_MAX {
            self.own.pop_front();
        }
        self.own.push_back((id, text));
    }

    /// Goes to a place; gives the place before.
    pub fn go(&mut self, place: Option<Target>) -> Option<Target> {
        let before = std::mem::replace(&mut self.current, place);
        if let Some(place) = &self.current {
            let name = conversation_of(place);
            self.learn(&name);
        }
        self.read_current();
        before
    }

    fn read_current(&mut self) {
        if let Some(place) = &self.current {
            self.unread.remove(&conversation_of(place));
        }
    }

    /// Forgets a room that the user has left.
    pub fn left(&mut self, room: &str) {
        let name = format!("room:{room}");
        self.unread.remove(&name);
        self.shown.remove(&name);
        self.rooms.remove(room);
        if self.current.as_ref().map(conversation_of).as_deref() == Some(name.as_str()) {
            self.current = None;
        }
    }

    /// The current conversation and the newest sequence of it that was shown, once each.
    pub fn take_read(&mut self) -> Option<(String, u64)> {
        let name = conversation_of(self.current.as_ref()?);
        self.shown.remove(&name).map(|seq| (name, seq))
    }

    /// Messages elsewhere that were not read.
    pub fn unread(&self) -> u64 {
        self.unread.values().sum()
    }

    /// What stands before the chat line.
    pub fn prompt(&self) -> String {
        let place = self.current.as_ref().map(conversation_of);
        let place = place.map_or_else(|| "antiphon".to_owned(), |name| render::place_name(&name));
        match self.unread() {
            0 => format!("{place} › "),
            1..=PROMPT_UNREAD_MAX => format!("{place} ({}) › ", self.unread()),
            _ => format!("{place} ({PROMPT_UNREAD_MAX}+) › "),
        }
    }

    fn learn(&mut self, conversation: &str) {
        if let Some(room) = conversation.strip_prefix("room:") {
            self.learn_room(room);
        } else if let Some(user) = conversation.strip_prefix("user:") {
            self.learn_user(user);
        }
    }

    /// Keeps a room's name for completion.
    pub fn learn_room(&mut self, room: &str) {
        if self.rooms.len() < NAMES_MAX {
            self.rooms.insert(room.to_owned());
        }
    }

    /// Keeps a user's name for completion.
    pub fn learn_user(&mut self, user: &str) {
        if self.users.len() < NAMES_MAX {
            self.users.insert(user.to_owned());
        }
    }

    /// The known rooms, by name.
    pub fn rooms(&self) -> &BTreeSet<String> {
        &self.rooms
    }

    /// The known users, by name.
    pub fn users(&self) -> &BTreeSet<String> {
        &self.users
    }
}

#[cfg(test)]
mod tests;
