//! `popular`: the words said most.

use antiphon_core::clock;
use antiphon_core::contract::RankingScope;
use antiphon_core::dispatcher::CommandHandler;
use antiphon_protocol::client::{Popular, PopularReply};
use antiphon_protocol::{ConversationId, ErrorBody};
use async_trait::async_trait;

use super::{Answer, Caller, CommandResult, refusal, reply};

pub(super) struct PopularHandler;

#[async_trait]
impl CommandHandler<Caller, Popular, Answer, ErrorBody> for PopularHandler {
    async fn handle(&self, caller: &mut Caller, popular: Popular) -> CommandResult {
        let scope = match popular.room_name {
            Some(room) => {
                caller.may_read(&ConversationId::Room(room.clone())).await?;
                RankingScope::Room(room)
            }
            None => RankingScope::Global,
        };
        let settings = &caller.node.settings;
        let window_ms = popular
            .window_seconds
            .map_or(settings.popular_window.as_millis() as u64, |s| s * 1_000);
        let now = clock::unix_ms();
        let mut since = now.saturating_sub(window_ms);
        if let Some(reset) = settings.popular_reset {
            // The ancestor empties its list at fixed times: a window that begins at the last
            // multiple of the period does the same, on every server, without a timer.
            let period = reset.as_millis().max(1) as u64;
            since = since.max(now - now % period);
        }
        let top = caller
            .node
            .backends
            .ranking
            .top(&scope, since, popular.n as usize)
            .await;
        let words = top.map_err(refusal)?;
        let words = words
            .into_iter()
            .flat_map(|(word, count)| [word, count.to_string()])
            .collect();
        reply::<Popular>(caller, &PopularReply { words })
    }
}
