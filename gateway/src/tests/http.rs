//! The connection itself: bounds, keep-alive, stopping.

use tokio::io::AsyncWriteExt;

use super::harness::{DEADLINE, Gateway, entry, read_head, read_reply, read_to_end};
use super::*;

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";

fn short() -> GatewayConfig {
    GatewayConfig {
        header_read_timeout: Duration::from_millis(200),
        ..GatewayConfig::default()
    }
}

async fn stopped(gateway: Gateway) {
    gateway.shutdown.stop();
    let ended = antiphon_core::clock::timeout(DEADLINE, gateway.running).await;
    ended
        .expect("stops in time")
        .unwrap()
        .expect("no panic")
        .expect("no error");
}

#[tokio::test]
async fn head_is_answered_like_get_without_the_body() {
    let gateway = Gateway::start(GatewayConfig::default()).await;
    gateway
        .publish(vec![entry("node-1", "127.0.0.1", 9_001)])
        .await;
    let get = gateway.get("/server").await;
    let mut stream = gateway.connect().await;
    let request = "HEAD /server HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = read_head(&mut stream).await;
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-length"), get.header("content-length"));
    assert_eq!(head.header("content-type"), get.header("content-type"));
    assert!(read_to_end(&mut stream).await.is_empty());
}

#[tokio::test]
async fn a_connection_serves_many_requests_errors_included() {
    let gateway = Gateway::start(GatewayConfig::default()).await;
    let mut stream = gateway.connect().await;
    for (target, status) in [
        ("/healthz", 200),
        ("/x", 404),
        ("/server?all=x", 400),
        ("/server", 503),
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nhost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(read_reply(&mut stream).await.status, status);
    }
    let request = "POST /server HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    assert_eq!(read_reply(&mut stream).await.status, 405);
    stream.write_all(HEALTH.repeat(3).as_bytes()).await.unwrap();
    for _ in 0..3 {
        assert_eq!(read_reply(&mut stream).await.status, 200);
    }
}

#[tokio::test]
async fn heads_are_bounded_in_bytes_and_in_number() {
    let gateway = Gateway::start(GatewayConfig::default()).await;
    let fits = format!("GET /healthz HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(7_000));
    assert_eq!(gateway.ask(&fits).await.status, 200);
    let long = format!("GET /healthz HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(8_192));
    assert_eq!(gateway.ask(&long).await.status, 431);
    let many = format!("GET /healthz HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(65));
    assert_eq!(gateway.ask(&many).await.status, 431);
    let enough = format!("GET /healthz HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(64));
    assert_eq!(gateway.ask(&enough).await.status, 200);
}

#[tokio::test]
async fn junk_is_refused_and_hurts_nobody() {
    let gateway = Gateway::start(GatewayConfig::default()).await;
    for junk in [
        "\0\0\0\r\n\r\n",
        "GET\r\n\r\n",
        "GET /server HTTP/9.9\r\n\r\n",
        "\u{16}\u{3}\u{1}\r\n\r\n",
    ] {
        let mut stream = gateway.connect().await;
        stream.write_all(junk.as_bytes()).await.unwrap();
        let answer = read_to_end(&mut stream).await;
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"),
            "{answer:?}"
        );
    }
    assert_eq!(gateway.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn a_body_is_not_read_for_long() {
    let gateway = Gateway::start(GatewayConfig::default()).await;
    let mut stream = gateway.connect().await;
    let head = "POST /server HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    read_reply(&mut stream)
        .await
        .expect_error(405, "method_not_allowed");
    let chunk = vec![b'x'; 64 * 1024];
    let pushing = async { while stream.write_all(&chunk).await.is_ok() {} };
    let pushed = antiphon_core::clock::timeout(DEADLINE, pushing).await;
    pushed.expect("the connection is closed before the body ends");
}

#[tokio::test]
async fn a_slow_head_and_an_idle_connection_are_closed() {
    let gateway = Gateway::start(short()).await;
    let mut silent = gateway.connect().await;
    assert!(read_to_end(&mut silent).await.is_empty());
    let mut slow = gateway.connect().await;
    slow.write_all(b"GET /healthz HTTP/1.1\r\nhost:")
        .await
        .unwrap();
    assert!(read_to_end(&mut slow).await.is_empty());
    let mut idle = gateway.connect().await;
    idle.write_all(HEALTH.as_bytes()).await.unwrap();
    assert_eq!(read_reply(&mut idle).await.status, 200);
    assert!(read_to_end(&mut idle).await.is_empty());
}

#[tokio::test]
async fn clients_over_the_bound_wait_for_a_place() {
    let config = GatewayConfig {
        connections_max: 1,
        ..GatewayConfig::default()
    };
    let gateway = Gateway::start(config).await;
    let mut first = gateway.connect().await;
    first.write_all(HEALTH.as_bytes()).await.unwrap();
    assert_eq!(read_reply(&mut first).await.status, 200);
    let mut second = gateway.connect().await;
    second.write_all(HEALTH.as_bytes()).await.unwrap();
    let early = antiphon_core::clock::timeout(Duration::from_millis(100), second.readable()).await;
    assert!(early.is_err(), "the only place is taken");
    drop(first);
    assert_eq!(read_reply(&mut second).await.status, 200);
}

/// Pitfall 78.
#[tokio::test]
async fn ipv6_addresses_work() {
    let gateway = Gateway::start_on("[::1]:0", GatewayConfig::default()).await;
    gateway.publish(vec![entry("node-1", "::1", 9_001)]).await;
    assert_eq!(gateway.get("/server").await.json()["host"], "::1");
}

#[tokio::test]
async fn stopping_ends_idle_connections_and_closes_the_port() {
    let gateway = Gateway::start(GatewayConfig::default()).await;
    let addr = gateway.addr;
    let mut idle = gateway.connect().await;
    idle.write_all(HEALTH.as_bytes()).await.unwrap();
    assert_eq!(read_reply(&mut idle).await.status, 200);
    let began = antiphon_core::clock::now();
    stopped(gateway).await;
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "no timeout has to end it"
    );
    assert!(read_to_end(&mut idle).await.is_empty());
    assert!(tokio::net::TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn a_request_at_work_is_finished_before_the_end() {
    let gateway = Gateway::start(GatewayConfig::default()).await;
    gateway
        .publish(vec![entry("node-1", "127.0.0.1", 9_001)])
        .await;
    let held = gateway.hold().await;
    let mut open = gateway.connect().await;
    open.write_all(b"GET /server HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    gateway.until_asked().await;
    gateway.shutdown.stop();
    let refused = async { while tokio::net::TcpStream::connect(gateway.addr).await.is_ok() {} };
    antiphon_core::clock::timeout(DEADLINE, refused)
        .await
        .expect("the port closes first");
    drop(held);
    let reply = read_reply(&mut open).await;
    assert_eq!(reply.json()["name"], "node-1");
    assert_eq!(reply.header("connection"), Some("close"));
    stopped(gateway).await;
    assert!(read_to_end(&mut open).await.is_empty());
}

#[tokio::test]
async fn the_drain_has_a_deadline() {
    let drain_deadline = Duration::from_millis(200);
    let gateway = Gateway::start(GatewayConfig {
        drain_deadline,
        ..GatewayConfig::default()
    })
    .await;
    let _held = gateway.hold().await;
    let mut open = gateway.connect().await;
    open.write_all(b"GET /server HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    gateway.until_asked().await;
    let began = antiphon_core::clock::now();
    stopped(gateway).await;
    let took = began.elapsed();
    assert!(took >= drain_deadline, "it waited {took:?}");
    assert!(
        took < Duration::from_secs(2),
        "the directory's own deadline is longer: {took:?}"
    );
    assert!(read_to_end(&mut open).await.is_empty());
}
