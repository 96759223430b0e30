//! `antiphon torture` on real services: servers of its own as processes, and nothing left behind.

use std::process::Command;

use antiphon_test_services::{MongoServer, RedisServer, ZooKeeper};
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn a_run_on_real_services_passes_and_leaves_nothing_behind() {
    let (zookeeper, redis, mongo) = futures_util::join!(
        ZooKeeper::start(),
        RedisServer::start(),
        MongoServer::start()
    );
    let store = format!("{}?directConnection=true", mongo.url("others"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_antiphon"));
    command
        .args(["torture", "--json", "--seed", "5", "--duration", "30s"])
        .args([
            "--users",
            "8",
            "--coordinator-url",
            &zookeeper.url("others"),
        ])
        .args(["--cache-url", &redis.url(), "--store-url", &store]);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let run: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(run["passed"], true);
    assert_eq!(run["run"]["ownCluster"], true);
    assert!(!run["recoveries"].as_array().unwrap().is_empty(), "{run}");
    assert!(run["numbers"]["leaderChanges"].as_u64() > Some(0), "{run}");
    assert!(!said.contains("left behind"), "{said}");
    let port = redis.port().to_string();
    let keys = Command::new("redis-cli")
        .args(["-p", &port, "DBSIZE"])
        .output();
    assert_eq!(keys.unwrap().stdout.trim_ascii(), b"0");
}
