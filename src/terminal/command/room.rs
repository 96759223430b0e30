//! Rooms: join, leave, create, list, members, invite, kick.

use antiphon_protocol::client::{
    self, ListRooms, RoomKind, RoomMembers, RoomSummary, Target, Visibility,
};
use antiphon_protocol::limits::PAGE_MAX;
use antiphon_protocol::{RoomName, UserName};
use async_trait::async_trait;

use super::super::questions::{self, NoAnswer};
use super::super::sanitize;
use super::super::session::Session;
use super::{Answer, CommandError, Execute};

/// Messages shown when a room becomes the current one and nothing of it was on the screen.
const SHOWN_ON_JOIN: u64 = 10;

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
        {
            let mut state = session.state.lock();
            state.rooms.insert(name.to_string());
            state.make_current(Target::Room(name));
        }
        let painter = session.painter;
        let people = if reply.members == 1 {
            "1 member".to_owned()
        } else {
            format!("{} members", reply.members)
        };
        let mut lines = Vec::new();
        if reply.already_member {
            lines = session
                .last_messages(reply.conversation, SHOWN_ON_JOIN)
                .await?;
        }
        lines.push(painter.dim(&format!("— you are in {place}, {people}")));
        Ok(Answer::lines(lines))
    }
}

async fn choose(session: &mut Session) -> Result<RoomName, CommandError> {
    let rooms = list(session).await?;
    if rooms.is_empty() {
        return Err(CommandError::Refused(
            "there is no room yet: /create one".to_owned(),
        ));
    }
    let shown = rooms.iter().map(summary_line).collect();
    let chosen = session.ask(|| questions::select("Which room?", shown))?;
    Ok(rooms[chosen].room_name.clone())
}

async fn list(session: &Session) -> Result<Vec<RoomSummary>, CommandError> {
    let asked = ListRooms {
        prefix: None,
        cursor: None,
        limit: PAGE_MAX,
    };
    let reply = session.client.request(asked).await?;
    let mut state = session.state.lock();
    for room in &reply.rooms {
        state.saw_room(room.room_name.as_str());
    }
    Ok(reply.rooms)
}

fn place(room: &RoomName) -> String {
    format!("#{}", sanitize::line(room.as_str()))
}

fn summary_line(room: &RoomSummary) -> String {
    let mark = if room.joined { "•" } else { " " };
    let kept = match room.visibility {
        Visibility::Public => "",
        Visibility::Private => " private",
    };
    let topic = sanitize::line(&room.topic);
    let topic = if topic.is_empty() {
        topic
    } else {
        format!("  {topic}")
    };
    format!(
        "{mark} {} ({}{kept}){topic}",
        place(&room.room_name),
        room.members
    )
}

/// `/rooms`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rooms;

#[async_trait]
impl Execute for Rooms {
    async fn execute(self, session: &mut Session) -> Result<Answer, CommandError> {
        let rooms = list(session).await?;
        if rooms.is_empty() {
            return Ok(Answer::line(
                session.painter.dim("— there is no room yet: /create one"),
            ));
        }
        Ok(Answer::lines(rooms.iter().map(summary_line).collect()))
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

/// `/create ROOM`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Create {
    /// Its name.
    pub room: RoomName,
}

#[async_trait]
impl Execute for Create {
    async fn execute(self, session: &mut Session) -> Result<Answer, CommandError> {
        let asked = client::CreateRoom {
            room_name: self.room,
            kind: RoomKind::Group,
            visibility: Visibility::Public,
            topic: String::new(),
        };
        let made = session.client.request(asked).await?;
        Join {
            room: Some(made.room_name),
        }
        .execute(session)
        .await
    }
}

/// `/members`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Members {
    /// Of which room; the chain fills in the current one.
    pub room: Option<RoomName>,
}

#[async_trait]
impl Execute for Members {
    async fn execute(self, session: &mut Session) -> Result<Answer, CommandError> {
        let room_name = self.room.ok_or(CommandError::NoRoom)?;
        let asked = RoomMembers {
            room_name,
            cursor: None,
            limit: PAGE_MAX,
        };
        let reply = session.client.request(asked).await?;
        let painter = session.painter;
        let mut state = session.state.lock();
        let mut names: Vec<String> = reply
            .members
            .iter()
            .map(|member| {
                state.saw_user(member.username.as_str());
                let online = if member.is_online == Some(true) {
                    "•"
                } else {
                    ""
                };
                let owner = match member.role {
                    client::Role::Owner => " (owner)",
                    client::Role::Member => "",
                };
                format!("{online}{}{owner}", painter.name(member.username.as_str()))
            })
            .collect();
        if reply.cursor.is_some() {
            names.push("…".to_owned());
        }
        Ok(Answer::line(format!(
            "{}: {}",
            place(&reply.room_name),
            names.join(", ")
        )))
    }
}

/// `/invite USER`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// Whom.
    pub user: UserName,
    /// Where to; the chain fills in the current room.
    pub room: Option<RoomName>,
}

#[async_trait]
impl Execute for Invite {
    async fn execute(self, session: &mut Session) -> Result<Answer, CommandError> {
        let room_name = self.room.ok_or(CommandError::NoRoom)?;
        let words = format!("— {} is invited to {}", self.user, place(&room_name));
        session
            .client
            .request(client::Invite {
                room_name,
                username: self.user,
            })
            .await?;
        Ok(Answer::line(session.painter.dim(&words)))
    }
}

/// `/kick USER`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kick {
    /// Whom.
    pub user: UserName,
    /// Where; the chain fills in the current room.
    pub room: Option<RoomName>,
}

#[async_trait]
impl Execute for Kick {
    async fn execute(self, session: &mut Session) -> Result<Answer, CommandError> {
        let room_name = self.room.ok_or(CommandError::NoRoom)?;
        let words = format!("— {} is removed from {}", self.user, place(&room_name));
        let asked = client::Kick {
            room_name,
            username: self.user,
            reason: None,
        };
        session.client.request(asked).await?;
        Ok(Answer::line(session.painter.dim(&words)))
    }
}
