//! The flags of `antiphon client`.

use clap::Args;

use super::AccountArgs;

/// Flags of `antiphon client`. What is not given is remembered or asked for.
#[derive(Debug, Clone, Default, Args)]
#[command(
    after_long_help = "Examples:\n  antiphon client                       asks what it needs to know\n  antiphon client --profile work        another account beside the first\n  antiphon client --user alice --password-stdin < password-file"
)]
pub struct ClientArgs {
    /// Who and where.
    #[command(flatten)]
    pub account: AccountArgs,
}
