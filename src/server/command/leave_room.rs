//! `leaveRoom`.

use antiphon_core::dispatcher::CommandHandler;
use antiphon_protocol::ErrorBody;
use antiphon_protocol::client::LeaveRoom;
use antiphon_protocol::peer::RoomCommand;
use async_trait::async_trait;

use super::to_owner::{done, submit};
use super::{Answer, Caller, CommandResult};

pub(super) struct LeaveHandler;

#[async_trait]
impl CommandHandler<Caller, LeaveRoom, Answer, ErrorBody> for LeaveHandler {
    async fn handle(&self, caller: &mut Caller, leave: LeaveRoom) -> CommandResult {
        submit::<LeaveRoom>(caller, leave.room_name, RoomCommand::Leave, done)
    }
}
