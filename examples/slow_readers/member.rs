//! A member who reads, except when its group's turn has come; then it comes back and asks for
//! what it lacks.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;
use tokio::sync::watch;

use crate::phases::Phase;
use crate::record::Record;
use crate::serve::{ROOM, reader};
use crate::socket::{Came, Socket};

/// Members are in so many groups; one of them stops at a time.
pub(crate) const GROUPS: usize = 10;
const PAGE: u64 = 500;

/// What the members tell while they run.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Logged in for the first time.
    pub(crate) joined: AtomicU64,
    /// Back after having stopped, with everything up to the top of that moment.
    pub(crate) back: AtomicU64,
    /// Found, when reading on, that the connection was closed with 4300.
    pub(crate) told_slow: AtomicU64,
    /// Found that it had ended without a close frame, or with another code.
    pub(crate) cut: AtomicU64,
    /// Closed though they read.
    pub(crate) lost: AtomicU64,
    /// Requests of members that the server was too busy to answer; they asked again.
    pub(crate) refused: AtomicU64,
}

/// One member.
pub(crate) struct Member {
    pub(crate) addr: SocketAddr,
    pub(crate) number: usize,
    pub(crate) receive_buffer: u32,
    pub(crate) counts: Arc<Counts>,
    pub(crate) phases: watch::Receiver<Phase>,
}

impl Member {
    /// Which group.
    pub(crate) fn group(number: usize) -> usize {
        number % GROUPS
    }

    /// Reads until the run is over.
    pub(crate) async fn run(mut self) -> Record {
        let mut record = Record::default();
        let mut socket = self.login(&mut record).await;
        self.counts.joined.fetch_add(1, Ordering::Relaxed);
        loop {
            let phase = *self.phases.borrow_and_update();
            if phase.is_over && record.is_whole_to(phase.top) {
                return record;
            }
            if phase.stopped == Some(Self::group(self.number)) {
                let group = phase.stopped;
                let _ = self.phases.wait_for(|phase| phase.stopped != group).await;
                self.read_to_the_end(&mut socket, &mut record).await;
                socket = self.come_back(&mut record).await;
                continue;
            }
            tokio::select! {
                biased;
                came = socket.next() => match came {
                    Came::Frame(frame) => record.take_frame(&frame),
                    Came::End(_) => {
                        self.counts.lost.fetch_add(1, Ordering::Relaxed);
                        socket = self.login(&mut record).await;
                        self.catch_up(&mut socket, &mut record).await;
                    }
                },
                _ = self.phases.changed() => {}
            }
        }
    }

    async fn login(&self, record: &mut Record) -> Socket {
        let name = reader(self.number);
        let mut early = |frame: &str| record.take_frame(frame);
        let (buffer, refused) = (self.receive_buffer, &self.counts.refused);
        Socket::login(self.addr, &name, buffer, &mut early, refused).await
    }

    /// What is still in the buffers of the system; its latency is not that of a neighbor.
    async fn read_to_the_end(&self, socket: &mut Socket, record: &mut Record) {
        let latencies = std::mem::take(&mut record.latencies);
        let code = loop {
            match socket.next().await {
                Came::Frame(frame) => record.take_frame(&frame),
                Came::End(code) => break code,
            }
        };
        record.latencies = latencies;
        let count = match code {
            Some(4300) => &self.counts.told_slow,
            Some(_) | None => &self.counts.cut,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    async fn come_back(&self, record: &mut Record) -> Socket {
        let mut socket = self.login(record).await;
        self.catch_up(&mut socket, record).await;
        self.counts.back.fetch_add(1, Ordering::Relaxed);
        socket
    }

    async fn catch_up(&self, socket: &mut Socket, record: &mut Record) {
        let conversation = format!("room:{ROOM}");
        loop {
            let cursor = json!({"conversation": conversation, "afterSeq": record.whole_to});
            let data = json!({"cursors": [cursor], "limit": PAGE});
            let request = json!({"id": "sync", "action": "sync", "data": data});
            let mut early = |frame: &str| record.take_frame(frame);
            let refused = &self.counts.refused;
            let reply = socket.ask_on("sync", &request, &mut early, refused).await;
            let reply = reply.expect("who reads stays connected");
            if !record.take_page(&reply["data"]["conversations"][0]) {
                return;
            }
        }
    }
}
