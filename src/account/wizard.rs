//! The questions about accounts, with inquire. What is typed is checked at each key: what is
//! wrong with it stands below the line.

use antiphon_client::{GatewayError, GatewayUrl};
use antiphon_core::error_chain::ErrorChain;
use antiphon_protocol::UserName;
use antiphon_protocol::client::Secret;
use antiphon_protocol::limits::{PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN};
use inquire::autocompletion::{Autocomplete, Replacement};
use inquire::validator::{ErrorMessage, Validation};
use inquire::{Confirm, CustomUserError, Password, PasswordDisplayMode, Select, Text};
use tokio::runtime::Runtime;

use super::DEFAULT_GATEWAY;
use super::entry::clean;
use crate::output;
use crate::terminal::questions::NoAnswer;

/// Whether there is an account already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// Yes.
    LogIn,
    /// It is to be made.
    Register,
}

/// What is wrong with a text; `None` if nothing is.
type Check = fn(&str) -> Option<String>;

fn gateway_problem(raw: &str) -> Option<String> {
    GatewayUrl::parse(raw).err().map(|error| error.to_string())
}

fn name_problem(raw: &str) -> Option<String> {
    UserName::parse(raw).err().map(|error| error.to_string())
}

fn password_problem(raw: &str) -> Option<String> {
    let fits = (PASSWORD_CHARS_MIN..=PASSWORD_CHARS_MAX).contains(&raw.chars().count());
    let words = format!("between {PASSWORD_CHARS_MIN} and {PASSWORD_CHARS_MAX} characters, please");
    (!fits).then_some(words)
}

fn validator(check: Check) -> impl Fn(&str) -> Result<Validation, CustomUserError> + Clone {
    move |raw: &str| {
        Ok(match check(raw) {
            None => Validation::Valid,
            Some(why) => Validation::Invalid(ErrorMessage::Custom(why)),
        })
    }
}

/// Shows below the line what is wrong with it so far. It completes nothing.
#[derive(Clone)]
struct LiveCheck(Check);

impl Autocomplete for LiveCheck {
    fn get_suggestions(&mut self, input: &str) -> Result<Vec<String>, CustomUserError> {
        if input.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.0(input)
            .map(|why| format!("✗ {why}"))
            .into_iter()
            .collect())
    }

    fn get_completion(
        &mut self,
        _input: &str,
        _highlighted: Option<String>,
    ) -> Result<Replacement, CustomUserError> {
        Ok(Replacement::None)
    }
}

fn checked_text(question: &str, check: Check) -> Text<'_, '_> {
    Text::new(question)
        .with_autocomplete(LiveCheck(check))
        .with_validator(validator(check))
}

/// Where the gateway is. It is really asked before it is taken.
pub fn gateway(runtime: &Runtime) -> Result<GatewayUrl, NoAnswer> {
    let mut typed = String::new();
    loop {
        let mut question = checked_text("Gateway:", gateway_problem)
            .with_help_message("where `antiphon up` says that its gateway is");
        question = if typed.is_empty() {
            question.with_default(DEFAULT_GATEWAY)
        } else {
            question.with_initial_value(&typed)
        };
        let raw = question.prompt()?;
        let gateway =
            GatewayUrl::parse(&raw).map_err(|error| NoAnswer::Broken(error.to_string()))?;
        match runtime.block_on(antiphon_client::gateway::fetch_server(&gateway, None)) {
            Ok(_) => return Ok(gateway),
            Err(error) => {
                let why = clean(&ErrorChain(&error));
                output::error_line(&format!("✗ {gateway}: {why}"));
                output::error_line(&format!("  {}", advice(&error)));
            }
        }
        typed = raw;
    }
}

/// What to do about it.
fn advice(error: &GatewayError) -> &'static str {
    match error {
        GatewayError::Unreachable(_) | GatewayError::Timeout => {
            "is `antiphon up` running there? Correct the address, or press Enter to try again"
        }
        GatewayError::NoServer { .. } => "wait a moment, then press Enter to try again",
        GatewayError::BadUrl
        | GatewayError::Scheme
        | GatewayError::Http(_)
        | GatewayError::Status(_)
        | GatewayError::Body
        | GatewayError::NotAGateway(_) => "correct the address",
    }
}

/// Log in or register.
pub fn entry() -> Result<Entry, NoAnswer> {
    let shown = vec!["Log in", "Register"];
    let chosen = Select::new("Do you have an account?", shown)
        .without_filtering()
        .raw_prompt()?;
    Ok(if chosen.index == 0 {
        Entry::LogIn
    } else {
        Entry::Register
    })
}

/// The user's name.
pub fn name() -> Result<UserName, NoAnswer> {
    let raw = checked_text("Name:", name_problem).prompt()?;
    UserName::parse(&raw).map_err(|error| NoAnswer::Broken(error.to_string()))
}

/// The password; `None` if it is left empty.
pub fn password() -> Result<Option<Secret>, NoAnswer> {
    let raw = Password::new("Password:")
        .with_display_mode(PasswordDisplayMode::Hidden)
        .without_confirmation()
        .prompt()?;
    Ok(Some(Secret(raw)).filter(|password| !password.0.is_empty()))
}

/// A new password, twice.
pub fn new_password() -> Result<Secret, NoAnswer> {
    let raw = Password::new("Password:")
        .with_display_mode(PasswordDisplayMode::Hidden)
        .with_custom_confirmation_message("Once more:")
        .with_custom_confirmation_error_message("these are two different passwords")
        .with_help_message("at least 8 characters")
        .with_validator(validator(password_problem))
        .prompt()?;
    Ok(Secret(raw))
}

/// Whether gateway, name and login are kept.
pub fn remember() -> Result<bool, NoAnswer> {
    Ok(Confirm::new("Remember me on this computer?")
        .with_default(true)
        .with_help_message("gateway, name and a login that can be revoked; never the password")
        .prompt()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(check: Check, typed: &str) -> Vec<String> {
        LiveCheck(check).get_suggestions(typed).unwrap()
    }

    #[test]
    fn what_is_typed_is_checked_at_each_key() {
        assert_eq!(shown(gateway_problem, ""), [""; 0]);
        assert_eq!(shown(gateway_problem, "127.0.0.1:88"), [""; 0]);
        assert!(shown(gateway_problem, "https://x")[0].starts_with("✗ only http"));
        assert_eq!(shown(name_problem, "alice"), [""; 0]);
        assert!(shown(name_problem, "al ice")[0].contains("letters, digits"));
        assert!(shown(name_problem, &"x".repeat(33))[0].contains("at most 32"));
    }

    #[test]
    fn a_new_password_is_long_enough() {
        assert!(password_problem("1234567").is_some());
        assert_eq!(password_problem("12345678"), None);
        assert!(password_problem(&"x".repeat(257)).is_some());
    }
}
