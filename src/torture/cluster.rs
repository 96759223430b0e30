//! A cluster of one's own: `antiphon up` as a process of its own, by this very executable, so
//! that it can be killed, stopped and started again on the same data and the same gateway.
//! It sees no environment and no configuration but what is given here. It dies with its owner:
//! its standard input is a pipe that nobody writes to, and whose end is the owner's.

use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use antiphon_core::{clock, task};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;

/// A start waits for an election, on a busy machine.
const READY_DEADLINE: Duration = Duration::from_secs(60);
/// An orderly stop takes the grace of `limits.shutdown_grace_ms` at most.
const EXIT_DEADLINE: Duration = Duration::from_secs(30);
const EXIT_POLL: Duration = Duration::from_millis(10);
/// A port may be held by a connection of others for a moment.
const START_ATTEMPTS: u32 = 5;
const START_PAUSE: Duration = Duration::from_millis(500);
/// Positions are announced more often than by default, so that a short run shows that a lost
/// delivery is found.
pub(super) const SETTINGS: &[&str] = &["cluster.position_interval_ms=5000"];

/// Why there is no cluster.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The process.
    #[error("antiphon up can't be started")]
    Start(#[source] io::Error),
    /// It ended, or said nothing.
    #[error("antiphon up did not become ready; its log is {}", .0.display())]
    NotReady(PathBuf),
    /// A signal.
    #[error("the process can't be signalled")]
    Signal(#[source] io::Error),
}

#[derive(Debug, Deserialize)]
struct Ready {
    gateway: String,
}

/// A running process of the cluster.
#[derive(Debug)]
struct Running {
    child: Child,
    pid: Pid,
    // Held open, so that the process may write to it.
    _stdout: BufReader<ChildStdout>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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
    pub(super) async fn start(folder: &Path, servers: u32) -> Result<Self, ClusterError> {
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
        Some((self.starts - 1, running.pid.as_raw_nonzero().get()))
    }

    fn log(&self) -> PathBuf {
        self.folder.join("cluster.log")
    }

    /// Starts the process, if none runs.
    pub(super) async fn begin(&mut self) -> Result<(), ClusterError> {
        let mut attempt = 1;
        loop {
            match self.try_begin().await {
                Err(ClusterError::NotReady(_)) if attempt < START_ATTEMPTS => {
                    attempt += 1;
                    clock::sleep(START_PAUSE).await;
                }
                done => return done,
            }
        }
    }

    async fn try_begin(&mut self) -> Result<(), ClusterError> {
        if self.running.is_some() {
            return Ok(());
        }
        let mut child = self.command()?.spawn().map_err(ClusterError::Start)?;
        let not_ready = || ClusterError::NotReady(self.log());
        let stdout = child.stdout.take().expect("it is piped");
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let Some(pid) = pid else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(not_ready());
        };
        let read = task::blocking(move || {
            let mut stdout = BufReader::new(stdout);
            let mut line = String::new();
            let read = stdout.read_line(&mut line).map(|_| line);
            (stdout, read)
        });
        let read = clock::timeout(READY_DEADLINE, read).await.ok().flatten();
        let ready = read.and_then(|(stdout, line)| {
            let ready: Ready = serde_json::from_str(&line.ok()?).ok()?;
            let gateway = ready.gateway.strip_prefix("http://")?;
            Some((stdout, gateway.trim_end_matches('/').to_owned()))
        });
        let Some((stdout, gateway)) = ready else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(not_ready());
        };
        self.gateway = Some(gateway);
        self.starts += 1;
        self.running = Some(Running {
            child,
            pid,
            _stdout: stdout,
        });
        Ok(())
    }

    fn command(&self) -> Result<Command, ClusterError> {
        let executable = std::env::current_exe().map_err(ClusterError::Start)?;
        let mut log = OpenOptions::new();
        let log = log.create(true).append(true).open(self.log());
        let mut command = Command::new(executable);
        let gateway = self.gateway.as_deref().unwrap_or("127.0.0.1:0");
        command.args(["up", "--json", "--while-input-lasts"]);
        command.args(["--gateway-addr", gateway]);
        command.args(["--servers", &self.servers.to_string()]);
        command.arg("--data-dir").arg(self.data_dir());
        for setting in SETTINGS {
            command.args(["--set", setting]);
        }
        // A group of its own: Ctrl+C at the terminal is for the owner.
        command
            .process_group(0)
            .env_clear()
            .current_dir(&self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log.map_err(ClusterError::Start)?);
        Ok(command)
    }

    /// Ends the process as a power cut would.
    pub(super) fn kill(&mut self) {
        self.running = None;
    }

    /// Asks the process to end, and waits until it has.
    pub(super) async fn stop(&mut self) -> Result<(), ClusterError> {
        self.signal(Signal::TERM)?;
        let end = clock::now() + EXIT_DEADLINE;
        while let Some(running) = &mut self.running {
            let ended = running.child.try_wait().map_err(ClusterError::Signal)?;
            if ended.is_some() || clock::now() > end {
                self.running = None;
            } else {
                clock::sleep(EXIT_POLL).await;
            }
        }
        Ok(())
    }

    /// Takes the processor away from the process, for a time.
    pub(super) async fn pause(&self, time: Duration) -> Result<(), ClusterError> {
        self.signal(Signal::STOP)?;
        clock::sleep(time).await;
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<(), ClusterError> {
        let Some(running) = &self.running else {
            return Ok(());
        };
        kill_process(running.pid, signal).map_err(|errno| ClusterError::Signal(errno.into()))
    }
}
