//! `roomMembers`: answered from the store, which the owner of the room writes before it answers.

use antiphon_core::contract::Standing;
use antiphon_core::dispatcher::CommandHandler;
use antiphon_protocol::client::{Role, RoomMember, RoomMembers, RoomMembersReply};
use antiphon_protocol::{ConversationId, ErrorBody};
use async_trait::async_trait;

use super::{Answer, Caller, CommandResult, refusal, reply};

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
