//! ZooKeeper, one server or an ensemble of three.

use std::fmt::Write as _;
use std::ops::Deref;
use std::time::Duration;

use antiphon_core::clock;
use tempfile::TempDir;

use crate::installed;
use crate::port::Port;
use crate::probe::{Probe, four_letters};
use crate::service::{Plan, Service, start};

const NAME: &str = "ZooKeeper";
const JAR: &str = "/usr/share/java/zookeeper.jar";
/// Without a logging library there is no log at all.
const LOGGING_JAR: &str = "/usr/share/java/slf4j-simple.jar";
const MAIN: &str = "org.apache.zookeeper.server.quorum.QuorumPeerMain";
/// The shortest session timeout is twice, the longest twenty times this.
const TICK_MS: u32 = 500;
const ENSEMBLE: usize = 3;
const ELECTION_DEADLINE: Duration = Duration::from_secs(60);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// What a server is in its ensemble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It is alone.
    Standalone,
    /// It leads.
    Leader,
    /// It follows.
    Follower,
}

/// A ZooKeeper server; the methods of [`Service`] are its own. Its session timeouts go from
/// 1 to 10 s.
#[derive(Debug)]
pub struct ZooKeeper(Service);

impl ZooKeeper {
    /// Starts one and waits until it serves.
    pub async fn start() -> Self {
        let mut services = start(|| vec![plan(Port::reserve(), "", None)]).await;
        Self(services.pop().expect("one was planned"))
    }

    /// `zk://HOST:PORT/PATH`.
    pub fn url(&self, path: &str) -> String {
        format!("zk://{}/{path}", self.address())
    }

    /// What it says it is; `None` if it doesn't serve.
    pub async fn mode(&self) -> Option<Mode> {
        let answer = four_letters(self.port(), "srvr").await.ok()?;
        let mode = answer
            .lines()
            .find_map(|line| line.strip_prefix("Mode: "))?;
        match mode {
            "standalone" => Some(Mode::Standalone),
            "leader" => Some(Mode::Leader),
            "follower" => Some(Mode::Follower),
            _ => None,
        }
    }
}

impl Deref for ZooKeeper {
    type Target = Service;
    fn deref(&self) -> &Service {
        &self.0
    }
}

/// Three ZooKeeper servers that elect a leader.
#[derive(Debug)]
pub struct ZooKeeperEnsemble {
    nodes: Vec<ZooKeeper>,
}

impl ZooKeeperEnsemble {
    /// Starts three and waits until all serve.
    pub async fn start() -> Self {
        let services = start(ensemble_plans).await;
        let nodes = services.into_iter().map(ZooKeeper).collect();
        Self { nodes }
    }

    /// Its servers.
    pub fn nodes(&self) -> &[ZooKeeper] {
        &self.nodes
    }

    /// `HOST:PORT,HOST:PORT,HOST:PORT`.
    pub fn addresses(&self) -> String {
        let all: Vec<String> = self.nodes.iter().map(|node| node.address()).collect();
        all.join(",")
    }

    /// `zk://HOST:PORT,HOST:PORT,HOST:PORT/PATH`.
    pub fn url(&self, path: &str) -> String {
        format!("zk://{}/{path}", self.addresses())
    }

    /// The server that leads the ensemble; waits for an election.
    pub async fn leader(&self) -> &ZooKeeper {
        let end = clock::now() + ELECTION_DEADLINE;
        loop {
            for node in &self.nodes {
                node.check_alive();
                if node.mode().await == Some(Mode::Leader) {
                    return node;
                }
            }
            assert!(clock::now() < end, "{NAME} has elected no leader");
            clock::sleep(BETWEEN_LOOKS).await;
        }
    }

    /// SIGKILL to all.
    pub fn kill(&self) {
        self.nodes.iter().for_each(|node| node.kill());
    }

    /// SIGSTOP to all.
    pub fn pause(&self) {
        self.nodes.iter().for_each(|node| node.pause());
    }

    /// SIGCONT to all.
    pub fn resume(&self) {
        self.nodes.iter().for_each(|node| node.resume());
    }

    /// Starts all again on their ports and data; returns when all serve.
    pub async fn restart(&self) {
        self.nodes.iter().for_each(|node| node.start_again());
        for node in &self.nodes {
            node.serving().await;
        }
    }
}

fn ensemble_plans() -> Vec<Plan> {
    let clients: Vec<Port> = (0..ENSEMBLE).map(|_| Port::reserve()).collect();
    let peers: Vec<[Port; 2]> = (0..ENSEMBLE)
        .map(|_| [Port::reserve(), Port::reserve()])
        .collect();
    let mut members = "initLimit=20\nsyncLimit=10\n".to_owned();
    for (index, [quorum, election]) in peers.iter().enumerate() {
        let (quorum, election) = (quorum.number(), election.number());
        let id = index + 1;
        let _ = writeln!(members, "server.{id}=127.0.0.1:{quorum}:{election}");
    }
    let together = clients.into_iter().zip(peers).enumerate();
    together
        .map(|(index, (client, peers))| {
            let mut plan = plan(client, &members, Some(index + 1));
            plan.ports.extend(peers);
            plan
        })
        .collect()
}

fn plan(client: Port, members: &str, id: Option<usize>) -> Plan {
    let folder = TempDir::new().expect("a temporary folder");
    let data = folder.path().join("data");
    std::fs::create_dir(&data).expect("a folder for the data");
    if let Some(id) = id {
        std::fs::write(data.join("myid"), id.to_string()).expect("a file in it");
    }
    let configuration = folder.path().join("zoo.cfg");
    let text = format!(
        "tickTime={TICK_MS}\n\
         dataDir={}\n\
         clientPort={}\n\
         clientPortAddress=127.0.0.1\n\
         admin.enableServer=false\n\
         4lw.commands.whitelist=*\n\
         maxClientCnxns=0\n\
         extendedTypesEnabled=true\n\
         {members}",
        data.display(),
        client.number(),
    );
    std::fs::write(&configuration, text).expect("a configuration file");
    let jars = [JAR, LOGGING_JAR].map(|jar| installed::file(NAME, jar).display().to_string());
    let arguments = [
        "-Xms32m",
        "-Xmx256m",
        "-Dzookeeper.extendedTypesEnabled=true",
        "-Dorg.slf4j.simpleLogger.showDateTime=true",
        "-cp",
        &jars.join(":"),
        MAIN,
        &configuration.display().to_string(),
    ];
    Plan {
        name: NAME,
        probe: Probe::ZooKeeper,
        ports: vec![client],
        folder,
        program: installed::program(NAME, "java"),
        arguments: arguments.map(str::to_owned).to_vec(),
    }
}
