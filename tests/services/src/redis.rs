//! Redis, with its data on disk.

use std::ops::Deref;

use tempfile::TempDir;

use crate::installed;
use crate::port::Port;
use crate::probe::Probe;
use crate::service::{Plan, Service, start};

const NAME: &str = "Redis";

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
