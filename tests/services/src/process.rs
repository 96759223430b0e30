//! A child process that can't outlive the test's.
//!
//! A shell waits at the end of a pipe that only this process holds. If this process ends in
//! whatever way, the pipe closes and the shell kills the child.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use std::os::unix::process::CommandExt as _;

/// Ends `$1` when its input does; a line of input spares it. Signals to the test's process
/// group don't reach it.
const WATCHDOG: &str = r#"trap "" INT TERM HUP; read -r _ || kill -KILL "$1""#;

#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    watchdog: Child,
}

impl Process {
    /// Starts `command`, which is in the foreground, with its output appended to `log`.
    pub(crate) fn start(command: &mut Command, log: &Path) -> std::io::Result<Self> {
        let log = File::options().create(true).append(true).open(log)?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog", &child.id().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        match watchdog {
            Ok(watchdog) => Ok(Self { child, watchdog }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be asked")
    }

    /// Sends a signal by name. The child was not waited for, so the id is still its own.
    pub(crate) fn signal(&mut self, name: &str) {
        if self.ended().is_none() {
            let kill = format!("kill -{name} {}", self.id());
            let status = Command::new("sh").args(["-c", &kill]).status();
            assert!(status.is_ok_and(|status| status.success()), "{kill} failed");
        }
    }

    /// SIGKILL; returns when it is gone.
    pub(crate) fn kill(&mut self) {
        // The watchdog first: it must not kill by an id that is free again.
        let _ = self.watchdog.kill();
        let _ = self.watchdog.wait();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
