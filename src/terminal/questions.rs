//! The questions, with inquire. Each blocks the terminal's thread; none is asked while the
//! line editor has the screen.

use inquire::{Confirm, InquireError, Select};

use super::sanitize;

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
