//! A stretch of network that can be made to swallow everything, as a broken switch does: no
//! connection is refused, nothing arrives.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use antiphon_core::clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const READ_BYTES: usize = 16 * 1024;
/// How often a swallowing relay looks whether it is mended.
const LOOK: Duration = Duration::from_millis(20);

/// Leads to one address; ends when dropped.
#[derive(Debug)]
pub(crate) struct Relay {
    addr: String,
    broken: Arc<AtomicBool>,
    _tasks: JoinSet<()>,
}

impl Relay {
    /// A relay to `target`.
    pub(crate) async fn to(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, target.to_owned())
    }

    fn on(listener: TcpListener, target: String) -> Self {
        let addr = listener.local_addr().unwrap().to_string();
        let broken = Arc::new(AtomicBool::new(false));
        let state = Arc::clone(&broken);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut carried = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                carried.spawn(carry(near, target.clone(), Arc::clone(&state)));
            }
        });
        Self {
            addr,
            broken,
            _tasks: tasks,
        }
    }

    /// HOST:PORT.
    pub(crate) fn addr(&self) -> &str {
        &self.addr
    }

    /// From now on nothing passes, either way.
    pub(crate) fn swallow(&self) {
        self.broken.store(true, Ordering::SeqCst);
    }

    /// Passes again what comes from now on; what was under way is late.
    pub(crate) fn mend(&self) {
        self.broken.store(false, Ordering::SeqCst);
    }
}

async fn passable(broken: &AtomicBool) {
    while broken.load(Ordering::SeqCst) {
        clock::sleep(LOOK).await;
    }
}

async fn carry(near: TcpStream, target: String, broken: Arc<AtomicBool>) {
    passable(&broken).await;
    let Ok(far) = TcpStream::connect(&target).await else {
        return;
    };
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    tokio::select! {
        () = one_way(near_read, far_write, &broken) => {}
        () = one_way(far_read, near_write, &broken) => {}
    }
}

async fn one_way(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, broken: &AtomicBool) {
    let mut buffer = [0; READ_BYTES];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        passable(broken).await;
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
    passable(broken).await;
}
