//! A process of this program that a run starts and breaks. It sees no environment and no
//! configuration but what it is given, says on its first line that it is ready, and dies with
//! its owner: its standard input is a pipe that nobody writes to, and whose end is the owner's.

use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use antiphon_core::{clock, task};
use rustix::process::{Pid, Signal, kill_process};
use serde::de::DeserializeOwned;

/// A start waits for an election, on a busy machine.
const READY_DEADLINE: Duration = Duration::from_secs(60);
/// An orderly stop takes the grace of `limits.shutdown_grace_ms` at most.
const EXIT_DEADLINE: Duration = Duration::from_secs(30);
const EXIT_POLL: Duration = Duration::from_millis(10);

/// Why there is no process.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The process.
    #[error("antiphon {0} can't be started")]
    Start(String, #[source] io::Error),
    /// It ended, or said nothing.
    #[error("antiphon {0} did not become ready; its log is {log}", log = .1.display())]
    NotReady(String, PathBuf),
    /// A signal.
    #[error("the process can't be signalled")]
    Signal(#[source] io::Error),
}

/// One that runs.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    pid: Pid,
    // Held open, so that the process may write to it.
    _stdout: BufReader<ChildStdout>,
}

impl Running {
    /// Starts `antiphon ROLE ARGUMENTS` in a folder, with its log in a file there, and waits
    /// for its ready line.
    pub(super) async fn start<R: DeserializeOwned + Send + 'static>(
        program: &Path,
        (role, arguments): (&str, &[String]),
        (folder, log): (&Path, &str),
    ) -> Result<(Self, R), ProcessError> {
        let log = folder.join(log);
        let start = |error| ProcessError::Start(role.to_owned(), error);
        let mut open = OpenOptions::new();
        let stderr = open.create(true).append(true).open(&log).map_err(start)?;
        let mut command = Command::new(program);
        // A group of its own: Ctrl+C at the terminal is for the owner.
        command
            .arg(role)
            .args(arguments)
            .process_group(0)
            .env_clear()
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr);
        let mut child = command.spawn().map_err(start)?;
        let not_ready = || ProcessError::NotReady(role.to_owned(), log.clone());
        let stdout = child.stdout.take().expect("it is piped");
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let Some(pid) = pid else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(not_ready());
        };
        let line = task::blocking(move || {
            let mut stdout = BufReader::new(stdout);
            let mut line = String::new();
            let read = stdout.read_line(&mut line).map(|_| line);
            (stdout, read)
        });
        let read = clock::timeout(READY_DEADLINE, line).await.ok().flatten();
        let ready = read.and_then(|(stdout, line)| {
            let ready: R = serde_json::from_str(&line.ok()?).ok()?;
            Some((stdout, ready))
        });
        let Some((stdout, ready)) = ready else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(not_ready());
        };
        let running = Self {
            child,
            pid,
            _stdout: stdout,
        };
        Ok((running, ready))
    }

    /// Its number in the system.
    pub(super) fn number(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Asks it to end, and waits until it has; kills it if it doesn't.
    pub(super) async fn stop(mut self) -> Result<(), ProcessError> {
        self.signal(Signal::TERM)?;
        let end = clock::now() + EXIT_DEADLINE;
        loop {
            let ended = self.child.try_wait().map_err(ProcessError::Signal)?;
            if ended.is_some() || clock::now() > end {
                return Ok(());
            }
            clock::sleep(EXIT_POLL).await;
        }
    }

    /// Takes the processor away from it, for a time.
    pub(super) async fn pause(&self, time: Duration) -> Result<(), ProcessError> {
        self.signal(Signal::STOP)?;
        clock::sleep(time).await;
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<(), ProcessError> {
        kill_process(self.pid, signal).map_err(|errno| ProcessError::Signal(errno.into()))
    }
}

/// As a power cut would end it.
impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
