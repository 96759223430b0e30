//! `antiphon server`: one chat server, follower or leader.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use antiphon_core::clock;
use antiphon_core::contract::Backends;
use antiphon_core::shutdown::Shutdown;
use antiphon_core::words::Words;
use serde::Serialize;
use tracing::{error, info};

use super::connect::{self, Services};
use super::{RoleError, required, start_admin};
use crate::admin::{Admin, Check, Health};
use crate::config::Config;
use crate::listen::listen;
use crate::server::{self, MetricTable, Server, Sockets};
use crate::{cluster_key, settings};

/// How often the process looks at itself.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// A running server with everything that it needs.
#[derive(Debug)]
pub struct ServerRole {
    server: Arc<Server>,
    services: Services,
    words: Arc<Words>,
    admin_addr: Option<SocketAddr>,
    scope: Shutdown,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ready<'s> {
    event: &'static str,
    role: &'static str,
    name: &'s str,
    client: String,
    cluster: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    admin: Option<String>,
}

impl ServerRole {
    /// Starts, waiting for services that are away, and returns once the server takes clients.
    pub async fn start(config: &Config) -> Result<Self, RoleError> {
        let name = required(&config.server.name, "server.name", "--name")?;
        let key_file = required(
            &config.cluster.key_file,
            "cluster.key_file",
            "--cluster-key-file",
        )?;
        let key = cluster_key::load(Path::new(key_file))?;
        let words = Arc::new(Words::load(&settings::word_sources(config))?);
        connect::check_urls(config)?;
        let sockets = Sockets {
            client: listen(&config.server.client_addr).await?,
            cluster: listen(&config.cluster.addr).await?,
        };
        let scope = Shutdown::new();
        let (admin, admin_addr) = start_admin(config, &scope).await?;
        let services = Services::connect(config, &admin, &scope).await?;
        let settings = settings::server(config, name, key);
        let table = settings.metrics.clone();
        let backends = services.backends.clone();
        let server = server::start(settings, backends, Arc::clone(&words), sockets).await?;
        let server = Arc::new(server);
        meter(&admin, &table, vec![Arc::clone(&server)]);
        tell(&admin, &server, &services);
        info!(name, client = %server.client_addr(), "ready");
        Ok(Self {
            server,
            services,
            words,
            admin_addr,
            scope,
        })
    }

    /// The word filter and the stop words, whose lists may be read again.
    pub fn words(&self) -> Arc<Words> {
        Arc::clone(&self.words)
    }

    /// The stores and the coordinator.
    pub fn backends(&self) -> &Backends {
        &self.services.backends
    }

    /// The one line of `--json`.
    pub fn ready_line(&self) -> String {
        let ready = Ready {
            event: "ready",
            role: "server",
            name: self.server.name(),
            client: self.server.client_addr().to_string(),
            cluster: self.server.cluster_addr().to_string(),
            admin: self.admin_addr.map(|addr| format!("http://{addr}")),
        };
        serde_json::to_string(&ready).expect("strings serialize")
    }

    /// What people are told.
    pub fn welcome(&self) -> String {
        let server = &self.server;
        let admin = self
            .admin_addr
            .map_or_else(String::new, |addr| format!(", admin http://{addr}"));
        format!(
            "server {} takes clients at ws://{}, servers at {}{admin}",
            server.name(),
            server.client_addr(),
            server.cluster_addr(),
        )
    }

    /// One line of what the server is at, for a process manager.
    pub fn state_line(&self) -> impl Fn() -> String + Send + use<> {
        let server = Arc::clone(&self.server);
        move || server.state_line()
    }

    /// Serves until `stop` resolves or the server breaks, then stops everything. True if it
    /// ended in time and nothing had broken.
    pub async fn run(self, stop: impl Future<Output = ()>) -> bool {
        tokio::pin!(stop);
        let mut looks = clock::interval(LOOK_INTERVAL);
        let sound = loop {
            tokio::select! {
                biased;
                () = &mut stop => break true,
                _ = looks.tick() => {
                    if self.server.is_broken() {
                        error!("the server has gone down by itself, stopping");
                        break false;
                    }
                }
            }
        };
        let clean = self.server.stop().await;
        self.services.close().await;
        self.scope.stop();
        info!(clean, "stopped");
        clean && sound
    }
}

/// Metrics of the servers of this process.
pub(crate) fn meter(admin: &Admin, table: &MetricTable, servers: Vec<Arc<Server>>) {
    let refresh = move || servers.iter().for_each(|server| server.refresh_metrics());
    admin.add_metrics(|registry| table.register(registry), Box::new(refresh));
}

/// Readiness of a server.
fn tell(admin: &Admin, server: &Arc<Server>, services: &Services) {
    let drained = Arc::clone(server);
    let draining = move || match drained.is_draining() {
        true => Health::Failed("the server is stopping".to_owned()),
        false => Health::Ok,
    };
    let linked = Arc::clone(server);
    let leader = move || match linked.is_linked() {
        true => Health::Ok,
        false => Health::Failed("no link to a leader: rooms can't be written to".to_owned()),
    };
    let mut checks = vec![
        Check::vital("draining", draining),
        Check::vital("leader", leader),
    ];
    checks.extend(services.checks());
    admin.set_checks(checks);
}
