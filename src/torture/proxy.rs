//! A stretch of network that can be broken while connections are on it: it listens, leads to
//! one address, and treats what it carries as [`Way`] says at the moment.
//!
//! TCP repeats what gets lost, so a network that loses bytes looks to programs like one that is
//! late, or like one that is dead. Bytes are therefore held and come late ([`Flow::Held`]), or
//! they are swallowed ([`Flow::Lost`]), and then the connection breaks at the latest when the
//! way is mended: nobody ever reads a stream with a hole.

mod carry;

use std::io;
use std::net::SocketAddr;
use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use antiphon_core::net::{self, TcpListener};
use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{self, TaskKind};
use tokio::sync::{Semaphore, watch};

use super::load::Dice;

/// Connections at a time; more are reset.
const CONNECTIONS_MAX: usize = 4_096;

/// What becomes of bytes in one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Flow {
    /// They pass.
    #[default]
    Open,
    /// They wait, and pass when the way is mended.
    Held,
    /// They are read and forgotten; the connection stays until the way is mended.
    Lost,
}

/// One direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lane {
    /// Whether anything passes.
    pub flow: Flow,
    /// Every byte is so late.
    pub delay: Duration,
    /// And up to so much later; bytes stay in order.
    pub jitter: Duration,
    /// No more passes in a second.
    pub bytes_per_second: Option<NonZeroU64>,
    /// Writes are cut into pieces of so many bytes, with a pause behind each.
    pub piece_bytes: Option<NonZeroUsize>,
    /// The end of the stream is told so late.
    pub slow_close: Duration,
}

/// How everything is carried.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Way {
    /// From who connects.
    pub there: Lane,
    /// The replies.
    pub back: Lane,
    /// New connections are reset at once.
    pub refuses: bool,
    /// A connection is reset once so many more bytes of replies have passed. With 0 what was
    /// asked is done, and nobody hears of it.
    pub cut_after: Option<u64>,
}

impl Way {
    /// The same both ways.
    pub fn both(lane: Lane) -> Self {
        Self {
            there: lane,
            back: lane,
            ..Self::default()
        }
    }
}

#[derive(Debug, Clone, Default)]
struct State {
    way: Way,
    /// `HOST:PORT`; without one everything is refused.
    target: Option<String>,
    /// Connections that began under another number are reset.
    generation: u64,
    /// Connections that began under another number end, as if both sides had ended them.
    ends: u64,
}

/// See the head of the file. Dropping it ends every connection.
#[derive(Debug)]
pub struct Proxy {
    addr: SocketAddr,
    state_tx: watch::Sender<State>,
    scope: Shutdown,
}

impl Proxy {
    /// A proxy on an address (port 0 takes a free one) that leads nowhere yet. The seed decides
    /// about the jitter.
    pub async fn bind(addr: &str, seed: u64) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let (state_tx, state_rx) = watch::channel(State::default());
        let scope = Shutdown::new();
        let accepting = accept(listener, state_rx, scope.clone(), seed);
        drop(task::spawn(&scope, TaskKind::Client, accepting));
        Ok(Self {
            addr,
            state_tx,
            scope,
        })
    }

    /// A proxy on loopback that leads to `HOST:PORT`.
    pub async fn to(target: &str, seed: u64) -> io::Result<Self> {
        let proxy = Self::bind("127.0.0.1:0", seed).await?;
        proxy.lead_to(target);
        Ok(proxy)
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Leads new connections there. Those to another target are reset.
    pub fn lead_to(&self, target: &str) {
        self.state_tx.send_modify(|state| {
            if state.target.as_deref() != Some(target) {
                state.target = Some(target.to_owned());
                state.generation += 1;
            }
        });
    }

    /// From now on everything is carried so, also on connections that are there.
    pub fn set(&self, way: Way) {
        self.state_tx.send_modify(|state| state.way = way);
    }

    /// Resets every connection, and each new one.
    pub fn cut(&self) {
        self.state_tx.send_modify(|state| {
            state.way.refuses = true;
            state.generation += 1;
        });
    }

    /// Resets every connection that is there.
    pub fn reset(&self) {
        self.state_tx.send_modify(|state| state.generation += 1);
    }

    /// Ends every connection that is there, as if both sides had: with [`Lane::slow_close`]
    /// nothing passes any more, and both are told late.
    pub fn end(&self) {
        self.state_tx.send_modify(|state| state.ends += 1);
    }

    /// Everything passes again.
    pub fn mend(&self) {
        self.set(Way::default());
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.scope.stop();
    }
}

async fn accept(
    listener: TcpListener,
    state_rx: watch::Receiver<State>,
    scope: Shutdown,
    seed: u64,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    for number in 0_u64.. {
        // What a listener fails with is about one connection, or passes.
        let Ok((near, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        let Ok(place) = Arc::clone(&room).try_acquire_owned() else {
            net::reset(near);
            continue;
        };
        let dice = [0, 1].map(|lane| Dice::new(seed, 2 * number + lane));
        let carrying = carry::carry(near, state_rx.clone(), dice);
        let carried = async move {
            carrying.await;
            drop(place);
        };
        drop(task::spawn(&scope, TaskKind::Client, carried));
    }
}

#[cfg(test)]
mod tests;
