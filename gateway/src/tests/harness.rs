//! A gateway on a free port, and a client that writes requests by hand.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use antiphon_core::clock;
use antiphon_core::contract::{
    BackendError, BackendErrorKind, BackendResult, Directory, DirectoryEntry,
};
use antiphon_core::memory::MemoryServerDirectory;
use antiphon_core::task::{Handle, TaskKind, spawn};
use async_trait::async_trait;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

pub(super) const DEADLINE: Duration = Duration::from_secs(20);
pub(super) const GENERATED_AT_MS: u64 = 1_700_000_000_000;

pub(super) fn entry(name: &str, host: &str, port: u16) -> DirectoryEntry {
    DirectoryEntry {
        name: name.to_owned(),
        host: host.to_owned(),
        port,
        connections: 0,
        weight: 100,
        is_leader: false,
        lag_ms: None,
    }
}

/// A memory directory that fails on demand and counts.
#[derive(Default)]
struct Flaky {
    inner: MemoryServerDirectory,
    failure: Mutex<Option<BackendErrorKind>>,
    asked: AtomicUsize,
    held: Arc<tokio::sync::RwLock<()>>,
}

#[async_trait]
impl ServerDirectory for Flaky {
    async fn publish(&self, directory: Directory, ttl: Duration) -> BackendResult<()> {
        self.inner.publish(directory, ttl).await
    }
    async fn list(&self) -> BackendResult<Option<Directory>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let _passed = self.held.read().await;
        let failure = *self.failure.lock().unwrap();
        match failure {
            Some(kind) => Err(BackendError::new(kind, "server_directory.list")),
            None => self.inner.list().await,
        }
    }
}

pub(super) struct Gateway {
    pub(super) addr: SocketAddr,
    pub(super) shutdown: Shutdown,
    pub(super) running: Handle<Result<(), GatewayError>>,
    directory: Arc<Flaky>,
    published: AtomicU64,
}

impl Gateway {
    pub(super) async fn start(config: GatewayConfig) -> Self {
        Self::start_on("127.0.0.1:0", config).await
    }

    pub(super) async fn start_on(addr: &str, config: GatewayConfig) -> Self {
        let listener = TcpListener::bind(addr).await.expect("a free port");
        let addr = listener.local_addr().unwrap();
        let directory = Arc::new(Flaky::default());
        let shutdown = Shutdown::new();
        let running = run(
            listener,
            config,
            Arc::clone(&directory) as _,
            shutdown.clone(),
        );
        let running = spawn(&shutdown, TaskKind::Listener, running);
        Self {
            addr,
            shutdown,
            running,
            directory,
            published: AtomicU64::new(0),
        }
    }

    pub(super) async fn publish(&self, servers: Vec<DirectoryEntry>) {
        let count = self.published.fetch_add(1, Ordering::SeqCst) + 1;
        let list = Directory {
            epoch: 1,
            generated_at_ms: GENERATED_AT_MS + count,
            servers,
        };
        self.directory
            .publish(list, Duration::from_secs(600))
            .await
            .unwrap();
    }

    pub(super) fn fail(&self, kind: Option<BackendErrorKind>) {
        *self.directory.failure.lock().unwrap() = kind;
    }

    /// Lets the directory answer nobody until the guard is dropped.
    pub(super) async fn hold(&self) -> tokio::sync::OwnedRwLockWriteGuard<()> {
        Arc::clone(&self.directory.held).write_owned().await
    }

    /// Waits until a request has come as far as the directory.
    pub(super) async fn until_asked(&self) {
        let waiting = async {
            while self.asked() == 0 {
                clock::sleep(Duration::from_millis(5)).await;
            }
        };
        clock::timeout(DEADLINE, waiting)
            .await
            .expect("asked in time");
    }

    pub(super) fn asked(&self) -> usize {
        self.directory.asked.load(Ordering::SeqCst)
    }

    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addr)
            .await
            .expect("the gateway listens")
    }

    /// One request on a connection of its own.
    pub(super) async fn ask(&self, request: &str) -> Reply {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        read_reply(&mut stream).await
    }

    pub(super) async fn get(&self, target: &str) -> Reply {
        self.ask(&format!("GET {target} HTTP/1.1\r\nhost: x\r\n\r\n"))
            .await
    }

    pub(super) async fn until(&self, target: &str, status: u16) {
        self.wait(target, |reply| reply.status == status).await;
    }

    pub(super) async fn until_json(&self, target: &str, wanted: impl Fn(&Value) -> bool) {
        self.wait(target, |reply| wanted(&reply.json())).await;
    }

    async fn wait(&self, target: &str, wanted: impl Fn(&Reply) -> bool) {
        let waiting = async {
            loop {
                let reply = self.get(target).await;
                if wanted(&reply) {
                    return;
                }
                clock::sleep(Duration::from_millis(10)).await;
            }
        };
        clock::timeout(DEADLINE, waiting)
            .await
            .unwrap_or_else(|_| panic!("{target} in time"));
    }
}

#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Reply {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("JSON: {self:?}"))
    }

    pub(super) fn expect_error(&self, status: u16, ext: &str) {
        assert_eq!(self.status, status, "{self:?}");
        let error = &self.json()["error"];
        assert_eq!(error["code"], status, "{self:?}");
        assert_eq!(error["ext"], ext, "{self:?}");
        assert!(
            error["message"]
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "{self:?}"
        );
        assert_eq!(self.header("content-type"), Some("application/json"));
        assert_eq!(self.header("cache-control"), Some("no-store"));
    }
}

/// The head alone.
pub(super) async fn read_head(stream: &mut TcpStream) -> Reply {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = clock::timeout(DEADLINE, stream.read_u8())
            .await
            .expect("a head in time");
        head.push(byte.unwrap_or_else(|_| panic!("cut off: {:?}", String::from_utf8_lossy(&head))));
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let status = lines
        .next()
        .unwrap()
        .split(' ')
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(key, value)| (key.to_lowercase(), value.to_owned()))
        .collect();
    Reply {
        status,
        headers,
        body: String::new(),
    }
}

pub(super) async fn read_reply(stream: &mut TcpStream) -> Reply {
    let mut reply = read_head(stream).await;
    let length = reply
        .header("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    clock::timeout(DEADLINE, stream.read_exact(&mut body))
        .await
        .expect("in time")
        .unwrap();
    reply.body = String::from_utf8(body).unwrap();
    reply
}

/// Waits until the other side closes, and gives what it still sent.
pub(super) async fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let read = clock::timeout(DEADLINE, stream.read_to_end(&mut rest)).await;
    // A reset is an end, too.
    let _ = read.expect("closed in time");
    rest
}
