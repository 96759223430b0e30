//! Test data in the shared database.

use std::process::{Command, Output};

use serde_json::Value;

use crate::harness::real::RealCluster;
use crate::harness::{Client, PASSWORD};

fn seed(cluster: &RealCluster, folder: &std::path::Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_antiphon"));
    command.args(["seed", "--json", "--config"]);
    command.arg(cluster.config()).args(arguments);
    command.env("XDG_DATA_HOME", folder).output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_seeded_and_what_is_not_a_seeds_is_left_alone() {
    let cluster = RealCluster::start(1, 0).await;
    let folder = tempfile::tempdir().unwrap();
    let first = seed(&cluster, folder.path(), &["--messages", "500"]);
    let said = String::from_utf8_lossy(&first.stderr).into_owned();
    assert!(first.status.success(), "{said}");
    assert!(said.contains("target    mongodb://127.0.0.1:"), "{said}");
    assert!(
        said.contains("/antiphon, a MongoDB database: holds 0 users"),
        "{said}"
    );
    let line: Value = serde_json::from_slice(&first.stdout).unwrap();
    assert_eq!(line["users"]["made"], 99, "{line}");
    assert_eq!(line["messages"]["made"], 500, "{line}");

    let again = seed(&cluster, folder.path(), &["--messages", "500"]);
    let line: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(
        (&line["users"]["made"], &line["messages"]["made"]),
        (&0.into(), &0.into()),
        "{line}"
    );

    // The logins that the summary tells are good, and the rooms hold what was said.
    let password = line["logins"][0]["password"].as_str().unwrap().to_owned();
    let mut user = Client::connect(cluster.client_addr("s1")).await;
    let account = serde_json::json!({"username": "user1", "password": password});
    user.ok("login", account).await;
    let (messages, _) = user.history("room:room1").await;
    assert!(messages.len() > 10, "{}", messages.len());

    // A database with people of its own is not a seed's.
    drop(Client::join(cluster.client_addr("s1"), "alice").await);
    let refused = seed(&cluster, folder.path(), &["--messages", "600"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("--force"), "{said}");
    let forced = seed(&cluster, folder.path(), &["--messages", "600", "--force"]);
    assert!(
        forced.status.success(),
        "{}",
        String::from_utf8_lossy(&forced.stderr)
    );
    let mut alice = Client::connect(cluster.client_addr("s1")).await;
    let account = serde_json::json!({"username": "alice", "password": PASSWORD});
    alice.ok("login", account).await;

    let wiped = seed(&cluster, folder.path(), &["--wipe", "--yes"]);
    assert_eq!(
        wiped.status.code(),
        Some(2),
        "a shared database is not wiped from here"
    );
}
