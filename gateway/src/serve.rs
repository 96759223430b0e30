//! Sockets: accepting within a bound, one task each, and stopping in order.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use antiphon_core::backoff::Backoff;
use antiphon_core::clock;
use antiphon_core::contract::ServerDirectory;
use antiphon_core::net::{TcpListener, TcpStream};
use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{TaskKind, spawn};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{debug, info, warn};

use crate::api::Api;
use crate::{GatewayConfig, GatewayError};

/// Largest head of a request, in bytes, and most headers; more is answered with 431.
const HEAD_BYTES_MAX: usize = 8 * 1024;
const HEADERS_MAX: usize = 64;
/// After so long a connection ends with the request that it is at: nobody holds a place for
/// ever, neither by asking slowly nor by not reading.
const CONNECTION_LIFE_MAX: Duration = Duration::from_secs(60);
/// How long that last answer may take.
const LAST_ANSWER_MAX: Duration = Duration::from_secs(5);
/// Between attempts to accept when the process is out of file descriptors.
const ACCEPT_BACKOFF_BASE: Duration = Duration::from_millis(5);
const ACCEPT_BACKOFF_MAX: Duration = Duration::from_secs(1);
/// How long aborted tasks have to be dropped.
const ABORT_GRACE: Duration = Duration::from_secs(1);

pub(crate) async fn run(
    listener: TcpListener,
    config: GatewayConfig,
    directory: Arc<dyn ServerDirectory>,
    shutdown: Shutdown,
) -> Result<(), GatewayError> {
    if !(1..=Semaphore::MAX_PERMITS).contains(&config.connections_max) {
        return Err(GatewayError::ConnectionsMax {
            max: Semaphore::MAX_PERMITS,
        });
    }
    let local_addr = listener.local_addr().map_err(GatewayError::Listener)?;
    info!(%local_addr, strategy = %config.strategy, "gateway is listening");
    let server = Server {
        api: Arc::new(Api::new(&config, directory, shutdown.clone())),
        // Not a child: connections see the stop themselves and finish what they are at.
        connections: Shutdown::new(),
        shutdown,
        header_read_timeout: config.header_read_timeout,
    };
    // Who drops this future, drops the connections, too.
    let _abort = server.connections.token().clone().drop_guard();
    server.accept(listener, config.connections_max).await;
    if !server.connections.wait(config.drain_deadline).await {
        warn!("open connections are cut off at the end of the drain");
        server.connections.stop();
        server.connections.wait(ABORT_GRACE).await;
    }
    info!("gateway has stopped");
    Ok(())
}

struct Server {
    api: Arc<Api>,
    connections: Shutdown,
    shutdown: Shutdown,
    header_read_timeout: Duration,
}

impl Server {
    /// Accepts until the stop; the socket closes with the listener at the end.
    async fn accept(&self, listener: TcpListener, connections_max: usize) {
        let places = Arc::new(Semaphore::new(connections_max));
        let mut backoff = Backoff::new(ACCEPT_BACKOFF_BASE, ACCEPT_BACKOFF_MAX);
        loop {
            let accepted = async {
                let place = Arc::clone(&places).acquire_owned().await;
                let place = place.expect("the semaphore is never closed");
                listener
                    .accept()
                    .await
                    .map(|(stream, peer)| (place, stream, peer))
            };
            let accepted = tokio::select! {
                biased;
                () = self.shutdown.stopping() => return,
                accepted = accepted => accepted,
            };
            match accepted {
                Ok((place, stream, peer)) => {
                    backoff.reset();
                    self.spawn_connection(place, stream, peer);
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    warn!(%error, attempt = backoff.attempt(), "could not accept a connection");
                    tokio::select! {
                        biased;
                        () = self.shutdown.stopping() => return,
                        () = clock::sleep(backoff.next_delay()) => {}
                    }
                }
            }
        }
    }

    fn spawn_connection(&self, place: OwnedSemaphorePermit, stream: TcpStream, peer: SocketAddr) {
        let api = Arc::clone(&self.api);
        let shutdown = self.shutdown.clone();
        let header_read_timeout = self.header_read_timeout;
        spawn(&self.connections, TaskKind::HttpConnection, async move {
            let ended = serve(stream, peer, api, &shutdown, header_read_timeout).await;
            if let Err(error) = ended {
                debug!(%peer, %error, "connection ended early");
            }
            drop(place);
        });
    }
}

/// The client went before it was accepted; that says nothing about the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    [
        ConnectionAborted,
        ConnectionRefused,
        ConnectionReset,
        Interrupted,
    ]
    .contains(&error.kind())
}

async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    api: Arc<Api>,
    shutdown: &Shutdown,
    header_read_timeout: Duration,
) -> hyper::Result<()> {
    // Answers are small and whole; a socket that refuses the option works without it.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let api = Arc::clone(&api);
        async move { Ok::<_, Infallible>(api.answer(&request, peer.ip()).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_read_timeout)
        .max_headers(HEADERS_MAX)
        .max_header_size(HEAD_BYTES_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        biased;
        ended = connection.as_mut() => return ended,
        () = shutdown.stopping() => {}
        () = clock::sleep(CONNECTION_LIFE_MAX) => {}
    }
    connection.as_mut().graceful_shutdown();
    // The drain of the whole gateway may end sooner than this.
    clock::timeout(LAST_ANSWER_MAX, connection)
        .await
        .unwrap_or(Ok(()))
}
