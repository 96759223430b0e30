//! Getting in, on the network: one login on one connection, or a client that keeps itself
//! logged in.

use std::time::Duration;

use antiphon_client::gateway::fetch_server;
use antiphon_client::{
    Client, Connection, Credentials, DisconnectReason, Event, Events, GatewayError, GatewayUrl,
    RequestError, StopReason,
};
use antiphon_core::clock::{self, Instant};
use antiphon_core::error_chain::ErrorChain;
use antiphon_core::shutdown::Shutdown;
use antiphon_protocol::client::{ConversationSummary, Login, LoginReply, Register, Secret};
use antiphon_protocol::{ErrorBody, UserName};

use crate::terminal::sanitize;

/// Time for a login, with its retries, whatever `--timeout` says. A token that was used is good
/// for 30 s again (`docs/protocol.md`): both logins of a start by token fit in.
pub const LOGIN_DEADLINE: Duration = Duration::from_secs(20);
/// Wait before another attempt, if nobody says how long.
const RETRY: Duration = Duration::from_millis(200);
/// The longest wait between two attempts.
const RETRY_MAX: Duration = Duration::from_secs(1);

/// Why nobody got in. The words are clean.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
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
    /// The profile's files.
    #[error("{0}")]
    Profile(String),
    /// The profile has no login for this gateway and user.
    #[error("nothing is remembered")]
    NothingRemembered,
    /// Ctrl+C.
    #[error("interrupted")]
    Interrupted,
}

/// Words of others, and of errors that may hold some, made harmless.
pub(super) fn clean(error: &dyn std::fmt::Display) -> String {
    sanitize::line(&error.to_string())
}

/// What proves who it is.
#[derive(Debug, Clone)]
pub enum Proof {
    /// The token of an earlier login.
    Token(Secret),
    /// The password.
    Password(Secret),
    /// Nothing: the server must let names in.
    Open,
}

/// Who wants in, and where.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Where.
    pub gateway: GatewayUrl,
    /// Who.
    pub user: UserName,
    /// By what.
    pub proof: Proof,
}

/// A login on one connection, which does not come back when it is lost.
#[derive(Debug)]
pub struct Entered {
    /// The connection.
    pub connection: Connection,
    /// The server's name, clean.
    pub server: String,
    /// What the server answered.
    pub login: LoginReply,
}

/// A client that keeps itself logged in.
#[derive(Debug)]
pub struct Live {
    /// The client.
    pub client: Client,
    /// Its events, from behind the first login on.
    pub events: Events,
    /// The server's name, clean.
    pub server: String,
    /// The user's name as the server knows it.
    pub username: UserName,
    /// The user's conversations at the login.
    pub conversations: Vec<ConversationSummary>,
}

fn login_of(attempt: &Attempt) -> Login {
    let (password, resume_token) = match &attempt.proof {
        Proof::Token(token) => (None, Some(token.clone())),
        Proof::Password(password) => (Some(password.clone()), None),
        Proof::Open => (None, None),
    };
    Login {
        username: Some(attempt.user.clone()),
        password,
        resume_token,
    }
}

/// What an attempt that failed means.
enum Failure {
    /// It is over.
    Final(LoginError),
    /// Another attempt, after this wait, may do.
    Again(Duration, String),
}

fn after_gateway(error: GatewayError) -> Failure {
    let words = clean(&ErrorChain(&error));
    match error {
        GatewayError::NoServer { retry_after } => {
            Failure::Again(retry_after.unwrap_or(RETRY), words)
        }
        GatewayError::BadUrl
        | GatewayError::Scheme
        | GatewayError::Unreachable(_)
        | GatewayError::Timeout
        | GatewayError::Http(_)
        | GatewayError::Status(_)
        | GatewayError::Body
        | GatewayError::NotAGateway(_) => Failure::Final(LoginError::Unreachable(words)),
    }
}

fn after_request(error: &RequestError) -> Failure {
    let words = clean(error);
    match error.refusal() {
        Some(body) if body.retryable => {
            let wait = body.retry_after_ms.map_or(RETRY, Duration::from_millis);
            Failure::Again(wait, words)
        }
        Some(body) if body.code == 401 => Failure::Final(LoginError::Credentials(words)),
        Some(_) => Failure::Final(LoginError::Refused(words)),
        None => Failure::Again(RETRY, words),
    }
}

/// Tries until the deadline: a gateway may name a server that is gone for some seconds.
async fn until<T, F>(end: Instant, mut attempt: impl FnMut() -> F) -> Result<T, LoginError>
where
    F: Future<Output = Result<T, Failure>>,
{
    let mut last = "the server lets nobody in at the moment".to_owned();
    loop {
        let left = end.saturating_duration_since(clock::now());
        let wait = match clock::timeout(left, attempt()).await {
            Ok(Ok(got)) => return Ok(got),
            Ok(Err(Failure::Final(error))) => return Err(error),
            Ok(Err(Failure::Again(wait, words))) => {
                last = words;
                wait
            }
            Err(_) => return Err(LoginError::Unreachable(last)),
        };
        if clock::now() + wait >= end {
            return Err(LoginError::Unreachable(last));
        }
        clock::sleep(wait.min(RETRY_MAX)).await;
    }
}

async fn connect(
    gateway: &GatewayUrl,
    user: &UserName,
    scope: &Shutdown,
) -> Result<Connection, Failure> {
    let server = fetch_server(gateway, Some(user.as_str()))
        .await
        .map_err(after_gateway)?;
    // Nobody reads the events: what a connection without a reader is sent, it drops.
    let (connection, _events) = Connection::open(&server, scope)
        .await
        .map_err(|error| Failure::Again(RETRY, clean(&ErrorChain(&error))))?;
    Ok(connection)
}

/// Makes the account.
pub async fn register(
    gateway: &GatewayUrl,
    user: &UserName,
    password: &Secret,
    scope: &Shutdown,
) -> Result<(), LoginError> {
    let asked = Register {
        username: user.clone(),
        password: password.clone(),
    };
    let once = || async {
        let connection = connect(gateway, user, scope).await?;
        let answer = connection.request(asked.clone()).await;
        connection.close();
        let refused = |error: RequestError| match error.refusal() {
            Some(body) if !body.retryable && body.code < 500 => {
                Failure::Final(LoginError::Credentials(clean(&error)))
            }
            // Whether it took effect is not known: another attempt might find the name taken.
            None => Failure::Final(LoginError::Refused(clean(&error))),
            Some(_) => after_request(&error),
        };
        answer.map(drop).map_err(refused)
    };
    until(clock::now() + LOGIN_DEADLINE, once).await
}

/// Logs in on one connection.
pub async fn enter(
    attempt: &Attempt,
    end: Instant,
    scope: &Shutdown,
) -> Result<Entered, LoginError> {
    let once = || async {
        let connection = connect(&attempt.gateway, &attempt.user, scope).await?;
        let welcome = async {
            let hello = connection.hello().await?;
            let login = connection.request(login_of(attempt)).await?;
            Ok((hello, login))
        };
        match welcome.await {
            Ok((hello, login)) => Ok(Entered {
                server: sanitize::line(&hello.server_name),
                connection,
                login,
            }),
            Err(error) => {
                connection.close();
                Err(after_request(&error))
            }
        }
    };
    until(end, once).await
}

fn is_already_online(body: &ErrorBody) -> bool {
    body.ext == "already_online"
}

/// Starts a client and waits for its first login. `before` is a connection of the same user
/// that has done its work: it stays until the client is in, so that nobody sees the user go,
/// unless the server lets each user in once only.
pub async fn go_live(
    attempt: &Attempt,
    end: Instant,
    patience: Option<Duration>,
    before: Option<Connection>,
    scope: &Shutdown,
) -> Result<Live, LoginError> {
    let credentials = match attempt.proof.clone() {
        Proof::Token(token) => Credentials::Token(token),
        Proof::Password(password) => Credentials::Password(attempt.user.clone(), password),
        Proof::Open => Credentials::Open(attempt.user.clone()),
    };
    let once = || async {
        let mut builder = Client::builder(attempt.gateway.clone(), credentials.clone());
        if let Some(patience) = patience {
            builder = builder.send_deadline(patience);
        }
        let (client, events) = builder.start(scope);
        let starting = Starting {
            client: Some(client),
        };
        let first = first_login(events).await.inspect_err(|_| close(&before))?;
        Ok(starting.live(first))
    };
    let live = until(end, once).await;
    close(&before);
    live
}

fn close(connection: &Option<Connection>) {
    if let Some(connection) = connection {
        connection.close();
    }
}

/// A client that stops unless its login is done.
struct Starting {
    client: Option<Client>,
}

impl Starting {
    fn live(mut self, first: First) -> Live {
        Live {
            client: self.client.take().expect("it is taken once, and here only"),
            events: first.events,
            server: first.server,
            username: first.username,
            conversations: first.conversations,
        }
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(client) = &self.client {
            client.stop();
        }
    }
}

struct First {
    events: Events,
    server: String,
    username: UserName,
    conversations: Vec<ConversationSummary>,
}

async fn first_login(mut events: Events) -> Result<First, Failure> {
    let mut server = String::new();
    while let Some(event) = events.recv().await {
        if let Event::Connected { server: named } = &event {
            server = sanitize::line(named);
        }
        if let Event::LoggedIn {
            username,
            conversations,
            ..
        } = event
        {
            return Ok(First {
                events,
                server,
                username,
                conversations,
            });
        }
        if let Event::Disconnected {
            reason: DisconnectReason::Gateway(error),
            ..
        } = event
        {
            return Err(after_gateway(error));
        }
        if let Event::Stopped { reason } = event {
            return Err(after_stop(&reason));
        }
    }
    let words = "the connection ended".to_owned();
    Err(Failure::Final(LoginError::Refused(words)))
}

fn after_stop(reason: &StopReason) -> Failure {
    let words = clean(reason);
    match reason {
        StopReason::Credentials(why) => {
            Failure::Final(LoginError::Credentials(sanitize::line(why)))
        }
        // The connection of the login before may not be gone yet.
        StopReason::Refused(body) if is_already_online(body) => Failure::Again(RETRY, words),
        StopReason::Asked | StopReason::Closed(_) | StopReason::Refused(_) => {
            Failure::Final(LoginError::Refused(words))
        }
    }
}
