//! `hello`.

use antiphon_core::clock;
use antiphon_core::dispatcher::CommandHandler;
use antiphon_protocol::ErrorBody;
use antiphon_protocol::client::{Hello, HelloReply, Limits};
use antiphon_protocol::limits;
use async_trait::async_trait;
use tracing::debug;

use super::{Answer, Caller, CommandResult, reply};
use crate::server::settings::Settings;

pub(super) struct HelloHandler;

#[async_trait]
impl CommandHandler<Caller, Hello, Answer, ErrorBody> for HelloHandler {
    async fn handle(&self, caller: &mut Caller, hello: Hello) -> CommandResult {
        let offered = hello.versions.unwrap_or_else(|| limits::VERSIONS.to_vec());
        let Some(version) = limits::VERSIONS
            .iter()
            .rev()
            .find(|version| offered.contains(version))
        else {
            let message = format!("this server speaks versions {:?}", limits::VERSIONS);
            return Err(ErrorBody::new(400, "version_unsupported", message));
        };
        debug!(
            connection = caller.connection.0,
            client = hello.client,
            "hello"
        );
        let settings = &caller.node.settings;
        let data = HelloReply {
            version: *version,
            server_name: settings.name.clone(),
            limits: told_limits(settings),
            ping_interval_ms: settings.ping_interval.as_millis() as u64,
            server_time_ms: clock::unix_ms(),
        };
        reply::<Hello>(caller, &data)
    }
}

/// Every limit that a client may meet.
fn told_limits(settings: &Settings) -> Limits {
    Limits {
        frame_bytes_max: limits::FRAME_BYTES_MAX as u64,
        message_chars_max: limits::MESSAGE_CHARS_MAX as u64,
        rate_per_second: settings.messages_per_second.into(),
        rate_burst: settings.message_burst.into(),
        name_chars_max: limits::NAME_CHARS_MAX as u64,
        client_id_bytes_max: limits::ID_BYTES_MAX as u64,
        page_max: limits::PAGE_MAX,
        sync_cursors_max: limits::SYNC_CURSORS_MAX as u64,
        rooms_per_user_max: limits::ROOMS_PER_USER_MAX as u64,
        in_flight_max: settings.in_flight_max as u64,
        password_chars_min: limits::PASSWORD_CHARS_MIN as u64,
        login_timeout_ms: settings.login_timeout().as_millis() as u64,
    }
}
