//! `register`, `logout`, `changePassword`.

use antiphon_core::clock;
use antiphon_core::contract::{BackendErrorKind, UserRecord};
use antiphon_core::dispatcher::CommandHandler;
use antiphon_protocol::ErrorBody;
use antiphon_protocol::client::{ChangePassword, Empty, Logout, Register, RegisterReply, Secret};
use antiphon_protocol::close_code::NORMAL;
use antiphon_protocol::limits::PASSWORD_CHARS_MIN;
use antiphon_protocol::peer::EndReason;
use async_trait::async_trait;

use super::login::auth_refusal;
use super::{Answer, Caller, CommandResult, refusal, reply};

/// Passwords that every list of stolen ones begins with.
const COMMON_PASSWORDS: &[&str] = &[
    "password",
    "password1",
    "12345678",
    "123456789",
    "1234567890",
    "qwertyuiop",
    "qwerty123",
    "11111111",
    "iloveyou",
    "sunshine",
    "princess",
    "football",
    "baseball",
    "superman",
    "letmein1",
    "trustno1",
    "abcd1234",
    "passw0rd",
    "88888888",
    "00000000",
    "1q2w3e4r",
    "asdfghjkl",
    "zaq12wsx",
];

fn check_new_password(password: &Secret, username: &str, field: &str) -> Result<(), ErrorBody> {
    let text = password.0.as_str();
    let ext = format!("invalid_field:{field}");
    if text.chars().count() < PASSWORD_CHARS_MIN {
        let message = format!("a password has at least {PASSWORD_CHARS_MIN} characters");
        return Err(ErrorBody::new(400, ext, message));
    }
    let lower = text.to_lowercase();
    if lower.trim().is_empty() || lower == username || COMMON_PASSWORDS.contains(&lower.as_str()) {
        return Err(ErrorBody::new(
            400,
            ext,
            "this password is too easy to guess; take another",
        ));
    }
    Ok(())
}

pub(super) struct RegisterHandler;

#[async_trait]
impl CommandHandler<Caller, Register, Answer, ErrorBody> for RegisterHandler {
    async fn handle(&self, caller: &mut Caller, register: Register) -> CommandResult {
        let Register { username, password } = register;
        if !caller.node.settings.registration_open {
            return Err(ErrorBody::new(
                403,
                "registration_closed",
                "ask the operator for an account",
            ));
        }
        let taken = || {
            ErrorBody::new(
                409,
                "name_taken",
                "this name, or one that looks like it, is taken",
            )
        };
        if username.as_str().starts_with('_') {
            return Err(taken());
        }
        check_new_password(&password, username.as_str(), "password")?;
        let password_hash = caller
            .node
            .auth
            .hash(password)
            .await
            .map_err(auth_refusal)?;
        let record = UserRecord {
            name: username.clone(),
            password_hash: Some(password_hash),
            created_at_ms: clock::unix_ms(),
        };
        match caller.node.backends.users.create(record).await {
            Ok(()) => reply::<Register>(caller, &RegisterReply { username }),
            Err(error) if error.kind == BackendErrorKind::Conflict => Err(taken()),
            Err(error) => Err(refusal(error)),
        }
    }
}

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

pub(super) struct ChangePasswordHandler;

#[async_trait]
impl CommandHandler<Caller, ChangePassword, Answer, ErrorBody> for ChangePasswordHandler {
    async fn handle(&self, caller: &mut Caller, change: ChangePassword) -> CommandResult {
        let user = caller.user()?;
        check_new_password(&change.new_password, user.as_str(), "newPassword")?;
        let auth = &caller.node.auth;
        auth.check_password(&user, change.old_password, caller.address)
            .await
            .map_err(auth_refusal)?;
        let hash = auth.hash(change.new_password).await.map_err(auth_refusal)?;
        let users = &caller.node.backends.users;
        users.set_password(&user, &hash).await.map_err(refusal)?;
        let family = caller
            .session
            .as_ref()
            .map(|session| session.family.as_str());
        users.revoke_user(&user, family).await.map_err(refusal)?;
        let now = clock::unix_ms();
        let here = Some(caller.connection);
        caller
            .node
            .sessions
            .end(&user, now, EndReason::Revoked, here);
        caller
            .node
            .router
            .end_sessions(user, now, EndReason::Revoked);
        reply::<ChangePassword>(caller, &Empty {})
    }
}
