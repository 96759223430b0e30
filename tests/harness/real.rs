//! A cluster of processes on real services: three ZooKeepers, Redis, and a server that speaks
//! MongoDB's wire protocol.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use antiphon_core::clock;
use antiphon_test_services::{MongoServer, RedisServer, ZooKeeperEnsemble};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::netns::Network;
use super::process::{Process, role, role_behind};
use super::raw::http_get;
use super::{DEADLINE, FAST, wait_until};

/// A session of ZooKeeper; the design's default.
pub(crate) const SESSION: Duration = Duration::from_secs(6);

/// The services and the processes; all of them end with it.
#[derive(Debug)]
pub(crate) struct RealCluster {
    pub(crate) servers: BTreeMap<String, Process>,
    pub(crate) gateways: Vec<Process>,
    pub(crate) zookeeper: ZooKeeperEnsemble,
    pub(crate) redis: RedisServer,
    pub(crate) mongo: MongoServer,
    config: PathBuf,
    folder: TempDir,
}

impl RealCluster {
    /// Services, then so many servers and gateways.
    pub(crate) async fn start(servers: usize, gateways: usize) -> Self {
        let (zookeeper, redis, mongo) = futures_util::join!(
            ZooKeeperEnsemble::start(),
            RedisServer::start(),
            MongoServer::start()
        );
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("cluster.key");
        std::fs::write(&key, "0123456789abcdef0123456789abcdef0123456789abcdef").unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        let config = folder.path().join("antiphon.toml");
        let mut text = format!(
            "[cluster]\ncoordinator_url = {:?}\nkey_file = {key:?}\nsession_timeout_ms = {}\n\
             [cache]\nurl = {:?}\n[store]\nurl = {:?}\n[limits]\n",
            zookeeper.url("antiphon"),
            SESSION.as_millis(),
            redis.url(),
            mongo.url("antiphon"),
        );
        for (key, value) in FAST {
            let key = key.strip_prefix("limits.").unwrap();
            writeln!(text, "{key} = {value}").unwrap();
        }
        std::fs::write(&config, text).unwrap();
        let mut cluster = Self {
            servers: BTreeMap::new(),
            gateways: Vec::new(),
            zookeeper,
            redis,
            mongo,
            config,
            folder,
        };
        for number in 1..=servers {
            cluster.add_server(&format!("s{number}"), "127.0.0.1:0");
        }
        for _ in 0..gateways {
            cluster.add_gateway("127.0.0.1:0");
        }
        cluster.listed(servers).await;
        cluster
    }

    /// The file that every process reads.
    pub(crate) fn config(&self) -> &std::path::Path {
        &self.config
    }

    /// Starts a server.
    pub(crate) fn add_server(&mut self, name: &str, client_addr: &str) {
        self.add_server_with(name, &["--client-addr", client_addr]);
    }

    /// Starts a server with flags of its own.
    pub(crate) fn add_server_with(&mut self, name: &str, flags: &[&str]) {
        let mut command = role(&self.config, &["server", "--name", name]);
        command.args(flags);
        let process = Process::start(name, command, self.folder.path());
        self.servers.insert(name.to_owned(), process);
    }

    /// Starts a server on a node of a network, with flags of its own.
    pub(crate) fn add_server_on(&mut self, network: &Network, node: u8, flags: &[&str]) -> String {
        let name = format!("s{}", node + 1);
        let arguments = ["server", "--name", &name];
        let mut command = role_behind(&network.on(node), &self.config, &arguments);
        let addr = format!("{}:0", network.addr(node));
        for flag in ["--client-addr", "--cluster-addr", "--admin-addr"] {
            command.args([flag, &addr]);
        }
        command.args(flags);
        let process = Process::start(&name, command, self.folder.path());
        self.servers.insert(name.clone(), process);
        name
    }

    /// Starts a gateway.
    pub(crate) fn add_gateway(&mut self, addr: &str) {
        let label = format!("gateway{}", self.gateways.len() + 1);
        let command = role(&self.config, &["gateway", "--addr", addr]);
        self.gateways
            .push(Process::start(&label, command, self.folder.path()));
    }

    /// Waits until the gateways hand out so many servers.
    pub(crate) async fn listed(&self, count: usize) {
        for gateway in &self.gateways {
            wait_until("the list of servers", DEADLINE, || async {
                let answer = http_get(gateway.addr("gateway"), "GET", "/server?all=true").await;
                let listed = if answer.status == 200 {
                    answer.json().as_array().map_or(0, Vec::len)
                } else {
                    0
                };
                if listed == count {
                    Ok(())
                } else {
                    Err(format!("{listed} of {count}"))
                }
            })
            .await;
        }
    }

    /// HOST:PORT for clients.
    pub(crate) fn client_addr(&self, name: &str) -> &str {
        self.servers[name].addr("client")
    }

    /// The gateway's URL.
    pub(crate) fn gateway_url(&self, index: usize) -> String {
        format!("http://{}", self.gateways[index].addr("gateway"))
    }

    /// `antiphon status --json`.
    pub(crate) fn status(&self) -> Value {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_antiphon"));
        command
            .args(["status", "--json", "--config"])
            .arg(&self.config);
        let output = command.output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!(
                "status: {error}: {}",
                String::from_utf8_lossy(&output.stderr)
            )
        })
    }

    /// The name of the leader, other than `except`; asked of the servers themselves.
    pub(crate) async fn leader(&self, except: Option<&str>) -> String {
        wait_until("a leader", Duration::from_secs(60), || async {
            for (name, process) in &self.servers {
                if Some(name.as_str()) == except {
                    continue;
                }
                let metrics = metrics(process).await;
                if metrics.get("antiphon_is_leader") == Some(&1.0) {
                    return Ok(name.clone());
                }
            }
            Err("nobody leads".to_owned())
        })
        .await
    }

    /// Every server that is not `leader`.
    pub(crate) fn followers(&self, leader: &str) -> Vec<String> {
        let names = self.servers.keys().filter(|name| *name != leader);
        names.cloned().collect()
    }
}

/// What a process says at `/metrics`, by name and labels without the server's; empty if it
/// does not answer in time.
pub(crate) async fn metrics(process: &Process) -> BTreeMap<String, f64> {
    let asked = read_metrics(process.addr("admin"));
    let Ok(Ok(text)) = clock::timeout(Duration::from_secs(1), asked).await else {
        return BTreeMap::new();
    };
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ')?;
        let name = name.replace("{server=\"", "{\u{0}");
        let name = match name.split_once("{\u{0}") {
            Some((name, rest)) => match rest.split_once("\",") {
                Some((_, labels)) => format!("{name}{{{labels}"),
                None => name.to_owned(),
            },
            None => name,
        };
        Some((name, value.parse().ok()?))
    };
    lines.filter_map(sample).collect()
}

async fn read_metrics(addr: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(addr).await?;
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}
