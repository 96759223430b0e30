//! Where `tail` stands in one conversation: pure state, no I/O.

use std::collections::BTreeMap;

use antiphon_protocol::Message;
use antiphon_protocol::client::Page;

/// Live messages that are kept while those before them are fetched; more are fetched, too.
const AHEAD_MAX: usize = 512;

/// What is to be printed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The next message.
    Message(Box<Message>),
    /// These are gone for good.
    Gap { from: u64, to: u64 },
}

/// See the head of the file.
#[derive(Debug)]
pub(super) struct Track {
    /// Everything up to here is printed, or told as gone.
    cursor: u64,
    /// The conversation is known to reach so far.
    top: u64,
    ahead: BTreeMap<u64, Box<Message>>,
}

impl Track {
    /// Behind `cursor`, in a conversation that reaches to `top`.
    pub(super) fn new(cursor: u64, top: u64) -> Self {
        Self {
            cursor,
            top,
            ahead: BTreeMap::new(),
        }
    }

    /// A live message.
    pub(super) fn message(&mut self, message: Message) -> Vec<Step> {
        let seq = message.seq;
        self.top = self.top.max(seq);
        if seq > self.cursor && (seq == self.cursor + 1 || self.ahead.len() < AHEAD_MAX) {
            self.ahead.insert(seq, Box::new(message));
        }
        let mut steps = Vec::new();
        self.release(&mut steps);
        steps
    }

    /// The conversation reaches so far.
    pub(super) fn reaches(&mut self, seq: u64) {
        self.top = self.top.max(seq);
    }

    /// The sequence behind which something is missing.
    pub(super) fn lacks(&self) -> Option<u64> {
        (self.top > self.cursor).then_some(self.cursor)
    }

    fn release(&mut self, steps: &mut Vec<Step>) {
        while let Some(message) = self.ahead.remove(&(self.cursor + 1)) {
            self.cursor += 1;
            steps.push(Step::Message(message));
        }
    }

    fn gap_to(&mut self, to: u64, steps: &mut Vec<Step>) {
        if to > self.cursor {
            let from = self.cursor + 1;
            steps.push(Step::Gap { from, to });
            self.cursor = to;
        }
    }

    /// A page that was asked for behind a place at or before the cursor.
    pub(super) fn page(&mut self, page: Page) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut places: BTreeMap<u64, Option<Box<Message>>> =
            page.sealed.into_iter().map(|seq| (seq, None)).collect();
        for message in page.messages {
            places.insert(message.seq, Some(Box::new(message)));
        }
        let places = places.split_off(&(self.cursor + 1));
        let last_place = places.keys().next_back().copied();
        for (seq, place) in places {
            self.gap_to(seq - 1, &mut steps);
            self.cursor = seq;
            steps.extend(place.map(Step::Message));
        }
        // What is not in the page is behind it only if the server says that there is more.
        let goes_on = page.more && last_place.is_some();
        if !goes_on {
            self.gap_to(page.last_seq, &mut steps);
            self.top = self.cursor;
        }
        self.ahead = self.ahead.split_off(&(self.cursor + 1));
        self.top = self.top.max(page.last_seq);
        if let Some(highest) = self.ahead.keys().next_back() {
            self.top = self.top.max(*highest);
        }
        self.release(&mut steps);
        steps
    }
}

#[cfg(test)]
mod tests;
