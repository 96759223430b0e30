//! Getting in: register if asked to, connect, log in, once; from then on the client keeps
//! itself connected.

use std::time::Duration;

use antiphon_client::gateway::fetch_server;
use antiphon_client::{
    Client, Connection, Credentials, DisconnectReason, Event, Events, GatewayUrl, StopReason,
};
use antiphon_core::clock;
use antiphon_core::error_chain::ErrorChain;
use antiphon_core::shutdown::Shutdown;
use antiphon_protocol::UserName;
use antiphon_protocol::client::{Register, Secret};

use super::sanitize;
use super::session::SEND_PATIENCE;
use super::state::SharedState;

/// Time for the first login, with its retries.
const LOGIN_DEADLINE: Duration = Duration::from_secs(20);

/// Who wants in.
#[derive(Debug, Clone)]
pub struct Account {
    /// The name.
    pub user: UserName,
    /// The password; without one the server must let names in.
    pub password: Option<Secret>,
    /// The account is to be made.
    pub register: bool,
}

/// Why nobody got in. The words are clean.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// Another name or password may do.
    #[error("{0}")]
    Credentials(String),
    /// There is no way to a server.
    #[error("{0}")]
    Unreachable(String),
    /// The server does not want it.
    #[error("{0}")]
    Refused(String),
}

fn clean(error: &dyn std::fmt::Display) -> String {
    sanitize::line(&error.to_string())
}

/// Makes the account.
async fn register(
    gateway: &GatewayUrl,
    account: &Account,
    scope: &Shutdown,
) -> Result<(), LoginError> {
    let password = account.password.clone().unwrap_or(Secret(String::new()));
    let server = fetch_server(gateway, Some(account.user.as_str()))
        .await
        .map_err(|error| LoginError::Unreachable(clean(&ErrorChain(&error))))?;
    let (connection, _events) = Connection::open(&server, scope)
        .await
        .map_err(|error| LoginError::Unreachable(clean(&ErrorChain(&error))))?;
    let asked = connection.request(Register {
        username: account.user.clone(),
        password,
    });
    let answer = asked.await;
    connection.close();
    answer.map(drop).map_err(|error| match error.refusal() {
        Some(body) if !body.retryable && body.code < 500 => LoginError::Credentials(clean(&error)),
        Some(_) | None => LoginError::Refused(clean(&error)),
    })
}

/// Gets in, and writes what the server says about it into `state`.
pub async fn log_in(
    gateway: &GatewayUrl,
    account: &Account,
    scope: &Shutdown,
    state: &SharedState,
) -> Result<(Client, Events), LoginError> {
    if account.register {
        register(gateway, account, scope).await?;
    }
    let credentials = match account.password.clone() {
        Some(password) => Credentials::Password(account.user.clone(), password),
        None => Credentials::Open(account.user.clone()),
    };
    let (client, mut events) = Client::builder(gateway.clone(), credentials)
        .send_deadline(SEND_PATIENCE)
        .start(scope);
    let first = clock::timeout(LOGIN_DEADLINE, first_login(&mut events, state)).await;
    let outcome = first.unwrap_or_else(|_| {
        Err(LoginError::Unreachable(
            "the server lets nobody in at the moment".to_owned(),
        ))
    });
    match outcome {
        Ok(()) => Ok((client, events)),
        Err(error) => {
            client.stop();
            Err(error)
        }
    }
}

async fn first_login(events: &mut Events, state: &SharedState) -> Result<(), LoginError> {
    while let Some(event) = events.recv().await {
        match event {
            Event::Connected { server } => state.lock().server = sanitize::line(&server),
            Event::LoggedIn {
                username,
                conversations,
                ..
            } => {
                state.lock().logged_in(username.as_str(), &conversations);
                return Ok(());
            }
            Event::Disconnected { reason, .. } => match reason {
                DisconnectReason::Gateway(error) => {
                    return Err(LoginError::Unreachable(clean(&ErrorChain(&error))));
                }
                // The gateway may not know yet that a server is gone.
                DisconnectReason::Connect(_)
                | DisconnectReason::Login(_)
                | DisconnectReason::Closed(_)
                | DisconnectReason::Asked(_) => {}
            },
            Event::Stopped { reason } => {
                let words = clean(&reason);
                return Err(match reason {
                    StopReason::Credentials(why) => LoginError::Credentials(sanitize::line(&why)),
                    StopReason::Asked | StopReason::Closed(_) | StopReason::Refused(_) => {
                        LoginError::Refused(words)
                    }
                });
            }
            Event::Message(_)
            | Event::Presence(_)
            | Event::RoomEvent(_)
            | Event::Notice(_)
            | Event::ResumeToken { .. }
            | Event::Gap { .. } => {}
        }
    }
    Err(LoginError::Refused("the connection ended".to_owned()))
}
