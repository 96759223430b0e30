//! `kick`.

use antiphon_core::dispatcher::CommandHandler;
use antiphon_protocol::ErrorBody;
use antiphon_protocol::client::Kick;
use antiphon_protocol::peer::RoomCommand;
use async_trait::async_trait;

use super::to_owner::{done, submit};
use super::{Answer, Caller, CommandResult};

pub(super) struct KickHandler;

#[async_trait]
impl CommandHandler<Caller, Kick, Answer, ErrorBody> for KickHandler {
    async fn handle(&self, caller: &mut Caller, kick: Kick) -> CommandResult {
        let Kick {
            room_name,
            username,
            reason,
        } = kick;
        submit::<Kick>(
            caller,
            room_name,
            RoomCommand::Kick { username, reason },
            done,
        )
    }
}
