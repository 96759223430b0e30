//! Commands that change a room go to its owner.

use antiphon_protocol::client::{Command, Empty};
use antiphon_protocol::peer::{RoomCommand, RoomOutcome};
use antiphon_protocol::{ErrorBody, RoomName};
use tokio::sync::oneshot;

use super::{Caller, CommandResult, internal, later};

/// Hands a command to the owner of the room; `read` makes the reply of its outcome.
pub(super) fn submit<C: Command>(
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
    let (connection, user) = (caller.connection, caller.user()?);
    let router = &caller.node.router;
    router.submit(connection, user, room, command, completion);
    later::<C>(caller, outcome_rx, read)
}

/// The reply to a command that gives nothing back.
pub(super) fn done(outcome: RoomOutcome) -> Result<Empty, ErrorBody> {
    match outcome {
        RoomOutcome::Done => Ok(Empty {}),
        RoomOutcome::Failed(error) => Err(error),
        RoomOutcome::Ack(_) | RoomOutcome::Joined { .. } | RoomOutcome::Created(_) => {
            Err(internal("another outcome than done"))
        }
    }
}
