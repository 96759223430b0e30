//! Asking the server: over one connection, or over a client that comes back. What the server
//! says may succeed later is asked again until the time is up.

use std::time::Duration;

use antiphon_client::{Client, Connection, RequestError};
use antiphon_core::clock;
use antiphon_protocol::{Command, UserName};
use serde::Serialize;

use crate::account::Account;
use crate::account::entry::{Entered, Live};
use crate::exit::{Exit, Failed};
use crate::terminal::sanitize;

/// Wait before a request is repeated, if the server names none.
const RETRY: Duration = Duration::from_millis(200);

/// Who is logged in, and where.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Whoami {
    /// The name.
    pub username: UserName,
    /// The server's name.
    pub server_name: String,
    /// The gateway's URL.
    pub gateway: String,
    /// The profile, if the account is remembered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
}

impl Whoami {
    fn new(username: &UserName, server: &str, account: &Account) -> Self {
        let gateway = account.gateway_known();
        Self {
            username: username.clone(),
            server_name: server.to_owned(),
            gateway: gateway.map(ToString::to_string).unwrap_or_default(),
            profile: account
                .login_file()
                .map(|_| account.name.as_str().to_owned()),
        }
    }

    /// Of a login on one connection.
    pub fn of_login(entered: &Entered, account: &Account) -> Self {
        Self::new(&entered.login.username, &entered.server, account)
    }

    /// Of a client.
    pub fn of_live(live: &Live, account: &Account) -> Self {
        Self::new(&live.username, &live.server, account)
    }
}

/// What a failed request means for the command.
pub fn failed(error: &RequestError) -> Failed {
    let words = sanitize::line(&error.to_string());
    match error.refusal() {
        Some(body) if body.code == 401 => Failed::new(Exit::Credentials, words),
        Some(body) => Failed::failure(format!("{words} ({})", sanitize::line(&body.ext))),
        None if matches!(error, RequestError::TooLarge | RequestError::BadReply(_)) => {
            Failed::failure(words)
        }
        None => Failed::unreachable(words),
    }
}

#[derive(Debug)]
enum Way {
    Once(Connection),
    Live(Client),
}

/// See the head of the file.
#[derive(Debug)]
pub struct Asker {
    way: Way,
    timeout: Duration,
}

impl Asker {
    /// Over one connection.
    pub fn connection(connection: Connection, timeout: Duration) -> Self {
        Self {
            way: Way::Once(connection),
            timeout,
        }
    }

    /// Over a client.
    pub fn client(client: Client, timeout: Duration) -> Self {
        Self {
            way: Way::Live(client),
            timeout,
        }
    }

    /// A request and its reply.
    pub async fn request<C: Command + Clone>(&self, command: C) -> Result<C::Reply, Failed> {
        self.try_request(command)
            .await
            .map_err(|error| failed(&error))
    }

    /// The same, with the error as it is.
    pub async fn try_request<C: Command + Clone>(
        &self,
        command: C,
    ) -> Result<C::Reply, RequestError> {
        let end = clock::now() + self.timeout;
        loop {
            let left = end.saturating_duration_since(clock::now());
            let asked = match &self.way {
                Way::Once(connection) => connection.request_within(command.clone(), left).await,
                Way::Live(client) => clock::timeout(left, client.request(command.clone()))
                    .await
                    .unwrap_or(Err(RequestError::Deadline)),
            };
            let error = match asked {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            let wait = match error.refusal().filter(|body| body.retryable) {
                Some(body) => body.retry_after_ms.map_or(RETRY, Duration::from_millis),
                None => return Err(error),
            };
            if clock::now() + wait >= end {
                return Err(error);
            }
            clock::sleep(wait).await;
        }
    }
}
