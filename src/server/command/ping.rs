//! `ping` at the application level.

use antiphon_core::clock;
use antiphon_core::dispatcher::CommandHandler;
use antiphon_protocol::ErrorBody;
use antiphon_protocol::client::{Ping, Pong};
use async_trait::async_trait;

use super::{Answer, Caller, CommandResult, reply};

pub(super) struct PingHandler;

#[async_trait]
impl CommandHandler<Caller, Ping, Answer, ErrorBody> for PingHandler {
    async fn handle(&self, caller: &mut Caller, _: Ping) -> CommandResult {
        reply::<Ping>(
            caller,
            &Pong {
                server_time_ms: clock::unix_ms(),
            },
        )
    }
}
