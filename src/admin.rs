//! What operators' tools ask over HTTP: `/metrics`, `/livez`, `/readyz`.
//!
//! Liveness touches no backing service: a restart would not bring one back. Readiness has a
//! line a check; what still works without a service is degraded, not unready.

mod check;

pub use check::{Check, Health, Report, Source};

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use antiphon_core::clock::{self, Instant};
use antiphon_core::net::{TcpListener, TcpStream};
use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{self, TaskKind};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::sync::Semaphore;
use tracing::{debug, warn};

/// Open connections of monitoring tools; more wait in the listener's queue.
const CONNECTIONS_MAX: usize = 64;
/// How long a request's head may take, and how long a connection may be idle.
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection lives at most.
const CONNECTION_LIFE_MAX: Duration = Duration::from_secs(60);
/// Between attempts to accept when the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often the runtime shows that it lives.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// A runtime that has not shown it for so long is stuck.
const HEARTBEAT_MAX: Duration = Duration::from_secs(10);
/// The format of Prometheus' text exposition that the encoder writes.
const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const TEXT_TYPE: &str = "text/plain; charset=utf-8";

type Reply = Response<Full<Bytes>>;

/// Brings metrics up to date before they are read.
pub type Refresh = Box<dyn Fn() + Send + Sync>;

/// What the listener tells of.
pub struct Admin {
    registry: Mutex<Registry>,
    refresh: Mutex<Vec<Refresh>>,
    checks: Mutex<Arc<Vec<Check>>>,
    beat: Mutex<Instant>,
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Admin")
    }
}

impl Default for Admin {
    /// Nothing to tell yet: not ready.
    fn default() -> Self {
        let mut registry = Registry::with_prefix("antiphon");
        let info = [("version", env!("CARGO_PKG_VERSION"))];
        let build = prometheus_client::metrics::info::Info::new(info);
        registry.register("build", "The program that runs", build);
        Self {
            registry: Mutex::new(registry),
            refresh: Mutex::default(),
            checks: Mutex::new(Arc::new(vec![Check::fixed(
                "start",
                Health::Failed("starting".into()),
            )])),
            beat: Mutex::new(clock::now()),
        }
    }
}

impl Admin {
    /// Adds metrics, and what brings them up to date.
    pub fn add_metrics(&self, add: impl FnOnce(&mut Registry), refresh: Refresh) {
        add(&mut lock(&self.registry));
        lock(&self.refresh).push(refresh);
    }

    /// Replaces the checks of readiness.
    pub fn set_checks(&self, checks: Vec<Check>) {
        *lock(&self.checks) = Arc::new(checks);
    }

    /// Runs the checks.
    pub async fn report(&self) -> Report {
        let checks = Arc::clone(&lock(&self.checks));
        Report::of(&checks).await
    }

    /// Serves until `scope` stops.
    pub fn start(self: &Arc<Self>, listener: TcpListener, scope: &Shutdown) {
        let admin = Arc::clone(self);
        task::spawn(scope, TaskKind::Timer, async move {
            let mut ticks = clock::interval(HEARTBEAT);
            loop {
                ticks.tick().await;
                *lock(&admin.beat) = clock::now();
            }
        });
        let accept = Arc::clone(self).accept(listener, scope.clone());
        task::spawn(scope, TaskKind::HttpConnection, accept);
    }

    async fn accept(self: Arc<Self>, listener: TcpListener, scope: Shutdown) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let place = Arc::clone(&places).acquire_owned().await;
            let place = place.expect("the semaphore is never closed");
            match listener.accept().await {
                Ok((stream, _)) => {
                    let admin = Arc::clone(&self);
                    task::spawn(&scope, TaskKind::HttpConnection, async move {
                        admin.serve(stream).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    warn!(%error, "could not accept an admin connection");
                    clock::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn serve(self: Arc<Self>, stream: TcpStream) {
        let service = service_fn(move |request| {
            let admin = Arc::clone(&self);
            async move { Ok::<_, Infallible>(admin.answer(&request).await) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_READ_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service);
        match clock::timeout(CONNECTION_LIFE_MAX, connection).await {
            Ok(Ok(())) | Err(_) => {}
            Ok(Err(error)) => debug!(%error, "an admin connection ended early"),
        }
    }

    async fn answer(&self, request: &Request<Incoming>) -> Reply {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut reply = text(StatusCode::METHOD_NOT_ALLOWED, "use GET\n".into());
            reply
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return reply;
        }
        match request.uri().path() {
            "/metrics" => self.metrics(),
            "/livez" => self.liveness(),
            "/readyz" => {
                let report = self.report().await;
                let status = if report.is_ready() {
                    StatusCode::OK
                } else {
                    StatusCode::SERVICE_UNAVAILABLE
                };
                text(status, report.to_string())
            }
            _ => text(
                StatusCode::NOT_FOUND,
                "there are /metrics, /livez and /readyz\n".into(),
            ),
        }
    }

    fn liveness(&self) -> Reply {
        let age = clock::now().saturating_duration_since(*lock(&self.beat));
        if age <= HEARTBEAT_MAX {
            text(StatusCode::OK, "ok\n".into())
        } else {
            let words = format!("stuck for {} s\n", age.as_secs());
            text(StatusCode::SERVICE_UNAVAILABLE, words)
        }
    }

    fn metrics(&self) -> Reply {
        lock(&self.refresh).iter().for_each(|refresh| refresh());
        let mut body = String::new();
        if encode(&mut body, &lock(&self.registry)).is_err() {
            return text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "metrics can't be written\n".into(),
            );
        }
        let mut reply = text(StatusCode::OK, body);
        reply
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(METRICS_TYPE));
        reply
    }
}

fn text(status: StatusCode, body: String) -> Reply {
    let mut reply = Response::new(Full::from(body));
    *reply.status_mut() = status;
    reply
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(TEXT_TYPE));
    reply
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
