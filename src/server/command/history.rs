//! `history`.

use antiphon_core::dispatcher::CommandHandler;
use antiphon_protocol::client::History;
use antiphon_protocol::{ConversationId, ErrorBody};
use async_trait::async_trait;

use super::page::{From, page};
use super::{Answer, Caller, CommandResult, refusal, reply};
use crate::server::settings::PAGE_BYTES_MAX;

pub(super) struct HistoryHandler;

#[async_trait]
impl CommandHandler<Caller, History, Answer, ErrorBody> for HistoryHandler {
    async fn handle(&self, caller: &mut Caller, history: History) -> CommandResult {
        let conversation = caller.conversation(&history.conversation)?;
        caller.may_read(&conversation).await?;
        let from = match (history.before_seq, history.after_seq, history.around_ts) {
            (_, Some(seq), _) => From::After(seq),
            (_, _, Some(ts)) => around(caller, &conversation, ts, history.limit).await?,
            (before, None, None) => From::Before(before.unwrap_or(u64::MAX)),
        };
        let mut budget = PAGE_BYTES_MAX;
        let page = page(
            caller,
            &conversation,
            from,
            history.limit as usize,
            &mut budget,
        )
        .await?;
        reply::<History>(caller, &page)
    }
}

/// The page whose middle is the first message at or after `ts`.
async fn around(
    caller: &Caller,
    conversation: &ConversationId,
    ts: u64,
    limit: u64,
) -> Result<From, ErrorBody> {
    let middle = caller
        .node
        .backends
        .archive
        .seq_at(conversation, ts)
        .await
        .map_err(refusal)?;
    Ok(match middle {
        Some(seq) => From::After(seq.saturating_sub(limit / 2 + 1)),
        None => From::Before(u64::MAX),
    })
}
