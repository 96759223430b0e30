//! What one client was told of one conversation, against the log: in order, each once, without
//! holes. A client begins behind its first login and behind each join; the last messages of a room
//! come again with a join, so each join allows one step that is no step forward by one.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::index::Log;
use crate::torture::history::{Delivery, History, Membership, Outcome};

/// What one client was told of one conversation.
#[derive(Debug)]
pub(super) struct Stream<'h> {
    pub(super) session: u32,
    pub(super) user: &'h str,
    pub(super) conversation: &'h str,
    pub(super) deliveries: Vec<&'h Delivery>,
    pub(super) oddities: Vec<Oddity>,
    /// The client still followed it at the end, and had all before this place; `None` if it did
    /// not follow it then, or nobody knows.
    pub(super) reached: Option<u64>,
}

/// A step that is no step forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Oddity {
    /// This place came before already.
    Doubled(u64),
    /// This place came after a later one.
    Reordered(u64),
    /// These places did not come, and nobody said so.
    Hole(u64, u64),
    /// The client had not joined.
    Stray(u64),
}

#[derive(Debug, Default)]
struct Raw<'h> {
    user: &'h str,
    /// Where it began.
    start: Option<u64>,
    deliveries: Vec<&'h Delivery>,
    joins: Vec<&'h Membership>,
    gaps: Vec<(u64, u64)>,
    /// The last membership of the user, if there was any: joined for certain, left, or unknown.
    last: Option<&'h Membership>,
}

/// Every stream of a history.
pub(super) fn walk<'h>(history: &'h History, logs: &BTreeMap<&'h str, Log<'h>>) -> Vec<Stream<'h>> {
    let ended: HashSet<u32> = history.ended.iter().copied().collect();
    let streams = gather(history, logs);
    let walked = streams.into_iter().map(|((session, conversation), raw)| {
        let log = logs.get(conversation);
        let mut walker = Walker::new(&raw, log);
        for delivery in &raw.deliveries {
            walker.step(delivery);
        }
        let followed = !ended.contains(&session) && raw.follows();
        Stream {
            session,
            user: raw.user,
            conversation,
            reached: followed.then(|| walker.reached()).flatten(),
            oddities: walker.oddities,
            deliveries: raw.deliveries,
        }
    });
    walked.collect()
}

impl Raw<'_> {
    fn follows(&self) -> bool {
        match self.last {
            Some(last) => last.joins && last.outcome == Outcome::Ok,
            None => self.start.is_some(),
        }
    }
}

fn gather<'h>(
    history: &'h History,
    logs: &BTreeMap<&'h str, Log<'h>>,
) -> BTreeMap<(u32, &'h str), Raw<'h>> {
    let mut streams: BTreeMap<(u32, &str), Raw<'_>> = BTreeMap::new();
    let mut users: HashMap<u32, &str> = HashMap::new();
    for session in &history.sessions {
        users.insert(session.session, &session.user);
        for place in &session.places {
            let raw = streams.entry((session.session, &place.conversation));
            raw.or_default().start = Some(place.seq);
        }
        // A direct conversation that the login did not name was empty.
        for conversation in logs.keys() {
            if is_direct_of(conversation, &session.user) {
                let raw = streams.entry((session.session, conversation)).or_default();
                raw.start.get_or_insert(0);
            }
        }
    }
    let mut last: HashMap<(&str, &str), &Membership> = HashMap::new();
    let mut joins: HashMap<&str, Vec<&Membership>> = HashMap::new();
    for membership in &history.memberships {
        let of_user = (membership.user.as_str(), membership.conversation.as_str());
        // A refusal changed nothing.
        if membership.outcome != Outcome::Refused {
            last.insert(of_user, membership);
        }
        if membership.joins && membership.outcome != Outcome::Refused {
            joins.entry(&membership.user).or_default().push(membership);
        }
    }
    for session in &history.sessions {
        // Whichever of the user's clients has joined, all of them are in.
        for join in joins.get(session.user.as_str()).into_iter().flatten() {
            let raw = streams.entry((session.session, &join.conversation));
            let raw = raw.or_default();
            // What was over before the login is in its list.
            if join.session == session.session || join.end >= session.at || raw.start.is_none() {
                raw.joins.push(join);
            }
        }
    }
    for delivery in &history.deliveries {
        let raw = streams.entry((delivery.session, &delivery.conversation));
        raw.or_default().deliveries.push(delivery);
    }
    for gap in &history.gaps {
        let raw = streams.entry((gap.session, &gap.conversation));
        raw.or_default().gaps.push((gap.from, gap.to));
    }
    for ((session, conversation), raw) in &mut streams {
        raw.user = users.get(session).copied().unwrap_or_default();
        raw.last = last.get(&(raw.user, *conversation)).copied();
        raw.gaps.sort_unstable();
    }
    streams
}

/// `direct:A,B`.
fn is_direct_of(conversation: &str, user: &str) -> bool {
    let pair = conversation.strip_prefix("direct:");
    pair.is_some_and(|pair| pair.split(',').any(|one| one == user))
}

struct Walker<'r, 'h> {
    raw: &'r Raw<'h>,
    log: Option<&'r Log<'h>>,
    /// All up to here is accounted for.
    cursor: Option<u64>,
    /// Where the client began, the last time that it did.
    began: u64,
    holes: Vec<(u64, u64)>,
    joins_used: usize,
    oddities: Vec<Oddity>,
}

impl<'r, 'h> Walker<'r, 'h> {
    fn new(raw: &'r Raw<'h>, log: Option<&'r Log<'h>>) -> Self {
        Self {
            raw,
            log,
            cursor: raw.start,
            began: raw.start.map_or(0, |start| start.saturating_add(1)),
            holes: Vec::new(),
            joins_used: 0,
            oddities: Vec::new(),
        }
    }

    /// The first place from `seq` on that the client should have been told.
    fn owed(&self, mut seq: u64) -> u64 {
        loop {
            let before = seq;
            seq = self.log.map_or(seq, |log| log.skip_marks(seq));
            let at = self.raw.gaps.partition_point(|(from, _)| *from <= seq);
            if let Some((_, to)) = at.checked_sub(1).map(|at| self.raw.gaps[at])
                && to >= seq
            {
                seq = to.saturating_add(1);
            }
            if seq == before {
                return seq;
            }
        }
    }

    fn step(&mut self, delivery: &Delivery) {
        let seq = delivery.seq;
        let forward = self
            .cursor
            .is_some_and(|cursor| seq > cursor && self.owed(cursor.saturating_add(1)) >= seq);
        if forward {
            self.cursor = Some(seq);
            return;
        }
        if self.begins_by_join(delivery) {
            (self.cursor, self.began) = (Some(seq), seq);
            self.holes.clear();
            return;
        }
        match self.cursor {
            None => {
                self.oddities.push(Oddity::Stray(seq));
                (self.cursor, self.began) = (Some(seq), seq);
            }
            Some(cursor) if seq > cursor => {
                let hole = (self.owed(cursor + 1), seq - 1);
                self.oddities.push(Oddity::Hole(hole.0, hole.1));
                self.holes.push(hole);
                self.cursor = Some(seq);
            }
            Some(_) => {
                let missed = self
                    .holes
                    .iter()
                    .any(|(from, to)| (*from..=*to).contains(&seq));
                let odd = if missed || seq < self.began {
                    Oddity::Reordered(seq)
                } else {
                    Oddity::Doubled(seq)
                };
                self.oddities.push(odd);
            }
        }
    }

    fn begins_by_join(&mut self, delivery: &Delivery) -> bool {
        let unused = self.raw.joins.iter().enumerate().skip(self.joins_used);
        for (at, join) in unused {
            let top = join.seq.unwrap_or(u64::MAX);
            let fits = delivery.seq <= top || self.owed(top.saturating_add(1)) >= delivery.seq;
            if join.begin <= delivery.at && fits {
                self.joins_used = at + 1;
                return true;
            }
        }
        false
    }

    /// Behind the last join, whatever came before it.
    fn reached(&self) -> Option<u64> {
        let joined = self.raw.joins.last().map(|join| join.seq);
        let known = match joined {
            Some(None) => return None,
            Some(Some(top)) => Some(top),
            None => None,
        };
        let cursor = self.cursor.max(known)?;
        Some(self.owed(cursor.saturating_add(1)))
    }
}
