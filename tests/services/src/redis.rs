//! Redis, with its data on disk: alone, with TLS, as a cluster, or with a replica and a Sentinel.

mod cluster;
mod sentinel;
mod tls;

pub use cluster::RedisCluster;
pub use sentinel::RedisSentinel;

use std::ops::Deref;
use std::time::Duration;

use antiphon_core::clock;
use tempfile::TempDir;

use crate::installed;
use crate::port::Port;
use crate::probe::{Probe, exchange};
use crate::service::{Plan, Service, start};

const NAME: &str = "Redis";
const SAYS_DEADLINE: Duration = Duration::from_secs(60);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// A Redis server; the methods of [`Service`] are its own.
#[derive(Debug)]
pub struct RedisServer(Service);

impl RedisServer {
    /// Starts one and waits until it serves.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// With further arguments, e.g. `["--maxmemory", "2mb"]`.
    pub async fn start_with(arguments: &[&str]) -> Self {
        let mut services = start(|| vec![plan(arguments)]).await;
        Self(services.pop().expect("one was planned"))
    }

    /// The answer to one command, as it came.
    async fn ask(&self, command: &str) -> String {
        let end = b"+PONG\r\n";
        let request = format!("{command}\r\nPING\r\n");
        let whole = |answer: &[u8]| answer.ends_with(end);
        let answer = exchange(self.port(), request.as_bytes(), whole).await;
        let answer = answer.unwrap_or_else(|error| panic!("{NAME}: {command}: {error}"));
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Asks until the answer has all of `wanted`.
    async fn says(&self, command: &str, wanted: &[&str]) {
        let end = clock::now() + SAYS_DEADLINE;
        loop {
            self.check_alive();
            let answer = self.ask(command).await;
            if wanted.iter().all(|wanted| answer.contains(wanted)) {
                return;
            }
            assert!(clock::now() < end, "{NAME}: {command} says {answer}");
            clock::sleep(BETWEEN_LOOKS).await;
        }
    }

    /// `redis://HOST:PORT/0`.
    pub fn url(&self) -> String {
        format!("redis://{}/0", self.address())
    }
}

impl Deref for RedisServer {
    type Target = Service;
    fn deref(&self) -> &Service {
        &self.0
    }
}

fn plan(further: &[&str]) -> Plan {
    let folder = TempDir::new().expect("a temporary folder");
    let port = Port::reserve();
    let mut arguments: Vec<String> = [
        "--port",
        &port.number().to_string(),
        "--bind",
        "127.0.0.1",
        "--dir",
        &folder.path().display().to_string(),
        "--daemonize",
        "no",
        "--save",
        "",
        "--appendonly",
        "yes",
        "--appendfsync",
        "everysec",
    ]
    .map(str::to_owned)
    .to_vec();
    arguments.extend(further.iter().map(|&argument| argument.to_owned()));
    Plan {
        name: NAME,
        probe: Probe::Redis,
        ports: vec![port],
        folder,
        program: installed::program(NAME, "redis-server"),
        arguments,
    }
}
