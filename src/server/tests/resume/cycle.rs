//! One time away: how a client goes, what happens meanwhile, and how it comes back.

use std::collections::BTreeMap;
use std::time::Duration;

use antiphon_core::clock;
use antiphon_protocol::UserName;

use super::super::support::{PATIENCE, user};
use super::SERVERS;
use super::book::whispered;
use super::member::{Member, Seen};
use super::town::{Town, name};
use crate::torture::load::Dice;
use crate::torture::proxy::{Flow, Lane, Way};

/// How many bytes of replies still come before a connection is cut in the middle of a frame.
const LAST_BYTES: (u64, u64) = (1, 1_500);
/// The same for a connection that is not logged in yet.
const LOGIN_BYTES: (u64, u64) = (1, 1_500);
const SILENT_MS: (u64, u64) = (20, 300);
const AWAY_MS: u64 = 60;
/// One of so many is away for long.
const LONG_EVERY: u64 = 40;
const LONG_MS: (u64, u64) = (1_000, 5_000);
/// More than a page of `sync`.
const MISSED_MAX: u64 = 300;

macro_rules! sorts {
    ($(#[$doc:meta])* $name:ident { $($(#[$sort_doc:meta])* $sort:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum $name { $($(#[$sort_doc])* $sort),* }

        impl $name {
            pub(super) const ALL: &'static [Self] = &[$(Self::$sort),*];
        }
    };
}

sorts! {
    /// How the connection ends.
    End {
        /// At once, by a reset.
        Reset,
        /// By a reset behind so many more bytes, which is in most cases within a frame.
        MidFrame,
        /// Nothing comes any more, then a reset.
        Silent,
        /// The client closes it.
        Closed,
        /// The client's program ends; another one begins with the token.
        NewProgram,
        /// As by a reset; and so does the first connection after it, around the login.
        Twice,
    }
}

sorts! {
    /// What is written to the member besides the talk, while it is away.
    Missed {
        /// Nothing.
        Nothing,
        /// More than fits a page, and all of it stays.
        Much,
        /// The older half of it is gone when the client is back.
        HalfGone,
        /// All but the newest is gone.
        AllGone,
        /// The older half goes while the client comes back.
        GoesMeanwhile,
    }
}

/// What happened how often.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) cycles: u64,
    pub(super) ends: BTreeMap<End, u64>,
    pub(super) missed: BTreeMap<Missed, u64>,
    pub(super) other_server: u64,
    pub(super) long: u64,
    /// Cut again before everything was there.
    pub(super) hasty: u64,
}

impl Counts {
    pub(super) fn add(&mut self, other: Self) {
        self.cycles += other.cycles;
        self.other_server += other.other_server;
        self.long += other.long;
        self.hasty += other.hasty;
        for (end, count) in other.ends {
            *self.ends.entry(end).or_default() += count;
        }
        for (missed, count) in other.missed {
            *self.missed.entry(missed).or_default() += count;
        }
    }
}

/// A member's run of cycles.
pub(super) struct Cycler<'t> {
    pub(super) town: &'t Town,
    pub(super) member: &'t Member,
    pub(super) dice: Dice,
    pub(super) server: usize,
    pub(super) counts: Counts,
}

impl Cycler<'_> {
    pub(super) async fn run(mut self, cycles: u64) -> Counts {
        for _ in 0..cycles {
            self.cycle().await;
        }
        self.counts
    }

    fn me(&self) -> UserName {
        user(&name(self.member.number))
    }

    async fn reach(&self, what: &str, is_there: impl FnMut(&Seen) -> bool) -> bool {
        let mut seen_rx = self.member.watch();
        let reached = clock::timeout(PATIENCE, seen_rx.wait_for(is_there)).await;
        if reached.is_ok() {
            return true;
        }
        let (me, state) = (self.me(), self.member.client().state());
        let seen = self.member.seen();
        let words = format!("{me}: {what} not in time; {state}; {seen:?}");
        self.town.book().problem(words);
        false
    }

    async fn cycle(&mut self) {
        let end = *self.dice.pick(End::ALL).expect("some");
        let missed = match self.dice.below(3) {
            // Who closes is back at once, and the ghost's writing is told at logins only.
            0 if end != End::Closed => *self.dice.pick(Missed::ALL).expect("some"),
            _ => Missed::Nothing,
        };
        self.counts.cycles += 1;
        *self.counts.ends.entry(end).or_default() += 1;
        *self.counts.missed.entry(missed).or_default() += 1;
        if end == End::Closed {
            let logins = self.member.seen().logins;
            self.member.client().reconnect().await;
            self.reach("login", |seen| seen.logins > logins).await;
        } else {
            self.go(end).await;
            self.miss(missed).await;
            self.come_back(end, missed).await;
        }
        if self.dice.once_in(3) {
            self.counts.hasty += 1;
            let pause = Duration::from_millis(self.dice.below(10));
            return clock::sleep(pause).await;
        }
        self.reach("what was missed", Seen::has_caught_up).await;
    }

    async fn go(&mut self, end: End) {
        let line = &self.town.lines[self.member.number];
        match end {
            End::Reset | End::Twice | End::Closed | End::NewProgram => {}
            End::MidFrame => {
                let losses = self.member.seen().losses;
                line.set(Way {
                    cut_after: Some(self.dice.between(LAST_BYTES.0, LAST_BYTES.1)),
                    ..Way::default()
                });
                self.reach("the cut", |seen| seen.losses > losses).await;
            }
            End::Silent => {
                line.set(Way::both(Lane {
                    flow: Flow::Lost,
                    ..Lane::default()
                }));
                let silent = self.dice.between(SILENT_MS.0, SILENT_MS.1);
                clock::sleep(Duration::from_millis(silent)).await;
            }
        }
        line.cut();
        if end == End::NewProgram {
            self.member.begin_anew(self.town).await;
        }
    }

    /// The time away.
    async fn miss(&mut self, missed: Missed) {
        let (book, whispered) = (self.town.book(), whispered(&self.me()));
        let count = self.dice.between(2, MISSED_MAX);
        match missed {
            Missed::Nothing => {}
            Missed::Much => book.write(&whispered, 0, count).await,
            Missed::HalfGone => {
                book.write(&whispered, count / 2, count / 2).await;
                book.trim().await;
            }
            Missed::AllGone => {
                book.write(&whispered, count, 0).await;
                book.trim().await;
            }
            Missed::GoesMeanwhile => book.write(&whispered, count / 2, count / 2).await,
        }
        let away = if self.dice.once_in(LONG_EVERY) {
            self.counts.long += 1;
            self.dice.between(LONG_MS.0, LONG_MS.1)
        } else {
            self.dice.below(AWAY_MS)
        };
        clock::sleep(Duration::from_millis(away)).await;
    }

    async fn come_back(&mut self, end: End, missed: Missed) {
        let line = &self.town.lines[self.member.number];
        let server = usize::try_from(self.dice.below(SERVERS as u64)).expect("not many");
        self.counts.other_server += u64::from(server != self.server);
        self.server = server;
        line.lead_to(&self.town.server(server).to_string());
        if end == End::Twice {
            let losses = self.member.seen().losses;
            line.set(Way {
                cut_after: Some(self.dice.between(LOGIN_BYTES.0, LOGIN_BYTES.1)),
                ..Way::default()
            });
            // The attempts that were refused count as well; two more are one of these.
            let cut = self.reach("the second cut", |seen| seen.losses > losses + 1);
            self.member.hurried(cut).await;
        }
        let logins = self.member.seen().logins;
        line.mend();
        let login = self.reach("login", |seen| seen.logins > logins);
        let back = self.member.hurried(login);
        let trimmed = async {
            if missed == Missed::GoesMeanwhile {
                self.town.book().trim().await;
            }
        };
        tokio::join!(back, trimmed);
    }
}
