//! One role a process: `antiphon server` and `antiphon gateway`, on ZooKeeper, Redis and
//! MongoDB. A service that is away at the start is waited for, and readiness says which.

mod connect;
mod gateway;
mod server;

pub(crate) use connect::{Left, remove_all};

pub use connect::{ConnectError, SharedStore, StatusSource};
pub use gateway::GatewayRole;
pub use server::ServerRole;
pub(crate) use server::meter;

use std::net::SocketAddr;
use std::sync::Arc;

use antiphon_core::shutdown::Shutdown;
use antiphon_core::words::FilterError;

use crate::admin::Admin;
use crate::cluster_key::ClusterKeyError;
use crate::config::Config;
use crate::listen::{ListenError, listen_where};
use crate::server::StartError;
use crate::settings::SettingsError;

/// Why a role could not start. Each says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum RoleError {
    /// A key without which the role has nothing to work with.
    #[error("{key} is not set: give it with {flag}, as {variable}, or in the file")]
    Missing {
        /// The key.
        key: &'static str,
        /// The flag that sets it.
        flag: &'static str,
        /// The variable that sets it.
        variable: String,
    },
    /// The cluster key.
    #[error(transparent)]
    ClusterKey(#[from] ClusterKeyError),
    /// A port.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The word lists.
    #[error("the word lists can't be used")]
    Words(#[from] FilterError),
    /// A setting that only the start can check.
    #[error("a setting can't be used")]
    Settings(#[from] SettingsError),
    /// A service that can't be used, and waiting would not help.
    #[error("a service can't be used")]
    Connect(#[from] ConnectError),
    /// The server.
    #[error("the server did not start")]
    Server(#[from] StartError),
}

impl RoleError {
    /// Whether the configuration is to be mended.
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Missing { .. } | Self::ClusterKey(_) | Self::Settings(_) | Self::Words(_) => true,
            Self::Listen(_) | Self::Connect(_) | Self::Server(_) => false,
        }
    }
}

/// The value of a key that a role can't do without.
fn required<'c>(
    value: &'c str,
    key: &'static str,
    flag: &'static str,
) -> Result<&'c str, RoleError> {
    if value.is_empty() {
        let (section, name) = key.split_once('.').unwrap_or_default();
        let (section, name) = (section.to_uppercase(), name.to_uppercase());
        let variable = format!("{}{section}__{name}", crate::config::VARIABLE_PREFIX);
        return Err(RoleError::Missing {
            key,
            flag,
            variable,
        });
    }
    Ok(value)
}

/// Opens the admin listener, if there is to be one: before anything is waited for, so that
/// one can ask what it waits for.
pub(crate) async fn start_admin(
    config: &Config,
    scope: &Shutdown,
) -> Result<(Arc<Admin>, Option<SocketAddr>), RoleError> {
    let admin = Arc::new(Admin::default());
    let addr = &config.admin.addr;
    if addr.is_empty() {
        return Ok((admin, None));
    }
    let (listener, bound) = listen_where(addr).await?;
    admin.start(listener, scope);
    Ok((admin, Some(bound)))
}
