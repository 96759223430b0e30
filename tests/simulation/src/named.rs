//! Seeds that found something, each with what it found. Schedules change when kinds of faults
//! are added, so a seed keeps its worth as one more run and its words as a reminder; what it
//! found has a test of its own where the product was mended.

use crate::plan::Mode;

/// A seed with a story.
#[derive(Debug)]
pub struct Named {
    /// Which.
    pub seed: u64,
    /// How it is played.
    pub mode: Mode,
    /// What it found.
    pub found: &'static str,
}

/// All of them.
pub const NAMED: &[Named] = &[
    Named {
        seed: 12,
        mode: Mode::Safety,
        found: "a message was refused by a new leader after the last one had stored it, and its \
                sender was told that it was certainly not stored",
    },
    Named {
        seed: 30,
        mode: Mode::Safety,
        found: "the same, with a leader that hears and is not heard",
    },
    Named {
        seed: 1014,
        mode: Mode::Safety,
        found: "a leader that was no longer one took a join, behind the back of the new leader, \
                which had read the room's members just before",
    },
    Named {
        seed: 1071,
        mode: Mode::Safety,
        found: "the same, while the leader's clients were cut off",
    },
    Named {
        seed: 25,
        mode: Mode::Safety,
        found: "direct messages that were lost with a link were told by nobody, since positions \
                ended before the link was found dead",
    },
    Named {
        seed: 1,
        mode: Mode::Liveness,
        found: "a client tried a server that was gone again and again, because the gateway's \
                list was old",
    },
    Named {
        seed: 3,
        mode: Mode::Liveness,
        found: "a server without a registration took clients, who heard nothing of their rooms",
    },
    Named {
        seed: 14,
        mode: Mode::Liveness,
        found: "a server on the wrong side, without the coordinator and without a leader, kept \
                its clients for ever, who heard nothing of their rooms",
    },
    Named {
        seed: 40_033,
        mode: Mode::Safety,
        found: "a member heard nothing more of a room; it passes since what a connection asked \
                of a room's members ends with it",
    },
];
