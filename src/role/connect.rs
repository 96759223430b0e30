//! From URLs to backends. What is away is waited for; what can't be right is an error at once.

use std::path::Path;
use std::sync::Arc;

use antiphon_core::contract::{BackendError, Backends, ServerDirectory};

use super::{RoleError, required};
use crate::admin::{Admin, Check};
use crate::config::Config;
use crate::status::ClusterStatus;
use crate::up;

/// A service that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// TEMP
    #[error("temp")]
    Backend(#[from] BackendError),
}

/// The keys of the three services are set.
pub(super) fn check_urls(config: &Config) -> Result<(), RoleError> {
    required(
        &config.cluster.coordinator_url,
        "cluster.coordinator_url",
        "--coordinator-url",
    )?;
    check_cache_url(config)?;
    required(&config.store.url, "store.url", "--store-url")?;
    Ok(())
}

/// The key of the cache is set.
pub(super) fn check_cache_url(config: &Config) -> Result<(), RoleError> {
    required(&config.cache.url, "cache.url", "--cache-url").map(|_| ())
}

/// Redis.
#[derive(Debug)]
pub(super) struct Cache {}

impl Cache {
    pub(super) fn directory(&self) -> Arc<dyn ServerDirectory> {
        unreachable!()
    }
    pub(super) async fn close(self) {}
}

/// The three services.
#[derive(Debug)]
pub(super) struct Services {
    pub(super) backends: Backends,
}

impl Services {
    pub(super) fn checks(&self) -> Vec<Check> {
        Vec::new()
    }
    pub(super) async fn close(self) {}
}

pub(super) async fn cache(_: &Config, _: &Admin) -> Result<Cache, ConnectError> {
    unreachable!()
}

pub(super) async fn services(_: &Config, _: &Admin) -> Result<Services, ConnectError> {
    unreachable!()
}

/// Whom `antiphon status` asks.
#[derive(Debug)]
pub enum StatusSource {
    /// The `antiphon up` on a data directory.
    Up(std::path::PathBuf),
    /// The services themselves.
    Services(Box<Backends>),
}

impl StatusSource {
    /// The services if the configuration names them, else the process on the data directory.
    pub async fn open(config: &Config, data_dir: &Path) -> Result<Self, RoleError> {
        let _ = config;
        Ok(Self::Up(data_dir.to_path_buf()))
    }

    /// What the cluster is at.
    pub async fn status(&self) -> Result<ClusterStatus, up::ControlError> {
        match self {
            Self::Up(dir) => up::status(dir).await,
            Self::Services(backends) => Ok(ClusterStatus::gather(backends).await),
        }
    }
}
