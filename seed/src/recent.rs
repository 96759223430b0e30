//! What was said lately in a conversation, so that it is not said again in the same words.

use std::collections::{HashSet, VecDeque};

/// So many messages back is lately.
const RECENT_MAX: usize = 1_200;

/// The latest messages, as hashes. Two that collide cost a wording, no more.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    order: VecDeque<u64>,
    held: HashSet<u64>,
}

impl Recent {
    /// Whether it was said lately.
    pub(crate) fn has(&self, text: &str) -> bool {
        self.held.contains(&hash(text))
    }

    /// Remembers a message, and forgets the oldest.
    pub(crate) fn add(&mut self, text: &str) {
        let hash = hash(text);
        if !self.held.insert(hash) {
            return;
        }
        self.order.push_back(hash);
        if self.order.len() > RECENT_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.held.remove(&oldest);
        }
    }
}

/// The same in every run and build (FNV-1a).
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}
