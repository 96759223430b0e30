//! The flags that say who one is and where: the same for the chat and for scripts.

use clap::Args;

/// Each question has its flag here.
#[derive(Debug, Clone, Default, Args)]
pub struct AccountArgs {
    /// Where the gateway is [default: the profile's, else http://127.0.0.1:8888]
    #[arg(long, value_name = "URL", help_heading = "Account")]
    pub gateway: Option<String>,
    /// Log in under this name [default: the profile's]
    #[arg(long, value_name = "NAME", help_heading = "Account")]
    pub user: Option<String>,
    /// Use this profile [default: "default"]
    #[arg(long, value_name = "NAME", help_heading = "Account")]
    pub profile: Option<String>,
    /// Read the password from the first line of standard input
    #[arg(long, help_heading = "Account")]
    pub password_stdin: bool,
    /// Make the account first
    #[arg(long, help_heading = "Account", hide_short_help = true)]
    pub register: bool,
    /// Keep gateway, name and login in the profile
    #[arg(long, help_heading = "Account", hide_short_help = true)]
    pub remember: bool,
    /// Never ask: what is missing ends the command with code 2
    #[arg(long, help_heading = "Account", hide_short_help = true)]
    pub no_input: bool,
}
