//! Cache URLs. What is wrong with one is told without its password.

use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    Client, ConnectionInfo, IntoConnectionInfo as _, ProtocolVersion, TlsCertificates, TlsMode,
};

use super::RedisSettings;

const SENTINEL_PORT: u16 = 26_379;
const REDIS_PORT: u16 = 6_379;
/// Tries of a cluster's client to follow a slot that moves, within the deadline of the call.
const CLUSTER_RETRIES: u32 = 3;

/// Why a cache URL can't be used.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    /// Another scheme than ours.
    #[error(
        "the cache URL begins with redis://, redis-sentinel:// or redis-cluster://, or with \
         rediss for TLS"
    )]
    Scheme,
    /// No name of a master behind the addresses of Sentinels.
    #[error("a redis-sentinel:// URL names its master: redis-sentinel://HOST:PORT,HOST:PORT/NAME")]
    Master,
    /// A database in a cluster.
    #[error("a redis-cluster:// URL has no path: a cluster has one database")]
    Path,
    /// An address, a database number, or something else of the URL.
    #[error("the cache URL can't be read ({0})")]
    Malformed(String),
}

impl From<redis::RedisError> for UrlError {
    fn from(error: redis::RedisError) -> Self {
        Self::Malformed(error.to_string())
    }
}

/// What is connected to.
pub(super) enum Target {
    Single(Box<Client>),
    Sentinel(Box<SentinelClient>),
    Cluster(Box<ClusterClient>),
}

/// How the connection is protected.
struct Tls(Option<TlsCertificates>);

impl Tls {
    fn new(is_on: bool, settings: &RedisSettings) -> Self {
        let certificates = is_on.then(|| {
            // Which one is used must not depend on what else is built in. It is no error if
            // somebody else was first.
            let _ = rustls::crypto::ring::default_provider().install_default();
            TlsCertificates {
                client_tls: None,
                root_cert: settings.ca_certificates.clone(),
            }
        });
        Self(certificates)
    }

    fn scheme(&self) -> &'static str {
        if self.0.is_some() { "rediss" } else { "redis" }
    }
}

/// The parts of `SCHEME://[USERINFO@]HOSTS[/PATH][?QUERY]`.
struct Parts<'u> {
    user: &'u str,
    hosts: Vec<&'u str>,
    path: &'u str,
}

pub(super) fn parse(url: &str, settings: &RedisSettings) -> Result<Target, UrlError> {
    let (scheme, rest) = url.split_once("://").ok_or(UrlError::Scheme)?;
    let (kind, is_tls) = match scheme.strip_prefix("rediss") {
        Some(kind) => (kind, true),
        None => (scheme.strip_prefix("redis").ok_or(UrlError::Scheme)?, false),
    };
    let tls = Tls::new(is_tls, settings);
    match kind {
        "" => {
            let info = resp3(url.into_connection_info()?, url);
            let client = match tls.0 {
                Some(certificates) => Client::build_with_tls(info, certificates)?,
                None => Client::open(info)?,
            };
            Ok(Target::Single(Box::new(client)))
        }
        "-sentinel" => sentinel(&split(rest), tls),
        "-cluster" => cluster(&split(rest), tls, settings),
        _ => Err(UrlError::Scheme),
    }
}

/// The newer protocol tells of a lost connection at once.
fn resp3(info: ConnectionInfo, url: &str) -> ConnectionInfo {
    if url.contains("protocol=") {
        return info;
    }
    let redis = info.redis_settings().clone();
    info.set_redis_settings(redis.set_protocol(ProtocolVersion::RESP3))
}

fn split(rest: &str) -> Parts<'_> {
    let rest = rest.split_once('?').map_or(rest, |(before, _)| before);
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    Parts {
        user,
        hosts: hosts.split(',').collect(),
        path: path.trim_end_matches('/'),
    }
}

/// One address of several, as a URL of its own.
fn node(
    tls: &Tls,
    user: &str,
    host: &str,
    port: u16,
    database: &str,
) -> Result<ConnectionInfo, UrlError> {
    if host.is_empty() {
        return Err(UrlError::Malformed("an address is empty".to_owned()));
    }
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.contains(']'));
    let port = if has_port {
        String::new()
    } else {
        format!(":{port}")
    };
    let at = if user.is_empty() { "" } else { "@" };
    let scheme = tls.scheme();
    let url = format!("{scheme}://{user}{at}{host}{port}/{database}");
    Ok(resp3(url.into_connection_info()?, ""))
}

fn sentinel(parts: &Parts<'_>, tls: Tls) -> Result<Target, UrlError> {
    let (master, database) = parts.path.split_once('/').unwrap_or((parts.path, ""));
    if master.is_empty() {
        return Err(UrlError::Master);
    }
    let mut sentinels = Vec::new();
    for host in &parts.hosts {
        sentinels.push(node(&tls, "", host, SENTINEL_PORT, "")?.addr().clone());
    }
    // User, password and database are the master's.
    let redis = node(&tls, parts.user, "localhost", REDIS_PORT, database)?;
    let redis = redis.redis_settings();
    let mut builder = SentinelClientBuilder::new(sentinels, master, SentinelServerType::Master)?
        .set_client_to_redis_db(redis.db())
        .set_client_to_redis_protocol(ProtocolVersion::RESP3);
    if let Some(user) = redis.username() {
        builder = builder.set_client_to_redis_username(user);
    }
    if let Some(password) = redis.password() {
        builder = builder.set_client_to_redis_password(password);
    }
    if let Some(certificates) = tls.0 {
        // One setting for the Sentinels and the servers.
        builder = builder
            .set_client_to_redis_tls_mode(TlsMode::Secure)
            .set_client_to_sentinel_tls_mode(TlsMode::Secure)
            .set_client_to_redis_certificates(certificates.clone())
            .set_client_to_sentinel_certificates(certificates);
    }
    Ok(Target::Sentinel(Box::new(builder.build()?)))
}

fn cluster(parts: &Parts<'_>, tls: Tls, settings: &RedisSettings) -> Result<Target, UrlError> {
    if !parts.path.is_empty() {
        return Err(UrlError::Path);
    }
    let mut nodes = Vec::new();
    for host in &parts.hosts {
        nodes.push(node(&tls, parts.user, host, REDIS_PORT, "")?);
    }
    let mut builder = ClusterClientBuilder::new(nodes)
        .use_protocol(ProtocolVersion::RESP3)
        .connection_timeout(settings.connect_timeout)
        .response_timeout(settings.connect_timeout)
        .retries(CLUSTER_RETRIES);
    if let Some(certificates) = tls.0 {
        builder = builder.certs(certificates);
    }
    Ok(Target::Cluster(Box::new(builder.build()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(url: &str) -> Result<&'static str, String> {
        match parse(url, &RedisSettings::default()) {
            Ok(Target::Single(_)) => Ok("single"),
            Ok(Target::Sentinel(_)) => Ok("sentinel"),
            Ok(Target::Cluster(_)) => Ok("cluster"),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn each_scheme_is_understood() {
        for url in [
            "redis://localhost",
            "redis://127.0.0.1:6379/1",
            "redis://user:pass%40word@[::1]:6379/2?protocol=resp2",
            "rediss://user:pass@cache.example:6380/1",
        ] {
            assert_eq!(kind(url), Ok("single"), "{url}");
        }
        for url in [
            "redis-sentinel://a/mymaster",
            "redis-sentinel://a:1,b:2,[::1]:3/mymaster/4",
            "redis-sentinel://user:pass@a,[::1]/mymaster",
            "rediss-sentinel://a/mymaster",
        ] {
            assert_eq!(kind(url), Ok("sentinel"), "{url}");
        }
        for url in [
            "redis-cluster://a",
            "redis-cluster://:pass@a:1,b:2,[::1]:3/",
            "rediss-cluster://a",
        ] {
            assert_eq!(kind(url), Ok("cluster"), "{url}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_without_the_password() {
        for (url, said) in [
            ("http://secret@h", "begins with redis://"),
            ("nothing", "begins with redis://"),
            ("rediss-other://:secret@h", "begins with redis://"),
            ("valkey://:secret@h", "begins with redis://"),
            ("redis://:secret@h/notanumber", "can't be read"),
            ("redis://:secret@h:99999", "can't be read"),
            ("redis-sentinel://:secret@a,b", "names its master"),
            ("redis-sentinel://:secret@a,,b/m", "can't be read"),
            ("redis-sentinel://:secret@a/m/x", "can't be read"),
            ("redis-cluster://:secret@a/1", "has no path"),
            ("redis-cluster://", "can't be read"),
        ] {
            let error = kind(url).expect_err(url);
            assert!(error.contains(said), "{url}: {error}");
            assert!(!error.contains("secret"), "{url}: {error}");
        }
    }
}
