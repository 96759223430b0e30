//! One `antiphon server` or `antiphon gateway`, started as operators start it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use antiphon::config::VARIABLE_PREFIX;
use serde_json::Value;

use super::cluster::{tail, wait_exit};

/// A server may wait for an election, on a busy machine.
const READY_DEADLINE: Duration = Duration::from_secs(60);

/// A running process; killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    label: String,
    child: Child,
    ready: Value,
    log: PathBuf,
}

/// The binary with a role's arguments, which all come from the file beside the log.
pub(crate) fn role(config: &Path, arguments: &[&str]) -> Command {
    role_behind(&[], config, arguments)
}

/// The same behind the words of another command, which runs it elsewhere.
pub(crate) fn role_behind(words: &[String], config: &Path, arguments: &[&str]) -> Command {
    let binary = env!("CARGO_BIN_EXE_antiphon").to_owned();
    let words = [words, &[binary]].concat();
    let mut command = Command::new(&words[0]);
    command
        .args(&words[1..])
        .args(arguments)
        .arg("--json")
        .arg("--config")
        .arg(config);
    command.stdin(Stdio::null());
    // What a test is told by a variable would be an unknown key of the configuration.
    let names = std::env::vars_os().map(|(name, _)| name);
    for name in names.filter(|name| name.to_string_lossy().starts_with(VARIABLE_PREFIX)) {
        command.env_remove(name);
    }
    command
}

/// Starts a process that says in its first line that it is ready; its log goes into a file.
pub(crate) fn spawn(label: &str, command: &mut Command, log: &Path) -> (Child, String) {
    let mut open = std::fs::OpenOptions::new();
    let stderr = open.create(true).append(true).open(log).unwrap();
    let command = command.stdout(Stdio::piped()).stderr(stderr);
    let mut child = command.spawn().unwrap();
    let stdout = child.stdout.take().unwrap();
    let (line_tx, line_rx) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let mut lines = BufReader::new(stdout).lines();
        if let Some(Ok(line)) = lines.next() {
            let _ = line_tx.send(line);
        }
        // The pipe stays open and empty, so that the process never blocks on it.
        lines.for_each(drop);
    });
    let Ok(line) = line_rx.recv_timeout(READY_DEADLINE) else {
        let _ = child.kill();
        let status = child.wait();
        let log = tail(log);
        panic!("no ready line from {label} ({status:?}); its log:\n{log}");
    };
    (child, line)
}

impl Process {
    /// Starts it and waits for its ready line.
    pub(crate) fn start(label: &str, mut command: Command, folder: &Path) -> Self {
        let log = folder.join(format!("{label}.log"));
        let (child, line) = spawn(label, &mut command, &log);
        let ready: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(ready["event"], "ready", "{line}");
        let label = label.to_owned();
        Self {
            label,
            child,
            ready,
            log,
        }
    }

    /// An address of the ready line, without a scheme.
    pub(crate) fn addr(&self, key: &str) -> &str {
        let addr = self.ready[key].as_str();
        let addr = addr.unwrap_or_else(|| panic!("{} tells no {key}: {}", self.label, self.ready));
        addr.strip_prefix("http://").unwrap_or(addr)
    }

    /// SIGKILL, SIGSTOP, SIGCONT, SIGTERM by their short names.
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

    /// Ends it as a power cut would.
    pub(crate) fn kill9(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end.
    pub(crate) fn exit(&mut self) -> ExitStatus {
        let status = wait_exit(&mut self.child);
        status.unwrap_or_else(|| panic!("{} still runs; its log:\n{}", self.label, tail(&self.log)))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let text = format!("log of {}:\n{}\n", self.label, tail(&self.log));
            let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
        }
    }
}
