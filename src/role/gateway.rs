//! `antiphon gateway`: hands out live servers; as many of them as wanted, they keep no state.

use std::net::SocketAddr;
use std::sync::Arc;

use antiphon_core::contract::ServerDirectory;
use antiphon_core::error_chain::ErrorChain;
use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{self, Handle, TaskKind};
use async_trait::async_trait;
use serde::Serialize;
use tracing::error;

use super::connect;
use super::{RoleError, start_admin};
use crate::admin::{Check, Health, Source};
use crate::config::Config;
use crate::listen::listen_where;
use crate::settings;

/// A running gateway.
#[derive(Debug)]
pub struct GatewayRole {
    addr: SocketAddr,
    admin_addr: Option<SocketAddr>,
    serving: Handle<bool>,
    scope: Shutdown,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ready {
    event: &'static str,
    role: &'static str,
    gateway: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    admin: Option<String>,
}

/// Whether there is a list to hand out.
struct Listed(Arc<dyn ServerDirectory>);

#[async_trait]
impl Source for Listed {
    async fn health(&self) -> Health {
        match self.0.list().await {
            Ok(Some(_)) => Health::Ok,
            Ok(None) => Health::Failed("no server list is published".to_owned()),
            // The last known list serves on.
            Err(error) => Health::Degraded(ErrorChain(&error).to_string()),
        }
    }
}

impl GatewayRole {
    /// Starts, waiting for the cache if it is away.
    pub async fn start(config: &Config) -> Result<Self, RoleError> {
        connect::check_cache_url(config)?;
        let gateway_config = settings::gateway(config)?;
        let (listener, addr) = listen_where(&config.gateway.addr).await?;
        let scope = Shutdown::new();
        let (admin, admin_addr) = start_admin(config, &scope).await?;
        let cache = connect::cache(config, &scope).await?;
        admin.set_checks(vec![
            Check::helpful("servers", Listed(cache.directory())),
            Check::helpful("cache", connect::cache_source(&cache)),
        ]);
        let directory = cache.directory();
        let serving_scope = scope.clone();
        let serving = task::spawn(&scope, TaskKind::Server, async move {
            let served =
                antiphon_gateway::run(listener, gateway_config, directory, serving_scope).await;
            if let Err(error) = &served {
                error!(error = %ErrorChain(error), "the gateway ended");
            }
            served.is_ok()
        });
        Ok(Self {
            addr,
            admin_addr,
            serving,
            scope,
        })
    }

    /// The one line of `--json`.
    pub fn ready_line(&self) -> String {
        let ready = Ready {
            event: "ready",
            role: "gateway",
            gateway: format!("http://{}", self.addr),
            admin: self.admin_addr.map(|addr| format!("http://{addr}")),
        };
        serde_json::to_string(&ready).expect("strings serialize")
    }

    /// What people are told.
    pub fn welcome(&self) -> String {
        let admin = self
            .admin_addr
            .map_or_else(String::new, |addr| format!(", admin http://{addr}"));
        format!("gateway at http://{}{admin}", self.addr)
    }

    /// Serves until `stop` resolves or the gateway ends by itself. True if it ended in time
    /// and nothing had broken.
    pub async fn run(self, stop: impl Future<Output = ()>) -> bool {
        let mut serving = self.serving;
        let ended_by_itself = tokio::select! {
            biased;
            () = stop => None,
            served = &mut serving => Some(matches!(served, Ok(Some(true)))),
        };
        self.scope.stop();
        let clean = self.scope.wait(antiphon_gateway::DRAIN_DEADLINE).await;
        clean && ended_by_itself.is_none()
    }
}
