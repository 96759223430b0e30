//! Commands that look at rooms: answered from the store, which the owner writes before it
//! answers.

use antiphon_core::contract::{RoomListing, RoomRecord, Standing};
use antiphon_core::dispatcher::CommandHandler;
use antiphon_protocol::client::{
    ListRooms, ListRoomsReply, Role, RoomInfo, RoomInfoReply, RoomKind, RoomMember, RoomMembers,
    RoomMembersReply, RoomSummary, Visibility,
};
use antiphon_protocol::{ConversationId, ErrorBody};
use async_trait::async_trait;

use super::{Answer, Caller, CommandResult, refusal, reply};
use crate::server::room::room_not_found;

pub(super) struct ListHandler;

#[async_trait]
impl CommandHandler<Caller, ListRooms, Answer, ErrorBody> for ListHandler {
    async fn handle(&self, caller: &mut Caller, list: ListRooms) -> CommandResult {
        let user = caller.user()?;
        let prefix = list.prefix.unwrap_or_default().to_lowercase();
        let after = list.cursor.unwrap_or_default();
        let limit = list.limit as usize;
        let read = caller
            .node
            .backends
            .rooms
            .list(&user, &prefix, &after, limit)
            .await;
        let rooms: Vec<RoomSummary> = read.map_err(refusal)?.into_iter().map(summary).collect();
        let more = rooms.len() == limit;
        let cursor = rooms
            .last()
            .filter(|_| more)
            .map(|room| room.room_name.to_string());
        reply::<ListRooms>(caller, &ListRoomsReply { rooms, cursor })
    }
}

fn summary(listing: RoomListing) -> RoomSummary {
    RoomSummary {
        room_name: listing.room.name,
        topic: listing.room.topic,
        visibility: listing.room.visibility,
        members: listing.members,
        joined: listing.standing.is_some_and(Standing::is_member),
    }
}

pub(super) struct InfoHandler;

#[async_trait]
impl CommandHandler<Caller, RoomInfo, Answer, ErrorBody> for InfoHandler {
    async fn handle(&self, caller: &mut Caller, info: RoomInfo) -> CommandResult {
        let user = caller.user()?;
        let backends = &caller.node.backends;
        let room = backends.rooms.get(&info.room_name).await.map_err(refusal)?;
        let room = room.ok_or_else(room_not_found)?;
        let standing = backends
            .rooms
            .standing(&room.name, &user)
            .await
            .map_err(refusal)?;
        if standing.is_none() && room.visibility == Visibility::Private {
            return Err(room_not_found());
        }
        let is_member = standing.is_some_and(Standing::is_member);
        let data = describe(caller, room, is_member).await?;
        reply::<RoomInfo>(caller, &data)
    }
}

async fn describe(
    caller: &Caller,
    room: RoomRecord,
    is_member: bool,
) -> Result<RoomInfoReply, ErrorBody> {
    let backends = &caller.node.backends;
    let rows = backends.rooms.members(&room.name).await.map_err(refusal)?;
    let owner = rows.iter().find(|row| row.standing == Standing::Owner);
    let last_seq = if is_member {
        let conversation = ConversationId::Room(room.name.clone());
        let tail = backends
            .archive
            .tail(&conversation)
            .await
            .map_err(refusal)?;
        Some(tail.map_or(0, |tail| tail.seq))
    } else {
        None
    };
    Ok(RoomInfoReply {
        owner: owner.map(|row| row.user.clone()),
        members: rows.iter().filter(|row| row.standing.is_member()).count() as u64,
        room_name: room.name,
        kind: RoomKind::Group,
        visibility: room.visibility,
        topic: room.topic,
        last_seq,
        created_at: room.created_at_ms,
    })
}

pub(super) struct MembersHandler;

#[async_trait]
impl CommandHandler<Caller, RoomMembers, Answer, ErrorBody> for MembersHandler {
    async fn handle(&self, caller: &mut Caller, query: RoomMembers) -> CommandResult {
        let conversation = ConversationId::Room(query.room_name.clone());
        caller.may_read(&conversation).await?;
        let backends = &caller.node.backends;
        let after = query.cursor.unwrap_or_default();
        let limit = query.limit as usize;
        let rows = backends
            .rooms
            .members_page(&query.room_name, &after, limit)
            .await;
        let rows = rows.map_err(refusal)?;
        let more = rows.len() == limit;
        let mut members = Vec::with_capacity(rows.len());
        for row in rows {
            // "Cannot tell" is not "away": then the field is left out.
            let located = backends.sessions.locate(&row.user).await;
            let role = if row.standing == Standing::Owner {
                Role::Owner
            } else {
                Role::Member
            };
            let is_online = located.ok().map(|sessions| !sessions.is_empty());
            members.push(RoomMember {
                username: row.user,
                role,
                is_online,
            });
        }
        let cursor = members
            .last()
            .filter(|_| more)
            .map(|member| member.username.to_string());
        let data = RoomMembersReply {
            room_name: query.room_name,
            members,
            cursor,
        };
        reply::<RoomMembers>(caller, &data)
    }
}
