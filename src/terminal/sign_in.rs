//! The first login, with an answer for the user: the client that keeps itself connected
//! would go on trying.

use antiphon_client::{
    ConnectError, Connection, Credentials, GatewayError, GatewayUrl, RequestError, gateway,
};
use antiphon_core::shutdown::Shutdown;
use antiphon_protocol::UserName;
use antiphon_protocol::client::{Login, LoginReply, Register, Secret};

/// Who wants in.
#[derive(Debug, Clone)]
pub struct Who {
    /// The name.
    pub user: UserName,
    /// The password; none where the server is open.
    pub password: Option<Secret>,
    /// Whether the account is to be made first.
    pub register: bool,
}

/// Why nobody was let in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// The gateway gave no server.
    #[error("{0}")]
    Gateway(#[from] GatewayError),
    /// The server could not be connected to.
    #[error("{0}")]
    Connect(#[from] ConnectError),
    /// The name or the password is wrong.
    #[error("{0}")]
    Credentials(String),
    /// Another refusal, or no answer.
    #[error("{0}")]
    Request(RequestError),
}

impl From<RequestError> for SignInError {
    fn from(error: RequestError) -> Self {
        match error.refusal() {
            Some(body) if body.code == 401 => Self::Credentials(body.message.clone()),
            Some(_) | None => Self::Request(error),
        }
    }
}

/// Registers if asked to, logs in, and gives what the client goes on with.
pub async fn sign_in(gateway: &GatewayUrl, who: &Who) -> Result<Credentials, SignInError> {
    let server = gateway::fetch_server(gateway, Some(who.user.as_str())).await?;
    let scope = Shutdown::new();
    let (connection, _events) = Connection::open(&server, &scope).await?;
    let login = log_in(&connection, who).await;
    connection.close();
    connection.closed().await;
    let login = login?;
    Ok(Credentials::TokenThen(
        login.resume_token,
        login.username,
        who.password.clone(),
    ))
}

async fn log_in(connection: &Connection, who: &Who) -> Result<LoginReply, RequestError> {
    connection.hello().await?;
    let (username, password) = (who.user.clone(), who.password.clone());
    if let (true, Some(password)) = (who.register, password.clone()) {
        connection
            .request(Register {
                username: username.clone(),
                password,
            })
            .await?;
    }
    let login = Login {
        username: Some(username),
        password,
        resume_token: None,
    };
    connection.request(login).await
}
