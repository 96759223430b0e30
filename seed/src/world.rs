//! Who is there and who talks to whom: everything but the words.

use antiphon_core::contract::{MemberRecord, RoomRecord, Standing};
use antiphon_protocol::client::Visibility;
use antiphon_protocol::{ConversationId, RoomName, UserName};

use crate::bank::{Topic, bank};
use crate::options::{Language, SeedOptions};
use crate::random::Random;
use crate::thread::home_language;

/// When the first user and the first room were made; each next one a millisecond later.
/// 2025-01-01. Fixed, so that it also tells the seed's own from others.
pub(crate) const CREATED_AT_MS: u64 = 1_735_689_600_000;
/// The term under which the seed writes: below every elected leader's.
pub(crate) const SEED_EPOCH: u64 = 0;
/// Of a hundred messages, so many are direct ones.
const DIRECT_PERCENT: u64 = 15;
/// Most direct conversations.
const DIRECT_MAX: u32 = 240;
/// Users for each direct conversation.
const USERS_PER_DIRECT: u32 = 3;
/// The least of them, if there are users for so many.
const DIRECT_MIN: u32 = 6;

/// The larger, the finer the shares are.
const WEIGHT_FIRST: u64 = 1 << 40;

/// A room of the set.
#[derive(Debug, Clone)]
pub(crate) struct SeedRoom {
    pub(crate) record: RoomRecord,
    pub(crate) members: Vec<MemberRecord>,
}

/// A conversation of the set.
#[derive(Debug, Clone)]
pub(crate) struct Talk {
    /// Its number, by which its words and ids are drawn.
    pub(crate) number: u64,
    pub(crate) conversation: ConversationId,
    pub(crate) participants: Vec<UserName>,
    /// Index in [`World::topics`].
    pub(crate) topic: usize,
    pub(crate) messages: u64,
}

impl Talk {
    /// Whether it is of two.
    pub(crate) fn is_direct(&self) -> bool {
        matches!(self.conversation, ConversationId::Direct(..))
    }
}

/// The set.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) users: Vec<UserName>,
    pub(crate) rooms: Vec<SeedRoom>,
    pub(crate) talks: Vec<Talk>,
    pub(crate) topics: Vec<&'static Topic>,
}

/// The user of a number, from 1.
pub(crate) fn user(number: u32) -> UserName {
    UserName::parse(&format!("user{number}")).expect("user and a number is a name")
}

/// The room of a number, from 1.
pub(crate) fn room(number: u32) -> RoomName {
    RoomName::parse(&format!("room{number}")).expect("room and a number is a name")
}

/// When the user or room of a number was made.
pub(crate) fn created_at_ms(number: u32) -> u64 {
    CREATED_AT_MS + u64::from(number)
}

impl World {
    pub(crate) fn new(options: &SeedOptions) -> Self {
        let topics = interleaved(options);
        let users: Vec<UserName> = (1..=options.users).map(user).collect();
        let seed_room = |number| SeedRoom::new(number, &users, &topics, options.seed);
        let rooms: Vec<SeedRoom> = (1..=options.rooms).map(seed_room).collect();
        let mut talks = room_talks(&rooms, topics.len());
        talks.extend(direct_talks(options, &users, &topics, talks.len()));
        share_messages(&mut talks, options);
        Self {
            users,
            rooms,
            talks,
            topics,
        }
    }
}

impl World {
    /// Takes out users and rooms whose names somebody else has.
    pub(crate) fn exclude(&mut self, users: &[UserName], rooms: &[RoomName]) {
        if users.is_empty() && rooms.is_empty() {
            return;
        }
        self.users.retain(|user| !users.contains(user));
        for room in &mut self.rooms {
            room.members.retain(|member| !users.contains(&member.user));
            let has_owner = room
                .members
                .iter()
                .any(|member| member.standing == Standing::Owner);
            match room.members.first_mut() {
                Some(first) if !has_owner => first.standing = Standing::Owner,
                Some(_) | None => {}
            }
        }
        self.rooms
            .retain(|room| !rooms.contains(&room.record.name) && !room.members.is_empty());
        for talk in &mut self.talks {
            talk.participants.retain(|user| !users.contains(user));
        }
        self.talks.retain(|talk| match &talk.conversation {
            ConversationId::Room(room) => !rooms.contains(room) && !talk.participants.is_empty(),
            ConversationId::Direct(a, b) => !users.contains(a) && !users.contains(b),
        });
    }
}

/// The topics of the languages, in turn.
fn interleaved(options: &SeedOptions) -> Vec<&'static Topic> {
    let languages = options.languages.iter();
    let mut banks: Vec<_> = languages.map(|&l| bank(l).topics.iter()).collect();
    let mut all = Vec::new();
    loop {
        let before = all.len();
        all.extend(banks.iter_mut().filter_map(Iterator::next));
        if all.len() == before {
            return all;
        }
    }
}

impl SeedRoom {
    /// Everybody is in the first room; each next one has fewer, and everybody is in the room
    /// of the own number, counted round.
    fn new(number: u32, users: &[UserName], topics: &[&'static Topic], seed: u64) -> Self {
        let name = room(number);
        let index = number - 1;
        let since_ms = created_at_ms(number);
        let mut random = Random::new(seed, &[1, u64::from(number)]);
        let percent = 100_u64.saturating_sub(u64::from(index) * 9).max(12);
        let owner = index as usize % users.len().max(1);
        let mut members = Vec::new();
        for (place, user) in users.iter().enumerate() {
            let is_owner = place == owner;
            // Drawn for each, so that one user more changes nothing for the others.
            if random.chance(percent) || is_owner || place == (owner + 1) % users.len() {
                let standing = if is_owner {
                    Standing::Owner
                } else {
                    Standing::Member
                };
                members.push(MemberRecord {
                    room: name.clone(),
                    user: user.clone(),
                    standing,
                    since_ms,
                });
            }
        }
        let record = RoomRecord {
            name,
            visibility: Visibility::Public,
            topic: topics[index as usize % topics.len()].title.to_owned(),
            created_at_ms: since_ms,
        };
        Self { record, members }
    }
}

fn room_talks(rooms: &[SeedRoom], topics: usize) -> Vec<Talk> {
    let talk = |(index, room): (usize, &SeedRoom)| Talk {
        number: index as u64,
        conversation: ConversationId::Room(room.record.name.clone()),
        participants: room
            .members
            .iter()
            .map(|member| member.user.clone())
            .collect(),
        topic: index % topics,
        messages: 0,
    };
    rooms.iter().enumerate().map(talk).collect()
}

/// Pairs of users, each pair once.
fn direct_talks(
    options: &SeedOptions,
    users: &[UserName],
    topics: &[&'static Topic],
    rooms: usize,
) -> Vec<Talk> {
    let mut talks: Vec<Talk> = Vec::new();
    if users.len() < 2 {
        return talks;
    }
    let wanted = (options.users / USERS_PER_DIRECT).clamp(DIRECT_MIN, DIRECT_MAX);
    for index in 0..u64::from(wanted) {
        let mut random = Random::new(options.seed, &[2, index]);
        // The first user has a few of them, so that a first login shows some.
        let first = if index < 4 {
            &users[0]
        } else {
            random.pick(users)
        };
        let second = random.pick(users);
        let conversation = ConversationId::direct(first.clone(), second.clone());
        let is_taken = talks.iter().any(|talk| talk.conversation == conversation);
        if first != second && !is_taken {
            talks.push(Talk {
                number: rooms as u64 + index,
                conversation,
                participants: vec![first.clone(), second.clone()],
                topic: topic_in(
                    home_language(options.seed, first, &options.languages),
                    topics,
                ),
                messages: 0,
            });
        }
    }
    if talks.is_empty() {
        talks.push(Talk {
            number: rooms as u64,
            conversation: ConversationId::direct(users[0].clone(), users[1].clone()),
            participants: users[..2].to_vec(),
            topic: 0,
            messages: 0,
        });
    }
    talks
}

/// A topic of that language.
fn topic_in(language: Language, topics: &[&'static Topic]) -> usize {
    let found = topics.iter().position(|topic| topic.language == language);
    found.unwrap_or(0)
}

/// Shares the messages out by Zipf's law: the first room has most, the second about half of
/// that, and so on; and so the direct conversations. The sum is exact.
fn share_messages(talks: &mut [Talk], options: &SeedOptions) {
    let rooms = talks.iter().filter(|talk| !talk.is_direct()).count();
    let directs = talks.len() - rooms;
    let total = u64::from(options.messages);
    let for_directs = match (rooms, directs) {
        (0, _) => total,
        (_, 0) => 0,
        (_, _) => total * DIRECT_PERCENT / 100,
    };
    let (room_talks, direct_talks) = talks.split_at_mut(rooms);
    share(
        room_talks,
        |rank| 40 * rank + rank * rank,
        total - for_directs,
    );
    share(direct_talks, |rank| rank + 3, for_directs);
}

/// By weight, the rest to the first.
fn share(talks: &mut [Talk], quietness: impl Fn(u64) -> u64, total: u64) {
    let ranks = 1..=talks.len() as u64;
    let weights: Vec<u64> = ranks.map(|rank| WEIGHT_FIRST / quietness(rank)).collect();
    let sum: u64 = weights.iter().sum();
    let mut left = total;
    for (talk, weight) in talks.iter_mut().zip(weights) {
        let share = u128::from(total) * u128::from(weight) / u128::from(sum);
        talk.messages = u64::try_from(share).expect("at most all");
        left -= talk.messages;
    }
    if let Some(first) = talks.first_mut() {
        first.messages += left;
    }
}
