//! `userInfo`.

use antiphon_core::dispatcher::CommandHandler;
use antiphon_protocol::ErrorBody;
use antiphon_protocol::client::{UserInfo, UserInfoReply};
use async_trait::async_trait;

use super::{Answer, Caller, CommandResult, refusal, reply};

pub(super) struct UserInfoHandler;

#[async_trait]
impl CommandHandler<Caller, UserInfo, Answer, ErrorBody> for UserInfoHandler {
    async fn handle(&self, caller: &mut Caller, info: UserInfo) -> CommandResult {
        let located = caller.node.backends.sessions.locate(&info.username).await;
        match located.map_err(refusal)?.into_iter().next() {
            Some(newest) => {
                let data = UserInfoReply {
                    username: newest.user,
                    login_time: newest.login_at_ms,
                    node_id: newest.node.name,
                    is_online: true,
                };
                reply::<UserInfo>(caller, &data)
            }
            None => {
                let message = format!("user {} is not on line", info.username);
                Err(ErrorBody::new(404, "user_offline", message))
            }
        }
    }
}
