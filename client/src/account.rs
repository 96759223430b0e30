//! Making an account: one connection of its own, for nobody is logged in yet.

use antiphon_core::shutdown::Shutdown;
use antiphon_protocol::UserName;
use antiphon_protocol::client::{Register, Secret};

use crate::connection::{ConnectError, Connection, RequestError};
use crate::gateway::{GatewayError, GatewayUrl, fetch_server};

/// Why there is no account.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The gateway gave no server.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// The server could not be connected to.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The server did not make it.
    #[error(transparent)]
    Request(#[from] RequestError),
}

impl RegisterError {
    /// Whether the name, or one that looks like it, is taken: perhaps by an earlier try.
    pub fn is_taken(&self) -> bool {
        let Self::Request(error) = self else {
            return false;
        };
        error.refusal().is_some_and(|body| body.ext == "name_taken")
    }
}

/// Makes an account and gives its name as normalized. It does not log in.
///
/// # Errors
///
/// See [`RegisterError`]; where the operator makes the accounts, the refusal is
/// `registration_closed`.
///
/// # Cancel safety
///
/// A future that is dropped may or may not have made the account.
pub async fn register(
    gateway: &GatewayUrl,
    username: UserName,
    password: Secret,
) -> Result<UserName, RegisterError> {
    let server = fetch_server(gateway, Some(username.as_str())).await?;
    let scope = Shutdown::new();
    let _end = scope.token().clone().drop_guard();
    let (connection, _events) = Connection::open(&server, &scope).await?;
    let asked = Register { username, password };
    let reply = connection.request(asked).await?;
    connection.close();
    connection.closed().await;
    Ok(reply.username)
}
