//! `invite`.

use antiphon_core::dispatcher::CommandHandler;
use antiphon_protocol::ErrorBody;
use antiphon_protocol::client::Invite;
use antiphon_protocol::peer::RoomCommand;
use async_trait::async_trait;

use super::to_owner::{done, submit};
use super::{Answer, Caller, CommandResult, refusal};

pub(super) struct InviteHandler;

#[async_trait]
impl CommandHandler<Caller, Invite, Answer, ErrorBody> for InviteHandler {
    async fn handle(&self, caller: &mut Caller, invite: Invite) -> CommandResult {
        let username = invite.username;
        if !caller.node.knows_user(&username).await.map_err(refusal)? {
            return Err(ErrorBody::new(404, "user_not_found", "no such user"));
        }
        submit::<Invite>(
            caller,
            invite.room_name,
            RoomCommand::Invite { username },
            done,
        )
    }
}
