//! A server that speaks MongoDB's wire protocol. It is not MongoDB: one node that says it is
//! a replica set, durable over SIGKILL, without text indexes.

use std::ops::Deref;

use tempfile::TempDir;

use crate::installed;
use crate::port::Port;
use crate::probe::Probe;
use crate::service::{Plan, Service, start};

const NAME: &str = "the MongoDB-wire server";
/// The same stands in `tests/services/install`.
const VERSION: &str = "0.5.3-beta.196";

/// A MongoDB-wire server; the methods of [`Service`] are its own.
#[derive(Debug)]
pub struct MongoServer(Service);

impl MongoServer {
    /// Starts one and waits until it serves.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// With further arguments, e.g. `["--auth"]`.
    pub async fn start_with(arguments: &[&str]) -> Self {
        let mut services = start(|| vec![plan(arguments)]).await;
        Self(services.pop().expect("one was planned"))
    }

    /// `mongodb://HOST:PORT/DATABASE`.
    pub fn url(&self, database: &str) -> String {
        format!("mongodb://{}/{database}", self.address())
    }
}

impl Deref for MongoServer {
    type Target = Service;
    fn deref(&self) -> &Service {
        &self.0
    }
}

fn plan(further: &[&str]) -> Plan {
    let folder = TempDir::new().expect("a temporary folder");
    let data = folder.path().join("data");
    std::fs::create_dir(&data).expect("a folder for the data");
    let port = Port::reserve();
    let mut arguments: Vec<String> = [
        "--host",
        "127.0.0.1",
        "--port",
        &port.number().to_string(),
        "--storage-path",
        &data.display().to_string(),
        "--cache-size",
        "256M",
        "--log-file-max",
        "32MB",
        // Without it, acknowledged writes are lost by a SIGKILL.
        "--sync-on-commit",
    ]
    .map(str::to_owned)
    .to_vec();
    arguments.extend(further.iter().map(|&argument| argument.to_owned()));
    let root = installed::cache().join(format!("secantus-mdb-{VERSION}"));
    Plan {
        name: NAME,
        probe: Probe::MongoDb,
        ports: vec![port],
        folder,
        program: installed::file(NAME, root.join("bin").join("secantusd-rs")),
        arguments,
    }
}
