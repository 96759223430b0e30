//! The flags of `antiphon seed`.

use std::path::PathBuf;

use antiphon_seed::SeedOptions;
use clap::Args;

use super::ConfigArgs;

/// Flags of `antiphon seed`.
#[derive(Debug, Clone, Args)]
pub struct SeedArgs {
    /// The data directory to fill; no process may have it open
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Users: user1 to this one
    #[arg(long, value_name = "N", default_value_t = 99)]
    pub users: u32,
    /// Rooms: room1 to this one
    #[arg(long, value_name = "N", default_value_t = 9)]
    pub rooms: u32,
    /// Messages in all
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    pub messages: u32,
    /// Days over which they spread
    #[arg(long, value_name = "N", default_value_t = 14)]
    pub days: u32,
    /// Another number gives other conversations
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub seed: u64,
    /// Go on although there are data that no seed has made; they stay as they are
    #[arg(long)]
    pub force: bool,
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
}

impl SeedArgs {
    /// What to make.
    pub fn options(&self) -> SeedOptions {
        SeedOptions {
            users: self.users,
            rooms: self.rooms,
            messages: self.messages,
            days: self.days,
            seed: self.seed,
            force: self.force,
            ..SeedOptions::default()
        }
    }
}
