//! The messages of one conversation: threads of a few people about a few things.

use antiphon_core::contract::{Record, RecordKind, body_hash};
use antiphon_protocol::{ClientId, MessageId, UserName};

use crate::bank::Topic;
use crate::options::SeedOptions;
use crate::random::Random;
use crate::schedule::{pause_ms, thread_starts};
use crate::world::{SEED_EPOCH, Talk};

/// Messages of a thread.
const THREAD_MIN: u64 = 3;
/// See [`THREAD_MIN`].
const THREAD_MAX: u64 = 9;
/// Most people in a thread.
const SPEAKERS_MAX: usize = 5;
/// The format of the messages.
const FORMAT: &str = "text";

/// The messages of a conversation, oldest first, numbered from 1. With a larger number of
/// messages the first ones have the same senders, ids and words.
pub(crate) fn records(
    talk: &Talk,
    topics: &[Topic],
    options: &SeedOptions,
    now_ms: u64,
) -> Vec<Record> {
    let count = usize::try_from(talk.messages).expect("below MESSAGES_MAX");
    let threads = thread_lengths(talk, options.seed);
    let mut times = Random::new(options.seed, &[3, talk.number]);
    let starts = thread_starts(&mut times, threads.len(), options.days, now_ms);
    let mut records: Vec<Record> = Vec::with_capacity(count);
    let mut last_ms = 0;
    for (thread, (length, start)) in threads.into_iter().zip(starts).enumerate() {
        let mut random = Random::new(options.seed, &[4, talk.number, thread as u64]);
        let topic = topic_of(&mut random, talk, topics);
        let mut ts_ms = start.max(last_ms + 1);
        for (sender, body) in lines(&mut random, talk, topic, length) {
            if records.len() == count {
                break;
            }
            ts_ms = (ts_ms + pause_ms(&mut random)).min(now_ms).max(last_ms);
            last_ms = ts_ms;
            let index = records.len() as u64 + 1;
            records.push(record(talk, options, index, ts_ms, sender, body));
        }
    }
    records
}

/// A thread is about the conversation's own topic, or now and then about another one of the
/// same language.
fn topic_of<'t>(random: &mut Random, talk: &Talk, topics: &'t [Topic]) -> &'t Topic {
    const OWN_PERCENT: u64 = 65;
    let own = &topics[talk.topic];
    let others: Vec<&Topic> = topics
        .iter()
        .filter(|topic| topic.language == own.language)
        .collect();
    let other = *random.pick(&others);
    if random.chance(OWN_PERCENT) {
        own
    } else {
        other
    }
}

/// Lengths of threads that together hold the messages.
fn thread_lengths(talk: &Talk, seed: u64) -> Vec<u64> {
    let mut random = Random::new(seed, &[5, talk.number]);
    let mut left = talk.messages;
    let mut lengths = Vec::new();
    while left > 0 {
        let length = random.between(THREAD_MIN, THREAD_MAX);
        lengths.push(length);
        left = left.saturating_sub(length);
    }
    lengths
}

/// The lines of a thread with their senders.
fn lines(random: &mut Random, talk: &Talk, topic: &Topic, length: u64) -> Vec<(UserName, String)> {
    let speakers = speakers(random, &talk.participants);
    // The first things of a topic come up most, so that some words are hot.
    let places = topic.things.len() as u64;
    let first = random
        .below(places)
        .min(random.below(places))
        .min(random.below(places));
    let second = (first + random.between(1, places - 1)) % places;
    let thing = |place: u64| topic.things[usize::try_from(place).expect("below a length")];
    let mut lines: Vec<(UserName, String)> = Vec::new();
    let mut used: Vec<&str> = Vec::new();
    for index in 0..length {
        let is_last = index + 1 == length;
        let (list, sender) = match index {
            0 => (&topic.openers, speakers[0]),
            _ if is_last => (&topic.closers, speakers[0]),
            _ => (&topic.answers, next_speaker(random, &speakers, &lines)),
        };
        let template = unused(random, list, &mut used);
        let others = lines
            .iter()
            .rev()
            .map(|(name, _)| name)
            .find(|name| *name != sender);
        let text = match others {
            Some(name) => template.replace("{user}", name.as_str()),
            // Nobody else has written yet: no mention.
            None => without_mention(template),
        };
        let text = text
            .replace("{a}", thing(first))
            .replace("{b}", thing(second));
        lines.push((sender.clone(), capitalized(&text)));
    }
    lines
}

/// Somebody other than who wrote last, if there is one.
fn next_speaker<'t>(
    random: &mut Random,
    speakers: &[&'t UserName],
    lines: &[(UserName, String)],
) -> &'t UserName {
    let last = lines.last().map(|(name, _)| name);
    let others: Vec<&UserName> = speakers
        .iter()
        .copied()
        .filter(|&name| Some(name) != last)
        .collect();
    let pool = if others.is_empty() { speakers } else { &others };
    random.pick::<&UserName>(pool)
}

/// The people of a thread, who begins it first.
fn speakers<'t>(random: &mut Random, participants: &'t [UserName]) -> Vec<&'t UserName> {
    let mut speakers: Vec<&UserName> = Vec::new();
    for _ in 0..SPEAKERS_MAX {
        let speaker = random.pick(participants);
        if !speakers.contains(&speaker) {
            speakers.push(speaker);
        }
    }
    if let (1, [a, b]) = (speakers.len(), participants) {
        speakers.push(if speakers[0] == a { b } else { a });
    }
    speakers
}

/// A template that the thread hasn't had, if there is one.
fn unused<'t>(random: &mut Random, list: &[&'t str], used: &mut Vec<&'t str>) -> &'t str {
    const TRIES_MAX: usize = 8;
    let mut template = *random.pick(list);
    for _ in 0..TRIES_MAX {
        if !used.contains(&template) {
            break;
        }
        template = *random.pick(list);
    }
    used.push(template);
    template
}

fn without_mention(template: &str) -> String {
    template
        .replace(" @{user},", ",")
        .replace(" @{user}", "")
        .replace("@{user} ", "")
        .replace("@{user}", "")
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

fn record(
    talk: &Talk,
    options: &SeedOptions,
    index: u64,
    ts_ms: u64,
    sender: UserName,
    body: String,
) -> Record {
    let mark = fingerprint(options);
    let id = format!("seed-{mark:08x}-{}-{index}", talk.number);
    let mut random = Random::new(u64::from(mark), &[6, talk.number, index]);
    Record {
        conversation: talk.conversation.clone(),
        seq: index,
        epoch: SEED_EPOCH,
        kind: RecordKind::Chat,
        sender,
        client_id: ClientId::parse(&id).expect("letters, digits and hyphens"),
        message_id: message_id(&mut random, ts_ms),
        body_hash: body_hash(FORMAT, &body),
        ts_ms,
        format: FORMAT.to_owned(),
        body,
    }
}

/// Tells sets apart whose messages differ. The number of messages and the days are not in
/// it: a larger set goes on where the smaller one ended.
fn fingerprint(options: &SeedOptions) -> u32 {
    let mut path = vec![u64::from(options.users), u64::from(options.rooms)];
    path.extend(options.languages.iter().map(|&language| language as u64));
    u32::try_from(Random::new(options.seed, &path).next() >> 32).expect("32 bits")
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
