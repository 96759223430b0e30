//! The task that owns a socket: one loop that reads, writes and watches for silence.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use antiphon_core::clock::{self, Instant};
use antiphon_core::net::TcpStream;
use antiphon_core::shutdown::Shutdown;
use antiphon_protocol::message::ServerEvent;
use antiphon_protocol::{RequestId, ServerFrame, close_code, codec};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::{mpsc, watch};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message as SocketMessage};
use tracing::debug;

use super::{Closed, Outgoing, ReplySlot, RequestError};
use crate::limits::{PENDING_MAX, PROBE_AFTER, PROBE_TIMEOUT, WRITE_TIMEOUT};

/// RFC 6455: the close frame had no code.
const NO_STATUS: u16 = 1005;
/// How long a goodbye may take.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) struct Driver {
    socket: WebSocketStream<TcpStream>,
    outgoing_rx: mpsc::Receiver<Outgoing>,
    event_tx: mpsc::Sender<ServerEvent>,
    /// An event that the channel had no room for: until it has, nothing is read.
    stuck: Option<ServerEvent>,
    pending: BTreeMap<u64, ReplySlot>,
    scope: Shutdown,
    dead_peer_ms: Arc<AtomicU64>,
    silent_after: Instant,
    /// When this side pings if nothing comes.
    probe_at: Instant,
    /// When something must have come after this side's ping.
    pong_due: Option<Instant>,
}

impl Driver {
    pub(super) fn new(
        socket: WebSocketStream<TcpStream>,
        outgoing_rx: mpsc::Receiver<Outgoing>,
        event_tx: mpsc::Sender<ServerEvent>,
        scope: Shutdown,
        dead_peer_ms: Arc<AtomicU64>,
    ) -> Self {
        let now = clock::now();
        let silence = Duration::from_millis(dead_peer_ms.load(Ordering::Relaxed));
        Self {
            socket,
            outgoing_rx,
            event_tx,
            stuck: None,
            pending: BTreeMap::new(),
            scope,
            dead_peer_ms,
            silent_after: now + silence,
            probe_at: now + PROBE_AFTER.min(silence / 2),
            pong_due: None,
        }
    }

    /// Runs to the end and says why it ended, before the waiting requests learn that.
    pub(super) async fn run(mut self, closed_tx: watch::Sender<Option<Closed>>) {
        let closed = loop {
            if let Err(closed) = self.turn().await {
                break closed;
            }
        };
        if closed == Closed::Local {
            let goodbye = CloseFrame {
                code: close_code::NORMAL.code.into(),
                reason: close_code::NORMAL.reason.into(),
            };
            // Best effort: the server would notice the end of the stream as well.
            let _sent = clock::timeout(GOODBYE_TIMEOUT, self.socket.close(Some(goodbye))).await;
        }
        debug!(%closed, "connection ended");
        closed_tx.send_replace(Some(closed));
    }

    async fn turn(&mut self) -> Result<(), Closed> {
        let (scope, event_tx) = (self.scope.clone(), self.event_tx.clone());
        let timer = self
            .pong_due
            .unwrap_or(self.probe_at)
            .min(self.silent_after);
        tokio::select! {
            () = scope.stopping() => Err(Closed::Local),
            permit = event_tx.reserve(), if self.stuck.is_some() => {
                let permit = permit.map_err(|_| Closed::Local)?;
                if let Some(event) = self.stuck.take() {
                    permit.send(event);
                }
                self.heard();
                Ok(())
            }
            read = self.socket.next(), if self.stuck.is_none() => {
                self.heard();
                self.read(read)
            }
            outgoing = self.outgoing_rx.recv() => {
                let outgoing = outgoing.ok_or(Closed::Local)?;
                self.write(outgoing).await
            }
            () = clock::sleep_until(timer), if self.stuck.is_none() => self.on_timer().await,
        }
    }

    fn heard(&mut self) {
        let silence = Duration::from_millis(self.dead_peer_ms.load(Ordering::Relaxed));
        let now = clock::now();
        self.silent_after = now + silence;
        self.probe_at = now + PROBE_AFTER.min(silence / 2);
        self.pong_due = None;
    }

    /// A silent server is asked once; whatever it says then will do.
    async fn on_timer(&mut self) -> Result<(), Closed> {
        let now = clock::now();
        if self.silent_after <= now || self.pong_due.is_some_and(|due| due <= now) {
            return Err(Closed::DeadPeer);
        }
        if self.pong_due.is_none() && self.probe_at <= now {
            self.pong_due = Some(now + PROBE_TIMEOUT);
            let ping = self.socket.send(SocketMessage::Ping(Vec::new().into()));
            return written(clock::timeout(WRITE_TIMEOUT, ping).await);
        }
        Ok(())
    }

    fn read(&mut self, read: Option<Result<SocketMessage, SocketError>>) -> Result<(), Closed> {
        match read {
            Some(Ok(SocketMessage::Text(text))) => {
                self.frame(text.as_str());
                Ok(())
            }
            Some(Ok(SocketMessage::Close(frame))) => Err(frame.map_or(
                Closed::Server {
                    code: NO_STATUS,
                    reason: String::new(),
                },
                |frame| Closed::Server {
                    code: frame.code.into(),
                    reason: frame.reason.to_string(),
                },
            )),
            Some(Ok(SocketMessage::Binary(_))) => Err(Closed::Lost("binary frame".to_owned())),
            Some(Ok(SocketMessage::Ping(_) | SocketMessage::Pong(_) | SocketMessage::Frame(_))) => {
                Ok(())
            }
            Some(Err(error)) => Err(Closed::Lost(error.to_string())),
            None => Err(Closed::Lost("end of stream".to_owned())),
        }
    }

    /// A frame that cannot be read is skipped: the reader is tolerant.
    fn frame(&mut self, text: &str) {
        let frame = match codec::decode_server_frame(text) {
            Ok(frame) => frame,
            Err(error) => return debug!(%error, "unreadable frame skipped"),
        };
        if let Some(re) = &frame.re {
            let number = if let RequestId::Number(number) = re {
                number.as_u64()
            } else {
                None
            };
            match number.and_then(|number| self.pending.remove(&number)) {
                // A caller that no longer waits is no error.
                Some(reply_tx) => drop(reply_tx.send(outcome(frame))),
                None => debug!("reply to an unknown request skipped"),
            }
            return;
        }
        match ServerEvent::from_frame(frame) {
            Ok(event) => match self.event_tx.try_send(event) {
                Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
                Err(mpsc::error::TrySendError::Full(event)) => self.stuck = Some(event),
            },
            Err(error) => debug!(%error, "unreadable event skipped"),
        }
    }

    /// Writes what is queued, then flushes once.
    async fn write(&mut self, first: Outgoing) -> Result<(), Closed> {
        let Self {
            socket,
            outgoing_rx,
            pending,
            ..
        } = self;
        let write = async {
            let mut next = Some(first);
            while let Some(Outgoing {
                number,
                text,
                reply_tx,
            }) = next
            {
                if register(pending, number, reply_tx) {
                    socket.feed(SocketMessage::text(text)).await?;
                }
                next = outgoing_rx.try_recv().ok();
            }
            socket.flush().await
        };
        written(clock::timeout(WRITE_TIMEOUT, write).await)
    }
}

fn written<E>(result: Result<Result<(), SocketError>, E>) -> Result<(), Closed> {
    match result {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Closed::Lost(error.to_string())),
        Err(_) => Err(Closed::Lost("the server does not read".to_owned())),
    }
}

/// Keeps the place of a reply; false if there is none left or the caller is gone.
fn register(pending: &mut BTreeMap<u64, ReplySlot>, number: u64, reply_tx: ReplySlot) -> bool {
    if reply_tx.is_closed() {
        return false;
    }
    if pending.len() >= PENDING_MAX {
        pending.retain(|_, reply_tx| !reply_tx.is_closed());
    }
    if pending.len() >= PENDING_MAX {
        drop(reply_tx.send(Err(RequestError::Busy)));
        return false;
    }
    pending.insert(number, reply_tx);
    true
}

fn outcome(frame: ServerFrame) -> Result<ServerFrame, RequestError> {
    if frame.action != "error" {
        return Ok(frame);
    }
    let body = serde_json::from_value(frame.data).map_err(|_| RequestError::BadReply("error"))?;
    Err(RequestError::Refused(body))
}
