//! The commands of the client port: one file each, one table, one list of interceptors.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use antiphon_core::contract::BackendError;
use antiphon_core::dispatcher::{Dispatcher, Handler};
use antiphon_core::error_chain::ErrorChain;
use antiphon_core::random;
use antiphon_protocol::client::{self, Command};
use antiphon_protocol::peer::RoomOutcome;
use antiphon_protocol::{
    ClientCommand, ConnectionId, ConversationId, ErrorBody, RequestId, SessionId, UserName, codec,
};
use async_trait::async_trait;
use tokio::sync::oneshot;
use tracing::{error, warn};

use super::interceptor::{Authentication, Metering, Moderation, RateLimit, TokenBucket};
use super::node::Node;
use super::recorder::{store_unavailable, unknown_outcome};
use super::room::room_not_found;
use super::session::Outbound;

mod change_password;
mod chat;
mod conversations;
mod create_room;
mod hello;
mod history;
mod invite;
mod join_room;
mod kick;
mod leave_room;
mod list_rooms;
mod login;
mod logout;
mod online;
mod page;
mod password;
mod ping;
mod popular;
mod read;
mod register;
mod room_info;
mod room_members;
mod search;
mod sync;
mod to_owner;
mod user_info;

/// An authenticated connection.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    /// Whose.
    pub(crate) user: UserName,
    /// Its id.
    pub(crate) id: SessionId,
    /// The tokens that descend from its login.
    pub(crate) family: String,
}

/// The context of every command: one connection.
#[derive(Debug)]
pub(crate) struct Caller {
    /// The server.
    pub(crate) node: Arc<Node>,
    /// The socket.
    pub(crate) connection: ConnectionId,
    /// Where the socket comes from.
    pub(crate) address: IpAddr,
    /// Its queue.
    pub(crate) outbound: Arc<Outbound>,
    /// Set by a login; never changes to another user.
    pub(crate) session: Option<Session>,
    /// The request being answered.
    pub(crate) re: Option<RequestId>,
    /// Wrong credentials so far.
    pub(crate) login_failures: u32,
    /// What it may send.
    pub(crate) bucket: TokenBucket,
    /// Hash of the message as the client sent it, before moderation.
    pub(crate) body_hash: [u8; 16],
}

impl Caller {
    /// The session's user. The authentication interceptor lets no command without a session
    /// through to the handlers that call this.
    pub(crate) fn user(&self) -> Result<UserName, ErrorBody> {
        self.session
            .as_ref()
            .map(|session| session.user.clone())
            .ok_or_else(not_authenticated)
    }

    /// Ends the session, if there is one: here first, then for everybody. Exactly this
    /// session; the user's others stay.
    pub(crate) async fn unbind(&mut self) {
        let Some(session) = self.session.take() else {
            return;
        };
        if self.node.sessions.unbind(&session.user, &session.id) {
            self.node.router.session_down(session.user.clone());
        }
        let unbound = self
            .node
            .backends
            .sessions
            .unbind(&session.user, &session.id)
            .await;
        if let Err(error) = unbound {
            warn!(error = %ErrorChain(&error), "could not unbind a session");
        }
    }

    /// The conversation that a client's name means for this user.
    pub(crate) fn conversation(&self, name: &str) -> Result<ConversationId, ErrorBody> {
        ConversationId::parse(name, &self.user()?).ok_or_else(|| {
            ErrorBody::new(
                400,
                "invalid_field:conversation",
                "room:NAME or user:NAME expected",
            )
        })
    }

    /// Whether the user may read the conversation; a room that is not there and one that the
    /// user is no member of are the same to it.
    pub(crate) async fn may_read(&self, conversation: &ConversationId) -> Result<(), ErrorBody> {
        let ConversationId::Room(room) = conversation else {
            return Ok(());
        };
        let standing = self.node.backends.rooms.standing(room, &self.user()?).await;
        match standing.map_err(refusal)? {
            Some(standing) if standing.is_member() => Ok(()),
            Some(_) | None => Err(room_not_found()),
        }
    }
}

/// What a handler gives back.
pub(crate) enum Answer {
    /// The reply's frame.
    Now(String),
    /// The frame comes later; the connection reads on meanwhile.
    Later(Pin<Box<dyn Future<Output = String> + Send>>),
    /// The reply was queued already, in its place among the deliveries.
    Queued,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Now(_) => "Now",
            Self::Later(_) => "Later",
            Self::Queued => "Queued",
        })
    }
}

/// The result of every handler.
pub(crate) type CommandResult = Result<Answer, ErrorBody>;

/// The reply to a command of type `C`.
pub(crate) fn reply<C: Command>(caller: &Caller, data: &C::Reply) -> CommandResult {
    Ok(Answer::Now(codec::encode_reply(
        caller.re.as_ref(),
        C::REPLY_ACTION,
        data,
    )))
}

/// An answer that waits for the owner of a room (or the writer of a direct conversation).
pub(crate) fn later<C: Command>(
    caller: &Caller,
    outcome: oneshot::Receiver<RoomOutcome>,
    read: fn(RoomOutcome) -> Result<C::Reply, ErrorBody>,
) -> CommandResult {
    let re = caller.re.clone();
    Ok(Answer::Later(Box::pin(async move {
        let outcome = outcome
            .await
            .unwrap_or_else(|_| RoomOutcome::Failed(unknown_outcome()));
        match read(outcome) {
            Ok(data) => codec::encode_reply(re.as_ref(), C::REPLY_ACTION, &data),
            Err(error) => codec::encode_error(re.as_ref(), &error),
        }
    })))
}

/// The server's bug: logged under an id that the client is shown.
pub(crate) fn internal(what: &str) -> ErrorBody {
    let incident = random::hex::<4>();
    error!(
        incident,
        what, "a command ended in a way that should not be"
    );
    ErrorBody::new(
        500,
        "internal",
        format!("an error of the server; report it as {incident}"),
    )
}

/// What a client is told when a store fails.
#[expect(
    clippy::needless_pass_by_value,
    reason = "used as a function of map_err"
)]
pub(crate) fn refusal(error: BackendError) -> ErrorBody {
    warn!(error = %ErrorChain(&error), "a store failed");
    if error.is_retryable() {
        store_unavailable()
    } else {
        internal("backend")
    }
}

/// Nothing but logging in is possible yet.
pub(crate) fn not_authenticated() -> ErrorBody {
    ErrorBody::new(401, "not_authenticated", "log in first")
}

/// The dispatcher of the client port.
pub(crate) type CommandDispatcher = Dispatcher<Caller, ClientCommand, Answer, ErrorBody>;

struct NoHandler;

#[async_trait]
impl Handler<Caller, ClientCommand, Answer, ErrorBody> for NoHandler {
    async fn call(&self, _: &mut Caller, _: ClientCommand) -> CommandResult {
        Err(antiphon_protocol::DecodeError::UnknownAction.body())
    }
}

/// The table and the list, in the order in which a command meets them. Size and shape were
/// checked when the frame was decoded.
pub(crate) fn dispatcher() -> CommandDispatcher {
    Dispatcher::new(NoHandler)
        .around(Metering)
        .around(Authentication)
        .around(RateLimit)
        .around(Moderation)
        .on::<client::Hello>(client::Hello::ACTION, hello::HelloHandler)
        .on::<client::Ping>(client::Ping::ACTION, ping::PingHandler)
        .on::<client::Register>(client::Register::ACTION, register::RegisterHandler)
        .on::<client::Login>(client::Login::ACTION, login::LoginHandler)
        .on::<client::Logout>(client::Logout::ACTION, logout::LogoutHandler)
        .on::<client::ChangePassword>(
            client::ChangePassword::ACTION,
            change_password::ChangePasswordHandler,
        )
        .on::<client::Chat>(client::Chat::ACTION, chat::ChatHandler)
        .on::<client::JoinRoom>(client::JoinRoom::ACTION, join_room::JoinHandler)
        .on::<client::LeaveRoom>(client::LeaveRoom::ACTION, leave_room::LeaveHandler)
        .on::<client::CreateRoom>(client::CreateRoom::ACTION, create_room::CreateHandler)
        .on::<client::Invite>(client::Invite::ACTION, invite::InviteHandler)
        .on::<client::Kick>(client::Kick::ACTION, kick::KickHandler)
        .on::<client::ListRooms>(client::ListRooms::ACTION, list_rooms::ListHandler)
        .on::<client::RoomInfo>(client::RoomInfo::ACTION, room_info::InfoHandler)
        .on::<client::RoomMembers>(client::RoomMembers::ACTION, room_members::MembersHandler)
        .on::<client::History>(client::History::ACTION, history::HistoryHandler)
        .on::<client::Sync>(client::Sync::ACTION, sync::SyncHandler)
        .on::<client::Search>(client::Search::ACTION, search::SearchHandler)
        .on::<client::Read>(client::Read::ACTION, read::ReadHandler)
        .on::<client::Conversations>(
            client::Conversations::ACTION,
            conversations::ConversationsHandler,
        )
        .on::<client::UserInfo>(client::UserInfo::ACTION, user_info::UserInfoHandler)
        .on::<client::Online>(client::Online::ACTION, online::OnlineHandler)
        .on::<client::Popular>(client::Popular::ACTION, popular::PopularHandler)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_a_handler_and_the_list_of_interceptors_is_this_one() {
        let dispatcher = dispatcher();
        let mut actions = ClientCommand::ACTIONS.to_vec();
        actions.sort_unstable();
        assert_eq!(dispatcher.actions(), actions);
        assert_eq!(
            dispatcher.interceptors(),
            ["metering", "authentication", "rate_limit", "moderation"]
        );
    }
}
