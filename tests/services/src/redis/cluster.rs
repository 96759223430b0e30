//! Three Redis servers that share the slots.

use super::{RedisServer, plan};
use crate::port::Port;
use crate::service::{Plan, start};

/// The slots of each server.
const SLOTS: [(u16, u16); 3] = [(0, 5_460), (5_461, 10_922), (10_923, 16_383)];

/// A Redis Cluster without replicas.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
    bus_ports: Vec<u16>,
}

impl RedisCluster {
    /// Starts three servers and waits until they are a cluster.
    pub async fn start() -> Self {
        let plans = || SLOTS.iter().map(|_| node()).collect();
        let services = start(plans).await;
        let bus_ports = services.iter().map(|service| service.ports()[1]).collect();
        let nodes = services.into_iter().map(RedisServer).collect();
        let cluster = Self { nodes, bus_ports };
        cluster.join().await;
        cluster
    }

    async fn join(&self) {
        let first = &self.nodes[0];
        for ((from, to), node) in SLOTS.iter().zip(&self.nodes) {
            let added = node
                .ask(&format!("CLUSTER ADDSLOTSRANGE {from} {to}"))
                .await;
            assert!(added.starts_with("+OK"), "{added}");
        }
        for (node, bus) in self.nodes.iter().zip(&self.bus_ports).skip(1) {
            let meet = format!("CLUSTER MEET 127.0.0.1 {} {bus}", node.port());
            let met = first.ask(&meet).await;
            assert!(met.starts_with("+OK"), "{met}");
        }
        for node in &self.nodes {
            let whole = ["cluster_state:ok", "cluster_known_nodes:3"];
            node.says("CLUSTER INFO", &whole).await;
        }
    }

    /// Its servers.
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// `redis-cluster://HOST:PORT,HOST:PORT,HOST:PORT`.
    pub fn url(&self) -> String {
        let all: Vec<String> = self.nodes.iter().map(|node| node.address()).collect();
        format!("redis-cluster://{}", all.join(","))
    }
}

fn node() -> Plan {
    let bus = Port::reserve();
    let bus_number = bus.number().to_string();
    let mut plan = plan(&[
        "--cluster-enabled",
        "yes",
        "--cluster-port",
        &bus_number,
        // It is whole again soon after one is.
        "--cluster-node-timeout",
        "2000",
    ]);
    plan.ports.push(bus);
    plan
}
