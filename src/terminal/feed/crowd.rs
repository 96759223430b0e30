//! Who comes and goes, collapsed: what happens within a short time becomes one line. Messages
//! do not wait for it, but what is said comes behind the line about who said it.

use std::time::Duration;

use antiphon_core::clock::Instant;

use crate::terminal::sanitize;

/// So long a line about who came waits for others who come.
const SETTLE: Duration = Duration::from_millis(1_500);
/// Names that a line tells; the rest is counted.
const NAMED_MAX: usize = 3;
/// Names that are kept for one line; the rest is counted.
const KEPT_MAX: usize = 500;
/// Lines that wait; more of them come out at once.
const LINES_MAX: usize = 50;

/// What somebody did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// Logged in.
    CameOnLine,
    /// Logged out.
    WentAway,
    /// Became a member of a room.
    Joined,
    /// Left a room.
    Left,
}

impl Move {
    fn opposite(self) -> Self {
        match self {
            Self::CameOnLine => Self::WentAway,
            Self::WentAway => Self::CameOnLine,
            Self::Joined => Self::Left,
            Self::Left => Self::Joined,
        }
    }

    fn words(self, several: bool) -> &'static str {
        match (self, several) {
            (Self::CameOnLine, false) => "is on line",
            (Self::CameOnLine, true) => "are on line",
            (Self::WentAway, false) => "has gone",
            (Self::WentAway, true) => "have gone",
            (Self::Joined, _) => "joined",
            (Self::Left, _) => "left",
        }
    }
}

#[derive(Debug)]
struct Entry {
    what: Move,
    room: Option<String>,
    users: Vec<String>,
    more: usize,
    ts: u64,
}

/// One line about who came or went, clean.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// The words.
    pub words: String,
    /// Where, if it was in a room.
    pub room: Option<String>,
    /// When the last of them came.
    pub ts: u64,
}

/// See the head of the file.
#[derive(Debug, Default)]
pub struct Crowd {
    entries: Vec<Entry>,
    due: Option<Instant>,
}

impl Crowd {
    /// Somebody came or went. Who does both leaves nothing.
    pub fn add(&mut self, what: Move, room: Option<&str>, user: &str, ts: u64, now: Instant) {
        let place = |entry: &Entry| entry.room.as_deref() == room;
        let undone = self
            .entries
            .iter_mut()
            .find(|entry| entry.what == what.opposite() && place(entry));
        if let Some(entry) = undone
            && let Some(at) = entry.users.iter().position(|known| known == user)
        {
            entry.users.remove(at);
            self.entries
                .retain(|entry| !entry.users.is_empty() || entry.more > 0);
            if self.entries.is_empty() {
                self.due = None;
            }
            return;
        }
        self.due.get_or_insert(now + SETTLE);
        let same = self
            .entries
            .iter_mut()
            .find(|entry| entry.what == what && place(entry));
        match same {
            Some(entry) => {
                entry.ts = ts;
                if entry.users.iter().any(|known| known == user) {
                } else if entry.users.len() < KEPT_MAX {
                    entry.users.push(user.to_owned());
                } else {
                    entry.more += 1;
                }
            }
            None => self.entries.push(Entry {
                what,
                room: room.map(str::to_owned),
                users: vec![user.to_owned()],
                more: 0,
                ts,
            }),
        }
        if self.entries.len() >= LINES_MAX {
            self.due = Some(now);
        }
    }

    /// When the lines are to be told, if there are any.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether a line about this user waits.
    pub fn names(&self, user: &str) -> bool {
        let mut users = self.entries.iter().flat_map(|entry| &entry.users);
        users.any(|known| known == user)
    }

    /// The lines, in the order in which they began.
    pub fn take(&mut self) -> Vec<Line> {
        self.due = None;
        let entries = std::mem::take(&mut self.entries);
        entries.into_iter().map(Entry::into_line).collect()
    }
}

impl Entry {
    fn into_line(self) -> Line {
        let several = self.users.len() + self.more > 1;
        let named = if self.users.len() + self.more > NAMED_MAX {
            NAMED_MAX - 1
        } else {
            NAMED_MAX
        };
        let more = self.users.len().saturating_sub(named) + self.more;
        let mut names: Vec<String> = self
            .users
            .iter()
            .take(named)
            .map(|user| sanitize::line(user))
            .collect();
        let last = if more > 0 {
            format!("{more} others")
        } else {
            names.pop().unwrap_or_default()
        };
        let names = if names.is_empty() {
            last
        } else {
            format!("{} and {last}", names.join(", "))
        };
        Line {
            words: format!("{names} {}", self.what.words(several)),
            room: self.room,
            ts: self.ts,
        }
    }
}

#[cfg(test)]
mod tests {
    use antiphon_core::clock;

    use super::*;

    fn words(crowd: &mut Crowd) -> Vec<String> {
        crowd.take().into_iter().map(|line| line.words).collect()
    }

    #[test]
    fn who_comes_at_the_same_time_shares_a_line() {
        let now = clock::now();
        let mut crowd = Crowd::default();
        let mut come = |names: &[&str]| {
            for name in names {
                crowd.add(Move::Joined, Some("a"), name, 7, now);
            }
            words(&mut crowd)
        };
        assert_eq!(come(&["alice"]), ["alice joined"]);
        assert_eq!(come(&["alice", "alice"]), ["alice joined"]);
        assert_eq!(come(&["alice", "bob"]), ["alice and bob joined"]);
        assert_eq!(
            come(&["alice", "bob", "carol"]),
            ["alice, bob and carol joined"]
        );
        assert_eq!(
            come(&["alice", "bob", "carol", "dave", "erin"]),
            ["alice, bob and 3 others joined"]
        );
        assert!(come(&[]).is_empty());
    }

    #[test]
    fn rooms_and_kinds_have_lines_of_their_own() {
        let now = clock::now();
        let mut crowd = Crowd::default();
        crowd.add(Move::Joined, Some("a"), "alice", 1, now);
        crowd.add(Move::Joined, Some("b"), "alice", 2, now);
        crowd.add(Move::CameOnLine, None, "bob", 3, now);
        crowd.add(Move::CameOnLine, None, "carol", 4, now);
        assert_eq!(crowd.due(), Some(now + SETTLE));
        assert!(crowd.names("bob") && !crowd.names("dave"));
        let lines = crowd.take();
        assert_eq!(lines[1].room.as_deref(), Some("b"));
        assert_eq!(lines[2].words, "bob and carol are on line");
        assert_eq!(lines[2].ts, 4);
        assert_eq!(crowd.due(), None);
    }

    #[test]
    fn who_goes_at_once_leaves_no_line() {
        let now = clock::now();
        let mut crowd = Crowd::default();
        crowd.add(Move::CameOnLine, None, "bob", 1, now);
        crowd.add(Move::WentAway, None, "bob", 2, now);
        assert_eq!(crowd.due(), None);
        crowd.add(Move::Left, Some("a"), "bob", 3, now);
        crowd.add(Move::Joined, Some("b"), "bob", 4, now);
        assert_eq!(words(&mut crowd), ["bob left", "bob joined"]);
    }

    #[test]
    fn what_waits_is_bounded() {
        let now = clock::now();
        let mut crowd = Crowd::default();
        for number in 0..KEPT_MAX + 10 {
            crowd.add(Move::Joined, Some("a"), &number.to_string(), 1, now);
        }
        assert_eq!(words(&mut crowd), ["0, 1 and 508 others joined"]);
        for number in 0..LINES_MAX {
            crowd.add(Move::Joined, Some(&number.to_string()), "a", 1, now);
        }
        assert_eq!(crowd.due(), Some(now));
    }
}
