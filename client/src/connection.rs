//! One WebSocket to a server: typed requests matched to their replies, events as a bounded
//! stream, and the reason of its end. It does not reconnect; [`crate::Client`] does.
//!
//! A reader of [`ServerEvents`] that falls behind stops the socket from being read, so that
//! the pressure reaches the server; requests then end by their deadline.

mod driver;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use antiphon_core::clock;
use antiphon_core::net::TcpStream;
use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{self, TaskKind};
use antiphon_protocol::client::{Hello, HelloReply};
use antiphon_protocol::close_code::{AfterClose, after_close};
use antiphon_protocol::gateway::ServerEntry;
use antiphon_protocol::limits::{CLIENT_CHARS_MAX, FRAME_BYTES_MAX, SUBPROTOCOL, VERSIONS};
use antiphon_protocol::message::ServerEvent;
use antiphon_protocol::{ClientCommand, Command, ErrorBody, RequestId, ServerFrame, codec};
use futures_util::Stream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_tungstenite::tungstenite::Error as SocketError;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::limits::{
    CONNECT_TIMEOUT, DEAD_PEER, DEAD_PEER_GRACE, DEAD_PEER_MAX, EVENTS_MAX, OUTGOING_MAX,
    REQUEST_TIMEOUT, SERVER_MESSAGE_BYTES_MAX, SOCKET_BUFFER_BYTES, WRITE_BUFFER_BYTES_MAX,
};

/// What a client calls itself in `hello` if nobody gave it a name.
pub const CLIENT_NAME: &str = concat!("antiphon-client/", env!("CARGO_PKG_VERSION"));

/// Why a connection could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The host's name and port make no address.
    #[error("the server's address is not valid")]
    Address,
    /// No TCP connection.
    #[error("the server cannot be reached")]
    Unreachable(#[source] std::io::Error),
    /// Not open in time.
    #[error("the server did not open the connection in time")]
    Timeout,
    /// The WebSocket handshake failed.
    #[error("the server refused the connection")]
    Handshake(#[source] Box<SocketError>),
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closed {
    /// The server closed it with a code.
    Server {
        /// See [`antiphon_protocol::close_code`].
        code: u16,
        /// The server's words; not to be shown without cleaning.
        reason: String,
    },
    /// It broke.
    Lost(String),
    /// Nothing came for too long.
    DeadPeer,
    /// This side closed it.
    Local,
}

impl Closed {
    /// What a client does now.
    pub fn after(&self) -> AfterClose {
        match self {
            Self::Server { code, .. } => after_close(*code),
            Self::Lost(_) | Self::DeadPeer => AfterClose::Reconnect,
            Self::Local => AfterClose::Stop,
        }
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server { code, reason } => write!(f, "closed by the server: {reason} ({code})"),
            Self::Lost(why) => write!(f, "connection lost: {why}"),
            Self::DeadPeer => f.write_str("the server fell silent"),
            Self::Local => f.write_str("closed by this side"),
        }
    }
}

/// Why a request has no reply.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The server said no.
    #[error("{}", .0.message)]
    Refused(ErrorBody),
    /// No reply in time: whether it took effect is unknown.
    #[error("no reply in time")]
    Deadline,
    /// The connection ended before the reply: whether it took effect is unknown.
    #[error("{0}")]
    Closed(Closed),
    /// The reply does not have the shape that this build knows.
    #[error("the reply to {0} could not be read")]
    BadReply(&'static str),
    /// The request is over the server's limit; it was not sent.
    #[error("the request is over {FRAME_BYTES_MAX} bytes")]
    TooLarge,
    /// Too many requests wait for their replies; it was not sent.
    #[error("too many requests are waiting")]
    Busy,
    /// No connection at the moment; it was not sent.
    #[error("not connected")]
    NotConnected,
}

impl RequestError {
    /// The server's answer, if there is one.
    pub fn refusal(&self) -> Option<&ErrorBody> {
        if let Self::Refused(body) = self {
            Some(body)
        } else {
            None
        }
    }
}

type ReplySlot = oneshot::Sender<Result<ServerFrame, RequestError>>;

struct Outgoing {
    number: u64,
    text: String,
    reply_tx: ReplySlot,
}

/// A cheap handle of one WebSocket; the socket closes when its scope stops, on
/// [`Connection::close`], or when every handle is gone.
#[derive(Clone)]
pub struct Connection {
    outgoing_tx: mpsc::Sender<Outgoing>,
    closed_rx: watch::Receiver<Option<Closed>>,
    number: Arc<AtomicU64>,
    dead_peer_ms: Arc<AtomicU64>,
    scope: Shutdown,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("closed", &*self.closed_rx.borrow())
            .finish()
    }
}

/// What a server pushes, in order. Ends with the connection.
#[derive(Debug)]
pub struct ServerEvents(mpsc::Receiver<ServerEvent>);

impl ServerEvents {
    /// The next event. Cancel-safe.
    pub async fn recv(&mut self) -> Option<ServerEvent> {
        self.0.recv().await
    }

    /// The next event if it is there already.
    pub fn try_recv(&mut self) -> Option<ServerEvent> {
        self.0.try_recv().ok()
    }
}

impl Stream for ServerEvents {
    type Item = ServerEvent;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ServerEvent>> {
        self.0.poll_recv(cx)
    }
}

/// The limits of a client's socket.
pub fn socket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(SOCKET_BUFFER_BYTES)
        .write_buffer_size(SOCKET_BUFFER_BYTES)
        .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX)
        .max_message_size(Some(SERVER_MESSAGE_BYTES_MAX))
        .max_frame_size(Some(SERVER_MESSAGE_BYTES_MAX))
        .accept_unmasked_frames(false)
}

impl Connection {
    /// Connects to a server that a gateway named. The connection's task runs in a child of
    /// `scope`.
    ///
    /// # Errors
    ///
    /// See [`ConnectError`]; it takes at most [`CONNECT_TIMEOUT`].
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped closes what it had opened.
    pub async fn open(
        server: &ServerEntry,
        scope: &Shutdown,
    ) -> Result<(Self, ServerEvents), ConnectError> {
        clock::timeout(CONNECT_TIMEOUT, Self::open_untimed(server, scope))
            .await
            .map_err(|_| ConnectError::Timeout)?
    }

    async fn open_untimed(
        server: &ServerEntry,
        scope: &Shutdown,
    ) -> Result<(Self, ServerEvents), ConnectError> {
        let host = server.host.trim_start_matches('[').trim_end_matches(']');
        let shown = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        let url = format!("ws://{shown}:{}/", server.port);
        let mut request = url
            .into_client_request()
            .map_err(|_| ConnectError::Address)?;
        let subprotocol = HeaderValue::from_static(SUBPROTOCOL);
        request
            .headers_mut()
            .insert(SEC_WEBSOCKET_PROTOCOL, subprotocol);
        let stream = TcpStream::connect((host, server.port))
            .await
            .map_err(ConnectError::Unreachable)?;
        stream
            .set_nodelay(true)
            .map_err(ConnectError::Unreachable)?;
        let (socket, _response) =
            tokio_tungstenite::client_async_with_config(request, stream, Some(socket_config()))
                .await
                .map_err(|error| ConnectError::Handshake(Box::new(error)))?;

        let (outgoing_tx, outgoing_rx) = mpsc::channel(OUTGOING_MAX);
        let (event_tx, event_rx) = mpsc::channel(EVENTS_MAX);
        let (closed_tx, closed_rx) = watch::channel(None);
        let scope = scope.child();
        let dead_peer_ms = Arc::new(AtomicU64::new(DEAD_PEER.as_millis() as u64));
        let driver = driver::Driver::new(
            socket,
            outgoing_rx,
            event_tx,
            scope.clone(),
            dead_peer_ms.clone(),
        );
        // The kind that waits: it says goodbye to the server when its scope stops.
        let _task = task::spawn(&scope, TaskKind::Connection, driver.run(closed_tx));
        let number = Arc::new(AtomicU64::new(1));
        Ok((
            Self {
                outgoing_tx,
                closed_rx,
                number,
                dead_peer_ms,
                scope,
            },
            ServerEvents(event_rx),
        ))
    }

    /// Says `hello` and learns the limits and how often the server pings.
    ///
    /// # Errors
    ///
    /// As [`Connection::request`].
    pub async fn hello(&self) -> Result<HelloReply, RequestError> {
        self.hello_as(CLIENT_NAME).await
    }

    /// As [`Connection::hello`], under a name for the server's log, of which the first
    /// [`CLIENT_CHARS_MAX`] characters count.
    ///
    /// # Errors
    ///
    /// As [`Connection::request`].
    pub async fn hello_as(&self, client: &str) -> Result<HelloReply, RequestError> {
        let hello = Hello {
            versions: Some(VERSIONS.to_vec()),
            client: Some(client.chars().take(CLIENT_CHARS_MAX).collect()),
        };
        let reply = self.request(hello).await?;
        let silence = Duration::from_millis(reply.ping_interval_ms).saturating_add(DEAD_PEER_GRACE);
        self.set_dead_peer(silence.min(DEAD_PEER_MAX));
        Ok(reply)
    }

    /// Sets the silence after which the server counts as dead; it holds from the next frame.
    /// After half of it, and at the latest after [`PROBE_AFTER`](crate::limits::PROBE_AFTER), this side pings.
    pub fn set_dead_peer(&self, silence: Duration) {
        let ms = u64::try_from(silence.as_millis()).unwrap_or(u64::MAX);
        self.dead_peer_ms.store(ms, Ordering::Relaxed);
    }

    /// Sends a command and waits for its reply, at most [`REQUEST_TIMEOUT`].
    ///
    /// # Errors
    ///
    /// As [`Connection::request_within`].
    pub async fn request<C: Command>(&self, command: C) -> Result<C::Reply, RequestError> {
        self.request_within(command, REQUEST_TIMEOUT).await
    }

    /// Sends a command and waits for its reply, at most `deadline`.
    ///
    /// # Errors
    ///
    /// See [`RequestError`]: each says whether the command may have taken effect.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does not take back what was sent; what was not is not sent.
    pub async fn request_within<C: Command>(
        &self,
        command: C,
        deadline: Duration,
    ) -> Result<C::Reply, RequestError> {
        let frame = clock::timeout(deadline, self.exchange(command.into()))
            .await
            .map_err(|_| RequestError::Deadline)??;
        if frame.action != C::REPLY_ACTION {
            return Err(RequestError::BadReply(C::ACTION));
        }
        serde_json::from_value(frame.data).map_err(|_| RequestError::BadReply(C::ACTION))
    }

    async fn exchange(&self, command: ClientCommand) -> Result<ServerFrame, RequestError> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let text = codec::encode_request(&RequestId::from(number), &command);
        if text.len() > FRAME_BYTES_MAX {
            return Err(RequestError::TooLarge);
        }
        let (reply_tx, reply_rx) = oneshot::channel();
        let outgoing = Outgoing {
            number,
            text,
            reply_tx,
        };
        // The first poll takes the frame's place in the order.
        let sent = tokio::task::unconstrained(self.outgoing_tx.send(outgoing)).await;
        if sent.is_err() {
            return Err(RequestError::Closed(self.closed().await));
        }
        match reply_rx.await {
            Ok(reply) => reply,
            Err(_) => Err(RequestError::Closed(self.closed().await)),
        }
    }

    /// Resolves when the connection has ended. Cancel-safe.
    pub async fn closed(&self) -> Closed {
        let mut closed_rx = self.closed_rx.clone();
        let ended = closed_rx.wait_for(Option::is_some).await;
        ended
            .ok()
            .and_then(|closed| closed.clone())
            .unwrap_or(Closed::Local)
    }

    /// Whether it has ended.
    pub fn is_closed(&self) -> bool {
        self.closed_rx.borrow().is_some()
    }

    /// Says goodbye; [`Connection::closed`] tells when it is done.
    pub fn close(&self) {
        self.scope.stop();
    }
}

#[cfg(test)]
mod tests;
