//! The flags of `antiphon seed`.

use std::path::PathBuf;

use antiphon_seed::{Language, SeedOptions};
use clap::{Args, ValueEnum};

use super::ConfigArgs;

/// Flags of `antiphon seed`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "The same flags, seed and anchor give the same data to the byte, so two machines can have the same set.\nA second run adds nothing; one that was interrupted goes on where it stopped; more --messages are added behind.\n\nExamples:\n  antiphon seed                                   99 users, 9 rooms, 2,000 messages\n  antiphon seed --messages 1000000 --days 60      two months of a busy place\n  antiphon seed --lang zh --dry-run               what would be made, in Chinese\n  antiphon seed --wipe                            begin anew (asks first)"
)]
pub struct SeedArgs {
    /// The data directory to fill; no process may have it open
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Fill this database instead: mongodb://HOST:PORT/DATABASE
    #[arg(long, value_name = "URL", conflicts_with = "data_dir")]
    pub store_url: Option<String>,
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
    /// The languages of the conversations
    #[arg(
        long,
        value_name = "LANG",
        value_delimiter = ',',
        default_value = "en,zh"
    )]
    pub lang: Vec<SeedLanguage>,
    /// Another number gives other conversations
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub seed: u64,
    /// When the newest messages were written, in milliseconds since 1970 [default: now]
    #[arg(long, value_name = "MS")]
    pub anchor: Option<u64>,
    /// Say what would be made and where, and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Remove all data of the store first; asks before it does
    #[arg(long)]
    pub wipe: bool,
    /// Answer yes to that question
    #[arg(long)]
    pub yes: bool,
    /// Ask nothing: what needs an answer fails instead
    #[arg(long)]
    pub no_input: bool,
    /// Go on although there are data that no seed has made; they stay as they are
    #[arg(long, conflicts_with = "wipe")]
    pub force: bool,
    /// Print one line of JSON on standard output at the end
    #[arg(long)]
    pub json: bool,
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// A language of `--lang`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SeedLanguage {
    /// English
    En,
    /// Simplified Chinese
    Zh,
}

impl SeedArgs {
    /// What to make.
    pub fn options(&self) -> SeedOptions {
        let mut languages = Vec::new();
        for language in &self.lang {
            let language = match language {
                SeedLanguage::En => Language::English,
                SeedLanguage::Zh => Language::Chinese,
            };
            if !languages.contains(&language) {
                languages.push(language);
            }
        }
        SeedOptions {
            users: self.users,
            rooms: self.rooms,
            messages: self.messages,
            days: self.days,
            languages,
            seed: self.seed,
            force: self.force,
            now_ms: self.anchor,
            ..SeedOptions::default()
        }
    }
}
