//! Commands that change a room: each goes to its owner.

use std::sync::Arc;

use antiphon_core::dispatcher::CommandHandler;
use antiphon_protocol::client::{
    Command, CreateRoom, Empty, Invite, JoinRoom, Kick, LeaveRoom, RoomInfoReply,
};
use antiphon_protocol::peer::{RoomCommand, RoomOutcome};
use antiphon_protocol::{ErrorBody, Message, RoomName, codec};
use async_trait::async_trait;
use tokio::sync::oneshot;

use super::{Answer, Caller, CommandResult, internal, later, refusal};
use crate::server::settings::PAGE_BYTES_MAX;

fn submit<C: Command>(
    caller: &Caller,
    room: RoomName,
    command: RoomCommand,
    read: fn(RoomOutcome) -> Result<C::Reply, ErrorBody>,
) -> CommandResult {
    let (outcome_tx, outcome_rx) = oneshot::channel();
    let completion = Box::new(move |outcome| {
        // A connection that is gone does not wait.
        let _ = outcome_tx.send(outcome);
    });
    caller
        .node
        .router
        .submit(caller.user()?, room, command, completion);
    later::<C>(caller, outcome_rx, read)
}

fn done(outcome: RoomOutcome) -> Result<Empty, ErrorBody> {
    match outcome {
        RoomOutcome::Done => Ok(Empty {}),
        RoomOutcome::Failed(error) => Err(error),
        RoomOutcome::Ack(_) | RoomOutcome::Joined { .. } | RoomOutcome::Created(_) => {
            Err(internal("another outcome than done"))
        }
    }
}

fn created(outcome: RoomOutcome) -> Result<RoomInfoReply, ErrorBody> {
    match outcome {
        RoomOutcome::Created(info) => Ok(info),
        RoomOutcome::Failed(error) => Err(error),
        RoomOutcome::Ack(_) | RoomOutcome::Joined { .. } | RoomOutcome::Done => {
            Err(internal("another outcome than created"))
        }
    }
}

/// The newest of the recent messages, as many as leave room in the queue for what the room
/// says meanwhile.
fn replay(recent: &[Message]) -> Vec<String> {
    let mut budget = PAGE_BYTES_MAX;
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
            caller.user()?,
            join.room_name,
            RoomCommand::Join,
            completion,
        );
        Ok(Answer::Queued)
    }
}

pub(super) struct LeaveHandler;

#[async_trait]
impl CommandHandler<Caller, LeaveRoom, Answer, ErrorBody> for LeaveHandler {
    async fn handle(&self, caller: &mut Caller, leave: LeaveRoom) -> CommandResult {
        submit::<LeaveRoom>(caller, leave.room_name, RoomCommand::Leave, done)
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
