//! A cluster of separate processes, `antiphon server` and `antiphon gateway`, on services that
//! are there. Each server's ports, and each way from a server to a service, lead through a
//! proxy ([`super::proxy`]), so that networks can be broken as well as processes.

mod blow;
mod look;
mod server;
mod strike;
mod url;

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use antiphon_core::clock;
use futures_util::future::join_all;

use super::history::Record;
use super::load::World;
use super::process::ProcessError;
use super::proxy::Proxy;
use crate::cluster_key::{self, ClusterKeyError};
use crate::role::{self, Left};
use server::{Gateway, Server};
use url::ServiceUrl;

pub use blow::{Blow, Group};
pub use look::Seen;

/// Two, so that one may be killed.
const GATEWAYS: usize = 2;
/// For an election, on a busy machine.
const START_DEADLINE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Why there is no plant.
#[derive(Debug, thiserror::Error)]
pub enum PlantError {
    /// A process.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A proxy.
    #[error("a proxy can't be opened")]
    Proxy(#[source] io::Error),
    /// The cluster key.
    #[error(transparent)]
    Key(#[from] ClusterKeyError),
    /// A URL.
    #[error("{0} does not name hosts with ports: SCHEME://HOST:PORT/…")]
    Url(&'static str),
    /// Nobody leads, or somebody is not linked.
    #[error("the servers did not find each other; their logs are in {}", .0.display())]
    NotWhole(PathBuf),
}

/// The services.
#[derive(Debug, Clone)]
pub struct Services {
    /// `zk://…`
    pub coordinator: String,
    /// `redis://…`
    pub cache: String,
    /// `mongodb://…`
    pub store: String,
}

impl Services {
    /// Places on the same services that belong to `name` alone: a path, keys (see
    /// [`Plan::name`]) and a database.
    pub fn apart(&self, name: &str) -> Result<Self, PlantError> {
        let coordinator = parsed(&self.coordinator, "--coordinator-url")?;
        let path = format!("{}/{name}", coordinator.path());
        let path = path.trim_start_matches('/').to_owned();
        let store = parsed(&self.store, "--store-url")?;
        Ok(Self {
            coordinator: coordinator.at(path).to_string(),
            cache: self.cache.clone(),
            store: store.at(name.to_owned()).to_string(),
        })
    }

    /// Removes everything there, which a plant of this name has made in places of its own
    /// ([`Services::apart`]). Gives what is left, and why.
    pub async fn clear(&self, name: &str) -> Vec<Left> {
        let urls = [&self.store, &self.cache, &self.coordinator];
        role::remove_all(urls.map(String::as_str), name).await
    }
}

fn parsed(url: &str, flag: &'static str) -> Result<ServiceUrl, PlantError> {
    ServiceUrl::parse(url).ok_or(PlantError::Url(flag))
}

/// What a plant is made of.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The program.
    pub program: PathBuf,
    /// For configuration and logs.
    pub folder: PathBuf,
    /// In front of the keys in the cache.
    pub name: String,
    /// How many servers.
    pub servers: usize,
    /// The services.
    pub services: Services,
    /// `key=value` of every process.
    pub settings: Vec<String>,
    /// After so long without a sign of life the coordination service gives a server up.
    pub session_timeout: Duration,
    /// For the jitter of proxies.
    pub seed: u64,
}

/// See the head of the file. Dropping it kills every process.
#[derive(Debug)]
pub struct Plant {
    folder: PathBuf,
    session_timeout: Duration,
    servers: Vec<Server>,
    gateways: Vec<Gateway>,
    /// The gateway that is asked.
    asked: AtomicUsize,
    /// Leads to it.
    gateway: Proxy,
}

impl Plant {
    /// Starts everything, and waits until it is whole.
    pub async fn start(plan: &Plan) -> Result<Self, PlantError> {
        cluster_key::load_or_make("", &plan.folder)?;
        let key = plan.folder.join(cluster_key::KEY_FILE);
        let mut plant = Self {
            folder: plan.folder.clone(),
            session_timeout: plan.session_timeout,
            servers: Vec::new(),
            gateways: Vec::new(),
            asked: AtomicUsize::new(0),
            gateway: Proxy::bind("127.0.0.1:0", plan.seed)
                .await
                .map_err(PlantError::Proxy)?,
        };
        for number in 1..=plan.servers {
            plant.servers.push(Server::new(plan, &key, number).await?);
        }
        for number in 1..=GATEWAYS {
            plant.gateways.push(Gateway::new(plan, number).await?);
        }
        let starting = plant.servers.iter().map(Server::begin);
        for started in join_all(starting).await {
            started?;
        }
        for gateway in &plant.gateways {
            gateway.begin().await?;
        }
        plant.ask(0);
        if !plant.whole(START_DEADLINE).await {
            return Err(PlantError::NotWhole(plant.folder));
        }
        Ok(plant)
    }

    /// `http://HOST:PORT`.
    pub fn gateway_url(&self) -> String {
        format!("http://{}", self.gateway.addr())
    }

    /// The servers' names.
    pub fn names(&self) -> Vec<&str> {
        self.servers.iter().map(Server::name).collect()
    }

    /// Whether a blow can hit anything: a way to a service that has a proxy, for one.
    pub fn can(&self, blow: Blow) -> bool {
        match blow.group() {
            Group::Store => self.servers.iter().any(|server| !server.store.is_empty()),
            Group::Cache => self.servers.iter().any(|server| !server.cache.is_empty()),
            Group::Servers
            | Group::Links
            | Group::Clients
            | Group::Coordinator
            | Group::Gateways => true,
        }
    }

    /// Leads clients to another gateway.
    fn ask(&self, gateway: usize) {
        self.asked.store(gateway, Ordering::Relaxed);
        if let Some(addr) = self.gateways[gateway].addr() {
            self.gateway.lead_to(&addr);
        }
    }

    /// What every server says of itself.
    pub async fn look(&self) -> Vec<Option<Seen>> {
        join_all(self.servers.iter().map(Server::look)).await
    }

    /// Who leads under the newest epoch, and that.
    pub async fn leader(&self) -> Option<(usize, u64)> {
        let seen = self.look().await;
        let leaders = seen.iter().enumerate().filter_map(|(at, seen)| {
            let seen = seen.filter(|seen| seen.leads)?;
            Some((at, seen.epoch))
        });
        leaders.max_by_key(|(_, epoch)| *epoch)
    }

    /// Waits until one leads and all are linked to it; false if that takes too long.
    pub async fn whole(&self, deadline: Duration) -> bool {
        let end = clock::now() + deadline;
        loop {
            let seen = self.look().await;
            let leaders = seen.iter().flatten().filter(|seen| seen.leads).count();
            let epoch = seen.first().copied().flatten().map(|seen| seen.epoch);
            let is_linked = |seen: &Option<Seen>| {
                seen.is_some_and(|seen| seen.is_linked && Some(seen.epoch) == epoch)
            };
            if leaders == 1 && seen.iter().all(is_linked) {
                return true;
            }
            if clock::now() >= end {
                return false;
            }
            clock::sleep(LOOK_EVERY).await;
        }
    }

    /// Writes down who leads, until it is dropped.
    pub async fn watch(&self, world: &World) {
        let mut last = None;
        loop {
            if let Some((server, epoch)) = self.leader().await
                && last.is_none_or(|last| last < epoch)
            {
                last = Some(epoch);
                let name = self.servers[server].name().to_owned();
                let at = world.now();
                let leader = Record::Leader { name, epoch, at };
                world.recorder.put(leader).await;
            }
            clock::sleep(LOOK_EVERY).await;
        }
    }

    /// Starts what does not run, and mends every way.
    pub async fn heal(&self) -> Result<(), PlantError> {
        for server in &self.servers {
            server.mend();
            server.begin().await?;
        }
        for gateway in &self.gateways {
            gateway.mend();
            gateway.begin().await?;
        }
        self.ask(self.asked.load(Ordering::Relaxed));
        Ok(())
    }
}
