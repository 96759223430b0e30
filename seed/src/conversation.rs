//! The messages of one conversation, as a stream.

use std::collections::VecDeque;

use antiphon_core::contract::{Record, RecordKind, body_hash};
use antiphon_protocol::{ClientId, MessageId};

use crate::bank::bank;
use crate::mark::Mark;
use crate::options::SeedOptions;
use crate::outline::{Outline, Thread};
use crate::random::Random;
use crate::recent::Recent;
use crate::schedule::pause_ms;
use crate::thread::{Line, Writer};
use crate::world::{SEED_EPOCH, Talk, World};

/// The format of the messages.
const FORMAT: &str = "text";

/// The messages of a conversation from some index on, oldest first.
#[derive(Debug)]
pub(crate) struct Conversation<'w> {
    talk: &'w Talk,
    mark: Mark,
    seed: u64,
    outline: Outline,
    writer: Writer<'w>,
    /// The next thread to write.
    place: usize,
    lines: VecDeque<(u64, Line)>,
    /// The index of the next message, from 0.
    index: usize,
    last_ms: u64,
    growth: Option<Growth>,
    recent: Recent,
}

/// A smaller set is there already: what is new begins where it ended.
#[derive(Debug, Clone, Copy)]
struct Growth {
    from_ms: u64,
    begin_ms: u64,
    end_ms: u64,
}

/// What is there of a conversation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct There {
    /// How many messages of the set.
    pub(crate) messages: usize,
    /// When the last of them was written.
    pub(crate) last_ms: u64,
}

impl<'w> Conversation<'w> {
    /// What is missing of a conversation.
    pub(crate) fn behind(
        world: &'w World,
        talk: &'w Talk,
        options: &'w SeedOptions,
        mark: Mark,
        there: There,
        now_ms: u64,
    ) -> Self {
        let topic = world.topics[talk.topic];
        let calendar = mark.calendar(options);
        let outline = Outline::new(options.seed, talk, topic, &calendar);
        let writer = Writer {
            seed: options.seed,
            talk,
            bank: bank(topic.language),
            languages: &options.languages,
        };
        let mut conversation = Self {
            talk,
            mark,
            seed: options.seed,
            place: 0,
            outline,
            writer,
            lines: VecDeque::new(),
            index: 0,
            last_ms: 0,
            growth: None,
            recent: Recent::default(),
        };
        conversation.go_behind(there, calendar.end_ms().max(now_ms));
        conversation
    }

    /// Goes to the first message that is missing. What is there is written once more and
    /// dropped, since what comes behind depends on what was said lately.
    fn go_behind(&mut self, there: There, now_ms: u64) {
        if there.messages == 0 {
            return;
        }
        while self.index < there.messages {
            if self.next_ms().is_none() {
                return;
            }
            let dropped = self.lines.len().min(there.messages - self.index);
            self.lines.drain(..dropped);
            self.index += dropped;
        }
        if self.next_ms().is_none() {
            return;
        }
        let Some(&(from_ms, _)) = self.lines.front() else {
            return;
        };
        if from_ms < there.last_ms {
            self.growth = Some(Growth {
                from_ms,
                begin_ms: there.last_ms,
                end_ms: now_ms.max(there.last_ms),
            });
        }
        self.last_ms = there.last_ms;
    }

    fn is_over(&self) -> bool {
        self.index as u64 >= self.talk.messages
    }

    fn write_thread(&mut self) {
        if self.place >= self.outline.len() {
            return;
        }
        let thread = self.outline.thread(self.place);
        let lines = self.writer.lines(self.place, &thread, &mut self.recent);
        let times = self.times(&thread, &lines);
        self.lines.extend(times.into_iter().zip(lines));
        self.place += 1;
    }

    /// Natural pauses, made shorter if the next thread begins before they are over.
    fn times(&self, thread: &Thread, lines: &[Line]) -> Vec<u64> {
        let path = [14, self.talk.number, self.place as u64];
        let mut random = Random::new(self.seed, &path);
        let mut at = 0;
        let mut offsets = Vec::with_capacity(lines.len());
        for (_, text) in lines {
            offsets.push(at);
            at += pause_ms(&mut random, text.len() / 2);
        }
        let room = thread.end_ms - thread.start_ms;
        let squeeze = |offset: u64| {
            if at <= room {
                offset
            } else {
                // Both are below a few hours, in milliseconds.
                offset * room / at
            }
        };
        let times = offsets.into_iter();
        times
            .map(|offset| thread.start_ms + squeeze(offset))
            .collect()
    }

    /// When the next message was written; `None` at the end.
    pub(crate) fn next_ms(&mut self) -> Option<u64> {
        if self.is_over() {
            return None;
        }
        if self.lines.is_empty() {
            self.write_thread();
        }
        let &(ts_ms, _) = self.lines.front()?;
        let ts_ms = match self.growth {
            None => ts_ms,
            Some(growth) => growth.moved(ts_ms, self.mark.anchor_ms()),
        };
        Some(ts_ms.max(self.last_ms))
    }

    fn record(&self, ts_ms: u64, (speaker, body): Line) -> Record {
        let index = self.index as u64 + 1;
        let id = self.mark.client_id(self.talk.number, index);
        let path = [15, self.talk.number, index];
        Record {
            conversation: self.talk.conversation.clone(),
            seq: index,
            epoch: SEED_EPOCH,
            kind: RecordKind::Chat,
            sender: self.talk.participants[speaker].clone(),
            client_id: ClientId::parse(&id).expect("letters, digits and hyphens"),
            message_id: message_id(&mut Random::new(self.mark.key(), &path), ts_ms),
            body_hash: body_hash(FORMAT, &body),
            ts_ms,
            format: FORMAT.to_owned(),
            body,
        }
    }
}

impl Growth {
    fn moved(self, ts_ms: u64, anchor_ms: u64) -> u64 {
        let span = anchor_ms.saturating_sub(self.from_ms).max(1);
        let into = ts_ms.saturating_sub(self.from_ms).min(span);
        let room = self.end_ms - self.begin_ms;
        let moved = u128::from(into) * u128::from(room) / u128::from(span);
        self.begin_ms + u64::try_from(moved).expect("at most the room")
    }
}

impl Iterator for Conversation<'_> {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        let ts_ms = self.next_ms()?;
        let (_, line) = self.lines.pop_front()?;
        let record = self.record(ts_ms, line);
        self.last_ms = ts_ms;
        self.index += 1;
        Some(record)
    }
}

/// UUID version 7 (RFC 9562) with the message's time and drawn bits.
fn message_id(random: &mut Random, ts_ms: u64) -> MessageId {
    let time = ts_ms & 0xFFFF_FFFF_FFFF;
    let version = 0x7000 | random.below(0x1000);
    let variant = 0x8000 | random.below(0x4000);
    let node = random.below(1 << 48);
    let (high, low) = (time >> 16, time & 0xFFFF);
    MessageId(format!(
        "{high:08x}-{low:04x}-{version:04x}-{variant:04x}-{node:012x}"
    ))
}
