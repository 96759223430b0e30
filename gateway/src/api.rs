//! The routes: from a request's head to a whole answer. Bodies of requests are not read.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use antiphon_core::contract::{DirectoryEntry, ServerDirectory};
use antiphon_core::shutdown::Shutdown;
use antiphon_protocol::ErrorBody;
use antiphon_protocol::gateway::{RankedServer, ServerEntry, ServerList};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;

use crate::GatewayConfig;
use crate::balance::{Balancer, ranked};
use crate::list::{ListCache, Listed};
use crate::query::{InvalidQuery, ServerQuery};

/// Longest path with query: room for a name of 32 four-byte characters, thrice encoded.
const TARGET_BYTES_MAX: usize = 2_048;
/// After how long a client asks again when there was nothing to hand out.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// After how long a client's list should be asked for again.
const LIST_EXPIRES: Duration = Duration::from_secs(5);
const ALLOWED_METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD");

/// What answers are made from.
#[derive(Debug)]
pub(crate) struct Api {
    list: ListCache,
    balancer: Balancer,
    allowed_origins: Vec<String>,
    shutdown: Shutdown,
}

type Answer = Result<Success, Failure>;

struct Success {
    body: Vec<u8>,
    age: Option<Duration>,
}

struct Failure {
    status: StatusCode,
    error: ErrorBody,
}

#[derive(Serialize)]
struct ErrorEnvelope {
    error: ErrorBody,
}

#[derive(Serialize)]
struct Status {
    status: &'static str,
}

impl Api {
    pub(crate) fn new(
        config: &GatewayConfig,
        directory: Arc<dyn ServerDirectory>,
        shutdown: Shutdown,
    ) -> Self {
        Self {
            list: ListCache::new(directory),
            balancer: Balancer::new(config.strategy),
            allowed_origins: config.allowed_origins.clone(),
            shutdown,
        }
    }

    pub(crate) async fn answer<B>(
        &self,
        request: &Request<B>,
        client: IpAddr,
    ) -> Response<Full<Bytes>> {
        let mut response = match self.route(request, client).await {
            Ok(success) => {
                let mut response = json_response(StatusCode::OK, success.body);
                if let Some(age) = success.age {
                    response
                        .headers_mut()
                        .insert(header::AGE, age.as_secs().into());
                }
                response
            }
            Err(failure) => failure.into_response(),
        };
        self.allow_origin(request.headers(), response.headers_mut());
        response
    }

    async fn route<B>(&self, request: &Request<B>, client: IpAddr) -> Answer {
        let target_bytes = request
            .uri()
            .path_and_query()
            .map_or(0, |target| target.as_str().len());
        if target_bytes > TARGET_BYTES_MAX {
            return Err(Failure::new(
                StatusCode::URI_TOO_LONG,
                "uri_too_long",
                "the path and query are too long",
            ));
        }
        let query = request.uri().query().unwrap_or("");
        let path = request.uri().path();
        match path {
            "/server" | "/servers" | "/healthz" | "/readyz" => check_method(request.method())?,
            _ => {}
        }
        match path {
            "/server" => self.server(query, client).await,
            "/servers" => self.servers().await,
            "/healthz" => success(&Status { status: "ok" }, None),
            "/readyz" => self.ready().await,
            _ => Err(Failure::new(
                StatusCode::NOT_FOUND,
                "not_found",
                "there is nothing here; try /server or /servers",
            )),
        }
    }

    async fn server(&self, query: &str, client: IpAddr) -> Answer {
        let query = ServerQuery::parse(query).map_err(invalid_query)?;
        let listed = self.list.current().await.ok_or_else(no_live_server)?;
        let age = Some(listed.age);
        if query.all {
            let servers: Vec<_> = live(&listed)?.into_iter().map(public).collect();
            return success(&servers, age);
        }
        let key = query
            .user
            .unwrap_or_else(|| client.to_canonical().to_string());
        let chosen = self
            .balancer
            .choose(&listed.directory, &key)
            .ok_or_else(no_live_server)?;
        success(&public(chosen), age)
    }

    async fn servers(&self) -> Answer {
        let listed = self.list.current().await.ok_or_else(no_live_server)?;
        let rank = |entry: &DirectoryEntry| RankedServer {
            server: public(entry),
            connections: entry.connections,
            weight: entry.weight,
        };
        let expires_in = LIST_EXPIRES.min(listed.usable_for);
        let list = ServerList {
            servers: live(&listed)?.into_iter().map(rank).collect(),
            generated_at: listed.directory.generated_at_ms,
            age_seconds: listed.age.as_secs(),
            expires_in_ms: u64::try_from(expires_in.as_millis()).unwrap_or(u64::MAX),
        };
        success(&list, Some(listed.age))
    }

    async fn ready(&self) -> Answer {
        if self.shutdown.is_stopping() {
            return Err(Failure::retry(
                "stopping",
                "the gateway is stopping; use another one",
            ));
        }
        match self.list.current().await {
            Some(listed) => success(&Status { status: "ready" }, Some(listed.age)),
            None => Err(Failure::retry(
                "no_server_list",
                "no list of servers is known yet",
            )),
        }
    }

    fn allow_origin(&self, request: &HeaderMap, response: &mut HeaderMap) {
        if self.allowed_origins.is_empty() {
            return;
        }
        response.insert(header::VARY, HeaderValue::from_static("origin"));
        let mut origins = request.get_all(header::ORIGIN).iter();
        let (Some(origin), None) = (origins.next(), origins.next()) else {
            return;
        };
        if self
            .allowed_origins
            .iter()
            .any(|allowed| allowed.as_bytes() == origin.as_bytes())
        {
            response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        }
    }
}

/// HEAD is answered like GET; the connection leaves the body out.
fn check_method(method: &Method) -> Result<(), Failure> {
    if *method == Method::GET || *method == Method::HEAD {
        return Ok(());
    }
    Err(Failure::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "only GET and HEAD are answered here",
    ))
}

fn live(listed: &Listed) -> Result<Vec<&DirectoryEntry>, Failure> {
    let servers = ranked(&listed.directory);
    if servers.is_empty() {
        Err(no_live_server())
    } else {
        Ok(servers)
    }
}

/// What the public may know of a server.
fn public(entry: &DirectoryEntry) -> ServerEntry {
    ServerEntry {
        name: entry.name.clone(),
        host: entry.host.clone(),
        port: entry.port,
    }
}

fn no_live_server() -> Failure {
    Failure::retry(
        "no_live_server",
        "no server takes clients at the moment; try again soon",
    )
}

fn invalid_query(InvalidQuery(key): InvalidQuery) -> Failure {
    let message = match key {
        "all" => "`all` is given at most once, as true or false",
        _ => "`user` is given at most once, as a percent-encoded name",
    };
    Failure::new(
        StatusCode::BAD_REQUEST,
        format!("invalid_query:{key}"),
        message,
    )
}

fn success(body: &impl Serialize, age: Option<Duration>) -> Answer {
    match serde_json::to_vec(body) {
        Ok(body) => Ok(Success { body, age }),
        Err(_) => Err(Failure::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the answer could not be written",
        )),
    }
}

impl Failure {
    fn new(status: StatusCode, ext: impl Into<String>, message: &str) -> Self {
        Self {
            status,
            error: ErrorBody::new(status.as_u16(), ext, message),
        }
    }

    fn retry(ext: &str, message: &str) -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let retry_after_ms = RETRY_AFTER.as_secs() * 1_000;
        Self {
            status,
            error: ErrorBody::retry(status.as_u16(), ext, message, retry_after_ms),
        }
    }

    fn into_response(self) -> Response<Full<Bytes>> {
        let status = self.status;
        let retryable = self.error.retryable;
        // Strings and numbers alone can always be written.
        let body = serde_json::to_vec(&ErrorEnvelope { error: self.error }).unwrap_or_default();
        let mut response = json_response(status, body);
        if retryable {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, RETRY_AFTER.as_secs().into());
        }
        if status == StatusCode::METHOD_NOT_ALLOWED {
            response
                .headers_mut()
                .insert(header::ALLOW, ALLOWED_METHODS);
        }
        response
    }
}

fn json_response(status: StatusCode, body: Vec<u8>) -> Response<Full<Bytes>> {
    const HEADERS: [(HeaderName, HeaderValue); 3] = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
    ];
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().extend(HEADERS);
    response
}
