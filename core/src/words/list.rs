//! Word lists: one term a line, `#` comments, blank lines ignored, any line ending, with or
//! without a byte order mark.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::MASK;
use super::fold::Folded;

/// Largest list file, in bytes: some 300,000 terms.
pub const LIST_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Longest term, in characters.
pub const TERM_CHARS_MAX: usize = 100;

/// Why word lists can't be used. The lists in use before stay in use.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// A file can't be read.
    #[error("can't read the word list {}", file.display())]
    Read {
        /// Which.
        file: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is over `LIST_BYTES_MAX`.
    #[error("the word list {} has more than {LIST_BYTES_MAX} bytes", file.display())]
    FileTooLong {
        /// Which.
        file: PathBuf,
    },
    /// A line is not UTF-8.
    #[error("{}:{line}: not UTF-8", file.display())]
    NotUtf8 {
        /// In which file.
        file: PathBuf,
        /// On which line, from 1.
        line: usize,
    },
    /// A term has no letter: it would mask plain numbers or marks.
    #[error("{}:{line}: the term {term:?} has no letter", file.display())]
    NoLetter {
        /// In which file.
        file: PathBuf,
        /// On which line, from 1.
        line: usize,
        /// The term.
        term: String,
    },
    /// A term has the masking character: what the filter wrote would match again.
    #[error("{}:{line}: the term {term:?} has the character {MASK}, which masks", file.display())]
    MaskInTerm {
        /// In which file.
        file: PathBuf,
        /// On which line, from 1.
        line: usize,
        /// The term.
        term: String,
    },
    /// A term is over `TERM_CHARS_MAX`.
    #[error("{}:{line}: a term has at most {TERM_CHARS_MAX} characters", file.display())]
    TermTooLong {
        /// In which file.
        file: PathBuf,
        /// On which line, from 1.
        line: usize,
    },
    /// All terms together are more than the matcher can hold.
    #[error("the word lists can't be compiled")]
    Compile {
        /// Why.
        #[source]
        source: aho_corasick::BuildError,
    },
}

/// A term of a list.
#[derive(Debug, Clone)]
pub(super) struct Term {
    /// As it stands in the list.
    pub(super) raw: String,
    /// As texts are compared with it.
    pub(super) folded: String,
    /// The file, or `builtin`.
    pub(super) source: Arc<str>,
}

/// Reads a list file.
pub(super) fn read(file: &Path) -> Result<Vec<Term>, FilterError> {
    let unread = |source| FilterError::Read {
        file: file.to_owned(),
        source,
    };
    let length = std::fs::metadata(file).map_err(unread)?.len();
    if length > LIST_BYTES_MAX {
        return Err(FilterError::FileTooLong {
            file: file.to_owned(),
        });
    }
    parse(file, &std::fs::read(file).map_err(unread)?)
}

/// Reads a compiled-in list.
pub(super) fn builtin(list: &str) -> Vec<Term> {
    parse(Path::new("builtin"), list.as_bytes()).expect("the compiled-in lists are tested")
}

/// Reads the bytes of a list.
pub(super) fn parse(file: &Path, bytes: &[u8]) -> Result<Vec<Term>, FilterError> {
    let source: Arc<str> = file.display().to_string().into();
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let mut terms = Vec::new();
    for (index, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let line_number = index + 1;
        let not_utf8 = |_| FilterError::NotUtf8 {
            file: file.to_owned(),
            line: line_number,
        };
        let raw = std::str::from_utf8(line).map_err(not_utf8)?.trim();
        if raw.is_empty() || raw.starts_with('#') {
            continue;
        }
        terms.push(term(file, line_number, raw, &source)?);
    }
    Ok(terms)
}

fn term(file: &Path, line: usize, raw: &str, source: &Arc<str>) -> Result<Term, FilterError> {
    if raw.chars().count() > TERM_CHARS_MAX {
        return Err(FilterError::TermTooLong {
            file: file.to_owned(),
            line,
        });
    }
    let folded = Folded::new(raw).text.trim().to_ascii_lowercase();
    if !folded.chars().any(char::is_alphabetic) {
        return Err(FilterError::NoLetter {
            file: file.to_owned(),
            line,
            term: raw.to_owned(),
        });
    }
    if folded.contains(MASK) {
        return Err(FilterError::MaskInTerm {
            file: file.to_owned(),
            line,
            term: raw.to_owned(),
        });
    }
    Ok(Term {
        raw: raw.to_owned(),
        folded,
        source: source.clone(),
    })
}
