//! What is tortured: one process of one's own, separate processes on services, or a cluster of
//! others.

use std::sync::Arc;
use std::time::Duration;

use antiphon_client::GatewayUrl;
use antiphon_core::error_chain::ErrorChain;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::Mutex;

use super::cluster::{self, OwnCluster};
use super::nemesis::{self, Frame, Shared};
use super::plant::{Plan, Plant, Services};
use super::process::ProcessError;
use super::run::Plot;
use super::{RunError, progress, watch};
use crate::cli::TortureArgs;

/// What servers ask of the coordination service, as by default.
const SESSION_TIMEOUT: Duration = Duration::from_secs(6);

/// What the flags say.
#[derive(Debug)]
pub(super) enum Target {
    /// A cluster in one process.
    Up,
    /// Places on services that are the run's own.
    Services(Services),
    /// Somebody's gateway.
    Others(GatewayUrl),
}

impl Target {
    /// What the flags say, for a run of this name.
    pub(super) fn find(args: &TortureArgs, run_name: &str) -> Result<Self, RunError> {
        if let Some(gateway) = &args.gateway {
            let gateway = GatewayUrl::parse(gateway);
            let usage = |error| RunError::Usage(format!("--gateway: {error}"));
            return gateway.map(Self::Others).map_err(usage);
        }
        let urls = (&args.coordinator_url, &args.cache_url, &args.store_url);
        let (Some(coordinator), Some(cache), Some(store)) = urls else {
            return Ok(Self::Up);
        };
        let services = Services {
            coordinator: coordinator.clone(),
            cache: cache.clone(),
            store: store.clone(),
        };
        Ok(Self::Services(services.apart(run_name)?))
    }

    /// Removes what the run has made on services, and says what is left.
    pub(super) async fn clear(&self, run_name: &str) {
        let Self::Services(services) = self else {
            return;
        };
        for (what, why) in services.clear(run_name).await {
            let why = ErrorChain(why.as_ref());
            progress::say(&format!("left behind: {what} ({why})"));
        }
    }
}

/// What runs.
pub(super) enum Subject {
    Up(Shared),
    Plant(Arc<Plant>),
    Others,
}

impl Subject {
    /// Starts what is to be tortured.
    pub(super) async fn start(plot: &Plot<'_>, target: &Target) -> Result<Self, RunError> {
        let servers = plot.args.servers;
        match target {
            Target::Others(_) => Ok(Self::Others),
            Target::Up => {
                progress::say(&format!("starting a cluster of {servers} servers"));
                let cluster = OwnCluster::start(plot.folder, servers).await?;
                Ok(Self::Up(Arc::new(Mutex::new(cluster))))
            }
            Target::Services(services) => {
                let name = plot.run_name;
                progress::say(&format!(
                    "starting {servers} servers as processes; what is theirs on the services is \
                     called {name}"
                ));
                let program = std::env::current_exe();
                let start = |error| ProcessError::Start("server".to_owned(), error);
                let plan = Plan {
                    program: program.map_err(start)?,
                    folder: plot.folder.to_path_buf(),
                    name: name.to_owned(),
                    servers: usize::try_from(servers).unwrap_or(usize::MAX),
                    services: services.clone(),
                    settings: settings(),
                    session_timeout: SESSION_TIMEOUT,
                    seed: plot.seed,
                };
                Ok(Self::Plant(Arc::new(Plant::start(&plan).await?)))
            }
        }
    }

    /// `http://HOST:PORT`; empty for a cluster of others.
    pub(super) async fn gateway_url(&self) -> String {
        match self {
            Self::Up(cluster) => cluster.lock().await.gateway_url(),
            Self::Plant(plant) => plant.gateway_url(),
            Self::Others => String::new(),
        }
    }

    /// Whether the run has started it.
    pub(super) fn is_own(&self) -> bool {
        match self {
            Self::Up(_) | Self::Plant(_) => true,
            Self::Others => false,
        }
    }

    /// Whether it is made of processes on services.
    pub(super) fn is_on_services(&self) -> bool {
        matches!(self, Self::Plant(_))
    }

    /// What differs from the defaults.
    pub(super) fn settings(&self) -> Vec<String> {
        match self {
            Self::Up(_) | Self::Plant(_) => settings(),
            Self::Others => Vec::new(),
        }
    }

    /// Whether it is seen what its process takes.
    pub(super) fn tells_usage(&self) -> bool {
        match self {
            Self::Up(_) => watch::TELLS_USAGE,
            Self::Plant(_) | Self::Others => false,
        }
    }

    /// Writes down who leads, until the load ends.
    pub(super) fn watch(&self, frame: Frame) -> BoxFuture<'static, ()> {
        match self {
            Self::Up(cluster) => watch::watch(frame, Arc::clone(cluster)).boxed(),
            Self::Plant(plant) => {
                let plant = Arc::clone(plant);
                async move {
                    tokio::select! {
                        () = plant.watch(&frame.world) => {}
                        () = frame.load.stopping() => {}
                    }
                }
                .boxed()
            }
            Self::Others => async {}.boxed(),
        }
    }

    /// Breaks what is the run's own, until the time is over.
    pub(super) async fn break_servers(&self, frame: Frame) -> Result<(), RunError> {
        match self {
            Self::Up(cluster) => Ok(nemesis::break_servers(frame, Arc::clone(cluster)).await?),
            Self::Plant(plant) => Ok(nemesis::break_plant(frame, plant).await?),
            Self::Others => Ok(()),
        }
    }
}

fn settings() -> Vec<String> {
    let settings = cluster::SETTINGS.iter();
    settings.map(|setting| (*setting).to_owned()).collect()
}
