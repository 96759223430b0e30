//! Nothing but `hello`, `register`, `login` and `ping` without a session.

use antiphon_core::interceptor::{Interceptor, Next};
use antiphon_protocol::{ClientCommand, ErrorBody};
use async_trait::async_trait;

use crate::server::command::{Answer, Caller, CommandResult, not_authenticated};

/// The one gate between strangers and everything else.
#[derive(Debug)]
pub(crate) struct Authentication;

#[async_trait]
impl Interceptor<Caller, ClientCommand, Answer, ErrorBody> for Authentication {
    fn name(&self) -> &'static str {
        "authentication"
    }

    async fn around(
        &self,
        caller: &mut Caller,
        command: ClientCommand,
        next: Next<'_, Caller, ClientCommand, Answer, ErrorBody>,
    ) -> CommandResult {
        if caller.session.is_none() && !is_open(&command) {
            return Err(not_authenticated());
        }
        next.run(caller, command).await
    }
}

/// Whether a stranger may ask for it.
fn is_open(command: &ClientCommand) -> bool {
    match command {
        ClientCommand::Hello(_)
        | ClientCommand::Register(_)
        | ClientCommand::Login(_)
        | ClientCommand::Ping(_) => true,
        ClientCommand::Logout(_)
        | ClientCommand::ChangePassword(_)
        | ClientCommand::Chat(_)
        | ClientCommand::JoinRoom(_)
        | ClientCommand::LeaveRoom(_)
        | ClientCommand::CreateRoom(_)
        | ClientCommand::ListRooms(_)
        | ClientCommand::RoomInfo(_)
        | ClientCommand::RoomMembers(_)
        | ClientCommand::Invite(_)
        | ClientCommand::Kick(_)
        | ClientCommand::History(_)
        | ClientCommand::Sync(_)
        | ClientCommand::Search(_)
        | ClientCommand::Read(_)
        | ClientCommand::Conversations(_)
        | ClientCommand::UserInfo(_)
        | ClientCommand::Online(_)
        | ClientCommand::Popular(_) => false,
    }
}
