//! The HTTP gateway: hands out live servers to clients. It keeps no state but the last list
//! that it read, so any number of gateways may stand behind a load balancer.
//!
//! It shows the public view only: where clients connect, and how loaded a server is; never a
//! cluster address, never who leads. A list is a hint: a client whose server refuses takes
//! the next one.

mod api;
mod balance;
mod list;
mod query;
mod serve;

use std::sync::Arc;
use std::time::Duration;

use antiphon_core::contract::ServerDirectory;
use antiphon_core::net::TcpListener;
use antiphon_core::shutdown::Shutdown;

pub use balance::{Strategy, UnknownStrategy};

/// Default of [`GatewayConfig::connections_max`]: at some 20 KiB each, 80 MiB.
pub const CONNECTIONS_MAX: usize = 4_096;
/// Default of [`GatewayConfig::header_read_timeout`].
pub const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(5);
/// Default of [`GatewayConfig::drain_deadline`]: answers take milliseconds.
pub const DRAIN_DEADLINE: Duration = Duration::from_secs(5);

/// What an operator may choose.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// How a server is chosen for a client.
    pub strategy: Strategy,
    /// Web origins whose pages may read the answers (CORS), compared exactly; none by
    /// default.
    pub allowed_origins: Vec<String>,
    /// Most open connections; further clients wait in the listener's queue.
    pub connections_max: usize,
    /// How long the head of a request may take, and how long a connection may be idle
    /// between requests.
    pub header_read_timeout: Duration,
    /// How long open connections have to end after the stop.
    pub drain_deadline: Duration,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            strategy: Strategy::default(),
            allowed_origins: Vec::new(),
            connections_max: CONNECTIONS_MAX,
            header_read_timeout: HEADER_READ_TIMEOUT,
            drain_deadline: DRAIN_DEADLINE,
        }
    }
}

/// Why a gateway could not run.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The listening socket is not usable.
    #[error("the gateway's listening socket is not usable")]
    Listener(#[source] std::io::Error),
    /// `connections_max` of zero would accept nobody.
    #[error("connections_max of the gateway must be from 1 to {max}")]
    ConnectionsMax {
        /// The highest value.
        max: usize,
    },
}

/// Serves until `shutdown` is asked to stop, then accepts no more, lets open requests finish
/// and returns, after [`GatewayConfig::drain_deadline`] at the latest.
pub async fn run(
    listener: TcpListener,
    config: GatewayConfig,
    directory: Arc<dyn ServerDirectory>,
    shutdown: Shutdown,
) -> Result<(), GatewayError> {
    serve::run(listener, config, directory, shutdown).await
}

#[cfg(test)]
mod tests;
