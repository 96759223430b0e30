//! Before the load: accounts, clients, rooms, and who is in them.

use std::sync::Arc;
use std::time::Duration;

use antiphon_client::protocol::client::{CreateRoom, RoomKind, Secret, Visibility};
use antiphon_client::{Client, GatewayUrl, RegisterError, register};
use antiphon_core::error_chain::ErrorChain;
use antiphon_core::shutdown::Shutdown;
use antiphon_core::{clock, random};
use antiphon_protocol::{RoomName, UserName};

use super::RunError;
use super::user::{Handle, User};
use super::world::{Account, World};
use crate::account::password_line;
use crate::cli::TortureArgs;

/// Users where nobody says how many.
const USERS_DEFAULT: u32 = 20;
/// Time for a user's first login.
const LOGIN_DEADLINE: Duration = Duration::from_secs(60);
/// A registration that meets a busy server is tried again.
const REGISTER_ATTEMPTS: u32 = 20;
const REGISTER_PAUSE: Duration = Duration::from_millis(500);

/// The names that were given, or new accounts.
pub(super) async fn accounts(
    args: &TortureArgs,
    gateway: &GatewayUrl,
    run_name: &str,
) -> Result<Vec<Account>, RunError> {
    if !args.user.is_empty() {
        return given(args);
    }
    let mut accounts = Vec::new();
    let password = Secret(random::hex::<16>());
    for number in 1..=args.users.unwrap_or(USERS_DEFAULT) {
        let name = UserName::parse(&format!("{run_name}-{number}"));
        let name = name.map_err(|error| RunError::Setup(error.to_string()))?;
        let name = make(gateway, name, &password).await?;
        accounts.push(Account {
            name,
            password: Some(password.clone()),
        });
    }
    Ok(accounts)
}

fn given(args: &TortureArgs) -> Result<Vec<Account>, RunError> {
    let password = if args.password_stdin {
        let read = password_line().map_err(|failed| RunError::Usage(failed.words))?;
        Some(read.ok_or_else(|| RunError::Usage("the password is empty".to_owned()))?)
    } else {
        None
    };
    let mut accounts: Vec<Account> = Vec::new();
    for name in &args.user {
        let name = UserName::parse(name)
            .map_err(|error| RunError::Usage(format!("--user {name}: {error}")))?;
        if accounts.iter().any(|account| account.name == name) {
            return Err(RunError::Usage(format!("--user {name}: named twice")));
        }
        let password = password.clone();
        accounts.push(Account { name, password });
    }
    if accounts.len() < 2 {
        return Err(RunError::Usage("--user: at least two names".to_owned()));
    }
    Ok(accounts)
}

async fn make(
    gateway: &GatewayUrl,
    name: UserName,
    password: &Secret,
) -> Result<UserName, RunError> {
    let mut attempt = 1;
    loop {
        match register(gateway, name.clone(), password.clone()).await {
            Ok(name) => return Ok(name),
            // By an attempt whose answer was lost.
            Err(error) if attempt > 1 && error.is_taken() => return Ok(name),
            Err(error) if attempt >= REGISTER_ATTEMPTS || is_final(&error) => {
                let why = ErrorChain(&error);
                return Err(RunError::Setup(format!("no account: {why}")));
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

/// Rooms of the run, which nobody else has.
pub(super) fn rooms(count: u32, run_name: &str) -> Vec<RoomName> {
    let name = |number| RoomName::parse(&format!("{run_name}-{number}"));
    let rooms = (1..=count).map(name);
    rooms
        .collect::<Result<_, _>>()
        .expect("letters, a hyphen and a number")
}

/// Everybody logged in and in its rooms.
pub(super) async fn users(
    world: &Arc<World>,
    rate: u32,
    scope: &Shutdown,
) -> Result<(Vec<User>, Vec<Handle>), RunError> {
    let begun = (0..world.accounts.len()).map(|user| User::new(world, user, rate, scope));
    let (mut users, handles): (Vec<User>, Vec<Handle>) = begun.unzip();
    for (user, account) in users.iter().zip(&world.accounts) {
        logged_in(&user.client(), &account.name).await?;
    }
    for room in &world.rooms {
        create(&users[0].client(), room).await?;
    }
    for (at, user) in users.iter_mut().enumerate() {
        for room in world.rooms_of(at) {
            if !user.join(room.clone()).await {
                let name = &world.accounts[at].name;
                return Err(RunError::Setup(format!("{name} can't join {room}")));
            }
        }
    }
    Ok((users, handles))
}

async fn logged_in(client: &Client, name: &UserName) -> Result<(), RunError> {
    let connected = clock::timeout(LOGIN_DEADLINE, client.connected()).await;
    if connected == Ok(true) {
        return Ok(());
    }
    let state = client.state();
    Err(RunError::Setup(format!("{name} can't log in: {state}")))
}

async fn create(client: &Client, room: &RoomName) -> Result<(), RunError> {
    let ask = CreateRoom {
        room_name: room.clone(),
        kind: RoomKind::Group,
        visibility: Visibility::Public,
        topic: String::new(),
    };
    let made = client.request(ask).await;
    made.map(drop)
        .map_err(|error| RunError::Setup(format!("no room {room}: {error}")))
}
