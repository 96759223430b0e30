use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

struct Hangs;

#[async_trait::async_trait]
impl Source for Hangs {
    async fn health(&self) -> Health {
        std::future::pending().await
    }
}

async fn ask(addr: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let request = format!("{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn listening() -> (Arc<Admin>, SocketAddr, Shutdown) {
    let admin = Arc::new(Admin::default());
    let scope = Shutdown::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    admin.start(listener, &scope);
    (admin, addr, scope)
}

#[tokio::test]
async fn what_hangs_is_told_and_only_what_is_vital_makes_unready() {
    let (admin, addr, _scope) = listening().await;
    let starting = ask(addr, "GET /readyz").await;
    assert!(starting.starts_with("HTTP/1.1 503 "), "{starting}");
    assert!(
        starting.ends_with("failed    start: starting\n"),
        "{starting}"
    );

    admin.set_checks(vec![
        Check::vital("store", || Health::Ok),
        Check::helpful("cache", Hangs),
    ]);
    let degraded = ask(addr, "GET /readyz").await;
    assert!(degraded.starts_with("HTTP/1.1 200 "), "{degraded}");
    let lines = "ok        store\ndegraded  cache: no answer within 500 ms\n";
    assert!(degraded.ends_with(lines), "{degraded}");

    admin.set_checks(vec![
        Check::vital("store", Hangs),
        Check::helpful("cache", || Health::Ok),
    ]);
    let unready = ask(addr, "GET /readyz").await;
    assert!(unready.starts_with("HTTP/1.1 503 "), "{unready}");
    let alive = ask(addr, "GET /livez").await;
    assert!(
        alive.starts_with("HTTP/1.1 200 "),
        "liveness asks no service: {alive}"
    );
}

#[tokio::test]
async fn metrics_are_refreshed_when_they_are_read() {
    let (admin, addr, scope) = listening().await;
    let gauge = prometheus_client::metrics::gauge::Gauge::<i64>::default();
    let refreshed = gauge.clone();
    let refresh = Box::new(move || {
        refreshed.inc();
    });
    admin.add_metrics(
        |registry| registry.register("reads", "Reads", gauge),
        refresh,
    );
    for read in 1..=2 {
        let answer = ask(addr, "GET /metrics").await;
        let line = format!("\nantiphon_reads {read}\n");
        assert!(answer.contains(&line), "{answer}");
        assert!(answer.contains("antiphon_build_info{version="), "{answer}");
    }
    assert!(
        ask(addr, "POST /metrics")
            .await
            .starts_with("HTTP/1.1 405 ")
    );
    assert!(ask(addr, "GET /").await.starts_with("HTTP/1.1 404 "));
    scope.stop();
    assert!(scope.wait(Duration::from_secs(5)).await);
}
