//! The client port: accepts sockets, checks the WebSocket handshake, and hands the
//! connection on. Every refusal has a status that says why.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use antiphon_core::clock;
use antiphon_core::net::{TcpListener, TcpStream, bound_send_buffer, reset_on_drop};
use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{self, TaskKind};
use antiphon_protocol::ConnectionId;
use antiphon_protocol::limits::{FRAME_BYTES_MAX, SUBPROTOCOL};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Semaphore;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tracing::{Instrument, debug, debug_span, warn};

use super::command::{Caller, CommandDispatcher};
use super::connection::Connection;
use super::interceptor::TokenBucket;
use super::node::Node;
use super::paced::Paced;
use super::session::{Outbound, lock};
use super::settings::{HANDSHAKE_TIMEOUT, SEND_BUFFER_BYTES};

/// Bytes of request headers (hyper's smallest buffer).
const HEADER_BYTES_MAX: usize = 8 * 1024;
/// Request headers.
const HEADERS_MAX: usize = 64;
/// Sockets that may be refused politely at once; more are dropped.
const REFUSALS_MAX: usize = 256;
/// The library's read buffer: 4 KiB costs a fifteenth of the default and is no slower.
const READ_BUFFER_BYTES: usize = 4 * 1024;
/// What is gathered before the library writes by itself.
const WRITE_BUFFER_BYTES: usize = 16 * 1024;
/// What the library may hold; a connection flushes long before.
const WRITE_BUFFER_BYTES_MAX: usize = 4 * 1024 * 1024;

type Reply = Response<Full<Bytes>>;

/// The client port of one server.
pub(crate) struct Listener {
    node: Arc<Node>,
    dispatcher: Arc<CommandDispatcher>,
    permits: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    by_address: Arc<Mutex<HashMap<IpAddr, usize>>>,
    handshakes: Mutex<TokenBucket>,
    next_connection: AtomicU64,
    scope: Shutdown,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listener")
    }
}

/// Counts a connection while it lives.
struct Slot {
    node: Arc<Node>,
    by_address: Arc<Mutex<HashMap<IpAddr, usize>>>,
    address: IpAddr,
    _permit: tokio::sync::OwnedSemaphorePermit,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.node.connections.fetch_sub(1, Ordering::Relaxed);
        let mut by_address = lock(&self.by_address);
        if let Some(count) = by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                by_address.remove(&self.address);
            }
        }
    }
}

impl Listener {
    /// A client port for this server; connections live in `scope`.
    pub(crate) fn new(
        node: Arc<Node>,
        dispatcher: Arc<CommandDispatcher>,
        scope: Shutdown,
    ) -> Self {
        let settings = &node.settings;
        let rate = settings.handshakes_per_second;
        Self {
            permits: Arc::new(Semaphore::new(settings.connections_max)),
            refusals: Arc::new(Semaphore::new(REFUSALS_MAX)),
            by_address: Arc::default(),
            handshakes: Mutex::new(TokenBucket::new(rate, rate.saturating_mul(2))),
            next_connection: AtomicU64::new(1),
            node,
            dispatcher,
            scope,
        }
    }

    /// Accepts until `accepting` stops.
    pub(crate) async fn run(self: Arc<Self>, listener: TcpListener, accepting: Shutdown) {
        let mut pause = Duration::from_millis(1);
        loop {
            let accepted = tokio::select! {
                biased;
                () = accepting.stopping() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, from)) => {
                    pause = Duration::from_millis(1);
                    self.admit(stream, from);
                }
                Err(error) => {
                    warn!(%error, "could not accept a connection");
                    clock::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(1));
                }
            }
        }
    }

    fn admit(self: &Arc<Self>, stream: TcpStream, from: SocketAddr) {
        let slot = self.slot(from.ip());
        let refusal_permit = if slot.is_none() {
            match Arc::clone(&self.refusals).try_acquire_owned() {
                Ok(permit) => Some(permit),
                // More refusals than can be written at once: the socket is just closed.
                Err(_) => return,
            }
        } else {
            None
        };
        let connection = ConnectionId(self.next_connection.fetch_add(1, Ordering::Relaxed));
        let listener = Arc::clone(self);
        let span = debug_span!("connection", id = connection.0, %from);
        let serve = async move {
            listener.serve(stream, from, connection, slot).await;
            drop(refusal_permit);
        };
        task::spawn(&self.scope, TaskKind::Connection, serve.instrument(span));
    }

    /// Room for one more connection; `None` if there is none.
    fn slot(&self, address: IpAddr) -> Option<Slot> {
        if lock(&self.handshakes).take(1.0).is_err() {
            return None;
        }
        let permit = Arc::clone(&self.permits).try_acquire_owned().ok()?;
        let mut by_address = lock(&self.by_address);
        let count = by_address.entry(address).or_default();
        if *count >= self.node.settings.connections_per_address {
            return None;
        }
        *count += 1;
        drop(by_address);
        self.node.connections.fetch_add(1, Ordering::Relaxed);
        Some(Slot {
            node: Arc::clone(&self.node),
            by_address: Arc::clone(&self.by_address),
            address,
            _permit: permit,
        })
    }

    async fn serve(
        &self,
        stream: TcpStream,
        from: SocketAddr,
        connection: ConnectionId,
        slot: Option<Slot>,
    ) {
        let _ = stream.set_nodelay(true);
        bound_send_buffer(&stream, SEND_BUFFER_BYTES);
        let upgraded: Mutex<Option<hyper::upgrade::OnUpgrade>> = Mutex::new(None);
        let has_slot = slot.is_some();
        let service = service_fn(|mut request: Request<Incoming>| {
            let reply = if has_slot {
                self.answer(&request)
            } else {
                overloaded()
            };
            if reply.status() == StatusCode::SWITCHING_PROTOCOLS {
                *lock(&upgraded) = Some(hyper::upgrade::on(&mut request));
            }
            async move { Ok::<_, Infallible>(reply) }
        });
        let served = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HANDSHAKE_TIMEOUT)
            .max_headers(HEADERS_MAX)
            .max_buf_size(HEADER_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let handshake = clock::timeout(HANDSHAKE_TIMEOUT, served);
        let done = tokio::select! {
            done = handshake => done,
            () = self.scope.stopping() => return,
        };
        if !matches!(done, Ok(Ok(()))) {
            debug!("handshake not finished");
            return;
        }
        let Some(upgrade) = lock(&upgraded).take() else {
            return;
        };
        let Ok(upgraded) = upgrade.await else { return };
        let Ok(parts) = upgraded.downcast::<TokioIo<TcpStream>>() else {
            return;
        };
        let socket = WebSocketStream::from_partially_read(
            Paced::new(parts.io.into_inner()).abandoned_by(reset_on_drop),
            parts.read_buf.to_vec(),
            Role::Server,
            Some(websocket_config()),
        );
        let caller = self.caller(connection, from.ip());
        let connection = Connection::new(
            socket.await,
            caller,
            Arc::clone(&self.dispatcher),
            self.scope.clone(),
        );
        connection.run().await;
        drop(slot);
    }

    fn caller(&self, connection: ConnectionId, address: IpAddr) -> Caller {
        let settings = &self.node.settings;
        let outbound = Outbound::new(settings.outbound_bytes_max, settings.outbound_frames_max);
        Caller {
            node: Arc::clone(&self.node),
            connection,
            address,
            outbound: Arc::new(outbound),
            session: None,
            re: None,
            login_failures: 0,
            bucket: TokenBucket::new(settings.messages_per_second, settings.message_burst),
            body_hash: [0; 16],
        }
    }

    /// The answer to a handshake: 101, or why not.
    fn answer(&self, request: &Request<Incoming>) -> Reply {
        let headers = request.headers();
        if request.method() != Method::GET {
            return refuse(
                StatusCode::METHOD_NOT_ALLOWED,
                "use GET",
                &[(header::ALLOW, "GET")],
            );
        }
        if !has_token(headers, &header::UPGRADE, "websocket")
            || !has_token(headers, &header::CONNECTION, "upgrade")
        {
            let upgrade = [
                (header::UPGRADE, "websocket"),
                (header::CONNECTION, "upgrade"),
            ];
            return refuse(
                StatusCode::UPGRADE_REQUIRED,
                "a WebSocket endpoint",
                &upgrade,
            );
        }
        if !matches!(request.uri().path(), "/" | "/ws") {
            return refuse(StatusCode::NOT_FOUND, "the endpoint is /", &[]);
        }
        let version = headers
            .get(header::SEC_WEBSOCKET_VERSION)
            .map(HeaderValue::as_bytes);
        if version != Some(b"13") {
            let versions = [(header::SEC_WEBSOCKET_VERSION, "13")];
            return refuse(
                StatusCode::UPGRADE_REQUIRED,
                "WebSocket version 13 expected",
                &versions,
            );
        }
        let Some(key) = headers
            .get(header::SEC_WEBSOCKET_KEY)
            .filter(|key| is_key(key))
        else {
            return refuse(StatusCode::BAD_REQUEST, "Sec-WebSocket-Key expected", &[]);
        };
        if !self.allows_origin(headers) {
            warn!("a browser's origin was refused");
            return refuse(StatusCode::FORBIDDEN, "this origin may not connect", &[]);
        }
        if !self.node.takes_clients() {
            return overloaded();
        }
        accept(key, headers)
    }

    /// Browsers send `Origin`; other programs don't. Only the listed ones may connect: an
    /// exact match of scheme, host and port.
    fn allows_origin(&self, headers: &HeaderMap) -> bool {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let Some(origin) = origins.next() else {
            return true;
        };
        let allowed = &self.node.settings.allowed_origins;
        origins.next().is_none()
            && origin
                .to_str()
                .is_ok_and(|origin| allowed.iter().any(|other| other == origin))
    }
}

fn accept(key: &HeaderValue, headers: &HeaderMap) -> Reply {
    let mut reply = Response::new(Full::default());
    *reply.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let accepted = derive_accept_key(key.as_bytes());
    let accepted = HeaderValue::from_str(&accepted).expect("base64 is a header value");
    let answer = reply.headers_mut();
    answer.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    answer.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    answer.insert(header::SEC_WEBSOCKET_ACCEPT, accepted);
    if has_token(headers, &header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL) {
        answer.insert(
            header::SEC_WEBSOCKET_PROTOCOL,
            HeaderValue::from_static(SUBPROTOCOL),
        );
    }
    reply
}

fn refuse(status: StatusCode, why: &'static str, headers: &[(HeaderName, &'static str)]) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from_static(why.as_bytes())));
    *reply.status_mut() = status;
    reply
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    // Not by the builder's `keep_alive`: that writes "close" on a 101 as well.
    reply
        .headers_mut()
        .insert(header::CONNECTION, HeaderValue::from_static("close"));
    for (name, value) in headers {
        reply
            .headers_mut()
            .insert(name.clone(), HeaderValue::from_static(value));
    }
    reply
}

fn overloaded() -> Reply {
    let retry = [(header::RETRY_AFTER, "1"), (header::CONNECTION, "close")];
    refuse(
        StatusCode::SERVICE_UNAVAILABLE,
        "no room for another connection now",
        &retry,
    )
}

/// Whether a comma-separated header names the token, in whatever case.
fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .any(|part| part.trim().eq_ignore_ascii_case(token))
}

/// 16 bytes in base64 (RFC 6455, section 4.1).
fn is_key(key: &HeaderValue) -> bool {
    let key = key.as_bytes();
    let alphabet = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.len() == 24 && key.ends_with(b"==") && key[..22].iter().all(alphabet)
}

/// Every bound of the library set: its defaults are 128 KiB a socket, 64 MiB a message, and
/// no bound at all on what it holds to write.
pub(super) fn websocket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX)
        .max_message_size(Some(FRAME_BYTES_MAX))
        .max_frame_size(Some(FRAME_BYTES_MAX))
        .accept_unmasked_frames(false)
}

#[cfg(test)]
mod tests;
