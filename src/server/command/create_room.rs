//! `createRoom`.

use antiphon_core::dispatcher::CommandHandler;
use antiphon_protocol::ErrorBody;
use antiphon_protocol::client::{CreateRoom, RoomInfoReply};
use antiphon_protocol::peer::{RoomCommand, RoomOutcome};
use async_trait::async_trait;

use super::to_owner::submit;
use super::{Answer, Caller, CommandResult, internal};

fn created(outcome: RoomOutcome) -> Result<RoomInfoReply, ErrorBody> {
    match outcome {
        RoomOutcome::Created(info) => Ok(info),
        RoomOutcome::Failed(error) => Err(error),
        RoomOutcome::Ack(_) | RoomOutcome::Joined { .. } | RoomOutcome::Done => {
            Err(internal("another outcome than created"))
        }
    }
}

pub(super) struct CreateHandler;

#[async_trait]
impl CommandHandler<Caller, CreateRoom, Answer, ErrorBody> for CreateHandler {
    async fn handle(&self, caller: &mut Caller, create: CreateRoom) -> CommandResult {
        let CreateRoom {
            room_name,
            kind: _,
            visibility,
            topic,
        } = create;
        submit::<CreateRoom>(
            caller,
            room_name,
            RoomCommand::Create { visibility, topic },
            created,
        )
    }
}
