//! The flags of `antiphon torture`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::script::seconds;

/// A run needs some time to show anything.
const DURATION_MIN: Duration = Duration::from_secs(5);
/// The history of a longer one could not be judged in memory.
const DURATION_MAX: Duration = Duration::from_secs(6 * 3_600);

fn duration(raw: &str) -> Result<Duration, String> {
    let duration = Duration::from_secs(seconds(raw)?);
    if (DURATION_MIN..=DURATION_MAX).contains(&duration) {
        Ok(duration)
    } else {
        Err("between 5s and 6h".to_owned())
    }
}

/// Flags of `antiphon torture`.
#[derive(Debug, Clone, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "It starts a cluster of its own in a temporary folder, and breaks that one only; with --gateway it puts load on a running cluster and breaks nothing but its own clients.\nWith the three URLs of services it starts servers and gateways as processes on them, breaks those and their connections, and never a service. What it makes there has a name of its own: a database, keys with a prefix, a path in ZooKeeper. It removes them in the end, or says what is left.\nIt ends with 0 if every promise was kept, with 1 if not, or if too little was seen to say so.\n\nExamples:\n  antiphon torture                                   a minute of it\n  antiphon torture --seed 7 --duration 10m --keep run.jsonl\n  antiphon torture check run.jsonl                   judge that history again\n  antiphon torture --gateway http://chat.example:8888\n  antiphon torture --coordinator-url zk://127.0.0.1:2181/ --cache-url redis://127.0.0.1:6379/0 --store-url mongodb://127.0.0.1:27017/?directConnection=true"
)]
pub struct TortureArgs {
    /// Something else than a run.
    #[command(subcommand)]
    pub command: Option<TortureCommand>,
    /// The same number breaks the same things in the same order [default: another one each time]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// How long, e.g. 60s, 10m or 1h
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub duration: Duration,
    /// How many users talk, in rooms and in pairs [default: 20]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=500))]
    pub users: Option<u32>,
    /// In how many rooms
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=50))]
    pub rooms: u32,
    /// How many messages each user sends a second
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rate: u32,
    /// How many servers the cluster has
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(2..=9))]
    pub servers: u32,
    /// Keep the history in this file
    #[arg(long, value_name = "FILE")]
    pub keep: Option<PathBuf>,
    /// Put load on this cluster instead, and leave its servers alone
    #[arg(long, value_name = "URL", conflicts_with = "servers")]
    pub gateway: Option<String>,
    /// Start each server as a process of its own, on this ZooKeeper, and break those and their
    /// ways to the services: zk://HOST:PORT,HOST:PORT,HOST:PORT/PATH
    #[arg(
        long,
        value_name = "URL",
        requires_all = ["cache_url", "store_url"],
        conflicts_with = "gateway"
    )]
    pub coordinator_url: Option<String>,
    /// ... and on this Redis: redis://HOST:PORT/NUMBER
    #[arg(long, value_name = "URL", requires = "coordinator_url")]
    pub cache_url: Option<String>,
    /// ... and on this MongoDB: mongodb://HOST:PORT/DATABASE; a database of the run's own is used
    #[arg(long, value_name = "URL", requires = "coordinator_url")]
    pub store_url: Option<String>,
    /// Log in under these existing names [default: accounts are made]
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ',',
        requires = "gateway",
        conflicts_with = "users"
    )]
    pub user: Vec<String>,
    /// Read the password of those names from the first line of standard input
    #[arg(long, requires = "user")]
    pub password_stdin: bool,
    /// Print the report as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// The subcommands of `antiphon torture`.
#[derive(Debug, Clone, Subcommand)]
pub enum TortureCommand {
    /// Judge a history that --keep has kept
    Check {
        /// The file
        file: PathBuf,
        /// Print the report as one line of JSON
        #[arg(long)]
        json: bool,
    },
}
