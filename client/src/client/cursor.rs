//! Where the client stands in each conversation: pure state, no I/O.
//!
//! A cursor is the highest sequence up to which everything was handed on. What comes twice is
//! dropped, what comes early waits (bounded) for the gap before it, and what no page can
//! bring is reported as a gap, in its place in the order.
//!
//! What a server pushes may be older than what this client was told elsewhere: a message of a
//! room may come after the user has left it, and after a login that does not list it. So a
//! room's cursor outlives the leaving, and a message of a room that the user is not known to be
//! in waits until a `sync` tells whether it still is.

use std::collections::BTreeMap;

use antiphon_core::mutant::{self, Mutant};
use antiphon_protocol::Message;
use antiphon_protocol::client::{ConversationSummary, Cursor, Page};

use crate::limits::{AHEAD_MAX, CONVERSATIONS_MAX};

/// What the machine hands on, in order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Output {
    /// The next message.
    Message(Message),
    /// These sequences are gone for good.
    Gap {
        conversation: String,
        from: u64,
        to: u64,
    },
}

/// A place in a log: a message, or a record that holds none.
#[derive(Debug)]
enum Slot {
    Message(Box<Message>),
    Sealed,
}

/// Whether the user has a part in a conversation, as far as this client knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// It has.
    Yes,
    /// It has since a moment ago: the next that comes is where it begins.
    New,
    /// It has left, or never was told to be in; what comes waits for the server's word.
    No,
}

#[derive(Debug)]
struct Track {
    part: Part,
    cursor: u64,
    top: u64,
    ahead: BTreeMap<u64, Slot>,
    /// A `sync` for it is on its way, and this was the top when it was asked.
    asked: Option<u64>,
}

impl Track {
    fn new(part: Part, cursor: u64) -> Self {
        Self {
            part,
            cursor,
            top: cursor,
            ahead: BTreeMap::new(),
            asked: None,
        }
    }

    /// Begins behind `cursor`, or where it is if that is further.
    fn begin_at(&mut self, part: Part, cursor: u64) {
        *self = Self::new(part, cursor.max(self.cursor));
    }

    /// Nothing is wanted and nothing waits any more; what was handed on stays known.
    fn rest(&mut self) {
        self.begin_at(Part::No, 0);
    }

    fn put(&mut self, seq: u64, slot: Slot) {
        self.top = self.top.max(seq);
        if mutant::is_on(Mutant::CursorAtMaximum) {
            self.cursor = self.cursor.max(seq.saturating_sub(1));
        }
        // What finds no room is fetched again with the gap.
        if seq > self.cursor && (seq == self.cursor + 1 || self.ahead.len() < AHEAD_MAX) {
            self.ahead.entry(seq).or_insert(slot);
        }
    }

    fn release(&mut self, output: &mut Vec<Output>) {
        if self.part == Part::No {
            return;
        }
        while let Some(slot) = self.ahead.remove(&(self.cursor + 1)) {
            self.cursor += 1;
            if let Slot::Message(message) = slot {
                output.push(Output::Message(*message));
            }
        }
    }

    /// Hands on everything up to `end`; what is not there is a gap.
    fn release_through(&mut self, end: u64, name: &str, output: &mut Vec<Output>) {
        loop {
            self.release(output);
            if self.cursor >= end {
                return;
            }
            let next = self
                .ahead
                .keys()
                .next()
                .copied()
                .filter(|next| *next <= end);
            let to = next.map_or(end, |next| next - 1);
            let from = self.cursor + 1;
            output.push(Output::Gap {
                conversation: name.to_owned(),
                from,
                to,
            });
            self.cursor = to;
        }
    }
}

/// Every conversation's cursor.
#[derive(Debug, Default)]
pub(crate) struct Cursors {
    log_id: Option<String>,
    tracks: BTreeMap<String, Track>,
}

impl Cursors {
    /// Takes a login's list. True if the server's log is another one than before, so that all
    /// cursors began anew.
    pub(crate) fn login(&mut self, log_id: &str, summaries: &[ConversationSummary]) -> bool {
        let first = self.log_id.is_none();
        let replaced = self
            .log_id
            .as_deref()
            .is_some_and(|before| before != log_id);
        if replaced {
            self.tracks.clear();
        }
        self.log_id = Some(log_id.to_owned());
        for (name, track) in &mut self.tracks {
            track.asked = None;
            let listed = summaries.iter().any(|summary| summary.name == *name);
            if name.starts_with("room:") && !listed {
                track.rest();
            }
        }
        for summary in summaries {
            match self.tracks.get_mut(&summary.name) {
                Some(track) if track.part == Part::No => {
                    track.begin_at(Part::Yes, summary.last_seq);
                }
                Some(track) => track.top = track.top.max(summary.last_seq),
                None if first || replaced => {
                    self.track(&summary.name, Part::Yes, summary.last_seq);
                }
                None => self.position(&summary.name, summary.last_seq),
            }
        }
        replaced
    }

    /// The track of a conversation; a new one has this part and cursor. `None` if there are too
    /// many.
    fn track(&mut self, name: &str, part: Part, cursor: u64) -> Option<&mut Track> {
        if !self.tracks.contains_key(name) {
            if self.tracks.len() >= CONVERSATIONS_MAX {
                let left = self.tracks.iter().find(|(_, track)| track.part == Part::No);
                let left = left.map(|(name, _)| name.clone())?;
                self.tracks.remove(&left);
            }
            self.tracks
                .insert(name.to_owned(), Track::new(part, cursor));
        }
        self.tracks.get_mut(name)
    }

    /// This client has joined a room, whose last messages came before this, and whose log ends
    /// at `last_seq`.
    pub(crate) fn joined(&mut self, name: &str, last_seq: u64) -> Vec<Output> {
        let mut output = Vec::new();
        let Some(track) = self.track(name, Part::New, 0) else {
            return output;
        };
        if track.part == Part::Yes {
            track.top = track.top.max(last_seq);
            return output;
        }
        let first = track.ahead.keys().next();
        let start = first.map_or(last_seq, |first| first - 1);
        (track.part, track.asked) = (Part::Yes, None);
        track.cursor = track.cursor.max(start);
        track.top = track.top.max(track.cursor).max(last_seq);
        track.release(&mut output);
        output
    }

    /// The user is a member of a room from here on.
    pub(crate) fn entered(&mut self, name: &str) {
        if let Some(track) = self.track(name, Part::New, 0)
            && track.part == Part::No
        {
            track.begin_at(Part::New, 0);
        }
    }

    /// The user has left a conversation.
    pub(crate) fn left(&mut self, name: &str) {
        if let Some(track) = self.tracks.get_mut(name) {
            track.rest();
        }
    }

    /// A delivery.
    pub(crate) fn message(&mut self, message: Message) -> Vec<Output> {
        let (name, seq) = (message.conversation.clone(), message.seq);
        if !self.place(&name, seq, Slot::Message(Box::new(message.clone()))) {
            // Over the bound of tracked conversations: handed on, without the promises.
            return vec![Output::Message(message)];
        }
        self.released(&name)
    }

    /// A place in the log that holds no message.
    pub(crate) fn sealed(&mut self, name: &str, seq: u64) -> Vec<Output> {
        self.place(name, seq, Slot::Sealed);
        self.released(name)
    }

    fn place(&mut self, name: &str, seq: u64, slot: Slot) -> bool {
        // A direct conversation that the login's list lacked was empty then. A room that it
        // lacked was joined since, or left; it begins with what is seen first.
        let (part, start) = if name.starts_with("room:") {
            (Part::No, seq.saturating_sub(1))
        } else {
            (Part::Yes, 0)
        };
        let Some(track) = self.track(name, part, start) else {
            return false;
        };
        if track.part == Part::New {
            track.begin_at(Part::Yes, start);
        }
        track.put(seq, slot);
        true
    }

    fn released(&mut self, name: &str) -> Vec<Output> {
        let mut output = Vec::new();
        if let Some(track) = self.tracks.get_mut(name) {
            track.release(&mut output);
        }
        output
    }

    /// The top of a conversation's log.
    pub(crate) fn position(&mut self, name: &str, last_seq: u64) {
        let (part, start) = if name.starts_with("room:") {
            (Part::No, last_seq)
        } else {
            (Part::Yes, 0)
        };
        if let Some(track) = self.track(name, part, start)
            // Its last messages may be on their way, and begin it.
            && track.part != Part::New
        {
            track.top = track.top.max(last_seq);
        }
    }

    /// The conversations that lack something and are not being synced: they are, from now on.
    pub(crate) fn take_wanted(&mut self, max: usize) -> Vec<Cursor> {
        let wanted = self
            .tracks
            .iter_mut()
            .filter(|(_, track)| track.top > track.cursor && track.asked.is_none());
        wanted
            .take(max)
            .map(|(name, track)| {
                track.asked = Some(track.top);
                Cursor {
                    conversation: name.clone(),
                    after_seq: track.cursor,
                }
            })
            .collect()
    }

    /// A `sync` failed for these.
    pub(crate) fn sync_failed(&mut self, cursors: &[Cursor]) {
        for cursor in cursors {
            if let Some(track) = self.tracks.get_mut(&cursor.conversation) {
                track.asked = None;
            }
        }
    }

    /// What a `sync` of these brought, after all its pages: the user has no part in what is
    /// not among them. True if something is settled by that.
    pub(crate) fn sync_ended(&mut self, cursors: &[Cursor]) -> bool {
        let mut settled = false;
        for cursor in cursors {
            let Some(track) = self.tracks.get_mut(&cursor.conversation) else {
                continue;
            };
            // What came after the question may be of a later membership.
            if track.part == Part::No && track.asked == Some(track.top) {
                track.rest();
                settled = true;
            }
            track.asked = None;
        }
        settled
    }

    /// A page behind a cursor. False if it made no progress although it should have.
    pub(crate) fn page(&mut self, page: Page) -> (Vec<Output>, bool) {
        let mut output = Vec::new();
        let Some(track) = self.tracks.get_mut(&page.conversation) else {
            return (output, true);
        };
        // One that this track has not asked for is of a membership that is over.
        let Some(asked) = track.asked.take() else {
            return (output, true);
        };
        track.part = Part::Yes;
        let before = track.cursor;
        let seqs = page
            .messages
            .iter()
            .map(|message| message.seq)
            .chain(page.sealed.iter().copied());
        let end = if page.more {
            seqs.max().unwrap_or(before)
        } else {
            page.last_seq
        };
        for seq in page.sealed {
            track.ahead.insert(seq, Slot::Sealed);
        }
        for message in page.messages {
            track
                .ahead
                .insert(message.seq, Slot::Message(Box::new(message)));
        }
        track.ahead = track.ahead.split_off(&(before + 1));
        track.release_through(end, &page.conversation, &mut output);
        track.release(&mut output);
        if !page.more && track.ahead.is_empty() && track.top == asked {
            // The server's word on where its log ends, unless it has said more since.
            track.top = track.cursor;
        }
        (output, track.cursor > before || track.top <= track.cursor)
    }
}

#[cfg(test)]
mod tests;
