//! The questions, with inquire. Each blocks the terminal's thread; none is asked while the
//! line editor has the screen.

use antiphon_client::GatewayUrl;
use antiphon_protocol::UserName;
use antiphon_protocol::client::Secret;
use antiphon_protocol::limits::{PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN};
use inquire::validator::Validation;
use inquire::{Confirm, InquireError, Password, PasswordDisplayMode, Select, Text};

use super::sanitize;

/// The gateway of `antiphon up`.
pub const DEFAULT_GATEWAY: &str = "http://127.0.0.1:8888";
const LIST_ROWS: usize = 12;

/// Why a question has no answer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// Esc.
    #[error("cancelled")]
    Cancelled,
    /// Ctrl+C.
    #[error("interrupted")]
    Interrupted,
    /// The terminal does not work.
    #[error("the question could not be asked: {0}")]
    Broken(String),
}

impl From<InquireError> for NoAnswer {
    fn from(error: InquireError) -> Self {
        match error {
            InquireError::OperationCanceled => Self::Cancelled,
            InquireError::OperationInterrupted => Self::Interrupted,
            InquireError::NotTTY => Self::Broken("not a terminal".to_owned()),
            InquireError::InvalidConfiguration(why) => Self::Broken(why),
            InquireError::IO(error) => Self::Broken(error.to_string()),
            InquireError::Custom(error) => Self::Broken(error.to_string()),
        }
    }
}

/// Whether there is an account already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// Yes.
    LogIn,
    /// It is to be made.
    Register,
}

/// Where the gateway is.
pub fn gateway() -> Result<GatewayUrl, NoAnswer> {
    let checked = |raw: &str| {
        Ok(match GatewayUrl::parse(raw) {
            Ok(_) => Validation::Valid,
            Err(error) => Validation::Invalid(error.to_string().into()),
        })
    };
    let raw = Text::new("Gateway:")
        .with_default(DEFAULT_GATEWAY)
        .with_validator(checked)
        .prompt()?;
    GatewayUrl::parse(&raw).map_err(|error| NoAnswer::Broken(error.to_string()))
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
    let checked = |raw: &str| {
        Ok(match UserName::parse(raw) {
            Ok(_) => Validation::Valid,
            Err(error) => Validation::Invalid(error.to_string().into()),
        })
    };
    let raw = Text::new("Name:").with_validator(checked).prompt()?;
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
    let checked = |raw: &str| {
        let length = raw.chars().count();
        Ok(
            if (PASSWORD_CHARS_MIN..=PASSWORD_CHARS_MAX).contains(&length) {
                Validation::Valid
            } else {
                let words = format!(
                    "between {PASSWORD_CHARS_MIN} and {PASSWORD_CHARS_MAX} characters, please"
                );
                Validation::Invalid(words.into())
            },
        )
    };
    let raw = Password::new("Password:")
        .with_display_mode(PasswordDisplayMode::Hidden)
        .with_custom_confirmation_message("Once more:")
        .with_custom_confirmation_error_message("these are two different passwords")
        .with_validator(checked)
        .prompt()?;
    Ok(Secret(raw))
}

/// One of a list, by its place.
pub fn select(question: &str, shown: Vec<String>) -> Result<usize, NoAnswer> {
    let shown = shown.iter().map(|words| sanitize::line(words)).collect();
    Ok(Select::new(&sanitize::line(question), shown)
        .with_page_size(LIST_ROWS)
        .raw_prompt()?
        .index)
}

/// Yes or no; no by default.
pub fn confirm(question: &str) -> Result<bool, NoAnswer> {
    Ok(Confirm::new(&sanitize::line(question))
        .with_default(false)
        .prompt()?)
}
