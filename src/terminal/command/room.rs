//! `/join`, `/leave`, `/create`, `/rooms`, `/members`, `/invite`, `/kick`.

use antiphon_core::dispatcher::CommandHandler;
use antiphon_protocol::RoomName;
use antiphon_protocol::client::{
    self as wire, ListRooms, RoomKind, RoomMembers, RoomSummary, Target, Visibility,
};
use antiphon_protocol::limits::PAGE_MAX;
use async_trait::async_trait;

use super::history::newest;
use super::{
    Create, Failure, Invite, Join, Kick, Leave, Members, Reply, Rooms, Session, parse_room,
    parse_user,
};
use crate::terminal::sanitize::sanitize_inline;

/// Messages shown again when the user comes back to a room.
const RECALL: u64 = 10;

pub(super) struct Handlers;

async fn list_rooms(session: &Session) -> Result<(Vec<RoomSummary>, bool), Failure> {
    let command = ListRooms {
        prefix: None,
        cursor: None,
        limit: PAGE_MAX,
    };
    let reply = session.client.request(command).await?;
    let mut view = session.view();
    for room in &reply.rooms {
        view.learn_room(room.room_name.as_str());
    }
    Ok((reply.rooms, reply.cursor.is_some()))
}

/// Joins; the place is set first, so that the room's last messages are shown as its own.
async fn enter(session: &mut Session, room: RoomName) -> Result<Reply, Failure> {
    let before = session.view().go(Some(Target::Room(room.clone())));
    let joined = match session.client.join_room(room.clone()).await {
        Ok(joined) => joined,
        Err(error) => {
            session.view().go(before);
            return Err(error.into());
        }
    };
    let mut lines = Vec::new();
    if joined.already_member {
        lines = newest(session, &joined.conversation, RECALL).await?;
    }
    let noun = if joined.members == 1 {
        "member"
    } else {
        "members"
    };
    lines.push(
        session
            .style
            .dim(&format!("— you are in #{room}, {} {noun}", joined.members)),
    );
    Ok(Reply::Lines(lines))
}

#[async_trait]
impl CommandHandler<Session, Join, Reply, Failure> for Handlers {
    async fn handle(&self, session: &mut Session, Join { room }: Join) -> Result<Reply, Failure> {
        let room = match room {
            Some(room) => room,
            None => {
                let (rooms, _) = list_rooms(session).await?;
                let names = rooms
                    .iter()
                    .map(|room| room.room_name.to_string())
                    .collect();
                session
                    .questions
                    .choose("Which room?", names)
                    .ok_or(Failure::Cancelled)?
            }
        };
        let room = parse_room(&room)?;
        enter(session, room).await
    }
}

#[async_trait]
impl CommandHandler<Session, Leave, Reply, Failure> for Handlers {
    async fn handle(&self, session: &mut Session, Leave { room }: Leave) -> Result<Reply, Failure> {
        let room = session.room_or_current(room)?;
        if !session
            .questions
            .confirm(&format!("Leave #{room} for good?"))
        {
            return Err(Failure::Cancelled);
        }
        session.client.leave_room(room.clone()).await?;
        session.view().left(room.as_str());
        Ok(Reply::line(
            session.style.dim(&format!("— you left #{room}")),
        ))
    }
}

#[async_trait]
impl CommandHandler<Session, Create, Reply, Failure> for Handlers {
    async fn handle(
        &self,
        session: &mut Session,
        Create { room, private }: Create,
    ) -> Result<Reply, Failure> {
        let room_name = parse_room(&room)?;
        let visibility = if private {
            Visibility::Private
        } else {
            Visibility::Public
        };
        let (kind, topic) = (RoomKind::Group, String::new());
        let command = wire::CreateRoom {
            room_name,
            kind,
            visibility,
            topic,
        };
        let made = session.client.request(command).await?;
        enter(session, made.room_name).await
    }
}

#[async_trait]
impl CommandHandler<Session, Rooms, Reply, Failure> for Handlers {
    async fn handle(&self, session: &mut Session, Rooms {}: Rooms) -> Result<Reply, Failure> {
        let (rooms, more) = list_rooms(session).await?;
        if rooms.is_empty() {
            return Ok(Reply::line("no rooms yet: /create one"));
        }
        let mut lines: Vec<_> = rooms.iter().map(room_line).collect();
        if more {
            lines.push("… and more".to_owned());
        }
        Ok(Reply::Lines(lines))
    }
}

fn room_line(room: &RoomSummary) -> String {
    let joined = if room.joined { "*" } else { " " };
    let private = match room.visibility {
        Visibility::Private => " (private)",
        Visibility::Public => "",
    };
    let (name, topic) = (
        sanitize_inline(room.room_name.as_str()),
        sanitize_inline(&room.topic),
    );
    format!(
        "{joined} #{name}{private}  {} members  {topic}",
        room.members
    )
    .trim_end()
    .to_owned()
}

#[async_trait]
impl CommandHandler<Session, Members, Reply, Failure> for Handlers {
    async fn handle(&self, session: &mut Session, Members {}: Members) -> Result<Reply, Failure> {
        let room_name = session.room_or_current(None)?;
        let command = RoomMembers {
            room_name,
            cursor: None,
            limit: PAGE_MAX,
        };
        let reply = session.client.request(command).await?;
        let mut lines = Vec::new();
        for member in &reply.members {
            session.view().learn_user(member.username.as_str());
            let role = match member.role {
                wire::Role::Owner => "  owner",
                wire::Role::Member => "",
            };
            let online = match member.is_online {
                Some(true) => "  online",
                Some(false) => "",
                None => "  (whether online cannot be told)",
            };
            lines.push(format!(
                "  {}{role}{online}",
                session.style.name(member.username.as_str())
            ));
        }
        if reply.cursor.is_some() {
            lines.push("… and more".to_owned());
        }
        Ok(Reply::Lines(lines))
    }
}

#[async_trait]
impl CommandHandler<Session, Invite, Reply, Failure> for Handlers {
    async fn handle(
        &self,
        session: &mut Session,
        Invite { user }: Invite,
    ) -> Result<Reply, Failure> {
        let (room_name, username) = (session.room_or_current(None)?, parse_user(&user)?);
        let told = session
            .style
            .dim(&format!("— {username} is invited to #{room_name}"));
        session
            .client
            .request(wire::Invite {
                room_name,
                username,
            })
            .await?;
        Ok(Reply::line(told))
    }
}

#[async_trait]
impl CommandHandler<Session, Kick, Reply, Failure> for Handlers {
    async fn handle(&self, session: &mut Session, Kick { user }: Kick) -> Result<Reply, Failure> {
        let (room_name, username) = (session.room_or_current(None)?, parse_user(&user)?);
        let told = session
            .style
            .dim(&format!("— {username} is removed from #{room_name}"));
        session
            .client
            .request(wire::Kick {
                room_name,
                username,
                reason: None,
            })
            .await?;
        Ok(Reply::line(told))
    }
}
