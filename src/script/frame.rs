//! Requests of the protocol in their own JSON, for `exec`.

use antiphon_protocol::client::ClientCommand;
use antiphon_protocol::codec::{self, RejectedFrame};
use antiphon_protocol::{Command, RequestId};

use super::ask::{Asker, failed};
use super::out::Out;
use crate::exit::Failed;

/// Sends the request that a line holds and prints the frame that answers it.
pub async fn play(asker: &Asker, line: &str, out: &mut Out) -> Result<(), Failed> {
    let frame = match codec::decode_request(line) {
        Ok(frame) => frame,
        Err(rejected) => {
            let RejectedFrame { id, error, .. } = *rejected;
            out.raw(codec::encode_error(id.as_ref(), &error.body()))
                .await?;
            return Err(Failed::usage(error.to_string()));
        }
    };
    let id = frame.id;
    match frame.command {
        ClientCommand::Hello(_)
        | ClientCommand::Register(_)
        | ClientCommand::Login(_)
        | ClientCommand::Logout(_) => Err(Failed::usage(
            "the login is done already: hello, register, login and logout have no place here",
        )),
        ClientCommand::ChangePassword(c) => ask(asker, id, c, out).await,
        ClientCommand::Ping(c) => ask(asker, id, c, out).await,
        ClientCommand::Chat(mut chat) => {
            // So that a repetition is harmless.
            chat.client_id.get_or_insert_with(super::send::random_id);
            ask(asker, id, chat, out).await
        }
        ClientCommand::JoinRoom(c) => ask(asker, id, c, out).await,
        ClientCommand::LeaveRoom(c) => ask(asker, id, c, out).await,
        ClientCommand::CreateRoom(c) => ask(asker, id, c, out).await,
        ClientCommand::ListRooms(c) => ask(asker, id, c, out).await,
        ClientCommand::RoomInfo(c) => ask(asker, id, c, out).await,
        ClientCommand::RoomMembers(c) => ask(asker, id, c, out).await,
        ClientCommand::Invite(c) => ask(asker, id, c, out).await,
        ClientCommand::Kick(c) => ask(asker, id, c, out).await,
        ClientCommand::History(c) => ask(asker, id, c, out).await,
        ClientCommand::Sync(c) => ask(asker, id, c, out).await,
        ClientCommand::Search(c) => ask(asker, id, c, out).await,
        ClientCommand::Read(c) => ask(asker, id, c, out).await,
        ClientCommand::Conversations(c) => ask(asker, id, c, out).await,
        ClientCommand::UserInfo(c) => ask(asker, id, c, out).await,
        ClientCommand::Online(c) => ask(asker, id, c, out).await,
        ClientCommand::Popular(c) => ask(asker, id, c, out).await,
    }
}

async fn ask<C: Command + Clone>(
    asker: &Asker,
    id: Option<RequestId>,
    command: C,
    out: &mut Out,
) -> Result<(), Failed> {
    match asker.try_request(command).await {
        Ok(reply) => {
            let frame = codec::encode_reply(id.as_ref(), C::REPLY_ACTION, &reply);
            out.raw(frame).await
        }
        Err(error) => {
            if let Some(body) = error.refusal() {
                out.raw(codec::encode_error(id.as_ref(), body)).await?;
            }
            Err(failed(&error))
        }
    }
}
