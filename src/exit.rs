//! How a command of people and scripts ends, and the exit code that says so.

/// How the command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All is done.
    Done,
    /// Something went wrong.
    Failure,
    /// The flags don't do.
    Usage,
    /// Name or password are not right.
    Credentials,
    /// No way to a server.
    Unreachable,
    /// Ctrl+C.
    Interrupted,
    /// Who read standard output has gone.
    ReaderGone,
}

impl Exit {
    /// The process's exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::Credentials => 3,
            Self::Unreachable => 4,
            Self::Interrupted => 130,
            // As if SIGPIPE had ended it.
            Self::ReaderGone => 141,
        }
    }
}

/// Why a command ends before its time: the exit code and clean words for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub struct Failed {
    /// The code.
    pub exit: Exit,
    /// Why; empty if there is nothing to say.
    pub words: String,
}

impl Failed {
    /// With any code.
    pub fn new(exit: Exit, words: impl Into<String>) -> Self {
        let words = words.into();
        Self { exit, words }
    }

    /// Something went wrong.
    pub fn failure(words: impl Into<String>) -> Self {
        Self::new(Exit::Failure, words)
    }

    /// The flags don't do.
    pub fn usage(words: impl Into<String>) -> Self {
        Self::new(Exit::Usage, words)
    }

    /// No way to a server.
    pub fn unreachable(words: impl Into<String>) -> Self {
        Self::new(Exit::Unreachable, words)
    }

    /// Without a word.
    pub fn quietly(exit: Exit) -> Self {
        Self::new(exit, "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_as_documented() {
        let all = [
            (Exit::Done, 0),
            (Exit::Failure, 1),
            (Exit::Usage, 2),
            (Exit::Credentials, 3),
            (Exit::Unreachable, 4),
            (Exit::Interrupted, 130),
            (Exit::ReaderGone, 141),
        ];
        for (exit, code) in all {
            assert_eq!(exit.code(), code);
        }
    }
}
