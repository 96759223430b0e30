//! One run, from the empty folder to the verdict.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use antiphon_client::GatewayUrl;
use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{self, TaskKind};
use antiphon_core::{clock, random};
use tokio::sync::Mutex;

use super::cluster::{self, OwnCluster};
use super::history::{self, FORMAT, Record, Recorder, Run};
use super::load::{Handle, LoadError, Named, Pace, User, World, readback, setup};
use super::nemesis::{self, Frame, Shared};
use super::{RunError, accounts, progress, tell, watch};
use crate::cli::TortureArgs;

/// After the last fault rooms get so long to show that they are well.
const AFTER_LAST_FAULT: Duration = Duration::from_secs(2);
/// Time for the clients' goodbyes.
const GOODBYE: Duration = Duration::from_secs(2);

/// The folder of a run. It goes away with the run, unless the run failed.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    keep: bool,
}

impl Folder {
    fn make() -> Result<Self, RunError> {
        let name = format!("antiphon-torture-{}", random::hex::<8>());
        let path = std::env::temp_dir().join(name);
        let made = std::fs::create_dir(&path);
        made.map_err(|error| RunError::Folder(path.clone(), error))?;
        Ok(Self { path, keep: false })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.keep {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// Runs and judges; false if a promise was broken.
pub(super) async fn run(args: &TortureArgs) -> Result<bool, RunError> {
    let gateway = args.gateway.as_deref().map(GatewayUrl::parse).transpose();
    let gateway = gateway.map_err(|error| RunError::Usage(format!("--gateway: {error}")))?;
    // Below what other programs read exactly.
    let seed = args.seed.unwrap_or_else(|| random::below(1 << 32));
    let mut folder = Folder::make()?;
    let file = match &args.keep {
        Some(file) => file.clone(),
        None => folder.path.join("history.jsonl"),
    };
    progress::say(&format!("seed {seed}"));
    let ran = record(args, gateway, seed, &folder.path, &file).await;
    if let Err(error) = ran {
        // The log of the cluster may tell why.
        folder.keep = matches!(error, RunError::Cluster(_));
        return Err(error);
    }
    let history = history::read(&file)?;
    let passed = tell(&history, args.json);
    if !passed {
        folder.keep = true;
        let (file, path) = (file.display(), folder.path.display());
        progress::say(&format!(
            "the history is {file}, the cluster's folder {path}"
        ));
    }
    Ok(passed)
}

async fn record(
    args: &TortureArgs,
    gateway: Option<GatewayUrl>,
    seed: u64,
    folder: &Path,
    file: &Path,
) -> Result<(), RunError> {
    let scope = Shutdown::new();
    let _stop = scope.token().clone().drop_guard();
    let (recorder, writing) = Recorder::create(file)?;
    let writing = task::spawn(&Shutdown::new(), TaskKind::Background, writing);
    let cluster: Option<Shared> = match &gateway {
        Some(_) => None,
        None => {
            progress::say(&format!("starting a cluster of {} servers", args.servers));
            let cluster = OwnCluster::start(folder, args.servers).await?;
            Some(Arc::new(Mutex::new(cluster)))
        }
    };
    let gateway = match (gateway, &cluster) {
        (Some(gateway), _) => gateway,
        (None, Some(cluster)) => GatewayUrl::parse(&cluster.lock().await.gateway_url())
            .map_err(|error| LoadError::Setup(error.to_string()))?,
        (None, None) => return Err(RunError::Broken),
    };
    let run_name = setup::run_name();
    let accounts = accounts::find(args, &gateway, &run_name).await?;
    let rooms = setup::rooms(args.rooms, &run_name);
    let run = Run {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        debug_build: cfg!(debug_assertions),
        seed,
        duration_ms: u64::try_from(args.duration.as_millis()).unwrap_or(u64::MAX),
        users: u32::try_from(accounts.len()).unwrap_or(u32::MAX),
        rooms: args.rooms,
        rate: args.rate,
        servers: cluster.as_ref().map_or(0, |_| args.servers),
        settings: match &cluster {
            Some(_) => cluster::SETTINGS
                .iter()
                .map(|one| (*one).to_owned())
                .collect(),
            None => Vec::new(),
        },
        own_cluster: cluster.is_some(),
        tells_usage: watch::TELLS_USAGE,
        queue_bytes_max: None,
    };
    recorder.put(Record::Run(run)).await;
    let named = Named {
        accounts,
        rooms,
        seed,
        run_name,
    };
    let world = Arc::new(World::new(gateway, named, recorder, Pace::default()));
    let talked = talk(args, &world, cluster.as_ref(), &scope).await;
    scope.stop();
    // Who is still there then holds the recorder; its records come after the end.
    scope.wait(GOODBYE).await;
    drop(world);
    talked?;
    let written = clock::timeout(GOODBYE * 10, writing).await;
    written
        .ok()
        .and_then(Result::ok)
        .flatten()
        .unwrap_or(Err(history::WriteError::Broken))?;
    Ok(())
}

/// Setup, load with faults, and the reading back.
async fn talk(
    args: &TortureArgs,
    world: &Arc<World>,
    cluster: Option<&Shared>,
    scope: &Shutdown,
) -> Result<(), RunError> {
    progress::say(&format!(
        "{} users enter {} rooms",
        world.accounts.len(),
        world.rooms.len()
    ));
    let (users, handles) = setup::users(world, args.rate, scope).await?;
    let mut books = readback::books(world);
    readback::find_bases(&handles, &mut books).await?;
    let handles = Arc::new(handles);
    let _users = load(args, world, users, &handles, cluster, scope).await?;
    progress::say("all is mended; everybody catches up, and the logs are read back");
    Ok(readback::read_back(world, &handles, &books, scope).await?)
}

/// The load, and what breaks under it. The users are handed back, so that their clients live.
async fn load(
    args: &TortureArgs,
    world: &Arc<World>,
    users: Vec<User>,
    handles: &Arc<Vec<Handle>>,
    cluster: Option<&Shared>,
    scope: &Shutdown,
) -> Result<Vec<User>, RunError> {
    let load = scope.child();
    let frame = Frame::new(world, &load, args.duration);
    let spawn = |user: User| task::spawn(scope, TaskKind::Client, user.run(load.clone()));
    let users: Vec<_> = users.into_iter().map(spawn).collect();
    let shown = progress::show(frame.clone(), Arc::clone(world), args.duration);
    let shown = task::spawn(scope, TaskKind::Client, shown);
    let clients = nemesis::break_clients(frame.clone(), Arc::clone(handles));
    let clients = task::spawn(scope, TaskKind::Client, clients);
    let watched = cluster.map(|cluster| {
        let watch = watch::watch(frame.clone(), Arc::clone(cluster));
        task::spawn(scope, TaskKind::Client, watch)
    });
    if let Some(cluster) = cluster {
        nemesis::break_servers(frame.clone(), Arc::clone(cluster)).await?;
    }
    clients.await.ok().flatten().ok_or(RunError::Broken)?;
    clock::sleep_until(frame.end.max(clock::now() + AFTER_LAST_FAULT)).await;
    load.stop();
    for part in [Some(shown), watched].into_iter().flatten() {
        part.await.ok().flatten().ok_or(RunError::Broken)?;
    }
    let mut back = Vec::new();
    for user in users {
        back.push(user.await.ok().flatten().ok_or(RunError::Broken)?);
    }
    Ok(back)
}
