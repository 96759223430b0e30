//! Rooms: join, leave, create, list, members, invite, kick.

use std::collections::HashSet;

use antiphon_protocol::client::{self, RoomKind, RoomMembers, Target, Visibility};
use antiphon_protocol::limits::PAGE_MAX;
use antiphon_protocol::{RoomName, UserName};
use async_trait::async_trait;
use inquire::MultiSelect;

use super::super::questions::{self, NoAnswer};
use super::super::render::Painter;
use super::super::session::Session;
use super::super::{sanitize, screen};
use super::listing::{self, ListOf};
use super::{Answer, CommandError, Execute, page};

/// Rows of a question with several answers.
const CHOICE_ROWS: usize = 12;
/// What inquire puts around an answer.
const CHOICE_FRAME: usize = 6;

impl From<NoAnswer> for CommandError {
    fn from(reason: NoAnswer) -> Self {
        match reason {
            NoAnswer::Cancelled | NoAnswer::Interrupted => Self::Cancelled,
            NoAnswer::Broken(why) => Self::Refused(why),
        }
    }
}

/// `/join [ROOM]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// Which; asked if absent.
    pub room: Option<RoomName>,
}

#[async_trait]
impl Execute for Join {
    async fn execute(self, session: &mut Session) -> Result<Answer, CommandError> {
        let room = match self.room {
            Some(room) => room,
            None => choose(session).await?,
        };
        let reply = session.client.join_room(room).await?;
        let (name, place) = (reply.room_name.clone(), place(&reply.room_name));
        session.state.lock().rooms.insert(name.to_string());
        let new_to_it = !reply.already_member;
        let mut lines = page::open(session, Target::Room(name), new_to_it).await?;
        let people = if reply.members == 1 {
            "1 member".to_owned()
        } else {
            format!("{} members", reply.members)
        };
        let words = format!("— you are in {place}, {people}");
        lines.push(session.painter.dim(&words));
        Ok(Answer::lines(lines))
    }
}

async fn choose(session: &mut Session) -> Result<RoomName, CommandError> {
    let (rooms, _) = listing::rooms(session, None).await?;
    if rooms.is_empty() {
        return Err(CommandError::Refused(
            "there is no room yet: /create one".to_owned(),
        ));
    }
    // The question paints its answers itself.
    let columns = screen::columns().saturating_sub(CHOICE_FRAME);
    let shown = listing::room_rows(&rooms, Painter::new(false), columns);
    let chosen = session.ask(|| questions::select("Which room?", shown))?;
    Ok(rooms[chosen].room_name.clone())
}

fn place(room: &RoomName) -> String {
    format!("#{}", sanitize::line(room.as_str()))
}

/// `/rooms [next]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rooms {
    /// The page after the last one.
    pub next: bool,
}

#[async_trait]
impl Execute for Rooms {
    async fn execute(self, session: &mut Session) -> Result<Answer, CommandError> {
        if self.next {
            listing::go_on(session, ListOf::Rooms).await
        } else {
            listing::begin(session, ListOf::Rooms).await
        }
    }
}

/// `/leave [ROOM]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leave {
    /// Which; the chain fills in the current one.
    pub room: Option<RoomName>,
}

#[async_trait]
impl Execute for Leave {
    async fn execute(self, session: &mut Session) -> Result<Answer, CommandError> {
        let room = self.room.ok_or(CommandError::NoRoom)?;
        let place = place(&room);
        if !session.ask(|| questions::confirm(&format!("Leave {place}?")))? {
            return Err(CommandError::Cancelled);
        }
        session.client.leave_room(room.clone()).await?;
        session.state.lock().left(room.as_str());
        Ok(Answer::line(
            session.painter.dim(&format!("— you have left {place}")),
        ))
    }
}

/// `/create [--private] ROOM [TOPIC]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Create {
    /// Its name.
    pub room: RoomName,
    /// Joined by invitation only.
    pub private: bool,
    /// What it is about; may be empty.
    pub topic: String,
}

#[async_trait]
impl Execute for Create {
    async fn execute(self, session: &mut Session) -> Result<Answer, CommandError> {
        let asked = client::CreateRoom {
            room_name: self.room,
            kind: RoomKind::Group,
            visibility: if self.private {
                Visibility::Private
            } else {
                Visibility::Public
            },
            topic: self.topic,
        };
        let made = session.client.request(asked).await?;
        let room = Some(made.room_name);
        Join { room }.execute(session).await
    }
}

/// `/members [next]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Members {
    /// Of which room; the chain fills in the current one.
    pub room: Option<RoomName>,
    /// The page after the last one.
    pub next: bool,
}

#[async_trait]
impl Execute for Members {
    async fn execute(self, session: &mut Session) -> Result<Answer, CommandError> {
        let room = self.room.ok_or(CommandError::NoRoom)?;
        if self.next {
            listing::go_on(session, ListOf::Members(room)).await
        } else {
            listing::begin(session, ListOf::Members(room)).await
        }
    }
}

/// `/invite [USER …]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// Whom; asked if empty.
    pub users: Vec<UserName>,
    /// Where to; the chain fills in the current room.
    pub room: Option<RoomName>,
}

#[async_trait]
impl Execute for Invite {
    async fn execute(self, session: &mut Session) -> Result<Answer, CommandError> {
        let room_name = self.room.ok_or(CommandError::NoRoom)?;
        let users = if self.users.is_empty() {
            choose_guests(session, &room_name).await?
        } else {
            self.users
        };
        let painter = session.painter;
        let mut lines = Vec::new();
        for username in users {
            let name = sanitize::line(username.as_str());
            let asked = client::Invite {
                room_name: room_name.clone(),
                username,
            };
            // One who can't be invited does not spoil it for the others.
            lines.push(match session.client.request(asked).await {
                Ok(_) => painter.dim(&format!("— {name} is invited to {}", place(&room_name))),
                Err(error) => painter.command_error(&CommandError::from(error)),
            });
        }
        Ok(Answer::lines(lines))
    }
}

/// Those who are on line and not here yet.
async fn choose_guests(
    session: &mut Session,
    room_name: &RoomName,
) -> Result<Vec<UserName>, CommandError> {
    let asked = RoomMembers {
        room_name: room_name.clone(),
        cursor: None,
        limit: PAGE_MAX,
    };
    let members = session.client.request(asked).await?.members;
    let members: HashSet<UserName> = members.into_iter().map(|one| one.username).collect();
    let asked = client::Online {
        prefix: None,
        cursor: None,
        limit: PAGE_MAX,
    };
    let online = session.client.request(asked).await?.users;
    let guests: Vec<UserName> = online
        .into_iter()
        .map(|user| user.username)
        .filter(|user| !members.contains(user))
        .collect();
    if guests.is_empty() {
        return Err(CommandError::Refused(
            "everybody who is on line is here already; /invite USER asks somebody who is not"
                .to_owned(),
        ));
    }
    let shown = guests.iter().map(|user| sanitize::line(user.as_str()));
    let shown: Vec<String> = shown.collect();
    let chosen = session.ask(|| {
        let question = MultiSelect::new("Whom?", shown).with_page_size(CHOICE_ROWS);
        Ok(question.raw_prompt()?)
    })?;
    if chosen.is_empty() {
        return Err(CommandError::Cancelled);
    }
    let chosen = chosen
        .into_iter()
        .map(|option| guests[option.index].clone());
    Ok(chosen.collect())
}

/// `/kick USER [REASON]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kick {
    /// Whom.
    pub user: UserName,
    /// Why.
    pub reason: Option<String>,
    /// Where; the chain fills in the current room.
    pub room: Option<RoomName>,
}

#[async_trait]
impl Execute for Kick {
    async fn execute(self, session: &mut Session) -> Result<Answer, CommandError> {
        let room_name = self.room.ok_or(CommandError::NoRoom)?;
        let name = sanitize::line(self.user.as_str());
        let words = format!("— {name} is removed from {}", place(&room_name));
        let asked = client::Kick {
            room_name,
            username: self.user,
            reason: self.reason,
        };
        session.client.request(asked).await?;
        Ok(Answer::line(session.painter.dim(&words)))
    }
}
