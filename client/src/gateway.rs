//! Asking a gateway which server to connect to: one HTTP request, bounded in time and size.

use std::fmt;
use std::time::Duration;

use antiphon_core::clock;
use antiphon_core::net::TcpStream;
use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{self, TaskKind};
use antiphon_protocol::gateway::{ServerEntry, ServerList};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{HOST, RETRY_AFTER};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;

use crate::limits::{GATEWAY_BODY_BYTES_MAX, GATEWAY_TIMEOUT, HINT_MAX};

const HTTP_PORT: u16 = 80;

/// Why a gateway gave no server.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// Not `http://HOST[:PORT][/PATH]`.
    #[error("the gateway's address must look like http://HOST:PORT")]
    BadUrl,
    /// `https` or another scheme that this build does not speak.
    #[error("only http gateways are spoken to; put a TLS proxy on this side for https")]
    Scheme,
    /// No connection.
    #[error("the gateway cannot be reached")]
    Unreachable(#[source] std::io::Error),
    /// No whole answer in time.
    #[error("the gateway did not answer in time")]
    Timeout,
    /// The HTTP exchange broke.
    #[error("the gateway's answer broke off")]
    Http(#[source] hyper::Error),
    /// It answers, but no server is there now.
    #[error("no chat server is live at the moment")]
    NoServer {
        /// When to ask again, if the gateway said.
        retry_after: Option<Duration>,
    },
    /// Another status than 200 and 503.
    #[error("the gateway answered with status {0}")]
    Status(u16),
    /// The body is over the limit or broke off.
    #[error("the gateway's answer is over {GATEWAY_BODY_BYTES_MAX} bytes or broke off")]
    Body,
    /// The body is not a server entry.
    #[error("the address does not answer as a gateway does")]
    NotAGateway(#[source] serde_json::Error),
}

/// A gateway's address, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayUrl {
    host: String,
    port: u16,
    path: String,
}

impl GatewayUrl {
    /// Reads `http://HOST[:PORT][/PATH]`; `HOST[:PORT]` alone will do.
    ///
    /// # Errors
    ///
    /// [`GatewayError::BadUrl`] and [`GatewayError::Scheme`].
    pub fn parse(raw: &str) -> Result<Self, GatewayError> {
        let raw = raw.trim();
        let full = if raw.contains("://") {
            raw.to_owned()
        } else {
            format!("http://{raw}")
        };
        let uri: Uri = full.parse().map_err(|_| GatewayError::BadUrl)?;
        if uri.scheme_str() != Some("http") {
            return Err(GatewayError::Scheme);
        }
        let authority = uri.authority().ok_or(GatewayError::BadUrl)?;
        if uri.query().is_some() || authority.as_str().contains('@') || authority.host().is_empty()
        {
            return Err(GatewayError::BadUrl);
        }
        let port = uri.port_u16().unwrap_or(HTTP_PORT);
        let path = uri.path().trim_end_matches('/').to_owned();
        Ok(Self {
            host: authority.host().to_owned(),
            port,
            path,
        })
    }

    /// `HOST:PORT`, with brackets around an IPv6 address.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

impl fmt::Display for GatewayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}:{}{}", self.host, self.port, self.path)
    }
}

/// One live server, for `user` if one is named (a gateway may keep a user on one server).
///
/// # Errors
///
/// See [`GatewayError`]; it takes at most [`GATEWAY_TIMEOUT`].
///
/// # Cancel safety
///
/// Asking changes nothing.
pub async fn fetch_server(
    gateway: &GatewayUrl,
    user: Option<&str>,
) -> Result<ServerEntry, GatewayError> {
    let query = user
        .map(|user| format!("?user={}", percent_encode(user)))
        .unwrap_or_default();
    let target = format!("/server{query}");
    clock::timeout(GATEWAY_TIMEOUT, exchange(gateway, &target))
        .await
        .map_err(|_| GatewayError::Timeout)?
}

/// Every live server, least loaded first.
///
/// # Errors
///
/// See [`GatewayError`]; it takes at most [`GATEWAY_TIMEOUT`].
///
/// # Cancel safety
///
/// Asking changes nothing.
pub async fn fetch_servers(gateway: &GatewayUrl) -> Result<ServerList, GatewayError> {
    clock::timeout(GATEWAY_TIMEOUT, exchange(gateway, "/servers"))
        .await
        .map_err(|_| GatewayError::Timeout)?
}

async fn exchange<T: DeserializeOwned>(
    gateway: &GatewayUrl,
    target: &str,
) -> Result<T, GatewayError> {
    let stream = TcpStream::connect(gateway.authority())
        .await
        .map_err(GatewayError::Unreachable)?;
    let (mut sender, driver) = http1::handshake::<_, Empty<Bytes>>(TokioIo::new(stream))
        .await
        .map_err(GatewayError::Http)?;
    let scope = Shutdown::new();
    let _stop_driver = scope.token().clone().drop_guard();
    let _driver = task::spawn(
        &scope,
        TaskKind::Client,
        async move { driver.await.is_ok() },
    );
    let request = Request::get(format!("{}{target}", gateway.path))
        .header(HOST, gateway.authority())
        .body(Empty::new())
        .map_err(|_| GatewayError::BadUrl)?;
    let response = sender
        .send_request(request)
        .await
        .map_err(GatewayError::Http)?;
    read_answer(response).await
}

async fn read_answer<T: DeserializeOwned>(response: Response<Incoming>) -> Result<T, GatewayError> {
    match response.status() {
        StatusCode::OK => {}
        StatusCode::SERVICE_UNAVAILABLE => {
            let seconds = response.headers().get(RETRY_AFTER);
            let seconds = seconds.and_then(|value| value.to_str().ok()?.trim().parse().ok());
            let retry_after = seconds.map(|seconds| Duration::from_secs(seconds).min(HINT_MAX));
            return Err(GatewayError::NoServer { retry_after });
        }
        other => return Err(GatewayError::Status(other.as_u16())),
    }
    let body = Limited::new(response.into_body(), GATEWAY_BODY_BYTES_MAX);
    let bytes = body
        .collect()
        .await
        .map_err(|_| GatewayError::Body)?
        .to_bytes();
    serde_json::from_slice(&bytes).map_err(GatewayError::NotAGateway)
}

fn percent_encode(raw: &str) -> String {
    let mut encoded = String::with_capacity(raw.len());
    for byte in raw.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests;
