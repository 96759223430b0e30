//! `search`: in one conversation, or in all of the asker's.

use antiphon_core::dispatcher::CommandHandler;
use antiphon_protocol::ErrorBody;
use antiphon_protocol::client::{Search, SearchReply};
use async_trait::async_trait;

use super::conversations::conversations_of;
use super::{Answer, Caller, CommandResult, refusal, reply};
use crate::server::message::{encoded_bytes, view};
use crate::server::settings::PAGE_BYTES_MAX;

pub(super) struct SearchHandler;

#[async_trait]
impl CommandHandler<Caller, Search, Answer, ErrorBody> for SearchHandler {
    async fn handle(&self, caller: &mut Caller, search: Search) -> CommandResult {
        let user = caller.user()?;
        let conversations = match search.conversation {
            Some(name) => {
                let conversation = caller.conversation(&name)?;
                caller.may_read(&conversation).await?;
                vec![conversation]
            }
            None => conversations_of(caller, &user).await.map_err(refusal)?,
        };
        let archive = &caller.node.backends.archive;
        let found = archive
            .search(&conversations, &search.words, search.limit as usize)
            .await;
        let mut budget = PAGE_BYTES_MAX;
        let mut messages = Vec::new();
        for record in found.map_err(refusal)? {
            let Some(rest) = budget.checked_sub(encoded_bytes(&record)) else {
                break;
            };
            budget = rest;
            messages.push(view(&record, &user));
        }
        reply::<Search>(caller, &SearchReply { messages })
    }
}
