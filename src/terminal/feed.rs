//! What comes from the network, turned into lines: a function of the event and the state.

mod crowd;

use antiphon_client::Event;
use antiphon_core::clock;
use antiphon_protocol::Message;
use antiphon_protocol::UserName;
use antiphon_protocol::client::ConversationSummary;
use antiphon_protocol::message::{Presence, RoomEvent, RoomEventKind};

use super::render::{self, Painter};
use super::sanitize;
use super::state::{Sight, State};

pub use crowd::{Crowd, Move};

/// The lines of an event.
pub fn lines(event: Event, state: &mut State, painter: Painter) -> Vec<String> {
    match event {
        Event::Connected { server } => {
            state.server = sanitize::excerpt(&server);
            Vec::new()
        }
        Event::ResumeToken { .. } => Vec::new(),
        Event::LoggedIn {
            username,
            conversations,
            log_replaced,
        } => logged_in(
            username.as_str(),
            &conversations,
            log_replaced,
            state,
            painter,
        ),
        Event::Disconnected { reason, retry_in } => {
            state.connected = false;
            let line = state.outage.lost(&reason, retry_in, clock::now());
            line.map(|line| painter.dim(&line)).into_iter().collect()
        }
        Event::Message(message) => {
            let mut lines = said(&message, state, painter);
            let behind = state.outage.message(&message.conversation, message.seq);
            lines.extend(behind.map(|line| painter.dim(&line)));
            lines
        }
        Event::Presence(presence) => {
            came_or_went(&presence, state);
            Vec::new()
        }
        Event::RoomEvent(event) => {
            let line = room_event(&event, state);
            let time = painter.zone().time_of_day(event.ts);
            let line = line.map(|line| format!("{time} {line}"));
            let conversation = format!("room:{}", event.room_name);
            let behind = event
                .seq
                .and_then(|seq| state.outage.reached(&conversation, seq));
            let lines = line.into_iter().chain(behind);
            lines.map(|line| painter.dim(&line)).collect()
        }
        Event::Notice(notice) => {
            let words = sanitize::line(&notice.message);
            let said = Some(words).filter(|words| !words.trim().is_empty());
            let line = said.map(|words| painter.dim(&format!("— {words}")));
            line.into_iter().collect()
        }
        Event::Gap {
            conversation,
            from,
            to,
        } => gap(&conversation, (from, to), state, painter),
        Event::Stopped { reason } => {
            let why = sanitize::line(&reason.to_string());
            state.connected = false;
            let asked = reason == antiphon_client::StopReason::Asked;
            state.stopped = Some(reason);
            if asked {
                Vec::new()
            } else {
                vec![painter.error(&format!("— {why}; press Enter to leave"))]
            }
        }
    }
}

fn logged_in(
    me: &str,
    conversations: &[ConversationSummary],
    log_replaced: bool,
    state: &mut State,
    painter: Painter,
) -> Vec<String> {
    if log_replaced {
        state.log_replaced();
        state.outage.forget_places();
    }
    let server = state.server.clone();
    let back = state.outage.back(&server, conversations, clock::now());
    state.logged_in(me, conversations);
    let mut lines: Vec<String> = back.map(|line| painter.dim(&line)).into_iter().collect();
    if log_replaced {
        let words = "— this server has another log than before: older messages are gone";
        lines.push(painter.error(words));
    }
    lines
}

fn gap(
    conversation: &str,
    (from, to): (u64, u64),
    state: &mut State,
    painter: Painter,
) -> Vec<String> {
    state.saw_seq(conversation, to);
    let place = render::label(conversation);
    let hole = format!("— {place}: messages {from} to {to} are gone");
    let behind = state.outage.reached(conversation, to);
    std::iter::once(painter.error(&hole))
        .chain(behind.map(|line| painter.dim(&line)))
        .collect()
}

/// A message, behind what was to be said before it.
fn said(message: &Message, state: &mut State, painter: Painter) -> Vec<String> {
    let mut lines = Vec::new();
    if state.crowd.names(message.from.as_str()) {
        lines = settled(state, painter);
    }
    match state.saw_message(message) {
        Sight::Shown => {
            lines.extend(state.day_line(message.ts, painter));
            lines.push(painter.message(message, &state.me));
            state.rings |= state.bell && is_for(message, &state.me);
        }
        Sight::Counted { first: true } => {
            let place = render::label(&message.conversation);
            lines.push(painter.dim(&format!("— {place} has something new: /next shows it")));
        }
        Sight::Counted { first: false } | Sight::Known => {}
    }
    lines
}

/// Whether somebody else's message is meant for the user alone or names them.
fn is_for(message: &Message, me: &str) -> bool {
    let private = message.conversation.starts_with("user:");
    message.from.as_str() != me && (private || render::mentions(&message.message, me))
}

/// The lines about who came and went, as far as they wait.
pub fn settled(state: &mut State, painter: Painter) -> Vec<String> {
    let lines = state.crowd.take().into_iter().map(|line| {
        let words = match line.room {
            Some(room) => {
                let time = painter.zone().time_of_day(line.ts);
                format!("{time} #{} {}", sanitize::line(&room), line.words)
            }
            None => format!("— {}", line.words),
        };
        painter.dim(&words)
    });
    lines.collect()
}

fn came_or_went(presence: &Presence, state: &mut State) {
    let user = presence.username.as_str();
    state.names.saw_user(user);
    if presence.is_online {
        state.away_told.remove(user);
    }
    let is_news = state.presence_is_news(user, presence.is_online);
    if user == state.me || !is_news || !state.shows_presence_of(user) {
        return;
    }
    let what = if presence.is_online {
        Move::CameOnLine
    } else {
        Move::WentAway
    };
    state
        .crowd
        .add(what, None, user, clock::unix_ms(), clock::now());
}

/// Somebody else joined or left a room.
fn moved(what: Move, event: &RoomEvent, user: &str, state: &mut State) {
    let room = event.room_name.as_str();
    if what == Move::Joined {
        state.names.saw_member(room, user);
    } else {
        state.names.lost_member(room, user);
    }
    if state.shows_room(room) {
        state
            .crowd
            .add(what, Some(room), user, event.ts, clock::now());
    }
}

fn room_event(event: &RoomEvent, state: &mut State) -> Option<String> {
    let room = event.room_name.as_str();
    let place = format!("#{}", sanitize::line(room));
    let named = |name: &Option<UserName>| name.as_ref().map(|name| name.as_str().to_owned());
    let user = named(&event.username);
    let by = named(&event.by).map_or_else(String::new, |by| format!(" by {}", sanitize::line(&by)));
    let why = event.reason.as_ref();
    let why = why.map_or_else(String::new, |why| format!(": {}", sanitize::line(why)));
    let own = user.as_deref() == Some(&*state.me);
    if let Some(user) = &user {
        state.names.saw_user(user);
    }
    if let Some(seq) = event.seq {
        state.saw_seq(&format!("room:{room}"), seq);
    }
    let raw = user.unwrap_or_default();
    let user = sanitize::line(&raw);
    match event.kind {
        RoomEventKind::Joined if own => {
            state.rooms.insert(room.to_owned());
            None
        }
        RoomEventKind::Joined => {
            moved(Move::Joined, event, &raw, state);
            None
        }
        RoomEventKind::Left if own => {
            state.left(room);
            None
        }
        RoomEventKind::Left => {
            moved(Move::Left, event, &raw, state);
            None
        }
        RoomEventKind::Kicked if own => {
            state.left(room);
            Some(format!("{place} you were removed{by}{why}"))
        }
        RoomEventKind::Kicked => {
            state.names.lost_member(room, &raw);
            let words = format!("{place} {user} was removed{by}{why}");
            // Who did it has the answer to the command.
            let told = named(&event.by).as_deref() == Some(&*state.me);
            (state.shows_room(room) && !told).then_some(words)
        }
        RoomEventKind::Invited => {
            state.names.saw_room(room);
            Some(format!(
                "{place} you are invited{by}: /join {}",
                sanitize::line(room)
            ))
        }
        RoomEventKind::Epoch => None,
    }
}

#[cfg(test)]
mod tests;
