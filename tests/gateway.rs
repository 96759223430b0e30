//! The gateway hands out live servers, and only those.

use serde_json::{Value, json};

use crate::harness::raw::http_get;
use crate::harness::{Client, Cluster, DEADLINE, Options, wait_until};

fn ports(list: &Value) -> Vec<u64> {
    let mut ports: Vec<u64> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["port"].as_u64().unwrap())
        .collect();
    ports.sort_unstable();
    ports
}

fn expected(cluster: &Cluster) -> Vec<u64> {
    let port = |addr: &str| addr.rsplit_once(':').unwrap().1.parse().unwrap();
    let mut ports: Vec<u64> = cluster
        .servers()
        .iter()
        .map(|server| port(&server.client))
        .collect();
    ports.sort_unstable();
    ports
}

async fn listed(cluster: &Cluster) -> Vec<u64> {
    ports(&cluster.get("/server?all=true").await.json())
}

#[tokio::test]
async fn one_live_server_or_all_of_them() {
    let cluster = Cluster::start(&Options::default());
    let one = cluster.get("/server").await;
    assert_eq!(one.status, 200);
    assert!(
        one.header("content-type")
            .unwrap()
            .starts_with("application/json")
    );
    let entry = one.json();
    assert!(expected(&cluster).contains(&entry["port"].as_u64().unwrap()));
    let addr = format!("{}:{}", entry["host"].as_str().unwrap(), entry["port"]);
    Client::join(&addr, "alice")
        .await
        .ok("ping", json!({}))
        .await;

    assert_eq!(listed(&cluster).await, expected(&cluster));
    // Row 102: "false" is not true.
    assert!(cluster.get("/server?all=false").await.json().is_object());
    let list = cluster.get("/servers").await.json();
    assert_eq!(list["servers"].as_array().unwrap().len(), 3);
    // Row 104: nobody learns who leads, or a cluster address.
    let text = list.to_string();
    let cluster_port = cluster
        .leader()
        .cluster
        .rsplit_once(':')
        .unwrap()
        .1
        .to_owned();
    assert!(
        !text.contains("leader") && !text.contains(&cluster_port),
        "{text}"
    );
}

#[tokio::test]
async fn row_103_paths_and_methods_are_exact() {
    let cluster = Cluster::start(&Options::default());
    for path in [
        "/",
        "/serverx",
        "/x/server",
        "/server/",
        "/..//server",
        "/nothing",
    ] {
        let answer = cluster.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.json().is_object(), "{path}");
    }
    for method in ["POST", "PUT", "DELETE"] {
        assert_eq!(
            http_get(cluster.gateway(), method, "/server").await.status,
            405,
            "{method}"
        );
    }
    let long = format!("/server?all={}", "x".repeat(10_000));
    let status = cluster.get(&long).await.status;
    assert!(status == 414 || status == 431, "{status}");
    assert_eq!(cluster.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn row_105_a_stopped_server_is_not_handed_out() {
    let cluster = Cluster::start(&Options::default());
    let stopped = cluster.followers()[0].clone();
    cluster.stop_server(&stopped.name);
    let port: u64 = stopped.client.rsplit_once(':').unwrap().1.parse().unwrap();
    wait_until("the list without the stopped server", DEADLINE, || async {
        let now = listed(&cluster).await;
        if now.len() == 2 && !now.contains(&port) {
            Ok(())
        } else {
            Err(format!("{now:?}"))
        }
    })
    .await;
    for _ in 0..20 {
        assert_ne!(cluster.get("/server").await.json()["port"], port);
    }
}

#[tokio::test]
async fn row_69_the_list_never_shrinks_to_the_new_leader() {
    let cluster = Cluster::start(&Options::default());
    let leader = cluster.leader().name.clone();
    cluster.stop_server(&leader);
    wait_until("two servers", DEADLINE, || async {
        let now = listed(&cluster).await;
        assert!(now.len() >= 2, "the list shrank to {now:?}");
        if now.len() == 2 {
            Ok(())
        } else {
            Err(format!("{now:?}"))
        }
    })
    .await;
}

#[tokio::test]
async fn new_clients_go_where_there_is_room() {
    let cluster = Cluster::start(&Options::default());
    let mut held = Vec::new();
    for _ in 0..5 {
        held.push(Client::connect(cluster.server(0)).await);
    }
    let busy: u64 = cluster
        .server(0)
        .rsplit_once(':')
        .unwrap()
        .1
        .parse()
        .unwrap();
    wait_until("the busy server to be last", DEADLINE, || async {
        let list = cluster.get("/servers").await.json();
        let last = list["servers"].as_array().unwrap().last().unwrap().clone();
        let known = last["port"] == busy && last["connections"] == 5;
        if known { Ok(()) } else { Err(list.to_string()) }
    })
    .await;
    assert_ne!(cluster.get("/server").await.json()["port"], busy);
}
