//! Over real sockets, with bytes written by hand.

mod harness;
mod http;

use serde_json::{Value, json};

use antiphon_core::contract::BackendErrorKind;
use harness::{Gateway, entry};

use super::*;

/// The ancestor's row 99: every lookup hung.
/// Pitfall 79 too: a port is a number.
#[tokio::test]
async fn row_99_a_lookup_is_answered() {
    let gateway = Gateway::start(GatewayConfig::default()).await;
    gateway
        .publish(vec![entry("node-1", "chat.example", 9_001)])
        .await;
    let reply = gateway.get("/server").await;
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.json(),
        json!({"name": "node-1", "host": "chat.example", "port": 9001})
    );
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(reply.header("age"), Some("0"));
}

/// The ancestor's row 100: a missing list hung the request.
#[tokio::test]
async fn row_100_without_a_list_the_answer_is_503_with_retry_after() {
    let gateway = Gateway::start(GatewayConfig::default()).await;
    for target in [
        "/server",
        "/server?all=true",
        "/server?user=ann",
        "/servers",
    ] {
        let reply = gateway.get(target).await;
        reply.expect_error(503, "no_live_server");
        assert_eq!(reply.header("retry-after"), Some("1"), "{target}");
        assert_eq!(reply.json()["error"]["retryable"], json!(true));
    }
    gateway
        .get("/readyz")
        .await
        .expect_error(503, "no_server_list");
    assert_eq!(gateway.get("/healthz").await.status, 200);
    gateway.publish(Vec::new()).await;
    gateway.until("/readyz", 200).await;
    gateway
        .get("/server")
        .await
        .expect_error(503, "no_live_server");
    gateway
        .get("/servers")
        .await
        .expect_error(503, "no_live_server");
}

/// The ancestor's row 101: a lost cache killed the gateway.
#[tokio::test]
async fn row_101_while_the_directory_fails_the_last_known_list_serves() {
    let gateway = Gateway::start(GatewayConfig::default()).await;
    gateway.fail(Some(BackendErrorKind::Unavailable));
    gateway
        .get("/server")
        .await
        .expect_error(503, "no_live_server");
    gateway.fail(None);
    gateway
        .publish(vec![entry("node-1", "127.0.0.1", 9_001)])
        .await;
    gateway.until("/server", 200).await;
    gateway.fail(Some(BackendErrorKind::Timeout));
    let asked = gateway.asked();
    while gateway.asked() < asked + 2 {
        assert_eq!(gateway.get("/server").await.json()["name"], "node-1");
        assert_eq!(gateway.get("/readyz").await.status, 200);
    }
    let list = gateway.get("/servers").await.json();
    assert!(list["ageSeconds"].is_u64(), "{list}");
    gateway.fail(None);
    gateway
        .publish(vec![entry("node-2", "127.0.0.1", 9_002)])
        .await;
    gateway
        .until_json("/server", |server| server["name"] == "node-2")
        .await;
}

/// The ancestor's row 102: `all=false` meant true.
#[tokio::test]
async fn row_102_all_means_what_it_says() {
    let gateway = Gateway::start(GatewayConfig::default()).await;
    gateway
        .publish(vec![entry("node-1", "127.0.0.1", 9_001)])
        .await;
    assert!(gateway.get("/server?all=false").await.json().is_object());
    assert!(gateway.get("/server?other=1").await.json().is_object());
    let one = json!({"name": "node-1", "host": "127.0.0.1", "port": 9001});
    assert_eq!(gateway.get("/server?all=true").await.json(), json!([one]));
    for query in ["all", "all=", "all=1", "all=TRUE", "all=true&all=false"] {
        let reply = gateway.get(&format!("/server?{query}")).await;
        reply.expect_error(400, "invalid_query:all");
    }
    gateway
        .get("/server?user=%zz")
        .await
        .expect_error(400, "invalid_query:user");
}

/// The ancestor's row 103: any address with `/server` in it was answered, to any method.
#[tokio::test]
async fn row_103_routes_are_exact() {
    let gateway = Gateway::start(GatewayConfig::default()).await;
    gateway
        .publish(vec![entry("node-1", "127.0.0.1", 9_001)])
        .await;
    for target in [
        "/",
        "/server/",
        "//server",
        "/servers/1",
        "/x/server",
        "/Server",
        "/%73erver",
    ] {
        gateway.get(target).await.expect_error(404, "not_found");
    }
    for target in ["/server", "/servers", "/healthz", "/readyz"] {
        for method in ["POST", "DELETE", "OPTIONS", "BREW"] {
            let reply = gateway
                .ask(&format!("{method} {target} HTTP/1.1\r\nhost: x\r\n\r\n"))
                .await;
            reply.expect_error(405, "method_not_allowed");
            assert_eq!(reply.header("allow"), Some("GET, HEAD"));
        }
    }
    gateway
        .get(&format!("/server?user={}", "x".repeat(3_000)))
        .await
        .expect_error(414, "uri_too_long");
    gateway
        .get(&format!("/{}", "x".repeat(3_000)))
        .await
        .expect_error(414, "uri_too_long");
}

/// The ancestor's row 104: the whole topology, with the leader's address, was shown.
#[tokio::test]
async fn row_104_the_view_is_the_public_one() {
    let gateway = Gateway::start(GatewayConfig::default()).await;
    let mut leader = entry("node-1", "127.0.0.1", 9_001);
    leader.is_leader = true;
    gateway
        .publish(vec![leader, entry("node-2", "127.0.0.1", 9_002)])
        .await;
    for target in [
        "/server",
        "/server?all=true",
        "/servers",
        "/readyz",
        "/healthz",
    ] {
        let reply = gateway.get(target).await;
        assert_eq!(reply.status, 200);
        let body = reply.body.to_lowercase();
        assert!(
            !body.contains("leader") && !body.contains("epoch"),
            "{body}"
        );
    }
    let list = gateway.get("/servers").await.json();
    let keys = |value: &Value| {
        value
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(
        keys(&list["servers"][0]),
        ["connections", "host", "name", "port", "weight"]
    );
    assert_eq!(
        keys(&list),
        ["ageSeconds", "expiresInMs", "generatedAt", "servers"]
    );
    assert_eq!(
        keys(&gateway.get("/server").await.json()),
        ["host", "name", "port"]
    );
}

/// The ancestor's row 105: chosen blindly, dead ones and the leader included.
#[tokio::test]
async fn row_105_the_list_is_live_and_ranked() {
    let gateway = Gateway::start(GatewayConfig::default()).await;
    let mut servers = vec![
        entry("busy", "127.0.0.1", 9_001),
        entry("idle", "2001:db8::1", 9_002),
        entry("draining", "127.0.0.1", 9_003),
    ];
    servers[0].connections = 500;
    servers[1].connections = 3;
    servers[2].weight = 0;
    gateway.publish(servers).await;
    let list: antiphon_protocol::gateway::ServerList =
        serde_json::from_value(gateway.get("/servers").await.json()).unwrap();
    let ranked: Vec<_> = list
        .servers
        .iter()
        .map(|ranked| ranked.server.name.as_str())
        .collect();
    assert_eq!(ranked, ["idle", "busy"]);
    assert_eq!(
        (list.servers[0].connections, list.servers[0].weight),
        (3, 100)
    );
    assert_eq!(list.generated_at, harness::GENERATED_AT_MS + 1);
    assert!((1..=5_000).contains(&list.expires_in_ms));
    for _ in 0..20 {
        let server = gateway.get("/server").await.json();
        assert_eq!(
            server,
            json!({"name": "idle", "host": "2001:db8::1", "port": 9002})
        );
    }
    let all = gateway.get("/server?all=true").await.json();
    assert_eq!(all.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_user_gets_the_same_server_by_consistent_hashing() {
    let strategy = Strategy::ConsistentHash;
    let gateway = Gateway::start(GatewayConfig {
        strategy,
        ..GatewayConfig::default()
    })
    .await;
    let servers = (1..=5)
        .map(|i| entry(&format!("node-{i}"), "127.0.0.1", 9_000 + i))
        .collect();
    gateway.publish(servers).await;
    let mut seen = std::collections::BTreeSet::new();
    for i in 0..40 {
        let first = gateway.get(&format!("/server?user=Ann{i}")).await.json();
        assert_eq!(
            gateway.get(&format!("/server?user=ann{i}")).await.json(),
            first
        );
        seen.insert(first["name"].to_string());
    }
    assert!(seen.len() > 1, "users are spread: {seen:?}");
    let by_address = gateway.get("/server").await.json();
    assert_eq!(gateway.get("/server").await.json(), by_address);
}

/// Pitfall 117: one can ask whether it is well.
#[tokio::test]
async fn health_touches_nothing() {
    let gateway = Gateway::start(GatewayConfig::default()).await;
    for _ in 0..3 {
        assert_eq!(
            gateway.get("/healthz").await.json(),
            json!({"status": "ok"})
        );
    }
    assert_eq!(gateway.asked(), 0);
}

#[tokio::test]
async fn only_listed_origins_may_read_the_answers() {
    let closed = Gateway::start(GatewayConfig::default()).await;
    let ask =
        |origin: &str| format!("GET /healthz HTTP/1.1\r\nhost: x\r\norigin: {origin}\r\n\r\n");
    let reply = closed.ask(&ask("https://chat.example")).await;
    assert_eq!(reply.header("access-control-allow-origin"), None);
    let allowed_origins = vec!["https://chat.example".to_owned()];
    let open = Gateway::start(GatewayConfig {
        allowed_origins,
        ..GatewayConfig::default()
    })
    .await;
    let reply = open.ask(&ask("https://chat.example")).await;
    assert_eq!(
        reply.header("access-control-allow-origin"),
        Some("https://chat.example")
    );
    assert_eq!(reply.header("vary"), Some("origin"));
    for other in [
        "https://chat.example.evil",
        "http://chat.example",
        "null",
        "*",
    ] {
        let reply = open.ask(&ask(other)).await;
        assert_eq!(reply.header("access-control-allow-origin"), None, "{other}");
        assert_eq!(reply.header("vary"), Some("origin"));
    }
}

#[tokio::test]
async fn a_gateway_for_nobody_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = GatewayConfig {
        connections_max: 0,
        ..GatewayConfig::default()
    };
    let directory = Arc::new(antiphon_core::memory::MemoryServerDirectory::new());
    let refused = run(listener, config, directory, Shutdown::new())
        .await
        .unwrap_err();
    assert!(matches!(refused, GatewayError::ConnectionsMax { .. }));
}
