//! Who talks, by the flags: existing users, or new accounts.

use antiphon_client::GatewayUrl;
use antiphon_protocol::UserName;

use super::RunError;
use super::load::{Account, setup};
use crate::account::password_line;
use crate::cli::TortureArgs;

/// Users where nobody says how many.
const USERS_DEFAULT: u32 = 20;

/// The names that were given, or new accounts.
pub(super) async fn find(
    args: &TortureArgs,
    gateway: &GatewayUrl,
    run_name: &str,
) -> Result<Vec<Account>, RunError> {
    if !args.user.is_empty() {
        return given(args);
    }
    let users = args.users.unwrap_or(USERS_DEFAULT);
    Ok(setup::accounts(gateway, users, run_name).await?)
}

fn given(args: &TortureArgs) -> Result<Vec<Account>, RunError> {
    let password = if args.password_stdin {
        let read = password_line().map_err(|failed| RunError::Usage(failed.words))?;
        Some(read.ok_or_else(|| RunError::Usage("the password is empty".to_owned()))?)
    } else {
        None
    };
    let mut accounts: Vec<Account> = Vec::new();
    for name in &args.user {
        let name = UserName::parse(name)
            .map_err(|error| RunError::Usage(format!("--user {name}: {error}")))?;
        if accounts.iter().any(|account| account.name == name) {
            return Err(RunError::Usage(format!("--user {name}: named twice")));
        }
        let password = password.clone();
        accounts.push(Account { name, password });
    }
    if accounts.len() < 2 {
        return Err(RunError::Usage("--user: at least two names".to_owned()));
    }
    Ok(accounts)
}
