//! `read`: moves a read cursor.

use antiphon_core::dispatcher::CommandHandler;
use antiphon_protocol::ErrorBody;
use antiphon_protocol::client::{Read, ReadReply};
use async_trait::async_trait;

use super::{Answer, Caller, CommandResult, refusal, reply};
use crate::server::settings::UNREAD_MAX;

pub(super) struct ReadHandler;

#[async_trait]
impl CommandHandler<Caller, Read, Answer, ErrorBody> for ReadHandler {
    async fn handle(&self, caller: &mut Caller, read: Read) -> CommandResult {
        let user = caller.user()?;
        let conversation = caller.conversation(&read.conversation)?;
        caller.may_read(&conversation).await?;
        let backends = &caller.node.backends;
        let top = backends
            .archive
            .tail(&conversation)
            .await
            .map_err(refusal)?;
        let top = top.map_or(0, |tail| tail.seq);
        if read.seq > top {
            let message = format!("the conversation ends at {top}");
            return Err(ErrorBody::new(400, "stale_cursor", message));
        }
        let moved = backends
            .rooms
            .set_read(&user, &conversation, read.seq)
            .await;
        let read_seq = moved.map_err(refusal)?;
        let unread = backends
            .archive
            .unread(&conversation, &user, read_seq, UNREAD_MAX)
            .await;
        let data = ReadReply {
            conversation: conversation.name_for(&user),
            read_seq,
            unread: unread.map_err(refusal)?,
        };
        reply::<Read>(caller, &data)
    }
}
