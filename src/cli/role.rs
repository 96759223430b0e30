//! The flags of the roles that run one a process, and of what looks at them.

use std::path::PathBuf;

use clap::Args;

use super::{ConfigArgs, SetError};

/// Where the shared services are.
#[derive(Debug, Clone, Default, Args)]
pub struct ServiceArgs {
    /// ZooKeeper: zk://HOST:PORT,HOST:PORT,HOST:PORT/PATH
    #[arg(long, value_name = "URL")]
    pub coordinator_url: Option<String>,
    /// Redis: redis://HOST:PORT/NUMBER
    #[arg(long, value_name = "URL")]
    pub cache_url: Option<String>,
    /// MongoDB: mongodb://HOST:PORT/DATABASE
    #[arg(long, value_name = "URL")]
    pub store_url: Option<String>,
}

/// Flags of `antiphon server`.
#[derive(Debug, Clone, Default, Args)]
pub struct ServerArgs {
    /// This server's name, unique in the cluster and the same after a restart
    #[arg(long)]
    pub name: Option<String>,
    /// The shared services.
    #[command(flatten)]
    pub services: ServiceArgs,
    /// Where to listen for clients; port 0 takes a free one [default: 127.0.0.1:0]
    #[arg(long, value_name = "HOST:PORT")]
    pub client_addr: Option<String>,
    /// Where to listen for the other servers; port 0 takes a free one [default: 127.0.0.1:0]
    #[arg(long, value_name = "HOST:PORT")]
    pub cluster_addr: Option<String>,
    /// The file with the key that the servers share, mode 0600
    #[arg(long, value_name = "FILE")]
    pub cluster_key_file: Option<PathBuf>,
    /// Where to answer /metrics, /livez and /readyz [default: 127.0.0.1:0]
    #[arg(long, value_name = "HOST:PORT")]
    pub admin_addr: Option<String>,
    /// Print one line of JSON on standard output once it serves
    #[arg(long)]
    pub json: bool,
    /// End at once when standard input ends: its other end is held by who started this
    #[arg(long, hide = true)]
    pub while_input_lasts: bool,
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// Flags of `antiphon gateway`.
#[derive(Debug, Clone, Default, Args)]
pub struct GatewayArgs {
    /// Redis: redis://HOST:PORT/NUMBER
    #[arg(long, value_name = "URL")]
    pub cache_url: Option<String>,
    /// Where to listen; port 0 takes a free one [default: 127.0.0.1:8888]
    #[arg(long, value_name = "HOST:PORT")]
    pub addr: Option<String>,
    /// Where to answer /metrics, /livez and /readyz [default: 127.0.0.1:0]
    #[arg(long, value_name = "HOST:PORT")]
    pub admin_addr: Option<String>,
    /// Print one line of JSON on standard output once it serves
    #[arg(long)]
    pub json: bool,
    /// End at once when standard input ends: its other end is held by who started this
    #[arg(long, hide = true)]
    pub while_input_lasts: bool,
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// Flags of `antiphon status`.
#[derive(Debug, Clone, Default, Args)]
pub struct StatusArgs {
    /// The shared services; without any, the `antiphon up` on the data directory is asked.
    #[command(flatten)]
    pub services: ServiceArgs,
    /// The data directory of the running `antiphon up`
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
    /// Again every second, until Ctrl-C
    #[arg(long)]
    pub watch: bool,
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
}

type Pairs = Result<Vec<(String, String)>, SetError>;

/// The `--set` pairs, and every flag that stands for a key.
fn pairs(config: &ConfigArgs, flags: &[(&str, Option<String>)]) -> Pairs {
    let mut all = config.overrides()?;
    for (key, value) in flags {
        all.extend(value.clone().map(|value| ((*key).to_owned(), value)));
    }
    Ok(all)
}

fn text(path: Option<&PathBuf>) -> Option<String> {
    path.map(|path| path.to_string_lossy().into_owned())
}

impl ServiceArgs {
    fn flags(&self) -> [(&'static str, Option<String>); 3] {
        [
            ("cluster.coordinator_url", self.coordinator_url.clone()),
            ("cache.url", self.cache_url.clone()),
            ("store.url", self.store_url.clone()),
        ]
    }
}

impl ServerArgs {
    /// Every flag that stands for a key, and the `--set` pairs.
    pub fn overrides(&self) -> Pairs {
        let mut flags = vec![
            ("server.name", self.name.clone()),
            ("server.client_addr", self.client_addr.clone()),
            ("cluster.addr", self.cluster_addr.clone()),
            ("cluster.key_file", text(self.cluster_key_file.as_ref())),
            ("admin.addr", self.admin_addr.clone()),
        ];
        flags.extend(self.services.flags());
        pairs(&self.config, &flags)
    }
}

impl GatewayArgs {
    /// Every flag that stands for a key, and the `--set` pairs.
    pub fn overrides(&self) -> Pairs {
        let flags = [
            ("cache.url", self.cache_url.clone()),
            ("gateway.addr", self.addr.clone()),
            ("admin.addr", self.admin_addr.clone()),
        ];
        pairs(&self.config, &flags)
    }
}

impl StatusArgs {
    /// Every flag that stands for a key, and the `--set` pairs.
    pub fn overrides(&self) -> Pairs {
        let mut flags = vec![("store.data_dir", text(self.data_dir.as_ref()))];
        flags.extend(self.services.flags());
        pairs(&self.config, &flags)
    }
}
