//! The flags of `antiphon client`.

use clap::Args;

/// Flags of `antiphon client`. What is not given is asked for.
#[derive(Debug, Clone, Default, Args)]
pub struct ClientArgs {
    /// Where the gateway is, e.g. http://127.0.0.1:8888
    #[arg(long, value_name = "URL")]
    pub gateway: Option<String>,
    /// Log in under this name
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Read the password from the first line of standard input; empty for a server with open login
    #[arg(long)]
    pub password_stdin: bool,
    /// Make the account first
    #[arg(long)]
    pub register: bool,
}
