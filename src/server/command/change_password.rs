//! `changePassword`: ends every other session of the user.

use antiphon_core::clock;
use antiphon_core::dispatcher::CommandHandler;
use antiphon_protocol::ErrorBody;
use antiphon_protocol::client::{ChangePassword, Empty};
use antiphon_protocol::peer::EndReason;
use async_trait::async_trait;

use super::login::auth_refusal;
use super::password::check_new_password;
use super::{Answer, Caller, CommandResult, refusal, reply};

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
