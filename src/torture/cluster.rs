//! A cluster of one's own: `antiphon up` as a process of its own, by this very executable, so
//! that it can be killed, stopped and started again on the same data and the same gateway.

use std::path::{Path, PathBuf};
use std::time::Duration;

use antiphon_core::clock;
use serde::Deserialize;

use super::process::{ProcessError, Running};

/// A port may be held by a connection of others for a moment.
const START_ATTEMPTS: u32 = 5;
const START_PAUSE: Duration = Duration::from_millis(500);
/// Positions are announced more often than by default, so that a short run shows that a lost
/// delivery is found.
pub(super) const SETTINGS: &[&str] = &["cluster.position_interval_ms=5000"];

#[derive(Debug, Deserialize)]
struct Ready {
    gateway: String,
}

/// The cluster. Dropping it kills the process; the folder stays.
#[derive(Debug)]
pub(super) struct OwnCluster {
    folder: PathBuf,
    servers: u32,
    /// `HOST:PORT`, the same after each start.
    gateway: Option<String>,
    running: Option<Running>,
    /// Starts so far.
    starts: u32,
}

impl OwnCluster {
    /// Starts one in a folder.
    pub(super) async fn start(folder: &Path, servers: u32) -> Result<Self, ProcessError> {
        let mut cluster = Self {
            folder: folder.to_path_buf(),
            servers,
            gateway: None,
            running: None,
            starts: 0,
        };
        cluster.begin().await?;
        Ok(cluster)
    }

    /// `http://HOST:PORT`.
    pub(super) fn gateway_url(&self) -> String {
        let gateway = self.gateway.as_deref();
        format!("http://{}", gateway.unwrap_or_default())
    }

    pub(super) fn data_dir(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub(super) fn servers(&self) -> u32 {
        self.servers
    }

    /// The process that runs now: how many were before it, and its number in the system.
    pub(super) fn process(&self) -> Option<(u32, i32)> {
        let running = self.running.as_ref()?;
        Some((self.starts - 1, running.number()))
    }

    /// Starts the process, if none runs.
    pub(super) async fn begin(&mut self) -> Result<(), ProcessError> {
        let mut attempt = 1;
        loop {
            match self.try_begin().await {
                Err(ProcessError::NotReady(..)) if attempt < START_ATTEMPTS => {
                    attempt += 1;
                    clock::sleep(START_PAUSE).await;
                }
                done => return done,
            }
        }
    }

    async fn try_begin(&mut self) -> Result<(), ProcessError> {
        if self.running.is_some() {
            return Ok(());
        }
        let program = std::env::current_exe();
        let program = program.map_err(|error| ProcessError::Start("up".to_owned(), error))?;
        let arguments = self.arguments();
        let started = Running::start(&program, ("up", &arguments), (&self.folder, "cluster.log"));
        let (running, ready): (_, Ready) = started.await?;
        let gateway = ready.gateway.trim_start_matches("http://");
        self.gateway = Some(gateway.trim_end_matches('/').to_owned());
        self.starts += 1;
        self.running = Some(running);
        Ok(())
    }

    fn arguments(&self) -> Vec<String> {
        let gateway = self.gateway.as_deref().unwrap_or("127.0.0.1:0");
        let servers = self.servers.to_string();
        let mut arguments = vec!["--json", "--while-input-lasts", "--gateway-addr", gateway];
        arguments.extend(["--servers", &servers]);
        for setting in SETTINGS {
            arguments.extend(["--set", setting]);
        }
        let data_dir = self.data_dir().to_string_lossy().into_owned();
        arguments.extend(["--data-dir", &data_dir]);
        arguments.into_iter().map(str::to_owned).collect()
    }

    /// Ends the process as a power cut would.
    pub(super) fn kill(&mut self) {
        self.running = None;
    }

    /// Asks the process to end, and waits until it has.
    pub(super) async fn stop(&mut self) -> Result<(), ProcessError> {
        match self.running.take() {
            Some(running) => running.stop().await,
            None => Ok(()),
        }
    }

    /// Takes the processor away from the process, for a time.
    pub(super) async fn pause(&self, time: Duration) -> Result<(), ProcessError> {
        match &self.running {
            Some(running) => running.pause(time).await,
            None => Ok(()),
        }
    }
}
