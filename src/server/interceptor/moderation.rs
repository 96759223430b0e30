//! The word filter: what is stored and what is delivered is the same, masked, text.

use std::borrow::Cow;

use antiphon_core::contract::body_hash;
use antiphon_core::interceptor::{Interceptor, Next};
use antiphon_protocol::{ClientCommand, ErrorBody};
use async_trait::async_trait;

use crate::server::command::{Answer, Caller, CommandResult};

/// Masks what the filter finds, before anything else sees the message.
#[derive(Debug)]
pub(crate) struct Moderation;

#[async_trait]
impl Interceptor<Caller, ClientCommand, Answer, ErrorBody> for Moderation {
    fn name(&self) -> &'static str {
        "moderation"
    }

    async fn around(
        &self,
        caller: &mut Caller,
        mut command: ClientCommand,
        next: Next<'_, Caller, ClientCommand, Answer, ErrorBody>,
    ) -> CommandResult {
        if let ClientCommand::Chat(chat) = &mut command {
            // Hashed before it is masked: a retry is a retry even if the lists changed.
            caller.body_hash = body_hash(&chat.format, &chat.message);
            if let Cow::Owned(masked) = caller.node.words.mask(&chat.message) {
                chat.message = masked;
            }
        } else if let ClientCommand::CreateRoom(create) = &mut command
            && let Cow::Owned(masked) = caller.node.words.mask(&create.topic)
        {
            create.topic = masked;
        }
        if let ClientCommand::Kick(kick) = &mut command
            && let Some(reason) = &mut kick.reason
            && let Cow::Owned(masked) = caller.node.words.mask(reason)
        {
            *reason = masked;
        }
        next.run(caller, command).await
    }
}
