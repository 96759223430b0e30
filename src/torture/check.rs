//! The checkers: what a history must show for the promises to have been kept. Each walks the
//! history once. One that saw nothing to judge has not passed, it is empty, and that fails.

mod access;
mod bounds;
mod delivery;
mod guard;
mod index;
mod log;
mod numbers;
mod order;
mod stream;
mod tally;

use serde::Serialize;

use super::history::History;
use index::Index;
use tally::Tally;

pub use numbers::Numbers;

/// A connected member has everything so long after all is mended.
pub const CATCH_UP_MAX_US: u64 = 10_000_000;
/// Rooms take messages again so long after a fault is mended.
pub const RECOVERY_MAX_US: u64 = 15_000_000;
/// What a process may take beyond what it took before the load.
pub const GROWTH_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// And more for each user.
pub const GROWTH_BYTES_PER_USER_MAX: u64 = 1024 * 1024 + 512 * 1024;
/// Files and sockets beyond those before the load.
pub const FILES_MAX: u64 = 64;
/// And more for each user.
pub const FILES_PER_USER_MAX: u64 = 8;
/// Violations of a checker that are told one by one.
pub const EXAMPLES_MAX: usize = 5;

macro_rules! checkers {
    ($($name:ident: $id:literal, $title:literal, $promise:literal, $judge:path;)*) => {
        /// A checker.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
        pub enum Checker { $(#[doc = $promise] #[serde(rename = $id)] $name,)* }

        impl Checker {
            /// Every checker, in order.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Its number.
            pub fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }

            /// Its name.
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// What it demands.
            pub fn promise(self) -> &'static str {
                match self { $(Self::$name => $promise,)* }
            }

            fn judge(self, index: &Index<'_>) -> Tally {
                match self { $(Self::$name => $judge(index),)* }
            }
        }
    };
}

checkers! {
    Guard: "C0", "enough", "enough was sent, also while things were broken, for a verdict", guard::judge;
    Lost: "C1", "lost", "what was acknowledged is in the log, at its place", log::lost;
    Duplicate: "C2", "doubled", "a message is stored once and delivered once, also if it was sent again", log::duplicate;
    Dense: "C3", "dense", "places in a log have no holes, and terms of leadership only rise", log::dense;
    Fifo: "C4", "in order", "messages of one sender are stored in the order in which they were sent", order::fifo;
    RealTime: "C5", "real time", "what is sent after an acknowledgment is stored behind it", order::real_time;
    Agreement: "C6", "agreement", "all see the same message at a place, and see places in order", delivery::agreement;
    Completeness: "C7", "complete", "nothing is missing between deliveries unless that is told, and at the end everybody has everything", delivery::completeness;
    Phantom: "C8", "no phantom", "only what was sent, and not refused, is stored and delivered", log::phantom;
    Access: "C9", "access", "who has left a room gets nothing that is said after that", access::judge;
    Recovery: "C10", "recovery", "rooms take messages again within 15 s of each fault's end", bounds::recovery;
    Bounds: "C11", "bounds", "memory and open files stay bounded", bounds::usage;
}

/// What a checker found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// It saw something, and all of it was right.
    Passed,
    /// Something was wrong.
    Failed,
    /// It saw nothing, so it proves nothing.
    Empty,
    /// It can't be judged in this kind of run.
    NotJudged,
}

/// A checker's verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Which checker.
    pub checker: Checker,
    /// What it found.
    pub status: Status,
    /// How much it looked at.
    pub judged: u64,
    /// How much of that was wrong.
    pub violations: u64,
    /// The first of them in words.
    pub examples: Vec<String>,
}

/// How long rooms took no messages around a fault of servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Recovery {
    /// What was broken.
    pub kind: super::history::FaultKind,
    /// When, in microseconds since the beginning.
    pub begin: u64,
    /// How long it was broken.
    pub lasted_us: u64,
    /// The longest time around it between two acknowledgments of rooms; absent if none came
    /// after it.
    pub still_us: Option<u64>,
    /// The longest time between two from when it and all that was broken with it was mended;
    /// absent if none came then.
    pub recovered_us: Option<u64>,
}

/// A run judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// Whether nothing failed and nothing was empty.
    pub passed: bool,
    /// What was counted.
    pub numbers: Numbers,
    /// One each checker.
    pub findings: Vec<Finding>,
    /// One each fault of servers.
    pub recoveries: Vec<Recovery>,
}

/// Judges a history.
pub fn judge(history: &History) -> Verdict {
    let index = Index::new(history);
    let finding = |checker: &Checker| checker.judge(&index).finding(*checker);
    let findings: Vec<Finding> = Checker::ALL.iter().map(finding).collect();
    let passed = findings
        .iter()
        .all(|finding| matches!(finding.status, Status::Passed | Status::NotJudged));
    Verdict {
        passed,
        numbers: Numbers::count(&index),
        recoveries: bounds::recoveries(history),
        findings,
    }
}

#[cfg(test)]
mod tests;
