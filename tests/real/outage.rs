//! Backing services die, hang, forget, and come back while people write.

use std::time::Duration;

use antiphon_core::clock;
use serde_json::json;

use crate::harness::raw::http_get;
use crate::harness::real::RealCluster;
use crate::harness::{Client, DEADLINE, wait_until};

/// Between two messages.
const PAUSE: Duration = Duration::from_millis(50);
const REDIS_OUTAGE: Duration = Duration::from_secs(30);
const OUTAGE: Duration = Duration::from_secs(15);
/// A send that can't be stored is refused by then.
const REFUSED_BY: Duration = Duration::from_secs(6);
/// Everything works again by then.
const BACK_BY: Duration = Duration::from_secs(5);

/// Two people on two servers who write in a room without pause.
struct Talk {
    users: Vec<Client>,
    said: u64,
}

impl Talk {
    async fn start(cluster: &RealCluster) -> Self {
        let mut users = Vec::new();
        for (name, server) in [("alice", "s1"), ("bob", "s2")] {
            users.push(Client::join(cluster.client_addr(server), name).await);
        }
        users[0]
            .ok("createRoom", json!({"roomName": "garden"}))
            .await;
        users[1].ok("joinRoom", json!({"roomName": "garden"})).await;
        Self { users, said: 0 }
    }

    /// One message of each, in the room and in private, at the first try.
    async fn say(&mut self) {
        for speaker in 0..2 {
            self.said += 1;
            let text = format!("number {}", self.said);
            let to = ["bob", "alice"][speaker];
            let room = json!({"roomName": "garden", "message": text, "clientId": format!("r-{}", self.said)});
            let private = json!({"to": to, "message": format!("private {text}"), "clientId": format!("d-{}", self.said)});
            for data in [room, private] {
                let (action, answer) = self.users[speaker].request("chat", data).await;
                assert_eq!(action, "ack", "message {}: {answer}", self.said);
            }
            self.users[1 - speaker].delivery(&text).await;
        }
    }

    async fn say_for(&mut self, time: Duration) {
        let end = clock::now() + time;
        while clock::now() < end {
            self.say().await;
            clock::sleep(PAUSE).await;
        }
    }

    async fn check(&mut self) {
        let (messages, _) = self.users[0].history("room:garden").await;
        let expected: Vec<String> = (1..=self.said)
            .map(|number| format!("number {number}"))
            .collect();
        let texts: Vec<&str> = messages
            .iter()
            .map(|m| m["message"].as_str().unwrap())
            .collect();
        assert_eq!(texts, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_message_needs_redis() {
    let cluster = RealCluster::start(2, 1).await;
    let mut talk = Talk::start(&cluster).await;
    talk.say_for(Duration::from_secs(2)).await;

    cluster.redis.kill();
    talk.say_for(REDIS_OUTAGE).await;
    let ready = http_get(cluster.servers["s1"].addr("admin"), "GET", "/readyz").await;
    assert_eq!(ready.status, 200, "degraded, not unready: {}", ready.body);
    assert!(ready.body.contains("degraded"), "{}", ready.body);
    let listed = http_get(cluster.gateways[0].addr("gateway"), "GET", "/server").await;
    assert_eq!(listed.status, 200, "the last known list serves on");
    cluster.redis.restart().await;
    recovered(&cluster).await;

    flush(&cluster);
    talk.say_for(Duration::from_secs(5)).await;
    recovered(&cluster).await;

    cluster.redis.pause();
    talk.say_for(REDIS_OUTAGE).await;
    cluster.redis.resume();
    recovered(&cluster).await;
    talk.say_for(Duration::from_secs(2)).await;
    talk.check().await;
}

/// `FLUSHALL`, as an operator's mistake.
fn flush(cluster: &RealCluster) {
    let port = cluster.redis.port().to_string();
    let mut command = std::process::Command::new("redis-cli");
    let output = command.args(["-p", &port, "FLUSHALL"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// Sessions and the list of servers are in Redis again, as they are.
async fn recovered(cluster: &RealCluster) {
    wait_until("Redis filled again", DEADLINE, || async {
        let status = cluster.status();
        let servers = status["servers"].as_array().map_or(0, Vec::len);
        if status["usersOnline"] == 2 && servers == 2 && status["listAgeMs"].is_u64() {
            Ok(())
        } else {
            Err(status.to_string())
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_message_needs_zookeeper() {
    let cluster = RealCluster::start(2, 1).await;
    let mut talk = Talk::start(&cluster).await;
    talk.say_for(Duration::from_secs(2)).await;
    let leader = cluster.leader(None).await;
    cluster.zookeeper.kill();
    talk.say_for(OUTAGE).await;
    cluster.zookeeper.restart().await;
    talk.say_for(Duration::from_secs(10)).await;
    assert_eq!(
        cluster.leader(None).await,
        leader,
        "its session has survived"
    );
    talk.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_zookeeper_of_three_is_not_missed() {
    let cluster = RealCluster::start(2, 1).await;
    let mut talk = Talk::start(&cluster).await;
    let leader = cluster.leader(None).await;
    for node in cluster.zookeeper.nodes() {
        node.kill();
        talk.say_for(Duration::from_secs(8)).await;
        assert_eq!(cluster.leader(None).await, leader);
        node.restart().await;
    }
    talk.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_acknowledged_while_mongodb_is_away() {
    let cluster = RealCluster::start(2, 1).await;
    let mut talk = Talk::start(&cluster).await;
    talk.say_for(Duration::from_secs(2)).await;
    let said = talk.said;
    cluster.mongo.kill();
    let end = clock::now() + OUTAGE;
    let mut tries = 0;
    while clock::now() < end {
        tries += 1;
        let data = json!({"roomName": "garden", "message": format!("lost {tries}"), "clientId": format!("x-{tries}")});
        let begun = clock::now();
        let (action, answer) = talk.users[0].request("chat", data).await;
        assert_eq!(action, "error", "acknowledged without a store: {answer}");
        assert_eq!(answer["retryable"], true, "{answer}");
        let ext = answer["ext"].as_str().unwrap();
        assert!(
            matches!(ext, "store_unavailable" | "unknown_outcome"),
            "{answer}"
        );
        assert!(
            begun.elapsed() <= REFUSED_BY,
            "refused after {:?}",
            begun.elapsed()
        );
    }
    let ready = http_get(cluster.servers["s1"].addr("admin"), "GET", "/readyz").await;
    assert_eq!(ready.status, 503, "{}", ready.body);
    cluster.mongo.restart().await;
    let back = clock::now();
    let data = json!({"roomName": "garden", "message": format!("number {}", said + 1), "clientId": "back"});
    talk.users[0].ok("chat", data).await;
    assert!(back.elapsed() <= BACK_BY, "back after {:?}", back.elapsed());
    talk.said += 1;
    talk.say_for(Duration::from_secs(2)).await;
    // Messages whose outcome was unknown may be there; everything acknowledged is.
    let (messages, _) = talk.users[0].history("room:garden").await;
    let texts: Vec<&str> = messages
        .iter()
        .map(|m| m["message"].as_str().unwrap())
        .collect();
    let kept: Vec<&&str> = texts
        .iter()
        .filter(|text| text.starts_with("number"))
        .collect();
    assert_eq!(kept.len() as u64, talk.said);
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_and_redis_may_restart() {
    let mut cluster = RealCluster::start(2, 2).await;
    let mut talk = Talk::start(&cluster).await;
    let addr = cluster.gateways[0].addr("gateway").to_owned();
    let mut gateway = cluster.gateways.remove(0);
    gateway.kill9();
    talk.say().await;
    let other = http_get(cluster.gateways[0].addr("gateway"), "GET", "/server").await;
    assert_eq!(other.status, 200, "the other gateway serves");
    cluster.add_gateway(&addr);
    cluster.redis.kill();
    talk.say().await;
    cluster.redis.restart().await;
    recovered(&cluster).await;
    cluster.listed(2).await;
    talk.say().await;
    talk.check().await;
}
