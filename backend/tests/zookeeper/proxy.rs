//! A proxy before a server that can cut, refuse, swallow, and lose the reply to one request.

use std::sync::{Arc, Mutex};

use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{self, TaskKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What a proxy does with its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Passes everything on.
    Open,
    /// Ends connections, and new ones at once.
    Refused,
    /// Keeps connections and takes new ones, and passes nothing on.
    Silent,
}

/// The request is passed on; when the server answers it, the answer is thrown away and the
/// connection cut. Once.
struct Losing {
    operation: i32,
    path: &'static str,
}

struct Shared {
    target: String,
    way: watch::Sender<Way>,
    losing: Mutex<Option<Losing>>,
    lost: watch::Sender<usize>,
    scope: Shutdown,
}

pub(crate) struct Proxy {
    pub(crate) address: String,
    shared: Arc<Shared>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.scope.stop();
    }
}

impl Proxy {
    /// On `bind`, before the server at `target`.
    pub(crate) async fn start(bind: &str, target: String) -> Self {
        let listener = TcpListener::bind(bind).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared {
            target,
            way: watch::Sender::new(Way::Open),
            losing: Mutex::default(),
            lost: watch::Sender::new(0),
            scope: Shutdown::new(),
        });
        let serving = Arc::clone(&shared);
        task::spawn(&shared.scope, TaskKind::Timer, async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let one = Arc::clone(&serving);
                task::spawn(&serving.scope, TaskKind::Timer, async move {
                    one.serve(client).await;
                });
            }
        });
        Self { address, shared }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("zk://{}/{path}", self.address)
    }

    pub(crate) fn set(&self, way: Way) {
        self.shared.way.send_replace(way);
    }

    /// Loses the reply to the next request of this kind whose path contains this.
    pub(crate) fn lose_reply(&self, operation: i32, path: &'static str) {
        *self.shared.losing.lock().unwrap() = Some(Losing { operation, path });
    }

    /// Replies lost so far.
    pub(crate) fn lost(&self) -> usize {
        *self.shared.lost.borrow()
    }
}

/// Of one connection: the request whose reply is to be lost.
type Awaited = Mutex<Option<i32>>;

impl Shared {
    async fn serve(&self, client: TcpStream) {
        let mut way = self.way.subscribe();
        if *way.borrow_and_update() == Way::Refused {
            return;
        }
        self.gate().await;
        let Ok(server) = TcpStream::connect(&self.target).await else {
            return;
        };
        let (client_rx, client_tx) = client.into_split();
        let (server_rx, server_tx) = server.into_split();
        let awaited = Awaited::default();
        tokio::select! {
            _ = self.up(client_rx, server_tx, &awaited) => {}
            _ = self.down(server_rx, client_tx, &awaited) => {}
            _ = way.wait_for(|way| *way == Way::Refused) => {}
        }
    }

    /// Waits while nothing is passed on.
    async fn gate(&self) {
        let mut way = self.way.subscribe();
        let _ = way.wait_for(|way| *way != Way::Silent).await;
    }

    async fn up(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        awaited: &Awaited,
    ) -> std::io::Result<()> {
        // The handshake has no header.
        let handshake = frame(&mut from).await?;
        self.gate().await;
        to.write_all(&handshake).await?;
        loop {
            let request = frame(&mut from).await?;
            self.gate().await;
            if self.is_to_lose(&request) {
                *awaited.lock().unwrap() = word(&request, 4);
            }
            to.write_all(&request).await?;
        }
    }

    fn is_to_lose(&self, request: &[u8]) -> bool {
        let mut losing = self.losing.lock().unwrap();
        let hit = losing.take_if(|losing| {
            let path = losing.path.as_bytes();
            word(request, 8) == Some(losing.operation)
                && request.windows(path.len()).any(|part| part == path)
        });
        hit.is_some()
    }

    async fn down(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        awaited: &Awaited,
    ) -> std::io::Result<()> {
        let handshake = frame(&mut from).await?;
        self.gate().await;
        to.write_all(&handshake).await?;
        loop {
            let reply = frame(&mut from).await?;
            self.gate().await;
            let xid = *awaited.lock().unwrap();
            if xid.is_some() && word(&reply, 4) == xid {
                self.lost.send_modify(|lost| *lost += 1);
                return Ok(());
            }
            to.write_all(&reply).await?;
        }
    }
}

/// The number at this place of a frame.
fn word(frame: &[u8], at: usize) -> Option<i32> {
    let bytes = frame.get(at..at + 4)?;
    Some(i32::from_be_bytes(bytes.try_into().unwrap()))
}

/// A frame with its length.
async fn frame(from: &mut OwnedReadHalf) -> std::io::Result<Vec<u8>> {
    let length = from.read_u32().await?;
    let mut frame = length.to_be_bytes().to_vec();
    frame.resize(4 + length as usize, 0);
    from.read_exact(&mut frame[4..]).await?;
    Ok(frame)
}
