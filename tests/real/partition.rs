//! Three servers in a network each, with a switch between them that drops packets.

use std::time::Duration;

use antiphon::torture::proxy::Proxy;
use antiphon_core::clock;

use super::load::{Load, check};
use crate::harness::netns::Network;
use crate::harness::real::{RealCluster, SESSION};

const SENDERS: usize = 4;
const NODES: u8 = 3;

/// The cluster, its network, and the ways to the services, which are where the test is.
struct Parted {
    cluster: RealCluster,
    network: Network,
    to_zookeeper: Vec<Proxy>,
    _to_others: Vec<Proxy>,
}

impl Parted {
    /// The first server leads.
    async fn start() -> Self {
        let mut cluster = RealCluster::start(0, 1).await;
        let network = Network::of(NODES);
        let own = format!("{}:0", network.own_addr());
        let reach = async |target: String| {
            let proxy = Proxy::bind(&own, 0).await.unwrap();
            proxy.lead_to(&target);
            proxy
        };
        let mut to_zookeeper = Vec::new();
        for node in cluster.zookeeper.nodes() {
            to_zookeeper.push(reach(node.address()).await);
        }
        let to_redis = reach(cluster.redis.address()).await;
        let to_mongo = reach(cluster.mongo.address()).await;
        let addresses = to_zookeeper.iter().map(|proxy| proxy.addr().to_string());
        let zookeeper = format!("zk://{}/antiphon", addresses.collect::<Vec<_>>().join(","));
        let redis = format!("redis://{}/0", to_redis.addr());
        let mongo = format!(
            "mongodb://{}/antiphon?directConnection=true",
            to_mongo.addr()
        );
        let flags = [
            ("--coordinator-url", &zookeeper),
            ("--cache-url", &redis),
            ("--store-url", &mongo),
        ];
        let flags: Vec<&str> = flags
            .iter()
            .flat_map(|(f, url)| [*f, url.as_str()])
            .collect();
        for node in 0..NODES {
            cluster.add_server_on(&network, node, &flags);
        }
        cluster.listed(usize::from(NODES)).await;
        assert_eq!(cluster.leader(None).await, "s1");
        Self {
            cluster,
            network,
            to_zookeeper,
            _to_others: vec![to_redis, to_mongo],
        }
    }

    fn cut_from_zookeeper(&self, node: u8) {
        for proxy in &self.to_zookeeper {
            self.network.cut_service(node, proxy.addr().port());
        }
    }

    async fn end(self, load: Load) {
        self.network.mend();
        self.cluster.listed(usize::from(NODES)).await;
        load.runs(100).await;
        let sent = load.end().await;
        for server in self.cluster.servers.keys() {
            check(&self.cluster, server, &sent).await;
        }
    }
}

/// It reaches the store and its clients, and nobody else.
#[tokio::test(flavor = "multi_thread")]
async fn the_side_without_zookeeper_has_no_effect() {
    let parted = Parted::start().await;
    let load = Load::start(&parted.cluster, SENDERS).await;
    load.runs(50).await;
    let from = clock::now();
    parted.cut_from_zookeeper(0);
    (1..NODES).for_each(|node| parted.network.part(0, node));
    parted.cluster.leader(Some("s1")).await;
    load.runs(100).await;
    // The backlog of what was said meanwhile arrives at once.
    clock::sleep((SESSION * 2).saturating_sub(from.elapsed())).await;
    parted.end(load).await;
}

/// Links end, are dialled again, and nobody waits for ever for one that only hears.
#[tokio::test(flavor = "multi_thread")]
async fn one_way_cuts_and_losses_break_nothing() {
    const HURT: Duration = Duration::from_secs(6);
    let parted = Parted::start().await;
    let load = Load::start(&parted.cluster, SENDERS).await;
    load.runs(50).await;
    // The second hears nothing of the leader, then the leader nothing of the second.
    for (from, to) in [(0, 1), (1, 0)] {
        parted.network.cut(from, to);
        clock::sleep(HURT).await;
        parted.network.mend();
        load.runs(50).await;
    }
    (0..NODES).for_each(|node| parted.network.lose(node, 20));
    clock::sleep(HURT).await;
    parted.end(load).await;
}
