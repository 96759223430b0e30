//! The real binary, started as users start it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use antiphon_core::clock;
use serde::Deserialize;

use super::process::spawn;
use super::raw::{HttpAnswer, http_get};

const EXIT_DEADLINE: Duration = Duration::from_secs(30);
const LOG_TAIL_LINES: usize = 60;

/// How the cluster is started.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    pub(crate) servers: Option<u32>,
    pub(crate) open_login: bool,
    pub(crate) seed: bool,
    /// HOST:PORT; a port that is free if absent.
    pub(crate) gateway: Option<String>,
    pub(crate) set: Vec<(String, String)>,
}

impl Options {
    pub(crate) fn set(settings: &[(&str, &str)]) -> Self {
        Self::default().and(settings)
    }
    pub(crate) fn and(mut self, settings: &[(&str, &str)]) -> Self {
        self.set.extend(
            settings
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned())),
        );
        self
    }
    /// As the ancestor's client needs it: seeded names, no passwords.
    pub(crate) fn open() -> Self {
        Self {
            open_login: true,
            seed: true,
            ..Self::default()
        }
    }
}

/// One server as the ready line tells it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Server {
    pub(crate) name: String,
    /// HOST:PORT for clients.
    pub(crate) client: String,
    /// HOST:PORT for servers.
    pub(crate) cluster: String,
    pub(crate) leader: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ready {
    event: String,
    gateway: String,
    servers: Vec<Server>,
    data_dir: PathBuf,
    admin: Option<String>,
}

/// A running `antiphon up`; killed when dropped.
#[derive(Debug)]
pub(crate) struct Cluster {
    child: Child,
    ready: Ready,
    log: PathBuf,
    // Kept until the end, so that a restart finds its data.
    _folder: Option<tempfile::TempDir>,
}

/// The binary with its arguments for `data_dir`.
pub(crate) fn up(data_dir: &Path, options: &Options) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_antiphon"));
    command.arg("up").arg("--data-dir").arg(data_dir);
    let gateway = options.gateway.as_deref().unwrap_or("127.0.0.1:0");
    command.args(["--gateway-addr", gateway, "--json"]);
    if let Some(servers) = options.servers {
        command.args(["--servers", &servers.to_string()]);
    }
    if options.open_login {
        command.arg("--open-login");
    }
    if options.seed {
        command.arg("--seed");
    }
    for (key, value) in &options.set {
        command.arg("--set").arg(format!("{key}={value}"));
    }
    command.stdin(Stdio::null());
    command
}

impl Cluster {
    /// Starts in a fresh folder.
    pub(crate) fn start(options: &Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut cluster = Self::start_in(folder.path(), options);
        cluster._folder = Some(folder);
        cluster
    }

    /// Starts on the data of `data_dir`.
    pub(crate) fn start_in(data_dir: &Path, options: &Options) -> Self {
        Self::start_as(data_dir, &mut up(data_dir, options))
    }

    /// Starts `command`, which becomes [`up`] on `data_dir`.
    pub(crate) fn start_as(data_dir: &Path, command: &mut Command) -> Self {
        let log = data_dir.with_extension("stderr");
        let (child, line) = spawn("`antiphon up`", command, &log);
        let ready: Ready = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("the ready line is not as agreed: {error}: {line}"));
        assert_eq!(ready.event, "ready", "{line}");
        Self {
            child,
            ready,
            log,
            _folder: None,
        }
    }

    pub(crate) fn servers(&self) -> &[Server] {
        &self.ready.servers
    }

    /// The client address of the server with this index, round and round.
    pub(crate) fn server(&self, index: usize) -> &str {
        &self.ready.servers[index % self.ready.servers.len()].client
    }

    pub(crate) fn leader(&self) -> &Server {
        self.servers()
            .iter()
            .find(|server| server.leader)
            .expect("the ready line names a leader")
    }

    pub(crate) fn followers(&self) -> Vec<&Server> {
        self.servers()
            .iter()
            .filter(|server| !server.leader)
            .collect()
    }

    pub(crate) fn data_dir(&self) -> &Path {
        &self.ready.data_dir
    }

    /// HOST:PORT of the gateway.
    pub(crate) fn gateway(&self) -> &str {
        self.ready
            .gateway
            .strip_prefix("http://")
            .expect("an http URL")
            .trim_end_matches('/')
    }

    pub(crate) async fn get(&self, path: &str) -> HttpAnswer {
        http_get(self.gateway(), "GET", path).await
    }

    /// The last lines of what the process wrote on stderr.
    pub(crate) fn log_tail(&self) -> String {
        tail(&self.log)
    }

    /// HOST:PORT for operators' tools, if it was asked for.
    pub(crate) fn admin(&self) -> &str {
        let admin = self.ready.admin.as_deref().expect("admin.addr is set");
        admin.strip_prefix("http://").expect("an http URL")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn log_path(&self) -> &Path {
        &self.log
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Asks for an orderly end; see [`Cluster::exit`].
    pub(crate) fn sigterm(&self) {
        self.signal("TERM");
    }

    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(
            Command::new("sh")
                .args(["-c", &kill])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Ends the process as a power cut would.
    pub(crate) fn kill9(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for the process to end.
    pub(crate) fn exit(&mut self) -> ExitStatus {
        wait_exit(&mut self.child).unwrap_or_else(|| {
            panic!(
                "still running after {EXIT_DEADLINE:?}; its log:\n{}",
                tail(&self.log)
            )
        })
    }

    /// `antiphon stop-server NAME`, as an operator does it.
    pub(crate) fn stop_server(&self, name: &str) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_antiphon"));
        command
            .args(["stop-server", name, "--data-dir"])
            .arg(self.data_dir());
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "stop-server {name}: {said}\n{}",
            self.log_tail()
        );
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let text = format!("log of the cluster:\n{}\n", self.log_tail());
            let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
        }
        if self._folder.is_some() {
            let _ = std::fs::remove_file(&self.log);
        }
    }
}

/// The status of a process that ends in time.
pub(crate) fn wait_exit(child: &mut Child) -> Option<ExitStatus> {
    let end = clock::now() + EXIT_DEADLINE;
    while clock::now() < end {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

pub(crate) fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
}
