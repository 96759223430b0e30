//! `roomInfo`: answered from the store, which the owner of the room writes before it answers.

use antiphon_core::contract::{RoomRecord, Standing};
use antiphon_core::dispatcher::CommandHandler;
use antiphon_protocol::client::{RoomInfo, RoomInfoReply, RoomKind, Visibility};
use antiphon_protocol::{ConversationId, ErrorBody};
use async_trait::async_trait;

use super::{Answer, Caller, CommandResult, refusal, reply};
use crate::server::room::room_not_found;

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
