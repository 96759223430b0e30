//! `listRooms`: answered from the store, which the owner of a room writes before it answers.

use antiphon_core::contract::{RoomListing, Standing};
use antiphon_core::dispatcher::CommandHandler;
use antiphon_protocol::ErrorBody;
use antiphon_protocol::client::{ListRooms, ListRoomsReply, RoomSummary};
use async_trait::async_trait;

use super::{Answer, Caller, CommandResult, refusal, reply};

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
