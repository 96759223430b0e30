//! Counts commands, by how they were answered.

use antiphon_core::interceptor::{Interceptor, Next};
use antiphon_protocol::{ClientCommand, ErrorBody};
use async_trait::async_trait;

use crate::server::command::{Answer, Caller, CommandResult};

/// The outermost interceptor: it sees what the others refuse, too.
#[derive(Debug)]
pub(crate) struct Metering;

#[async_trait]
impl Interceptor<Caller, ClientCommand, Answer, ErrorBody> for Metering {
    fn name(&self) -> &'static str {
        "metering"
    }

    async fn around(
        &self,
        caller: &mut Caller,
        command: ClientCommand,
        next: Next<'_, Caller, ClientCommand, Answer, ErrorBody>,
    ) -> CommandResult {
        let action = command.action();
        let result = next.run(caller, command).await;
        let code = result.as_ref().err().map_or(0, |error| error.code);
        caller.node.metrics.command(action, code);
        result
    }
}
