//! `chat`: to the owner of the room, or to the writer of the direct conversation.

use antiphon_core::dispatcher::CommandHandler;
use antiphon_core::random;
use antiphon_protocol::client::{Ack, Chat, Target};
use antiphon_protocol::peer::{RoomCommand, RoomOutcome};
use antiphon_protocol::{ClientId, ErrorBody, UserName, codec};
use async_trait::async_trait;
use tokio::sync::oneshot;

use super::{Answer, Caller, CommandResult, internal, later, refusal};
use crate::server::direct::DirectMessage;

pub(super) struct ChatHandler;

#[async_trait]
impl CommandHandler<Caller, Chat, Answer, ErrorBody> for ChatHandler {
    async fn handle(&self, caller: &mut Caller, chat: Chat) -> CommandResult {
        let user = caller.user()?;
        let own = chat.client_id.is_some();
        let client_id = chat.client_id.clone().unwrap_or_else(server_made_id);
        let (outcome_tx, outcome_rx) = oneshot::channel();
        let completion = Box::new(move |outcome| {
            // A connection that is gone does not wait.
            let _ = outcome_tx.send(outcome);
        });
        match chat.target {
            Target::Room(room) => {
                let command = RoomCommand::Chat {
                    client_id,
                    own,
                    body_hash: caller.body_hash,
                    message: chat.message,
                    format: chat.format,
                    after: chat.after,
                };
                let router = &caller.node.router;
                router.submit(caller.connection, user, room, command, completion);
                later::<Chat>(caller, outcome_rx, ack)
            }
            Target::User(to) => {
                if !caller.node.knows_user(&to).await.map_err(refusal)? {
                    let unknown = ErrorBody::new(404, "user_not_found", "no such user");
                    return Err(if own {
                        unknown
                    } else {
                        not_on_line(&to, "user_not_found")
                    });
                }
                let message = DirectMessage {
                    from: user,
                    to: to.clone(),
                    client_id,
                    own,
                    body_hash: caller.body_hash,
                    format: chat.format,
                    body: chat.message,
                    after: chat.after,
                    origin: caller.connection,
                    completion,
                };
                caller.node.direct.send(message).await;
                if own {
                    later::<Chat>(caller, outcome_rx, ack)
                } else {
                    plain(caller, to, outcome_rx)
                }
            }
        }
    }
}

fn server_made_id() -> ClientId {
    ClientId::parse(&format!("s-{}", random::hex::<16>())).expect("visible ASCII")
}

/// The ancestor's answer for somebody who is away.
fn not_on_line(user: &UserName, ext: &str) -> ErrorBody {
    ErrorBody::new(404, ext, format!("user {user} is not on line"))
}

fn ack(outcome: RoomOutcome) -> Result<Ack, ErrorBody> {
    match outcome {
        RoomOutcome::Ack(ack) => Ok(ack),
        RoomOutcome::Failed(error) => Err(error),
        RoomOutcome::Joined { .. } | RoomOutcome::Created(_) | RoomOutcome::Done => {
            Err(internal("another outcome than an ack"))
        }
    }
}

/// A direct message of a client that does not ask for acks, as the ancestor's: stored and
/// acked, and besides an error frame if the receiver is away.
fn plain(caller: &Caller, to: UserName, outcome: oneshot::Receiver<RoomOutcome>) -> CommandResult {
    let node = std::sync::Arc::clone(&caller.node);
    let outbound = std::sync::Arc::clone(&caller.outbound);
    let Answer::Later(acked) = later::<Chat>(caller, outcome, ack)? else {
        return Err(internal("an answer that is not late"));
    };
    Ok(Answer::Later(Box::pin(async move {
        let reply = acked.await;
        // "Cannot tell" is not "away": only a certain answer is told.
        if let Ok(sessions) = node.backends.sessions.locate(&to).await
            && sessions.is_empty()
        {
            outbound.push_reply(reply.into());
            return codec::encode_error(None, &not_on_line(&to, "user_offline"));
        }
        reply
    })))
}
