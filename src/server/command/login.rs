//! `login`: who it is, then the session: bound here, in the registry, announced to the
//! leader; only then the answer.

use std::sync::Arc;

use antiphon_core::clock;
use antiphon_core::contract::SessionEntry;
use antiphon_core::dispatcher::CommandHandler;
use antiphon_core::random;
use antiphon_protocol::client::{Login, LoginReply};
use antiphon_protocol::close_code::{BAD_CREDENTIALS, TOKEN_EXPIRED};
use antiphon_protocol::peer::EndReason;
use antiphon_protocol::{ErrorBody, SessionId, UserName};
use async_trait::async_trait;

use super::conversations::summaries;
use super::{Answer, Caller, CommandResult, Session, not_authenticated, refusal, reply};
use crate::server::auth::{AuthError, Grant};
use crate::server::session::LocalSession;
use crate::server::settings::{ANNOUNCE_MAX, AuthMode, LOGIN_FAILURES_MAX, SessionPolicy};

/// What a client is told when a login fails.
pub(super) fn auth_refusal(error: AuthError) -> ErrorBody {
    match error {
        AuthError::Failed => ErrorBody::new(401, "auth_failed", "wrong name or password"),
        AuthError::TokenExpired => ErrorBody::new(
            401,
            "token_expired",
            "the session has expired; log in again",
        ),
        AuthError::Throttled(wait) => ErrorBody::retry(
            429,
            "rate_limited",
            "too many wrong logins; wait and try again",
            wait.as_millis() as u64 + 1,
        ),
        AuthError::Overloaded => ErrorBody::retry(
            503,
            "overloaded",
            "too many logins at once; try again",
            1_000,
        ),
        AuthError::Backend(error) => refusal(error),
    }
}

pub(super) struct LoginHandler;

#[async_trait]
impl CommandHandler<Caller, Login, Answer, ErrorBody> for LoginHandler {
    async fn handle(&self, caller: &mut Caller, login: Login) -> CommandResult {
        if caller.session.is_some() {
            let message = "this connection is logged in; open another one for another login";
            return Err(ErrorBody::new(409, "already_logged_in", message));
        }
        let (user, grant) = match identify(caller, login).await {
            Ok(identity) => identity,
            Err(error) => {
                note_failure(caller, &error);
                return Err(auth_refusal(error));
            }
        };
        apply_policy(caller, &user).await?;
        let conversations = match bind(caller, &user, grant.family).await {
            Ok(()) => summaries(caller, &user).await,
            Err(error) => Err(error),
        };
        let (Ok(conversations), Some(session)) = (conversations.as_ref(), &caller.session) else {
            // Half a login is none.
            caller.unbind().await;
            return Err(conversations.err().unwrap_or_else(not_authenticated));
        };
        let data = LoginReply {
            username: user.clone(),
            session_id: session.id.clone(),
            resume_token: grant.token,
            log_id: caller.node.backends.archive.log_id(),
            conversations: conversations.clone(),
        };
        reply::<Login>(caller, &data)
    }
}

async fn identify(caller: &Caller, login: Login) -> Result<(UserName, Grant), AuthError> {
    let auth = &caller.node.auth;
    if let Some(token) = login.resume_token {
        let (user, grant) = auth.resume(&token).await?;
        return match login.username {
            Some(named) if named != user => Err(AuthError::Failed),
            Some(_) | None => Ok((user, grant)),
        };
    }
    let user = login.username.ok_or(AuthError::Failed)?;
    match (login.password, caller.node.settings.auth_mode) {
        (Some(password), AuthMode::Password) => {
            auth.check_password(&user, password, caller.address).await?;
        }
        (_, AuthMode::Open) if caller.node.knows_user(&user).await? => {}
        (_, AuthMode::Open) | (None, AuthMode::Password) => return Err(AuthError::Failed),
    }
    let grant = auth.grant(&user).await?;
    Ok((user, grant))
}

fn note_failure(caller: &mut Caller, error: &AuthError) {
    match error {
        AuthError::TokenExpired => caller.outbound.close(TOKEN_EXPIRED),
        // Without passwords there is nothing to guess.
        AuthError::Failed if caller.node.settings.auth_mode == AuthMode::Open => {}
        AuthError::Failed => {
            caller.login_failures += 1;
            if caller.login_failures >= LOGIN_FAILURES_MAX {
                caller.outbound.close(BAD_CREDENTIALS);
            }
        }
        AuthError::Throttled(_) | AuthError::Overloaded | AuthError::Backend(_) => {}
    }
}

async fn apply_policy(caller: &Caller, user: &UserName) -> Result<(), ErrorBody> {
    match caller.node.settings.session_policy {
        SessionPolicy::Allow => Ok(()),
        SessionPolicy::KickOldest => {
            let now = clock::unix_ms();
            caller
                .node
                .sessions
                .end(user, now, EndReason::Replaced, None);
            caller
                .node
                .router
                .end_sessions(user.clone(), now, EndReason::Replaced);
            Ok(())
        }
        SessionPolicy::Refuse => {
            let live = caller
                .node
                .backends
                .sessions
                .locate(user)
                .await
                .map_err(refusal)?;
            if live.is_empty() {
                return Ok(());
            }
            Err(ErrorBody::new(
                409,
                "already_online",
                "this user is logged in elsewhere",
            ))
        }
    }
}

/// From here on deliveries reach the connection; what came before is in the summaries.
async fn bind(caller: &mut Caller, user: &UserName, family: String) -> Result<(), ErrorBody> {
    let node = Arc::clone(&caller.node);
    let id = SessionId(random::hex::<16>());
    let login_at_ms = clock::unix_ms();
    let entry = SessionEntry {
        session: id.clone(),
        user: user.clone(),
        node: node.id(),
        login_at_ms,
    };
    caller.session = Some(Session {
        user: user.clone(),
        id: id.clone(),
        family,
    });
    node.backends.sessions.bind(entry).await.map_err(refusal)?;
    // Read before: from the first session on every later one counts on its announcement.
    let rooms = node.backends.rooms.rooms_of(user).await.map_err(refusal)?;
    let outbound = Arc::clone(&caller.outbound);
    let local = LocalSession {
        id,
        login_at_ms,
        connection: caller.connection,
        outbound,
    };
    let first = node.sessions.bind(user.clone(), local);
    if first {
        // So that who is logged in can be reached by everybody. Without a leader, or with a slow
        // one, the login goes on: positions tell what was missed.
        let seen = node.router.session_up(user.clone(), rooms);
        let _ = clock::timeout(ANNOUNCE_MAX, seen).await;
    }
    Ok(())
}
