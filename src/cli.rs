//! The command line: one binary, one subcommand a role.

mod account;
mod client;
mod role;
pub mod script;
mod seed;
mod torture;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use account::AccountArgs;
pub use client::ClientArgs;
pub use role::{GatewayArgs, ServerArgs, ServiceArgs, StatusArgs};
pub use seed::{SeedArgs, SeedLanguage};
pub use torture::{TortureArgs, TortureCommand};

/// A chat cluster that you host yourself.
#[derive(Debug, Parser)]
#[command(
    name = "antiphon",
    version,
    about = "A chat cluster that you host yourself",
    long_about = "A chat cluster that you host yourself.\n\nWithout a subcommand it does what `antiphon up` does: a whole cluster in this process, on embedded stores.",
    after_help = "Examples:\n  antiphon --seed              a cluster with demo users and rooms\n  antiphon client              chat in it\n  antiphon check-config        say what is wrong with antiphon.toml",
    args_conflicts_with_subcommands = true
)]
pub struct Cli {
    /// What to do; `up` if absent.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Flags of `up`.
    #[command(flatten)]
    pub up: UpArgs,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a gateway and servers in this process, on embedded stores
    Up(UpArgs),
    /// Run one chat server, on ZooKeeper, Redis and MongoDB
    Server(ServerArgs),
    /// Run one gateway, on Redis
    Gateway(GatewayArgs),
    /// Say what the cluster is at: servers, leader, users, rooms, services
    Status(StatusArgs),
    /// Chat in the terminal
    Client(ClientArgs),
    /// What scripts use.
    #[command(flatten)]
    Script(script::ScriptCommand),
    /// Stop one server of a running `antiphon up`; the others go on
    StopServer(StopServerArgs),
    /// Fill the data directory with demo users, rooms and conversations
    Seed(SeedArgs),
    /// Break a cluster and prove what became of the messages
    Torture(TortureArgs),
    /// Try the word filter
    Filter {
        /// What to do with it.
        #[command(subcommand)]
        command: FilterCommand,
    },
    /// Say whether the configuration is right, and everything that is wrong with it
    CheckConfig(ConfigArgs),
    /// Print a configuration file with every key, its default and its reason
    DefaultConfig,
}

/// The subcommands of `antiphon filter`.
#[derive(Debug, Subcommand)]
pub enum FilterCommand {
    /// Show what the filter makes of a text, and why
    Test {
        /// The text
        text: String,
        /// The configuration.
        #[command(flatten)]
        config: ConfigArgs,
    },
}

/// Where the configuration comes from.
#[derive(Debug, Clone, Default, Args)]
pub struct ConfigArgs {
    /// Configuration file [default: antiphon.toml here, if there is one]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Set a key over the file and the environment, e.g. limits.message_burst=50
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    pub set: Vec<String>,
}

/// Flags of `antiphon up`.
#[derive(Debug, Clone, Default, Args)]
pub struct UpArgs {
    /// Where the data are kept [default: antiphon in the XDG data folder]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Where the gateway listens [default: 127.0.0.1:8888]
    #[arg(long, value_name = "HOST:PORT")]
    pub gateway_addr: Option<String>,
    /// How many servers to run [default: 3]
    #[arg(long, value_name = "N")]
    pub servers: Option<u64>,
    /// Make demo users, rooms and conversations first
    #[arg(long)]
    pub seed: bool,
    /// Let any existing name in without a password; for trials on this machine only
    #[arg(long)]
    pub open_login: bool,
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

/// Flags of `antiphon stop-server`.
#[derive(Debug, Clone, Args)]
pub struct StopServerArgs {
    /// The server's name, e.g. s1
    pub name: String,
    /// The data directory of the running process
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// A `--set` that is not SECTION.KEY=VALUE.
#[derive(Debug, thiserror::Error)]
#[error("--set expects SECTION.KEY=VALUE")]
pub struct SetError;

impl ConfigArgs {
    /// The `--set` pairs.
    pub fn overrides(&self) -> Result<Vec<(String, String)>, SetError> {
        let pair = |text: &String| {
            let (key, value) = text.split_once('=').ok_or(SetError)?;
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        };
        self.set.iter().map(pair).collect()
    }
}

impl UpArgs {
    /// Every flag that stands for a key, and the `--set` pairs.
    pub fn overrides(&self) -> Result<Vec<(String, String)>, SetError> {
        let mut all = self.config.overrides()?;
        let mut add = |key: &str, value: String| all.push((key.to_owned(), value));
        if let Some(dir) = &self.data_dir {
            add("store.data_dir", dir.to_string_lossy().into_owned());
        }
        if let Some(addr) = &self.gateway_addr {
            add("gateway.addr", addr.clone());
        }
        if let Some(servers) = self.servers {
            add("server.servers", servers.to_string());
        }
        if self.open_login {
            add("auth.mode", "open".to_owned());
        }
        Ok(all)
    }
}
