//! The processes of a plant, with the proxies around them.

use std::path::{Path, PathBuf};
use std::sync::Mutex as SyncMutex;

use serde::Deserialize;
use tokio::sync::{Mutex, MutexGuard};

use super::look::{Seen, look};
use super::{Plan, PlantError, parsed};
use crate::torture::process::{ProcessError, Running};
use crate::torture::proxy::Proxy;

/// A role's program, arguments and log.
#[derive(Debug)]
struct Job {
    program: PathBuf,
    folder: PathBuf,
    role: &'static str,
    arguments: Vec<String>,
    log: String,
}

impl Job {
    fn new(plan: &Plan, role: &'static str, label: &str) -> Self {
        let mut job = Self {
            program: plan.program.clone(),
            folder: plan.folder.clone(),
            role,
            arguments: ["--json", "--while-input-lasts"]
                .map(str::to_owned)
                .to_vec(),
            log: format!("{label}.log"),
        };
        for setting in &plan.settings {
            job.set(setting.clone());
        }
        job.set(format!("cache.prefix={}", plan.name));
        job
    }

    fn set(&mut self, setting: String) {
        self.arguments.extend(["--set".to_owned(), setting]);
    }

    fn flag(&mut self, flag: &str, value: impl ToString) {
        self.arguments.extend([flag.to_owned(), value.to_string()]);
    }

    async fn start<R>(&self) -> Result<(Running, R), ProcessError>
    where
        R: serde::de::DeserializeOwned + Send + 'static,
    {
        let command = (self.role, self.arguments.as_slice());
        Running::start(&self.program, command, (&self.folder, &self.log)).await
    }
}

#[derive(Debug, Deserialize)]
struct ServerReady {
    client: String,
    cluster: String,
    admin: String,
}

/// One server.
#[derive(Debug)]
pub(super) struct Server {
    name: String,
    job: Job,
    process: Mutex<Option<Running>>,
    admin: SyncMutex<Option<String>>,
    /// From its clients.
    pub(super) client: Proxy,
    /// From the other servers.
    pub(super) cluster: Proxy,
    /// To each member of the coordination service.
    pub(super) coordinator: Vec<Proxy>,
    /// To the cache, if that can be behind a proxy.
    pub(super) cache: Vec<Proxy>,
    /// To the store, if that can be behind a proxy.
    pub(super) store: Vec<Proxy>,
}

/// A service's URL, behind proxies if programs go nowhere else from there.
async fn reach(
    url: &str,
    flag: &'static str,
    seed: u64,
) -> Result<(String, Vec<Proxy>), PlantError> {
    let url = parsed(url, flag)?;
    if !url.is_direct() {
        return Ok((url.to_string(), Vec::new()));
    }
    let (behind, proxies) = url.behind(seed).await?;
    Ok((behind.to_string(), proxies))
}

fn without_scheme(url: &str) -> String {
    url.trim_start_matches("http://")
        .trim_end_matches('/')
        .to_owned()
}

impl Server {
    pub(super) async fn new(plan: &Plan, key: &Path, number: usize) -> Result<Self, PlantError> {
        let seed = plan.seed.wrapping_add(number as u64);
        let name = format!("s{number}");
        let services = &plan.services;
        let (coordinator_url, coordinator) =
            reach(&services.coordinator, "--coordinator-url", seed).await?;
        let (cache_url, cache) = reach(&services.cache, "--cache-url", seed).await?;
        let (store_url, store) = reach(&services.store, "--store-url", seed).await?;
        let bind = async || {
            let bound = Proxy::bind("127.0.0.1:0", seed).await;
            bound.map_err(PlantError::Proxy)
        };
        let (client, cluster) = (bind().await?, bind().await?);
        let mut job = Job::new(plan, "server", &name);
        job.flag("--name", &name);
        job.flag("--coordinator-url", coordinator_url);
        job.flag("--cache-url", cache_url);
        job.flag("--store-url", store_url);
        job.flag("--cluster-key-file", key.display());
        let session_ms = plan.session_timeout.as_millis();
        job.set(format!("cluster.session_timeout_ms={session_ms}"));
        job.set(format!("server.client_advertise={}", client.addr()));
        job.set(format!("cluster.advertise={}", cluster.addr()));
        Ok(Self {
            name,
            job,
            process: Mutex::default(),
            admin: SyncMutex::default(),
            client,
            cluster,
            coordinator,
            cache,
            store,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Its process, which one at a time touches.
    pub(super) async fn process(&self) -> MutexGuard<'_, Option<Running>> {
        self.process.lock().await
    }

    /// Starts it, if it does not run.
    pub(super) async fn begin(&self) -> Result<(), ProcessError> {
        let mut process = self.process().await;
        if process.is_some() {
            return Ok(());
        }
        let (running, ready): (_, ServerReady) = self.job.start().await?;
        self.client.lead_to(&ready.client);
        self.cluster.lead_to(&ready.cluster);
        let mut admin = self.admin.lock().expect("no holder panics");
        *admin = Some(without_scheme(&ready.admin));
        *process = Some(running);
        Ok(())
    }

    /// What it says of itself.
    pub(super) async fn look(&self) -> Option<Seen> {
        let admin = self.admin.lock().expect("no holder panics").clone();
        look(&admin?).await
    }

    pub(super) fn mend(&self) {
        let ways = [&self.coordinator, &self.cache, &self.store];
        let ways = ways.into_iter().flatten();
        ways.chain([&self.client, &self.cluster])
            .for_each(Proxy::mend);
    }
}

#[derive(Debug, Deserialize)]
struct GatewayReady {
    gateway: String,
}

/// One gateway.
#[derive(Debug)]
pub(super) struct Gateway {
    job: Job,
    process: Mutex<Option<Running>>,
    addr: SyncMutex<Option<String>>,
    pub(super) cache: Vec<Proxy>,
}

impl Gateway {
    pub(super) async fn new(plan: &Plan, number: usize) -> Result<Self, PlantError> {
        let (cache_url, cache) = reach(&plan.services.cache, "--cache-url", plan.seed).await?;
        let mut job = Job::new(plan, "gateway", &format!("gateway{number}"));
        job.flag("--cache-url", cache_url);
        job.flag("--addr", "127.0.0.1:0");
        Ok(Self {
            job,
            process: Mutex::default(),
            addr: SyncMutex::default(),
            cache,
        })
    }

    /// `HOST:PORT`, once it has run.
    pub(super) fn addr(&self) -> Option<String> {
        self.addr.lock().expect("no holder panics").clone()
    }

    pub(super) async fn kill(&self) {
        *self.process.lock().await = None;
    }

    /// Starts it, if it does not run.
    pub(super) async fn begin(&self) -> Result<(), ProcessError> {
        let mut process = self.process.lock().await;
        if process.is_some() {
            return Ok(());
        }
        let (running, ready): (_, GatewayReady) = self.job.start().await?;
        let mut addr = self.addr.lock().expect("no holder panics");
        *addr = Some(without_scheme(&ready.gateway));
        *process = Some(running);
        Ok(())
    }

    pub(super) fn mend(&self) {
        self.cache.iter().for_each(Proxy::mend);
    }
}
