//! stub until merged
use std::borrow::Cow;
use std::path::PathBuf;
#[derive(Debug, Default)]
/// stub
pub struct Words;
/// stub
#[derive(Debug, Default)]
pub struct WordSources {
    /// stub
    pub masked: Vec<PathBuf>,
    /// stub
    pub allowed: Vec<PathBuf>,
    /// stub
    pub stop: Vec<PathBuf>,
    /// stub
    pub builtin: bool,
}
/// stub
#[derive(Debug, thiserror::Error)]
#[error("stub")]
pub struct WordsError;
impl Words {
    /// stub
    pub fn builtin() -> Self {
        Self
    }
    /// stub
    pub fn load(_: &WordSources) -> Result<Self, WordsError> {
        Ok(Self)
    }
    /// stub
    pub fn mask<'t>(&self, text: &'t str) -> Cow<'t, str> {
        Cow::Borrowed(text)
    }
    /// stub
    pub fn popular_words(&self, text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }
}
