use std::collections::BTreeMap;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::server::Settings;
use crate::server::tests::support::client::Client;
use crate::server::tests::support::cluster::{Plan, TestCluster};
use crate::server::tests::support::{PATIENCE, until};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

async fn serve(tune: fn(&mut Settings)) -> TestCluster {
    let plan = Plan {
        servers: 1,
        elects: false,
        tune,
    };
    TestCluster::start(plan).await
}

fn plain(_: &mut Settings) {}

/// The head of a handshake that would pass, changed.
#[derive(Clone)]
struct Head {
    line: String,
    fields: BTreeMap<&'static str, String>,
}

impl Head {
    fn new() -> Self {
        let fields = [
            ("Host", "localhost"),
            ("Connection", "keep-alive, Upgrade"),
            ("Upgrade", "WebSocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", KEY),
        ];
        Self {
            line: "GET / HTTP/1.1".into(),
            fields: fields.map(|(name, value)| (name, value.into())).into(),
        }
    }

    fn line(mut self, line: &str) -> Self {
        self.line = line.into();
        self
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.fields.insert(name, value.into());
        self
    }

    fn without(mut self, name: &'static str) -> Self {
        self.fields.remove(name);
        self
    }

    fn text(&self) -> String {
        let fields = self
            .fields
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"));
        format!("{}\r\n{}\r\n", self.line, fields.collect::<String>())
    }
}

struct Answer {
    status: u16,
    head: String,
}

impl Answer {
    fn has(&self, field: &str) -> bool {
        self.head
            .to_lowercase()
            .contains(&format!("\r\n{}\r\n", field.to_lowercase()))
    }
}

async fn send(addr: SocketAddr, text: &str) -> Answer {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let read = async {
        while !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
            if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                break;
            }
        }
    };
    clock::timeout(PATIENCE, read)
        .await
        .expect("an answer in time");
    let head = String::from_utf8_lossy(&bytes).into_owned();
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    Answer {
        status: status.unwrap_or(0),
        head,
    }
}

#[tokio::test]
async fn a_handshake_is_answered_by_the_book() {
    let cluster = serve(plain).await;
    let addr = cluster.client_addr("n1");
    let answer = send(addr, &Head::new().text()).await;
    assert_eq!(answer.status, 101, "{}", answer.head);
    // The example of RFC 6455, section 1.3.
    assert!(answer.has("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert!(answer.has("connection: upgrade") && answer.has("upgrade: websocket"));
    assert!(
        !answer
            .head
            .to_lowercase()
            .contains("sec-websocket-protocol")
    );
    let asked = Head::new().with("Sec-WebSocket-Protocol", "other.v9, antiphon.v1.json");
    let answer = send(addr, &asked.text()).await;
    assert_eq!(answer.status, 101);
    assert!(answer.has("sec-websocket-protocol: antiphon.v1.json"));
    let other = Head::new().with("Sec-WebSocket-Protocol", "other.v9");
    let answer = send(addr, &other.text()).await;
    assert!(
        !answer
            .head
            .to_lowercase()
            .contains("sec-websocket-protocol")
    );
    let path = Head::new().line("GET /ws HTTP/1.1");
    assert_eq!(send(addr, &path.text()).await.status, 101);
    cluster.stop().await;
}

#[tokio::test]
async fn every_refusal_says_why() {
    let cluster = serve(plain).await;
    let addr = cluster.client_addr("n1");
    let head = Head::new;
    let many = (0..=HEADERS_MAX).fold(String::new(), |all, n| format!("{all}X-{n}: 1\r\n"));
    let many = head().text().replace("Host:", &format!("{many}Host:"));
    let long = head()
        .with("X-Long", &"x".repeat(HEADER_BYTES_MAX * 2))
        .text();
    let cases = [
        ("no upgrade", 426, head().without("Upgrade").text()),
        ("another upgrade", 426, head().with("Upgrade", "h2c").text()),
        ("no connection", 426, head().without("Connection").text()),
        (
            "old version",
            426,
            head().with("Sec-WebSocket-Version", "8").text(),
        ),
        (
            "no version",
            426,
            head().without("Sec-WebSocket-Version").text(),
        ),
        ("no key", 400, head().without("Sec-WebSocket-Key").text()),
        (
            "short key",
            400,
            head().with("Sec-WebSocket-Key", "AAAA").text(),
        ),
        (
            "bad key",
            400,
            head()
                .with("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZ!==")
                .text(),
        ),
        ("a POST", 405, head().line("POST / HTTP/1.1").text()),
        (
            "no such path",
            404,
            head().line("GET /admin HTTP/1.1").text(),
        ),
        ("too many fields", 431, many),
        ("too long a field", 431, long),
        ("not HTTP", 400, "\u{1}\u{2}\u{3} nonsense\r\n\r\n".into()),
    ];
    for (what, status, text) in cases {
        let answer = send(addr, &text).await;
        assert_eq!(answer.status, status, "{what}: {}", answer.head);
    }
    let answer = send(addr, &head().with("Sec-WebSocket-Version", "8").text()).await;
    assert!(answer.has("sec-websocket-version: 13"));
    let answer = send(addr, &head().line("POST / HTTP/1.1").text()).await;
    assert!(answer.has("allow: GET"));
    // Whatever came before, the next one gets in.
    assert_eq!(send(addr, &head().text()).await.status, 101);
    cluster.stop().await;
}

/// Pitfall 34: pages of other origins can't use a visitor's browser.
#[tokio::test]
async fn origins_are_compared_whole() {
    let cluster = serve(|settings| {
        settings.allowed_origins = vec!["https://chat.example".into()];
    })
    .await;
    let addr = cluster.client_addr("n1");
    let with = |origin: &str| Head::new().with("Origin", origin).text();
    assert_eq!(send(addr, &with("https://chat.example")).await.status, 101);
    assert_eq!(send(addr, &Head::new().text()).await.status, 101);
    for origin in [
        "null",
        "",
        "https://chat.example.evil.test",
        "https://evilchat.example",
        "https://chat.example:8443",
        "http://chat.example",
        "HTTPS://CHAT.EXAMPLE",
        "https://chat.example/",
        "https://chat.example, https://evil.test",
    ] {
        assert_eq!(send(addr, &with(origin)).await.status, 403, "{origin:?}");
    }
    let two =
        with("https://chat.example").replace("Origin:", "Origin: https://chat.example\r\nOrigin:");
    assert_eq!(send(addr, &two).await.status, 403);
    cluster.stop().await;
}

#[tokio::test]
async fn over_the_cap_there_is_a_503_and_room_again_later() {
    let cluster = serve(|settings| settings.connections_max = 2).await;
    let addr = cluster.client_addr("n1");
    let (_one, two) = (
        Client::connect(addr).await.expect("room for one"),
        Client::connect(addr).await.expect("room for two"),
    );
    let answer = send(addr, &Head::new().text()).await;
    assert_eq!(answer.status, 503);
    assert!(answer.has("retry-after: 1"));
    drop(two);
    until("room again", async || Client::connect(addr).await).await;
    cluster.stop().await;
}

#[tokio::test]
async fn one_address_has_a_cap_of_its_own() {
    let cluster = serve(|settings| settings.connections_per_address = 1).await;
    let addr = cluster.client_addr("n1");
    let one = Client::connect(addr).await.expect("room for one");
    assert_eq!(send(addr, &Head::new().text()).await.status, 503);
    drop(one);
    until("room again", async || Client::connect(addr).await).await;
    cluster.stop().await;
}

#[tokio::test]
async fn handshakes_have_a_rate() {
    let cluster = serve(|settings| settings.handshakes_per_second = 1).await;
    let addr = cluster.client_addr("n1");
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(send(addr, &Head::new().text()).await.status);
    }
    assert_eq!(statuses[..2], [101, 101]);
    assert!(statuses.contains(&503), "{statuses:?}");
    cluster.stop().await;
}

#[tokio::test]
async fn a_draining_server_takes_nobody() {
    let cluster = serve(plain).await;
    let addr = cluster.client_addr("n1");
    let node = &cluster.servers["n1"].node;
    node.draining.store(true, Ordering::Relaxed);
    assert_eq!(send(addr, &Head::new().text()).await.status, 503);
    cluster.stop().await;
}

#[tokio::test]
async fn a_server_that_is_not_with_the_others_takes_nobody() {
    let cluster = serve(plain).await;
    let node = &cluster.servers["n1"].node;
    let listener = cluster.client_addr("n1");
    until("it takes nobody", async || {
        node.alone.store(true, Ordering::Relaxed);
        let status = send(listener, &Head::new().text()).await.status;
        (status == 503).then_some(())
    })
    .await;
    // It is looked at, and leads by itself.
    until("it takes clients again", async || {
        let status = send(listener, &Head::new().text()).await.status;
        (status == 101).then_some(())
    })
    .await;
    cluster.stop().await;
}

/// Pitfall 18: who does not finish the handshake does not keep its place.
#[tokio::test]
async fn a_handshake_that_stands_still_is_closed() {
    let cluster = serve(|settings| settings.connections_max = 1).await;
    let addr = cluster.client_addr("n1");
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n")
        .await
        .unwrap();
    let node = &cluster.servers["n1"].node;
    until("the place is taken", async || {
        (node.connections.load(Ordering::Relaxed) == 1).then_some(())
    })
    .await;
    tokio::time::pause();
    tokio::time::advance(HANDSHAKE_TIMEOUT).await;
    tokio::time::resume();
    let mut rest = Vec::new();
    let read = clock::timeout(PATIENCE, stream.read_to_end(&mut rest));
    let _ = read.await.expect("closed");
    assert!(!String::from_utf8_lossy(&rest).contains("101"));
    until("the place is free", async || {
        (node.connections.load(Ordering::Relaxed) == 0).then_some(())
    })
    .await;
    assert!(Client::connect(addr).await.is_some());
    cluster.stop().await;
}
