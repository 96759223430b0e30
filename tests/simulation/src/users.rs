//! A host of users.

use std::sync::Arc;
use std::time::Duration;

use antiphon::torture::history::{Recorder, Run};
use antiphon::torture::load::{Account, LoadError, Named, Pace, User, World, readback, setup};
use antiphon_client::GatewayUrl;
use antiphon_core::clock;
use antiphon_core::contract::UserRecord;
use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{self, TaskKind};
use antiphon_protocol::UserName;
use tokio::sync::mpsc;

use crate::host::{Ended, GATEWAY_PORT};
use crate::plan::{CLIENT_HOSTS, GATEWAY, Plan, SERVERS, clients};
use crate::shared::{Shared, Stage, Wanted};

const RUN_NAME: &str = "sim";

/// The users of one host, from their first login to the end.
pub(crate) async fn run(
    shared: Arc<Shared>,
    at: usize,
    recorder: Recorder,
    wanted: mpsc::Receiver<Wanted>,
) -> Ended {
    if at == 0 {
        begin(&shared, recorder).await?;
    }
    let mut worlds = shared.world.subscribe();
    let world = worlds.wait_for(Option::is_some).await?.clone();
    let Some((world, _)) = world else {
        return Err("there is no world".into());
    };
    let scope = Shutdown::new();
    let users = enter(&shared, &world, at, &scope).await?;
    shared.until(Stage::Load).await;
    let load = scope.child();
    let spawn = |user: User| task::spawn(&scope, TaskKind::Client, user.run(load.clone()));
    let users: Vec<_> = users.into_iter().map(spawn).collect();
    let obeying = obey(Arc::clone(&shared), wanted, scope.clone());
    let _obeying = task::spawn(&scope, TaskKind::Client, obeying);
    shared.until(Stage::Drain).await;
    load.stop();
    let mut back = Vec::new();
    for user in users {
        back.push(user.await?.ok_or("a user broke")?);
    }
    shared.done(Stage::Drain);
    shared.until(Stage::ReadBack).await;
    if at == 0 {
        let handles = shared.handles.get().ok_or("the users are not all there")?;
        let books = readback::books(&world);
        readback::read_back(&world, handles, &books, &scope).await?;
    }
    shared.done(Stage::ReadBack);
    shared.until(Stage::Over).await;
    scope.stop();
    Ok(())
}

/// Accounts, and what all users share.
async fn begin(shared: &Shared, recorder: Recorder) -> Ended {
    let plan = &shared.plan;
    let name = |number| UserName::parse(&format!("{RUN_NAME}-{number}"));
    let names: Vec<UserName> = (1..=plan.users).map(name).collect::<Result<_, _>>()?;
    let record = |name: &UserName| UserRecord {
        name: name.clone(),
        password_hash: None,
        created_at_ms: clock::unix_ms(),
    };
    let records = names.iter().map(record).collect();
    let backends = shared.services.backends(&clients(0));
    backends.users.create_many(records).await?;
    let account = |name| Account {
        name,
        password: None,
    };
    let named = Named {
        accounts: names.into_iter().map(account).collect(),
        rooms: setup::rooms(plan.rooms, RUN_NAME),
        seed: plan.seed,
        run_name: RUN_NAME.to_owned(),
    };
    let gateway = GatewayUrl::parse(&format!("http://{GATEWAY}:{GATEWAY_PORT}"))?;
    let world = World::new(gateway, named, recorder, Pace::default());
    let began = clock::elapsed_us().saturating_sub(world.now());
    shared.world.send_replace(Some((Arc::new(world), began)));
    Ok(())
}

/// What the history says of the run.
pub(crate) fn told(plan: &Plan) -> Run {
    Run {
        seed: plan.seed,
        duration_ms: u64::try_from(plan.load.as_millis()).unwrap_or(u64::MAX),
        users: u32::try_from(plan.users).unwrap_or(u32::MAX),
        rooms: plan.rooms,
        rate: plan.rate,
        servers: u32::try_from(SERVERS).unwrap_or(u32::MAX),
        settings: settings(plan),
        own_cluster: true,
        queue_bytes_max: u64::try_from(plan.outbound_bytes_max).ok(),
        ..Run::of_this_build()
    }
}

/// Where servers are not as they are by default.
fn settings(plan: &Plan) -> Vec<String> {
    let ms = |name: &str, time: Duration| format!("{name}={}", time.as_millis());
    vec![
        ms("limits.ping_interval_ms", plan.ping_interval),
        ms("limits.pong_timeout_ms", plan.ping_interval),
        ms("cluster.position_interval_ms", plan.position_interval),
    ]
}

/// Logged in, and in their rooms.
async fn enter(
    shared: &Shared,
    world: &Arc<World>,
    at: usize,
    scope: &Shutdown,
) -> Result<Vec<User>, LoadError> {
    let plan = &shared.plan;
    let numbers = (at..plan.users).step_by(CLIENT_HOSTS);
    let begun = numbers
        .clone()
        .map(|user| User::new(world, user, plan.rate, scope));
    let (mut users, handles): (Vec<User>, Vec<_>) = begun.unzip();
    for user in &users {
        user.logged_in().await?;
    }
    shared.done(Stage::Begin);
    shared.until(Stage::Found).await;
    if at == 0 {
        users[0].create_rooms().await?;
    }
    shared.done(Stage::Found);
    shared.until(Stage::Join).await;
    for user in &mut users {
        user.enter_rooms().await?;
    }
    shared.bring(numbers.zip(handles).collect());
    shared.done(Stage::Join);
    Ok(users)
}

/// Does what the nemesis wants of users, one by one in the order wanted, and does not wait for
/// what comes of it.
async fn obey(shared: Arc<Shared>, mut wanted: mpsc::Receiver<Wanted>, scope: Shutdown) {
    let Some(handles) = shared.handles.get() else {
        return;
    };
    while let Some(wanted) = wanted.recv().await {
        match wanted {
            Wanted::Order(user, order) => {
                let handles = Arc::clone(handles);
                let ordered = async move { handles[user].order(order).await };
                let _ordered = task::spawn(&scope, TaskKind::Client, ordered);
            }
            Wanted::Slow(user, time_us) => {
                let world = shared.world.borrow().clone();
                if let Some((world, _)) = world {
                    handles[user].slow_until(world.now() + time_us);
                }
            }
        }
    }
}
