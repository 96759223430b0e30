//! `sync`.

use antiphon_core::dispatcher::CommandHandler;
use antiphon_protocol::ErrorBody;
use antiphon_protocol::client::{Sync, SyncReply};
use async_trait::async_trait;

use super::page::{From, page};
use super::{Answer, Caller, CommandResult, reply};
use crate::server::settings::PAGE_BYTES_MAX;

pub(super) struct SyncHandler;

#[async_trait]
impl CommandHandler<Caller, Sync, Answer, ErrorBody> for SyncHandler {
    /// A conversation that the user has no part in (any more) is left out of the answer, so
    /// that one lost room does not keep a client from the others.
    async fn handle(&self, caller: &mut Caller, sync: Sync) -> CommandResult {
        let mut conversations = Vec::new();
        let mut budget = PAGE_BYTES_MAX;
        for cursor in sync.cursors {
            let conversation = caller.conversation(&cursor.conversation)?;
            match caller.may_read(&conversation).await {
                Ok(()) => {}
                Err(error) if error.code == 404 => continue,
                Err(error) => return Err(error),
            }
            let from = From::After(cursor.after_seq);
            let limit = sync.limit as usize;
            conversations.push(page(caller, &conversation, from, limit, &mut budget).await?);
        }
        reply::<Sync>(caller, &SyncReply { conversations })
    }
}
