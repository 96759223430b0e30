//! A shell in a home of its own: runs the real binary and looks at what it leaves.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use crate::harness::terminal::set_home;
use crate::harness::{Client, Cluster, PASSWORD, wait_until};

/// How a command ended and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// The lines of standard output as JSON.
    pub(crate) fn json(&self) -> Vec<Value> {
        let lines = self.out.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
            .collect()
    }
}

/// A home and a gateway.
#[derive(Debug)]
pub(crate) struct Shell {
    home: tempfile::TempDir,
    pub(crate) gateway: String,
}

impl Shell {
    /// In a fresh home.
    pub(crate) fn new(gateway: &str) -> Self {
        let gateway = format!("http://{gateway}");
        let home = tempfile::tempdir().unwrap();
        Self { home, gateway }
    }

    /// In a fresh home where this user, who is made if absent, is remembered.
    pub(crate) async fn of(cluster: &Cluster, user: &str) -> Self {
        drop(Client::join(cluster.server(0), user).await);
        let shell = Self::new(cluster.gateway());
        shell.log_in(user, "default");
        shell
    }

    /// Lets a profile remember a user.
    pub(crate) fn log_in(&self, user: &str, profile: &str) {
        let args = ["whoami", "--password-stdin", "--remember"];
        let who = ["--user", user, "--profile", profile];
        let ran = self.run_input(&[args.as_slice(), &who].concat(), &format!("{PASSWORD}\n"));
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }

    /// The home.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Where the token of a profile is kept.
    pub(crate) fn login_file(&self, profile: &str) -> PathBuf {
        let folder = self.home().join("state/antiphon/logins");
        folder.join(format!("{profile}.toml"))
    }

    /// The command, with nothing on standard input.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_antiphon"));
        command.args(args);
        command.env("ANTIPHON_GATEWAY", &self.gateway);
        command.env_remove("ANTIPHON_PROFILE");
        set_home(self.home(), |name, value| {
            command.env(name, value);
        });
        command.stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        ended(self.command(args))
    }

    /// Runs a command with this on standard input.
    pub(crate) fn run_input(&self, args: &[&str], input: &str) -> Ran {
        let mut command = self.command(args);
        command.stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_owned();
        let writer = std::thread::spawn(move || {
            // A command that has seen enough reads no further.
            let _ = stdin.write_all(input.as_bytes());
        });
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        ran(output)
    }

    /// Runs a command that must succeed.
    pub(crate) fn ok(&self, args: &[&str]) -> Ran {
        let ran = self.run(args);
        assert_eq!(ran.code, Some(0), "{args:?}: {ran:?}");
        ran
    }

    /// Starts a command and goes on.
    pub(crate) fn start(&self, args: &[&str]) -> Running {
        let mut command = self.command(args);
        command.stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        Running {
            stdin: child.stdin.take(),
            out: collect(child.stdout.take().unwrap()),
            err: collect(child.stderr.take().unwrap()),
            child,
        }
    }
}

fn ended(mut command: Command) -> Ran {
    ran(command.output().unwrap())
}

fn ran(output: std::process::Output) -> Ran {
    Ran {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

type Collected = Arc<Mutex<Vec<String>>>;

fn collect(from: impl Read + Send + 'static) -> Collected {
    let lines = Collected::default();
    let into = Arc::clone(&lines);
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            into.lock().unwrap().push(line);
        }
    });
    lines
}

/// A command that runs; killed when dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    pub(crate) stdin: Option<ChildStdin>,
    out: Collected,
    err: Collected,
}

impl Running {
    /// The lines on standard output so far.
    pub(crate) fn out(&self) -> Vec<String> {
        self.out.lock().unwrap().clone()
    }

    /// How many they are.
    pub(crate) fn out_count(&self) -> usize {
        self.out.lock().unwrap().len()
    }

    /// What it said on standard error so far.
    pub(crate) fn err(&self) -> String {
        self.err.lock().unwrap().join("\n")
    }

    /// Waits until it says this on standard error.
    pub(crate) async fn says(&self, words: &str, deadline: Duration) {
        wait_until(&format!("{words:?}"), deadline, || async {
            let err = self.err();
            if err.contains(words) {
                Ok(())
            } else {
                Err(err)
            }
        })
        .await;
    }

    /// Waits for so many lines on standard output.
    pub(crate) async fn prints(&self, count: usize, deadline: Duration) {
        wait_until(&format!("{count} lines"), deadline, || async {
            let (now, err) = (self.out_count(), self.err());
            if now >= count {
                Ok(())
            } else {
                Err(format!("{now} lines; {err}"))
            }
        })
        .await;
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for its end, and for the last of what it has written.
    pub(crate) async fn exit(&mut self, deadline: Duration) -> ExitStatus {
        drop(self.stdin.take());
        let (child, err) = (Mutex::new(&mut self.child), Arc::clone(&self.err));
        let status = wait_until("the end of the command", deadline, || async {
            let status = child.lock().unwrap().try_wait().unwrap();
            status.ok_or_else(|| err.lock().unwrap().join("\n"))
        })
        .await;
        for lines in [&self.out, &self.err] {
            // The thread lets its copy go at the end of the stream.
            wait_until("the end of its output", deadline, || async {
                let holders = Arc::strong_count(lines);
                // This function holds one of standard error's.
                let own = 1 + usize::from(Arc::ptr_eq(lines, &err));
                if holders == own {
                    Ok(())
                } else {
                    Err(format!("{holders} holders"))
                }
            })
            .await;
        }
        status
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
