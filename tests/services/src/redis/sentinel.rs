//! A master, its replica, and the Sentinel that replaces one by the other.

use std::path::Path;

use super::{NAME, RedisServer, plan};
use crate::service::{Plan, start};

/// The name under which the Sentinel knows the master.
const MASTER: &str = "main";
/// Without an answer for so long, the master counts as down.
const DOWN_AFTER_MS: u32 = 500;

/// Two Redis servers and a Sentinel, whose own word is enough for a failover.
#[derive(Debug)]
pub struct RedisSentinel {
    master: RedisServer,
    replica: RedisServer,
    sentinel: RedisServer,
}

impl RedisSentinel {
    /// Starts the three and waits until the Sentinel knows both servers.
    pub async fn start() -> Self {
        let master = RedisServer::start().await;
        let port = master.port().to_string();
        let replica = RedisServer::start_with(&["--replicaof", "127.0.0.1", &port]).await;
        replica
            .says("INFO replication", &["master_link_status:up"])
            .await;
        let mut services = start(|| vec![sentinel(master.port())]).await;
        let sentinel = RedisServer(services.pop().expect("one was planned"));
        let known = format!("SENTINEL REPLICAS {MASTER}");
        let port = replica.port().to_string();
        sentinel
            .says(&known, &[&port, "master-link-status\r\n$2\r\nok"])
            .await;
        Self {
            master,
            replica,
            sentinel,
        }
    }

    /// The server that was the master at first.
    pub fn first_master(&self) -> &RedisServer {
        &self.master
    }

    /// The server that was its replica at first.
    pub fn first_replica(&self) -> &RedisServer {
        &self.replica
    }

    /// `redis-sentinel://HOST:PORT/MASTER`.
    pub fn url(&self) -> String {
        format!("redis-sentinel://{}/{MASTER}", self.sentinel.address())
    }
}

fn sentinel(master: u16) -> Plan {
    let mut plan = plan(&[]);
    let (port, folder) = (plan.ports[0].number(), plan.folder.path());
    let file = folder.join("sentinel.conf");
    write(&file, port, folder, master);
    plan.arguments = vec![file.display().to_string(), "--sentinel".to_owned()];
    plan
}

/// A Sentinel keeps what it learns in its configuration.
fn write(file: &Path, port: u16, folder: &Path, master: u16) {
    let text = format!(
        "port {port}\n\
         bind 127.0.0.1\n\
         dir {}\n\
         sentinel monitor {MASTER} 127.0.0.1 {master} 1\n\
         sentinel down-after-milliseconds {MASTER} {DOWN_AFTER_MS}\n\
         sentinel failover-timeout {MASTER} 3000\n",
        folder.display(),
    );
    std::fs::write(file, text).unwrap_or_else(|error| panic!("{NAME}: {error}"));
}
