//! A Redis Cluster, a master that a Sentinel replaces, and TLS.

use antiphon_core::conformance;
use antiphon_test_services::{RedisCluster, RedisSentinel};

use super::*;

/// Every script stays within one slot, and the slots of a contract's keys differ.
#[tokio::test]
async fn a_cluster_keeps_every_promise() {
    let cluster = RedisCluster::start().await;
    let clients = tokio::sync::Mutex::new(Vec::new());
    let make = async || {
        let client = connect(&cluster.url(), apart(RedisSettings::default())).await;
        let cache = client.cache.clone();
        clients.lock().await.push(client);
        cache
    };
    conformance::server_directory::all(async || make().await.directory()).await;
    conformance::session_registry::all(async || make().await.sessions()).await;
    conformance::recent_messages::all(async || make().await.recent()).await;
    conformance::word_ranking::all(async || make().await.ranking()).await;
    for node in cluster.nodes() {
        let keys: u64 = command(node, &["DBSIZE"]).await;
        assert!(keys > 0, "nothing on {node:?}");
    }
}

/// What the lost part held fails with a kind; the rest goes on, and so does all when it is back.
#[tokio::test]
async fn a_cluster_that_loses_a_server_recovers() {
    let cluster = RedisCluster::start().await;
    let client = connect(&cluster.url(), brisk()).await;
    for (call, error) in every_call(&client).await {
        assert_eq!(error, None, "{call}");
    }
    let bound = session("ann", &node("calls", 1));
    client.sessions().bind(bound.clone()).await.unwrap();
    let lost = &cluster.nodes()[1];
    lost.kill();
    eventually(&cluster.nodes()[0], "something fails", async || {
        let failed = every_call(&client)
            .await
            .into_iter()
            .find_map(|(_, error)| error);
        failed.filter(|kind| {
            matches!(
                kind,
                BackendErrorKind::Timeout | BackendErrorKind::Unavailable
            )
        })
    })
    .await;
    lost.restart().await;
    eventually(lost, "every call succeeds", async || {
        let calls = every_call(&client).await;
        calls.iter().all(|(_, error)| error.is_none()).then_some(())
    })
    .await;
    eventually(lost, "ann is on line", async || {
        (sessions_of(&client, "ann").await.ok()? == [bound.session.clone()]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_sentinels_new_master_is_found() {
    let group = RedisSentinel::start().await;
    let client = connect(&group.url(), brisk()).await;
    for (call, error) in every_call(&client).await {
        assert_eq!(error, None, "{call}");
    }
    let bound = session("ann", &node("calls", 1));
    client.sessions().bind(bound.clone()).await.unwrap();
    group.first_master().kill();
    let replica = group.first_replica();
    eventually(
        replica,
        "every call succeeds on the new master",
        async || {
            let calls = every_call(&client).await;
            calls.iter().all(|(_, error)| error.is_none()).then_some(())
        },
    )
    .await;
    eventually(replica, "ann is on line", async || {
        (sessions_of(&client, "ann").await.ok()? == [bound.session.clone()]).then_some(())
    })
    .await;
    let role: Vec<redis::Value> = command(replica, &["ROLE"]).await;
    assert_eq!(role[0], redis::Value::BulkString(b"master".to_vec()));
}

/// By a certificate that we were told to trust, and not by another.
#[tokio::test]
async fn tls_checks_who_answers() {
    let server = RedisServer::start_tls().await;
    let settings = RedisSettings {
        ca_certificates: Some(server.certificate()),
        ..brisk()
    };
    let client = connect(&server.tls_url(), settings).await;
    for (call, error) in every_call(&client).await {
        assert_eq!(error, None, "{call}");
    }
    let stranger = connect(&server.tls_url(), brisk()).await;
    let health = stranger.health();
    assert!(!health.serving, "the system does not know the certificate");
    let error = health.last_error.unwrap();
    assert!(error.to_lowercase().contains("certificate"), "{error}");
}
