//! `joinRoom`.

use std::sync::Arc;

use antiphon_core::dispatcher::CommandHandler;
use antiphon_protocol::client::{Command, JoinRoom};
use antiphon_protocol::peer::{RoomCommand, RoomOutcome};
use antiphon_protocol::{ErrorBody, Message, codec};
use async_trait::async_trait;

use super::{Answer, Caller, CommandResult, internal};
use crate::server::settings::REPLAY_BYTES_MAX;

/// The newest of the recent messages, as many as leave room in the queue for what the room
/// says meanwhile.
fn replay(recent: &[Message]) -> Vec<String> {
    let mut budget = REPLAY_BYTES_MAX;
    let mut frames = Vec::new();
    for message in recent.iter().rev() {
        let frame = codec::encode_event(Some(message.message_id.as_str()), "chat", message);
        let Some(rest) = budget.checked_sub(frame.len()) else {
            break;
        };
        budget = rest;
        frames.push(frame);
    }
    frames.reverse();
    frames
}

pub(super) struct JoinHandler;

#[async_trait]
impl CommandHandler<Caller, JoinRoom, Answer, ErrorBody> for JoinHandler {
    /// The recent messages and the reply are queued when the owner's answer arrives, which is
    /// before any later message of the room does.
    async fn handle(&self, caller: &mut Caller, join: JoinRoom) -> CommandResult {
        let outbound = Arc::clone(&caller.outbound);
        let re = caller.re.clone();
        let completion = Box::new(move |outcome| {
            let frame = match outcome {
                RoomOutcome::Joined { reply, recent } => {
                    for frame in replay(&recent) {
                        outbound.push_reply(frame.into());
                    }
                    codec::encode_reply(re.as_ref(), JoinRoom::REPLY_ACTION, &reply)
                }
                RoomOutcome::Failed(error) => codec::encode_error(re.as_ref(), &error),
                RoomOutcome::Ack(_) | RoomOutcome::Created(_) | RoomOutcome::Done => {
                    codec::encode_error(re.as_ref(), &internal("another outcome than joined"))
                }
            };
            outbound.push_reply(frame.into());
        });
        caller.node.router.submit(
            caller.connection,
            caller.user()?,
            join.room_name,
            RoomCommand::Join,
            completion,
        );
        Ok(Answer::Queued)
    }
}
