//! What a checker counts while it walks.

use super::{Checker, EXAMPLES_MAX, Finding, Status};

/// Seen, wrong, and the first of what was wrong.
#[derive(Debug, Default)]
pub(super) struct Tally {
    judged: u64,
    violations: u64,
    examples: Vec<String>,
    /// It can't be judged in this kind of run.
    skipped: bool,
    /// What it needed was not there.
    empty: Option<&'static str>,
}

impl Tally {
    /// For a run that can't show it.
    pub(super) fn not_judged() -> Self {
        Self {
            skipped: true,
            ..Self::default()
        }
    }

    /// Looked at one more.
    pub(super) fn saw(&mut self) {
        self.judged += 1;
    }

    /// Looked at one more, which must hold.
    pub(super) fn expect(&mut self, holds: bool, words: impl FnOnce() -> String) {
        self.saw();
        if !holds {
            self.fail(words);
        }
    }

    /// Something is wrong.
    pub(super) fn fail(&mut self, words: impl FnOnce() -> String) {
        self.violations += 1;
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(words());
        }
    }

    /// Without this it proves nothing.
    pub(super) fn needs(&mut self, is_there: bool, what: &'static str) {
        if !is_there {
            self.empty.get_or_insert(what);
        }
    }

    pub(super) fn violations(&self) -> u64 {
        self.violations
    }

    pub(super) fn finding(self, checker: Checker) -> Finding {
        let lacks = self
            .empty
            .or((self.judged == 0).then_some("it saw nothing"));
        let status = match (self.skipped, self.violations, lacks) {
            (true, ..) => Status::NotJudged,
            (false, 0, None) => Status::Passed,
            (false, 0, Some(_)) => Status::Empty,
            (false, 1.., _) => Status::Failed,
        };
        let mut examples = self.examples;
        if let (Status::Empty, Some(lacks)) = (status, lacks) {
            examples.push(lacks.to_owned());
        }
        Finding {
            checker,
            status,
            judged: self.judged,
            violations: self.violations,
            examples,
        }
    }
}
