//! What a member has of the room: every sequence once, and how late each message was.

use std::collections::BTreeSet;

use antiphon_core::clock;
use serde_json::Value;

/// What the text of a message tells; written by the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// The phase in which it was sent.
    pub(crate) phase: usize,
    /// When it was to be sent.
    pub(crate) due_us: u64,
    /// Unique in the run.
    pub(crate) number: u64,
}

impl Stamp {
    /// The text that carries it.
    pub(crate) fn text(self, filler: &str) -> String {
        let Self {
            phase,
            due_us,
            number,
        } = self;
        format!("{phase} {due_us} {number} {filler}")
    }

    fn read(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        Some(Self {
            phase: words.next()?.parse().ok()?,
            due_us: words.next()?.parse().ok()?,
            number: words.next()?.parse().ok()?,
        })
    }
}

/// One member's.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// Everything up to here is there.
    pub(crate) whole_to: u64,
    ahead: BTreeSet<u64>,
    /// Changes with every message and its place, not with the order of arrival.
    pub(crate) sum: u64,
    /// Live deliveries of what was there.
    pub(crate) doubled: u64,
    /// By phase: microseconds from the moment that a message was due to its arrival.
    pub(crate) latencies: Vec<Vec<u32>>,
}

impl Record {
    /// Takes a frame that is no reply.
    pub(crate) fn take_frame(&mut self, frame: &str) {
        let now_us = clock::elapsed_us();
        let Some((seq, stamp)) = read_delivery(frame) else {
            return;
        };
        if !self.add(seq, stamp.number) {
            self.doubled += 1;
            return;
        }
        if self.latencies.len() <= stamp.phase {
            self.latencies.resize_with(stamp.phase + 1, Vec::new);
        }
        let late = u32::try_from(now_us.saturating_sub(stamp.due_us)).unwrap_or(u32::MAX);
        self.latencies[stamp.phase].push(late);
    }

    /// Takes one conversation of an answer to `sync`; true if there is more to ask for.
    pub(crate) fn take_page(&mut self, page: &Value) -> bool {
        let list = |key: &str| page[key].as_array().cloned().unwrap_or_default();
        for message in list("messages") {
            let seq = message["seq"].as_u64().expect("a sequence");
            let text = message["message"].as_str().unwrap_or_default();
            let stamp = Stamp::read(text).expect("our own text");
            self.add(seq, stamp.number);
        }
        for mark in list("sealed") {
            self.add(mark.as_u64().expect("a sequence"), 0);
        }
        assert_eq!(page["complete"], true, "nothing was removed from the log");
        page["more"] == true
    }

    /// True if it was not there.
    fn add(&mut self, seq: u64, number: u64) -> bool {
        if seq <= self.whole_to || !self.ahead.insert(seq) {
            return false;
        }
        // Any odd number spreads the places over all bits.
        let place = seq.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = place ^ number.wrapping_mul(0xd6e8_feb8_6659_fd93);
        self.sum = self.sum.wrapping_add(mixed);
        while self.ahead.remove(&(self.whole_to + 1)) {
            self.whole_to += 1;
        }
        true
    }

    /// Whether it holds everything up to `top`, and nothing beyond a hole.
    pub(crate) fn is_whole_to(&self, top: u64) -> bool {
        self.whole_to >= top && self.ahead.is_empty()
    }
}

/// The place and the stamp of a delivery, without reading all of its JSON.
fn read_delivery(frame: &str) -> Option<(u64, Stamp)> {
    const TEXT: &str = "\"message\":\"";
    const SEQ: &str = "\"seq\":";
    let text = &frame[frame.find(TEXT)? + TEXT.len()..];
    let stamp = Stamp::read(text)?;
    let seq = &frame[frame.rfind(SEQ)? + SEQ.len()..];
    let end = seq.find(|char: char| !char.is_ascii_digit())?;
    Some((seq[..end].parse().ok()?, stamp))
}

/// The value below which `part` of all are; they are sorted.
pub(crate) fn quantile(sorted: &[u32], part: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let at = (last as f64 * part).round() as usize;
    sorted
        .get(at)
        .map_or(f64::NAN, |us| f64::from(*us) / 1_000.0)
}
