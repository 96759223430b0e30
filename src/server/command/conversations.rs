//! A user's conversations, with unread counts.

use std::collections::HashMap;

use antiphon_core::contract::BackendResult;
use antiphon_core::dispatcher::CommandHandler;
use antiphon_protocol::client::{
    ConversationKind, ConversationSummary, Conversations, ConversationsReply,
};
use antiphon_protocol::{ConversationId, ErrorBody, UserName};
use async_trait::async_trait;

use super::{Answer, Caller, CommandResult, refusal, reply};
use crate::server::settings::UNREAD_MAX;

pub(super) struct ConversationsHandler;

#[async_trait]
impl CommandHandler<Caller, Conversations, Answer, ErrorBody> for ConversationsHandler {
    async fn handle(&self, caller: &mut Caller, _: Conversations) -> CommandResult {
        let user = caller.user()?;
        let conversations = summaries(caller, &user).await?;
        reply::<Conversations>(caller, &ConversationsReply { conversations })
    }
}

/// Rooms first, then direct conversations, each by name.
pub(super) async fn summaries(
    caller: &Caller,
    user: &UserName,
) -> Result<Vec<ConversationSummary>, ErrorBody> {
    read_summaries(caller, user).await.map_err(refusal)
}

/// The conversations that a user has a part in.
pub(super) async fn conversations_of(
    caller: &Caller,
    user: &UserName,
) -> BackendResult<Vec<ConversationId>> {
    let rooms = caller.node.backends.rooms.rooms_of(user).await?;
    let mut all: Vec<ConversationId> = rooms.into_iter().map(ConversationId::Room).collect();
    let mut direct = caller
        .node
        .backends
        .archive
        .direct_conversations(user)
        .await?;
    direct.sort_by_key(|conversation| conversation.name_for(user));
    all.extend(direct);
    Ok(all)
}

async fn read_summaries(
    caller: &Caller,
    user: &UserName,
) -> BackendResult<Vec<ConversationSummary>> {
    let backends = &caller.node.backends;
    let cursors: HashMap<ConversationId, u64> = backends
        .rooms
        .read_cursors(user)
        .await?
        .into_iter()
        .collect();
    let mut list = Vec::new();
    for conversation in conversations_of(caller, user).await? {
        let read_seq = cursors.get(&conversation).copied().unwrap_or(0);
        let last_seq = backends
            .archive
            .tail(&conversation)
            .await?
            .map_or(0, |tail| tail.seq);
        let unread = if read_seq < last_seq {
            backends
                .archive
                .unread(&conversation, user, read_seq, UNREAD_MAX)
                .await?
        } else {
            0
        };
        let kind = match conversation {
            ConversationId::Room(_) => ConversationKind::Room,
            ConversationId::Direct(..) => ConversationKind::User,
        };
        let name = conversation.name_for(user);
        list.push(ConversationSummary {
            name,
            kind,
            last_seq,
            read_seq,
            unread,
        });
    }
    Ok(list)
}
