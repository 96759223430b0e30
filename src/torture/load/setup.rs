//! Before the load: accounts, rooms, and who is in them.

use std::sync::Arc;
use std::time::Duration;

use antiphon_client::protocol::client::Secret;
use antiphon_client::{GatewayUrl, RegisterError, register};
use antiphon_core::error_chain::ErrorChain;
use antiphon_core::shutdown::Shutdown;
use antiphon_core::{clock, random};
use antiphon_protocol::{RoomName, UserName};

use super::LoadError;
use super::user::{Handle, User};
use super::world::{Account, World, digits};

/// A registration that meets a busy server is tried again.
const REGISTER_ATTEMPTS: u32 = 20;
const REGISTER_PAUSE: Duration = Duration::from_millis(500);

/// A name for a run that no other run has.
pub fn run_name() -> String {
    format!("torture{}", digits(random::below(u64::MAX), 6))
}

/// New accounts.
pub async fn accounts(
    gateway: &GatewayUrl,
    users: u32,
    run_name: &str,
) -> Result<Vec<Account>, LoadError> {
    let mut accounts = Vec::new();
    let password = Secret(random::hex::<16>());
    for number in 1..=users {
        let name = UserName::parse(&format!("{run_name}-{number}"));
        let name = name.map_err(|error| LoadError::Setup(error.to_string()))?;
        let name = make(gateway, name, &password).await?;
        accounts.push(Account {
            name,
            password: Some(password.clone()),
        });
    }
    Ok(accounts)
}

async fn make(
    gateway: &GatewayUrl,
    name: UserName,
    password: &Secret,
) -> Result<UserName, LoadError> {
    let mut attempt = 1;
    loop {
        match register(gateway, name.clone(), password.clone()).await {
            Ok(name) => return Ok(name),
            // By an attempt whose answer was lost.
            Err(error) if attempt > 1 && error.is_taken() => return Ok(name),
            Err(error) if attempt >= REGISTER_ATTEMPTS || is_final(&error) => {
                let why = ErrorChain(&error);
                return Err(LoadError::Setup(format!("no account: {why}")));
            }
            Err(_) => clock::sleep(REGISTER_PAUSE).await,
        }
        attempt += 1;
    }
}

fn is_final(error: &RegisterError) -> bool {
    match error {
        RegisterError::Request(error) => error.refusal().is_some_and(|body| !body.retryable),
        RegisterError::Gateway(_) | RegisterError::Connect(_) => false,
    }
}

/// Names of rooms of the run, which nobody else has.
pub fn rooms(count: u32, run_name: &str) -> Vec<RoomName> {
    let name = |number| RoomName::parse(&format!("{run_name}-{number}"));
    let rooms = (1..=count).map(name);
    rooms
        .collect::<Result<_, _>>()
        .expect("letters, a hyphen and a number")
}

/// Everybody logged in and in its rooms, all in one place.
pub async fn users(
    world: &Arc<World>,
    rate: u32,
    scope: &Shutdown,
) -> Result<(Vec<User>, Vec<Handle>), LoadError> {
    let begun = (0..world.accounts.len()).map(|user| User::new(world, user, rate, scope));
    let (mut users, handles): (Vec<User>, Vec<Handle>) = begun.unzip();
    for user in &users {
        user.logged_in().await?;
    }
    users[0].create_rooms().await?;
    for user in &mut users {
        user.enter_rooms().await?;
    }
    Ok((users, handles))
}
