//! One running server: what all kinds have in common.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use antiphon_core::clock;
use tempfile::TempDir;

use crate::port::Port;
use crate::probe::Probe;
use crate::process::Process;
use crate::watch;

/// A Java process on a machine that builds at the same time takes its time.
const READY_DEADLINE: Duration = Duration::from_secs(60);
const STOP_DEADLINE: Duration = Duration::from_secs(20);
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);
/// Starts before a server that ends at once is given up; another program may have taken its
/// port.
const STARTS_MAX: usize = 3;
const LOG_TAIL_LINES: usize = 30;

/// What a kind of server needs.
pub(crate) struct Plan {
    pub(crate) name: &'static str,
    pub(crate) probe: Probe,
    /// The first is the one for clients.
    pub(crate) ports: Vec<Port>,
    pub(crate) folder: TempDir,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
}

/// A running server; killed when dropped.
pub struct Service {
    plan: Plan,
    state: Arc<Mutex<State>>,
}

/// What the test wants of the process.
pub(crate) enum State {
    Running(Process),
    /// The test has ended it.
    Ended,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {}", self.plan.name, self.address())
    }
}

pub(crate) fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts servers by `plan` until they serve; a few times, since a port may be lost to
/// another program.
pub(crate) async fn start(plans: impl Fn() -> Vec<Plan>) -> Vec<Service> {
    let mut last = String::new();
    for _ in 0..STARTS_MAX {
        let services: Vec<Service> = plans().into_iter().map(Service::launch).collect();
        let mut failed = None;
        for service in &services {
            if let Err(error) = service.ready().await {
                failed = Some(error);
                break;
            }
        }
        let Some(error) = failed else {
            return services;
        };
        services.iter().for_each(Service::kill);
        last = error;
    }
    panic!("{last}");
}

impl Service {
    fn launch(plan: Plan) -> Self {
        let state = Arc::new(Mutex::new(State::Ended));
        let service = Self { plan, state };
        service.spawn();
        watch::add(&service.label(), &service.state);
        service
    }

    fn spawn(&self) {
        let mut command = Command::new(&self.plan.program);
        command.args(&self.plan.arguments);
        let process = Process::start(&mut command, &self.log());
        let process = process.unwrap_or_else(|error| {
            panic!(
                "{} did not start ({}): {error}; run tests/services/install",
                self.plan.name,
                self.plan.program.display()
            )
        });
        *lock(&self.state) = State::Running(process);
    }

    /// Waits until it serves.
    async fn ready(&self) -> Result<(), String> {
        let end = clock::now() + READY_DEADLINE;
        loop {
            let answer = self.plan.probe.ask(self.port()).await;
            // An answer may be another program's, if ours has lost its port.
            if let Some(death) = watch::death(&self.state) {
                let label = self.label();
                return Err(format!("{label} {death}{}", self.log_tail()));
            }
            match answer {
                Ok(()) => return Ok(()),
                Err(last) if clock::now() >= end => {
                    let label = self.label();
                    let tail = self.log_tail();
                    return Err(format!("{label} does not serve ({last}){tail}"));
                }
                Err(_) => clock::sleep(BETWEEN_LOOKS).await,
            }
        }
    }

    fn label(&self) -> String {
        format!("{} at {}", self.plan.name, self.address())
    }

    fn log(&self) -> PathBuf {
        self.plan.folder.path().join("log")
    }

    fn log_tail(&self) -> String {
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let tail = &lines[lines.len().saturating_sub(LOG_TAIL_LINES)..];
        tail.iter().fold("; its log:".to_owned(), |mut text, line| {
            let _ = write!(text, "\n    {line}");
            text
        })
    }

    /// The port for clients.
    pub fn port(&self) -> u16 {
        self.plan.ports[0].number()
    }

    /// All its ports, the one for clients first.
    pub fn ports(&self) -> Vec<u16> {
        self.plan.ports.iter().map(Port::number).collect()
    }

    /// Where clients connect: HOST:PORT.
    pub fn address(&self) -> String {
        format!("{}:{}", Ipv4Addr::LOCALHOST, self.port())
    }

    /// Its folder: data, configuration, log.
    pub fn folder(&self) -> &Path {
        self.plan.folder.path()
    }

    /// Its process id, while it runs.
    pub fn process_id(&self) -> Option<u32> {
        match &*lock(&self.state) {
            State::Running(process) => Some(process.id()),
            State::Ended => None,
        }
    }

    /// Fails with its name and the end of its log if it ended although the test has not ended
    /// it. For loops that wait.
    pub fn check_alive(&self) {
        if let Some(death) = watch::death(&self.state) {
            panic!("{} {death}{}", self.label(), self.log_tail());
        }
    }

    /// SIGKILL; returns when the process is gone.
    pub fn kill(&self) {
        let before = std::mem::replace(&mut *lock(&self.state), State::Ended);
        drop(before);
    }

    /// SIGSTOP: it keeps its connections and answers nothing.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// SIGCONT.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        self.check_alive();
        match &mut *lock(&self.state) {
            State::Running(process) => process.signal(name),
            State::Ended => panic!("{} does not run", self.label()),
        }
    }

    /// SIGTERM; returns when the process has ended by itself.
    pub async fn stop(&self) {
        self.signal("TERM");
        let end = clock::now() + STOP_DEADLINE;
        while watch::death(&self.state).is_none() {
            let tail = self.log_tail();
            assert!(clock::now() < end, "{} does not stop{tail}", self.label());
            clock::sleep(BETWEEN_LOOKS).await;
        }
        self.kill();
    }

    /// Starts it again on its port and data, after killing it if it runs; returns when it
    /// serves.
    pub async fn restart(&self) {
        self.start_again();
        self.serving().await;
    }

    /// Starts it again without waiting for it: it may not serve alone.
    pub fn start_again(&self) {
        self.kill();
        self.spawn();
    }

    /// Waits until it serves; fails by name if it doesn't.
    pub async fn serving(&self) {
        if let Err(error) = self.ready().await {
            panic!("{error}");
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let death = watch::death(&self.state);
        self.kill();
        watch::remove(&self.state);
        // In a panic the hook has said it already.
        if let Some(death) = death.filter(|_| !std::thread::panicking()) {
            panic!("{} {death}{}", self.label(), self.log_tail());
        }
    }
}
