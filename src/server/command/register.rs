//! `register`.

use antiphon_core::clock;
use antiphon_core::contract::{BackendErrorKind, UserRecord};
use antiphon_core::dispatcher::CommandHandler;
use antiphon_protocol::ErrorBody;
use antiphon_protocol::client::{Register, RegisterReply};
use async_trait::async_trait;

use super::login::auth_refusal;
use super::password::check_new_password;
use super::{Answer, Caller, CommandResult, refusal, reply};

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
