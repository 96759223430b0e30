//! `online`.

use antiphon_core::dispatcher::CommandHandler;
use antiphon_protocol::ErrorBody;
use antiphon_protocol::client::{Online, OnlineReply, OnlineUser};
use async_trait::async_trait;

use super::{Answer, Caller, CommandResult, refusal, reply};

pub(super) struct OnlineHandler;

#[async_trait]
impl CommandHandler<Caller, Online, Answer, ErrorBody> for OnlineHandler {
    async fn handle(&self, caller: &mut Caller, online: Online) -> CommandResult {
        let sessions = &caller.node.backends.sessions;
        let prefix = online.prefix.unwrap_or_default().to_lowercase();
        let after = online.cursor.unwrap_or_default();
        let limit = online.limit as usize;
        let page = sessions
            .online(&prefix, &after, limit)
            .await
            .map_err(refusal)?;
        let total = sessions.count().await.map_err(refusal)?;
        let more = page.len() == limit;
        let users: Vec<OnlineUser> = page
            .into_iter()
            .map(|entry| OnlineUser {
                username: entry.user,
                sessions: entry.sessions,
            })
            .collect();
        let cursor = users
            .last()
            .filter(|_| more)
            .map(|user| user.username.to_string());
        reply::<Online>(
            caller,
            &OnlineReply {
                users,
                total,
                cursor,
            },
        )
    }
}
