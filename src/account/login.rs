//! The login itself: by the profile's token first, then by what is known or asked for.

use std::time::Duration;

use antiphon_core::clock::{self, Instant};
use antiphon_core::error_chain::ErrorChain;
use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{self, TaskKind};
use antiphon_protocol::client::Secret;

use super::entry::{self, Attempt, Entered, LOGIN_DEADLINE, Live, LoginError, Proof, clean};
use super::{Account, Door, Purpose, wizard};
use crate::exit::{Exit, Failed};
use crate::output;
use crate::profile::{LoginFile, Profile, ProfileError};

/// How often names and passwords are asked for.
const TRIES_MAX: usize = 5;
/// How long an interrupted command may take to put its token away.
const EXCHANGE_GRACE: Duration = Duration::from_secs(2);

/// One login, as a connection or as a client.
trait Login: Sized + Send + 'static {
    /// Goes in by a password, or by name alone.
    fn go(attempt: Attempt, door: Way) -> impl Future<Output = Result<Self, LoginError>> + Send;
    /// Goes on from a login by token that has just been done.
    fn go_on(
        entered: Entered,
        attempt: Attempt,
        way: Way,
    ) -> impl Future<Output = Result<Self, LoginError>> + Send;
    /// The token that this login does not need itself, if it has one.
    fn spare_token(&self) -> Option<Secret>;
}

/// What is left of a [`Door`] for tasks.
#[derive(Debug, Clone)]
struct Way {
    end: Instant,
    patience: Option<Duration>,
    scope: Shutdown,
}

impl Login for Entered {
    async fn go(attempt: Attempt, way: Way) -> Result<Self, LoginError> {
        entry::enter(&attempt, way.end, &way.scope).await
    }

    async fn go_on(entered: Entered, _: Attempt, _: Way) -> Result<Self, LoginError> {
        Ok(entered)
    }

    fn spare_token(&self) -> Option<Secret> {
        Some(self.login.resume_token.clone())
    }
}

impl Login for Live {
    async fn go(attempt: Attempt, way: Way) -> Result<Self, LoginError> {
        entry::go_live(&attempt, way.end, way.patience, None, &way.scope).await
    }

    async fn go_on(entered: Entered, attempt: Attempt, way: Way) -> Result<Self, LoginError> {
        let before = Some(entered.connection);
        entry::go_live(&attempt, way.end, way.patience, before, &way.scope).await
    }

    fn spare_token(&self) -> Option<Secret> {
        None
    }
}

/// Logs in on one connection.
pub fn once(account: &mut Account, door: &Door<'_>) -> Result<Entered, Failed> {
    log_in(account, door)
}

/// Starts a client.
pub fn live(account: &mut Account, door: &Door<'_>) -> Result<Live, Failed> {
    log_in(account, door)
}

fn way(door: &Door<'_>) -> Way {
    Way {
        end: clock::now() + door.timeout.min(LOGIN_DEADLINE),
        patience: door.patience,
        scope: door.scope.clone(),
    }
}

fn log_in<T: Login>(account: &mut Account, door: &Door<'_>) -> Result<T, Failed> {
    match by_profile(account, door) {
        Ok(login) => return Ok(login),
        Err(LoginError::NothingRemembered) => {}
        Err(LoginError::Credentials(why)) => {
            output::error_line(&format!(
                "antiphon: the remembered login of profile {} is of no use any more ({why})",
                account.name
            ));
        }
        Err(error) => return Err(error.into()),
    }
    // In a server with open login the name alone is enough.
    let mut open_will_do = door.purpose == Purpose::Script || !account.may_ask;
    for _ in 0..TRIES_MAX {
        let first_run = account.is_first_run(door.purpose);
        let (attempt, register) = account.attempt(door, open_will_do)?;
        let was_open = matches!(attempt.proof, Proof::Open);
        match by_attempt(account, &attempt, register, door) {
            Ok(login) => {
                keep_login(account, &attempt, first_run, &login, door)?;
                return Ok(login);
            }
            Err(LoginError::Credentials(why)) if account.may_ask => {
                if !(open_will_do && was_open) {
                    output::error_line(&format!("{why}; once more:"));
                }
                open_will_do = false;
            }
            Err(LoginError::Credentials(why)) if was_open => return Err(refused(account, &why)),
            Err(error) => return Err(error.into()),
        }
    }
    Err(Failed::new(Exit::Credentials, "too many tries"))
}

/// A name alone did not do, and there is nobody to ask.
fn refused(account: &Account, why: &str) -> Failed {
    let words = format!("{why}; no password was given: --password-stdin");
    if account.args.no_input {
        Failed::usage(words)
    } else {
        Failed::new(Exit::Credentials, words)
    }
}

fn by_attempt<T: Login>(
    account: &mut Account,
    attempt: &Attempt,
    register: bool,
    door: &Door<'_>,
) -> Result<T, LoginError> {
    if register {
        let password = match &attempt.proof {
            Proof::Password(password) => password.clone(),
            Proof::Token(_) | Proof::Open => Secret(String::new()),
        };
        let made = entry::register(&attempt.gateway, &attempt.user, &password, door.scope);
        door.run(made)?;
        account.registered = true;
    }
    door.run(T::go(attempt.clone(), way(door)))
}

/// By the profile's token. What must not be interrupted runs in a task of its own, to its end.
fn by_profile<T: Login>(account: &Account, door: &Door<'_>) -> Result<T, LoginError> {
    let Some((profile, file)) = account.login_file() else {
        return Err(LoginError::NothingRemembered);
    };
    if !file.is_there() {
        return Err(LoginError::NothingRemembered);
    }
    let exchange = exchange(profile, file, way(door), door.timeout.min(LOGIN_DEADLINE));
    let mut task = task::spawn(door.scope, TaskKind::Connection, exchange);
    let failed = || LoginError::Profile("the login failed".to_owned());
    let exchanged = door.runtime.block_on(async {
        tokio::select! {
            done = &mut task => done.ok().flatten().ok_or_else(failed)?,
            () = door.interrupt.stopping() => {
                // A used token without its successor on disk would be of no use.
                let _done = clock::timeout(EXCHANGE_GRACE, &mut task).await;
                Err(LoginError::Interrupted)
            }
        }
    });
    let (entered, attempt, way) = exchanged?;
    door.run(T::go_on(entered, attempt, way))
}

/// Uses the profile's token and puts its successor into its place. The time for the login runs
/// from where the lock is had; all uses of the token come before its end.
async fn exchange(
    profile: Profile,
    file: LoginFile,
    way: Way,
    timeout: Duration,
) -> Result<(Entered, Attempt, Way), LoginError> {
    let failed = |error: ProfileError| LoginError::Profile(clean(&ErrorChain(&error)));
    let lock = file.lock(timeout).await.map_err(failed)?;
    let end = clock::now() + timeout;
    let way = Way { end, ..way };
    let token = lock.token(&profile).map_err(failed)?;
    let attempt = Attempt {
        proof: Proof::Token(token.ok_or(LoginError::NothingRemembered)?),
        gateway: profile.gateway.clone(),
        user: profile.user.clone(),
    };
    match entry::enter(&attempt, way.end, &way.scope).await {
        Ok(entered) => {
            lock.keep(&profile, &entered.login.resume_token)
                .map_err(failed)?;
            Ok((entered, attempt, way))
        }
        Err(error @ LoginError::Credentials(_)) => {
            lock.drop_token().map_err(failed)?;
            Err(error)
        }
        Err(error) => Err(error),
    }
}

/// Remembers who asked for it, and who was remembered until the login was of no use.
fn keep_login<T: Login>(
    account: &Account,
    attempt: &Attempt,
    first_run: bool,
    login: &T,
    door: &Door<'_>,
) -> Result<(), Failed> {
    let wanted = account.args.remember
        || account.remembered.is_some()
        || (first_run && account.profiles.is_some() && wizard::remember()?);
    if !wanted {
        return Ok(());
    }
    let token = match login.spare_token() {
        Some(token) => token,
        None => {
            let entering = entry::enter(attempt, way(door).end, door.scope);
            let entered = door.run(entering)?;
            entered.connection.close();
            entered.login.resume_token
        }
    };
    account.remember(attempt, door, token)
}
