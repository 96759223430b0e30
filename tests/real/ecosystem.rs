//! The process files, tried: units are verified and scored, supervisor really runs a cluster.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use antiphon_core::clock;

use crate::harness::process::{Process, role};
use crate::harness::raw::http_get;
use crate::harness::real::RealCluster;
use crate::harness::{DEADLINE, wait_until};

/// The highest exposure that a unit may have, in tenths, as systemd scores it.
const EXPOSURE_MAX: &str = "20";

fn ecosystem() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("ecosystem")
}

fn run(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; run tests/services/install"));
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{command:?}:\n{said}");
}

#[test]
fn units_are_right_and_hardened() {
    let folder = tempfile::tempdir().unwrap();
    for unit in [
        "antiphon-server@.service",
        "antiphon-gateway.service",
        "antiphon.target",
    ] {
        let text = std::fs::read_to_string(ecosystem().join("systemd").join(unit)).unwrap();
        // The one thing that differs from an installed machine.
        let text = text.replace("/usr/bin/antiphon", env!("CARGO_BIN_EXE_antiphon"));
        std::fs::write(folder.path().join(unit), text).unwrap();
    }
    for unit in [
        "antiphon-server@s1.service",
        "antiphon-gateway.service",
        "antiphon.target",
    ] {
        run(Command::new("systemd-analyze")
            .args(["verify", "--man=no"])
            .arg(folder.path().join(unit)));
    }
    for unit in ["antiphon-server@.service", "antiphon-gateway.service"] {
        let threshold = format!("--threshold={EXPOSURE_MAX}");
        let unit = folder.path().join(unit);
        run(Command::new("systemd-analyze")
            .args(["security", "--offline=true", &threshold])
            .arg(unit));
    }
}

/// A unit of `Type=notify` is told when the server serves, that it lives, and when it stops.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_manager_is_told() {
    let cluster = RealCluster::start(0, 0).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = tokio::net::UnixDatagram::bind(&path).unwrap();
    let mut command = role(cluster.config(), &["server", "--name", "s1"]);
    command.env("NOTIFY_SOCKET", &path);
    let watchdog = Duration::from_secs(2);
    command.env("WATCHDOG_USEC", watchdog.as_micros().to_string());
    let mut server = Process::start("s1", command, folder.path());
    told(&socket, "READY=1").await;
    told(&socket, "connections, leader of epoch").await;
    for _ in 0..3 {
        told(&socket, "WATCHDOG=1").await;
    }
    server.signal("TERM");
    told(&socket, "STOPPING=1").await;
    assert!(server.exit().success());
}

/// Waits for a message with these words.
async fn told(socket: &tokio::net::UnixDatagram, words: &str) {
    let mut message = [0; 1_024];
    loop {
        let received = clock::timeout(DEADLINE, socket.recv(&mut message)).await;
        let length = received
            .unwrap_or_else(|_| panic!("nobody said {words}"))
            .unwrap();
        if String::from_utf8_lossy(&message[..length]).contains(words) {
            return;
        }
    }
}

/// Ends with everything that it started.
struct Supervisor {
    child: Child,
    folder: PathBuf,
}

impl Supervisor {
    fn control(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("supervisorctl");
        command
            .arg("-c")
            .arg(self.folder.join("supervisord.conf"))
            .args(arguments);
        String::from_utf8_lossy(&command.output().unwrap().stdout).into_owned()
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        let _ = self.control(&["shutdown"]);
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn supervisor_runs_a_cluster() {
    // Only its services and its file.
    let services = RealCluster::start(0, 0).await;
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("supervisord.conf");
    std::fs::copy(ecosystem().join("supervisor/supervisord.conf"), &conf).unwrap();
    let config = std::fs::read_to_string(services.config()).unwrap();
    let gateway = free_port();
    let config = format!("{config}\n[gateway]\naddr = \"127.0.0.1:{gateway}\"\n");
    std::fs::write(folder.path().join("antiphon.toml"), config).unwrap();
    let bin = Path::new(env!("CARGO_BIN_EXE_antiphon")).parent().unwrap();
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let mut command = Command::new("supervisord");
    command.arg("-c").arg(&conf).env("PATH", path);
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    command.stdout(log.try_clone().unwrap()).stderr(log);
    let child = command
        .spawn()
        .unwrap_or_else(|error| panic!("supervisord: {error}; run tests/services/install"));
    let supervisor = Supervisor {
        child,
        folder: folder.path().to_path_buf(),
    };
    let addr = format!("127.0.0.1:{gateway}");
    let listed = |count: usize| {
        let (addr, supervisor) = (&addr, &supervisor);
        wait_until(
            "the servers of supervisor",
            Duration::from_secs(60),
            move || async move {
                if tokio::net::TcpStream::connect(addr).await.is_err() {
                    return Err(supervisor.control(&["status"]));
                }
                let answer = http_get(addr, "GET", "/server?all=true").await;
                match answer.status {
                    200 if answer.json().as_array().map_or(0, Vec::len) == count => Ok(()),
                    status => Err(format!("{status} {}", answer.body)),
                }
            },
        )
    };
    listed(3).await;
    let stopped = supervisor.control(&["stop", "antiphon-server:s2"]);
    assert!(stopped.contains("stopped"), "{stopped}");
    listed(2).await;
    supervisor.control(&["start", "antiphon-server:s2"]);
    listed(3).await;
}

/// Below the ports that outgoing connections get.
fn free_port() -> u16 {
    (20_000..32_000)
        .rev()
        .find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a port is free")
}
