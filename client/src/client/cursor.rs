//! Where the client stands in each conversation: pure state, no I/O.
//!
//! A cursor is the highest sequence up to which everything was handed on. What comes twice is
//! dropped, what comes early waits (bounded) for the gap before it, and what no page can
//! bring is reported as a gap, in its place in the order.

use std::collections::{BTreeMap, HashMap};

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

#[derive(Debug)]
struct Track {
    cursor: u64,
    top: u64,
    ahead: BTreeMap<u64, Slot>,
    /// A `sync` for it is on its way.
    syncing: bool,
}

impl Track {
    fn new(cursor: u64) -> Self {
        Self {
            cursor,
            top: cursor,
            ahead: BTreeMap::new(),
            syncing: false,
        }
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
    tracks: HashMap<String, Track>,
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
        self.tracks.retain(|name, _| {
            !name.starts_with("room:") || summaries.iter().any(|summary| summary.name == *name)
        });
        for track in self.tracks.values_mut() {
            track.syncing = false;
        }
        for summary in summaries {
            if first || replaced {
                self.begin(&summary.name, summary.last_seq);
            } else {
                self.position(&summary.name, summary.last_seq);
            }
        }
        replaced
    }

    /// Begins behind `last_seq`, unless the conversation is tracked already.
    pub(crate) fn begin(&mut self, name: &str, last_seq: u64) {
        if !self.tracks.contains_key(name) && self.tracks.len() < CONVERSATIONS_MAX {
            self.tracks.insert(name.to_owned(), Track::new(last_seq));
        }
    }

    /// Forgets a conversation that the user has left.
    pub(crate) fn forget(&mut self, name: &str) {
        self.tracks.remove(name);
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
        // lacked was joined since; it begins with what is seen first.
        let start = if name.starts_with("room:") {
            seq.saturating_sub(1)
        } else {
            0
        };
        self.begin(name, start);
        let Some(track) = self.tracks.get_mut(name) else {
            return false;
        };
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
        let start = if name.starts_with("room:") {
            last_seq
        } else {
            0
        };
        self.begin(name, start);
        if let Some(track) = self.tracks.get_mut(name) {
            track.top = track.top.max(last_seq);
        }
    }

    /// The conversations that lack something and are not being synced: they are, from now on.
    pub(crate) fn take_wanted(&mut self, max: usize) -> Vec<Cursor> {
        let wanted = self
            .tracks
            .iter_mut()
            .filter(|(_, track)| track.top > track.cursor && !track.syncing);
        wanted
            .take(max)
            .map(|(name, track)| {
                track.syncing = true;
                Cursor {
                    conversation: name.clone(),
                    after_seq: track.cursor,
                }
            })
            .collect()
    }

    /// A `sync` brought nothing for these.
    pub(crate) fn sync_failed(&mut self, cursors: &[Cursor]) {
        for cursor in cursors {
            if let Some(track) = self.tracks.get_mut(&cursor.conversation) {
                track.syncing = false;
            }
        }
    }

    /// A page behind a cursor. False if it made no progress although it should have.
    pub(crate) fn page(&mut self, page: Page) -> (Vec<Output>, bool) {
        let mut output = Vec::new();
        let Some(track) = self.tracks.get_mut(&page.conversation) else {
            return (output, true);
        };
        track.syncing = false;
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
        if !page.more && track.ahead.is_empty() {
            // The server's word on where its log ends.
            track.top = track.cursor;
        }
        (output, track.cursor > before || track.top <= track.cursor)
    }
}

#[cfg(test)]
mod tests;
