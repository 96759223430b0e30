//! `logout`.

use antiphon_core::dispatcher::CommandHandler;
use antiphon_protocol::ErrorBody;
use antiphon_protocol::client::{Empty, Logout};
use antiphon_protocol::close_code::NORMAL;
use async_trait::async_trait;

use super::{Answer, Caller, CommandResult, refusal, reply};

pub(super) struct LogoutHandler;

#[async_trait]
impl CommandHandler<Caller, Logout, Answer, ErrorBody> for LogoutHandler {
    async fn handle(&self, caller: &mut Caller, _: Logout) -> CommandResult {
        if let Some(session) = &caller.session {
            caller
                .node
                .backends
                .users
                .revoke_family(&session.family)
                .await
                .map_err(refusal)?;
        }
        let answer = reply::<Logout>(caller, &Empty {})?;
        if let Answer::Now(frame) = answer {
            caller.outbound.push_reply(frame.into());
        }
        caller.outbound.close(NORMAL);
        Ok(Answer::Queued)
    }
}
