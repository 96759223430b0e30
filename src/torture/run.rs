//! One run, from the empty folder to the verdict.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use antiphon_client::GatewayUrl;
use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{self, TaskKind};
use antiphon_core::{clock, random};

use super::history::{self, Record, Recorder, Run};
use super::load::{Handle, LoadError, Named, Pace, User, World, readback, setup};
use super::nemesis::{self, Frame};
use super::subject::{Subject, Target};
use super::{RunError, accounts, progress, tell};
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
pub(super) async fn run(
    args: &TortureArgs,
    interrupted: impl Future<Output = ()>,
) -> Result<bool, RunError> {
    let run_name = setup::run_name();
    let target = Target::find(args, &run_name)?;
    // Below what other programs read exactly.
    let seed = args.seed.unwrap_or_else(|| random::below(1 << 32));
    let mut folder = Folder::make()?;
    let file = match &args.keep {
        Some(file) => file.clone(),
        None => folder.path.join("history.jsonl"),
    };
    progress::say(&format!("seed {seed}"));
    let plot = Plot {
        args,
        seed,
        run_name: &run_name,
        folder: &folder.path,
    };
    let ran = tokio::select! {
        ran = record(&plot, &target, &file) => ran,
        () = interrupted => Err(RunError::Interrupted),
    };
    // Its processes have ended with it.
    target.clear(&run_name).await;
    if let Err(error) = ran {
        // The log of the cluster may tell why.
        folder.keep = matches!(error, RunError::Cluster(_) | RunError::Plant(_));
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

/// What a run goes by.
pub(super) struct Plot<'r> {
    pub(super) args: &'r TortureArgs,
    pub(super) seed: u64,
    pub(super) run_name: &'r str,
    pub(super) folder: &'r Path,
}

async fn record(plot: &Plot<'_>, target: &Target, file: &Path) -> Result<(), RunError> {
    let Plot { args, seed, .. } = *plot;
    let scope = Shutdown::new();
    let _stop = scope.token().clone().drop_guard();
    let (recorder, writing) = Recorder::create(file)?;
    let writing = task::spawn(&Shutdown::new(), TaskKind::Background, writing);
    let subject = Subject::start(plot, target).await?;
    let gateway = match target {
        Target::Others(gateway) => gateway.clone(),
        Target::Up | Target::Services(_) => GatewayUrl::parse(&subject.gateway_url().await)
            .map_err(|error| LoadError::Setup(error.to_string()))?,
    };
    let run_name = plot.run_name.to_owned();
    let accounts = accounts::find(args, &gateway, &run_name).await?;
    let rooms = setup::rooms(args.rooms, &run_name);
    let run = Run {
        seed,
        duration_ms: u64::try_from(args.duration.as_millis()).unwrap_or(u64::MAX),
        users: u32::try_from(accounts.len()).unwrap_or(u32::MAX),
        rooms: args.rooms,
        rate: args.rate,
        servers: if subject.is_own() { args.servers } else { 0 },
        settings: subject.settings(),
        own_cluster: subject.is_own(),
        on_services: subject.is_on_services(),
        tells_usage: subject.tells_usage(),
        ..Run::of_this_build()
    };
    recorder.put(Record::Run(run)).await;
    let named = Named {
        accounts,
        rooms,
        seed,
        run_name,
    };
    let world = Arc::new(World::new(gateway, named, recorder, Pace::default()));
    let talked = talk(args, &world, &subject, &scope).await;
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
    subject: &Subject,
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
    let _users = load(args, world, users, &handles, subject, scope).await?;
    progress::say("all is mended; everybody catches up, and the logs are read back");
    Ok(readback::read_back(world, &handles, &books, scope).await?)
}

/// The load, and what breaks under it. The users are handed back, so that their clients live.
async fn load(
    args: &TortureArgs,
    world: &Arc<World>,
    users: Vec<User>,
    handles: &Arc<Vec<Handle>>,
    subject: &Subject,
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
    let watched = task::spawn(scope, TaskKind::Client, subject.watch(frame.clone()));
    subject.break_servers(frame.clone()).await?;
    clients.await.ok().flatten().ok_or(RunError::Broken)?;
    clock::sleep_until(frame.end.max(clock::now() + AFTER_LAST_FAULT)).await;
    load.stop();
    for part in [shown, watched] {
        part.await.ok().flatten().ok_or(RunError::Broken)?;
    }
    let mut back = Vec::new();
    for user in users {
        back.push(user.await.ok().flatten().ok_or(RunError::Broken)?);
    }
    Ok(back)
}
