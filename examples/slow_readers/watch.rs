//! What the server's process says of itself, and the system of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use antiphon_core::clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const BETWEEN_LOOKS: Duration = Duration::from_millis(250);
const PAGE_BYTES: u64 = 4_096;

/// Highest values since they were last taken.
#[derive(Debug, Default)]
pub(crate) struct Peaks {
    /// Memory of the process.
    pub(crate) rss_bytes: AtomicU64,
    /// Memory of all TCP sockets of the machine, in the kernel.
    pub(crate) tcp_bytes: AtomicU64,
    /// The fullest queue of a client.
    pub(crate) queue_bytes: AtomicU64,
}

impl Peaks {
    /// All three in this order, beginning anew.
    pub(crate) fn take(&self) -> [u64; 3] {
        [&self.rss_bytes, &self.tcp_bytes, &self.queue_bytes]
            .map(|peak| peak.swap(0, Ordering::Relaxed))
    }
}

/// Looks again and again.
pub(crate) async fn watch(pid: u32, admin: SocketAddr, peaks: Arc<Peaks>) {
    loop {
        let metrics = metrics(admin).await;
        let queue = sum(&metrics, "antiphon_fullest_queue_bytes{", "");
        peaks.queue_bytes.fetch_max(queue, Ordering::Relaxed);
        peaks.rss_bytes.fetch_max(rss(pid), Ordering::Relaxed);
        peaks.tcp_bytes.fetch_max(tcp(), Ordering::Relaxed);
        clock::sleep(BETWEEN_LOOKS).await;
    }
}

/// Connections that the server has closed with a code.
pub(crate) async fn closed(admin: SocketAddr, code: &str) -> u64 {
    let label = format!("code=\"{code}\"");
    sum(
        &metrics(admin).await,
        "antiphon_connections_closed_total{",
        &label,
    )
}

async fn metrics(admin: SocketAddr) -> String {
    let mut stream = TcpStream::connect(admin).await.expect("it listens");
    let request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.expect("it reads");
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer).await;
    read.expect("it answers in UTF-8");
    answer
}

fn sum(metrics: &str, name: &str, label: &str) -> u64 {
    let lines = metrics.lines();
    let lines = lines.filter(|line| line.starts_with(name) && line.contains(label));
    lines
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum()
}

fn rss(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"));
    let status = status.expect("the server runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
    number.map_or(0, |number| number.parse::<u64>().unwrap_or(0) * 1_024)
}

fn tcp() -> u64 {
    let sockets = std::fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
    let line = sockets.lines().find(|line| line.starts_with("TCP:"));
    let pages = line.and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
    pages.unwrap_or(0) * PAGE_BYTES
}
