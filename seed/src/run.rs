//! Plans a seed, and makes it.

use std::collections::HashSet;

use antiphon_core::clock;
use antiphon_core::contract::{AppendOutcome, BackendErrorKind, Record, UserRecord};
use antiphon_protocol::UserName;

use crate::conversation::records;
use crate::options::{
    Login, Plan, PlannedConversation, Progress, SeedError, SeedOptions, Stores, Summary,
};
use crate::own::Survey;
use crate::random::Random;
use crate::world::{SEED_EPOCH, SeedRoom, Talk, World, created_at_ms};

/// Most users in one call.
const USERS_BATCH_MAX: usize = 500;
/// Most records in one append.
const RECORDS_BATCH_MAX: usize = 256;
/// How often in a row others may take the place of the next record.
const TRIES_MAX: u32 = 20;
/// Users whose read cursors a seed sets: those that people log in as.
const READERS: usize = 9;
/// They have fewer unread messages than this in each conversation.
const UNREAD_BOUND: u64 = 9;
/// Sets the numbers for read cursors apart from those for words.
const READ_CURSORS: u64 = u64::MAX;
/// How many logins the summary tells.
const LOGINS_TOLD: usize = 3;

/// What [`run`] would make now. Writes nothing.
pub async fn plan(stores: &Stores, options: &SeedOptions) -> Result<Plan, SeedError> {
    let start = Start::new(stores, options).await?;
    let (world, survey) = (&start.world, &start.survey);
    let mut conversations = Vec::with_capacity(world.talks.len());
    for talk in &world.talks {
        let there = first_missing(stores, &start.records(talk)).await? as u64;
        conversations.push(PlannedConversation {
            conversation: talk.conversation.clone(),
            messages: talk.messages,
            messages_there: there,
        });
    }
    let names = world.rooms.iter().map(|room| &room.record.name);
    let messages_there = conversations.iter().map(|talk| talk.messages_there).sum();
    Ok(Plan {
        users: (world.users.len() - survey.users.len()) as u64,
        users_there: survey.users.len() as u64,
        rooms: names
            .filter(|name| !survey.rooms.contains(name))
            .cloned()
            .collect(),
        rooms_there: survey.rooms.len() as u64,
        messages: world.messages() - messages_there,
        messages_there,
        conversations,
    })
}

/// Makes what of the set isn't there yet.
pub async fn run(
    stores: &Stores,
    options: &SeedOptions,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Summary, SeedError> {
    let mut start = Start::new(stores, options).await?;
    let users_made = make_users(stores, &mut start, progress).await?;
    let rooms_made = make_rooms(stores, &mut start, progress).await?;
    let total = start.world.messages();
    let mut messages = Written::default();
    for talk in &start.world.talks {
        let records = start.records(talk);
        let there = first_missing(stores, &records).await?;
        messages.there += there as u64;
        let mut missing = &records[there..];
        while !missing.is_empty() {
            missing = append(stores, missing, &mut messages).await?;
            progress(Progress::Messages {
                done: messages.made + messages.there,
                total,
            });
        }
        if there < records.len() {
            mark_read(stores, &start, talk).await?;
        }
    }
    progress(Progress::Messages {
        done: messages.made + messages.there,
        total,
    });
    Ok(Summary {
        users_made,
        users_there: start.survey.users.len() as u64,
        rooms_made,
        rooms_there: start.survey.rooms.len() as u64,
        messages_made: messages.made,
        messages_there: messages.there,
        logins: logins(&start),
    })
}

/// What a plan and a run begin with.
struct Start<'o> {
    options: &'o SeedOptions,
    world: World,
    survey: Survey,
    now_ms: u64,
}

impl<'o> Start<'o> {
    async fn new(stores: &Stores, options: &'o SeedOptions) -> Result<Self, SeedError> {
        options.validate()?;
        let survey = Survey::new(stores, options).await?;
        let mut world = World::new(options);
        world.exclude(&survey.foreign_users, &survey.foreign_rooms);
        let now_ms = options.now_ms.unwrap_or_else(clock::unix_ms);
        Ok(Self {
            options,
            world,
            survey,
            now_ms,
        })
    }

    fn records(&self, talk: &Talk) -> Vec<Record> {
        records(talk, &self.world.topics, self.options, self.now_ms)
    }
}

impl World {
    fn messages(&self) -> u64 {
        self.talks.iter().map(|talk| talk.messages).sum()
    }
}

async fn make_users(
    stores: &Stores,
    start: &mut Start<'_>,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<u64, SeedError> {
    let total = start.world.users.len() as u64;
    let missing: Vec<UserRecord> = missing_users(start);
    let mut done = total - missing.len() as u64;
    let mut made = 0;
    progress(Progress::Users { done, total });
    for batch in missing.chunks(USERS_BATCH_MAX) {
        made += stores.users.create_many(batch.to_vec()).await?;
        done += batch.len() as u64;
        progress(Progress::Users { done, total });
    }
    if made < missing.len() as u64 {
        // Somebody has a name that looks like one of the set, or was faster.
        exclude_users_not_made(stores, start, &missing).await?;
    }
    Ok(made)
}

fn missing_users(start: &Start<'_>) -> Vec<UserRecord> {
    let record = |number: u32| UserRecord {
        name: crate::world::user(number),
        password_hash: start.options.password_hash.clone(),
        created_at_ms: created_at_ms(number),
    };
    let wanted: HashSet<&UserName> = start.world.users.iter().collect();
    let there: HashSet<&UserName> = start.survey.users.iter().collect();
    let is_missing =
        |record: &UserRecord| wanted.contains(&record.name) && !there.contains(&record.name);
    (1..=start.options.users)
        .map(record)
        .filter(is_missing)
        .collect()
}

async fn exclude_users_not_made(
    stores: &Stores,
    start: &mut Start<'_>,
    wanted: &[UserRecord],
) -> Result<(), SeedError> {
    let mut others: Vec<UserName> = Vec::new();
    for user in wanted {
        let held = stores.users.get(&user.name).await?;
        if held.is_none_or(|held| held.created_at_ms != user.created_at_ms) {
            others.push(user.name.clone());
        }
    }
    if !others.is_empty() && !start.options.force {
        return Err(SeedError::NotEmpty {
            users: others.len() as u64,
            rooms: 0,
        });
    }
    start.world.exclude(&others, &[]);
    Ok(())
}

async fn make_rooms(
    stores: &Stores,
    start: &mut Start<'_>,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<u64, SeedError> {
    let total = start.world.rooms.len() as u64;
    let mut made = 0;
    let mut others = Vec::new();
    for (done, room) in (1..).zip(&start.world.rooms) {
        let name = &room.record.name;
        if !start.survey.rooms.contains(name) {
            match make_room(stores, room).await? {
                RoomMade::Made => made += 1,
                RoomMade::There => {}
                RoomMade::Taken if start.options.force => others.push(name.clone()),
                RoomMade::Taken => return Err(SeedError::NotEmpty { users: 0, rooms: 1 }),
            }
        }
        progress(Progress::Rooms { done, total });
    }
    start.world.exclude(&[], &others);
    Ok(made)
}

enum RoomMade {
    Made,
    There,
    Taken,
}

async fn make_room(stores: &Stores, room: &SeedRoom) -> Result<RoomMade, SeedError> {
    let created = stores
        .rooms
        .create(room.record.clone(), room.members.clone(), SEED_EPOCH)
        .await;
    match created {
        Ok(()) => Ok(RoomMade::Made),
        Err(error) if error.kind == BackendErrorKind::Conflict => {
            let held = stores.rooms.get(&room.record.name).await?;
            let is_own = held.is_some_and(|held| held.created_at_ms == room.record.created_at_ms);
            Ok(if is_own {
                RoomMade::There
            } else {
                RoomMade::Taken
            })
        }
        Err(error) => Err(error.into()),
    }
}

/// How many of the records are in the archive. They were written in order, so what is there
/// is the beginning.
async fn first_missing(stores: &Stores, records: &[Record]) -> Result<usize, SeedError> {
    let (mut low, mut high) = (0, records.len());
    let mut probe = high.checked_sub(1);
    while let Some(at) = probe {
        let Record {
            conversation,
            sender,
            client_id,
            ..
        } = &records[at];
        match stores.archive.find(conversation, sender, client_id).await? {
            Some(_) => low = at + 1,
            None => high = at,
        }
        probe = (low < high).then(|| low + (high - low) / 2);
    }
    Ok(low)
}

#[derive(Debug, Default)]
struct Written {
    made: u64,
    there: u64,
}

/// Moves the read cursors of the first users near the end, so that whoever logs in as one of
/// them finds some messages unread, not all of the past.
async fn mark_read(stores: &Stores, start: &Start<'_>, talk: &Talk) -> Result<(), SeedError> {
    let Some(tail) = stores.archive.tail(&talk.conversation).await? else {
        return Ok(());
    };
    let mut random = Random::new(start.options.seed, &[talk.number, READ_CURSORS]);
    for user in start.world.users.iter().take(READERS) {
        let unread = random.below(UNREAD_BOUND);
        if talk.participants.contains(user) {
            let seq = tail.seq.saturating_sub(unread);
            stores.rooms.set_read(user, &talk.conversation, seq).await?;
        }
    }
    Ok(())
}

/// Appends the first of the records at the end of their conversation; returns the rest.
async fn append<'r>(
    stores: &Stores,
    records: &'r [Record],
    written: &mut Written,
) -> Result<&'r [Record], SeedError> {
    let conversation = &records[0].conversation;
    for _ in 0..TRIES_MAX {
        let tail = stores.archive.tail(conversation).await?;
        let (last, epoch) = tail.map_or((0, SEED_EPOCH), |tail| (tail.seq, tail.epoch));
        let numbered = |(seq, record): (u64, &Record)| Record {
            seq,
            epoch,
            ..record.clone()
        };
        let batch: Vec<Record> = (last + 1..)
            .zip(records.iter().take(RECORDS_BATCH_MAX))
            .map(numbered)
            .collect();
        let asked = batch.len();
        let outcomes = stores.archive.append(batch).await?;
        if outcomes.len() != asked {
            return Err(SeedError::Contract {
                operation: "message_archive.append",
            });
        }
        let mut settled = 0;
        for outcome in outcomes {
            match outcome {
                AppendOutcome::Stored => written.made += 1,
                AppendOutcome::DuplicateClientId(_) => written.there += 1,
                AppendOutcome::SequenceTaken(_) | AppendOutcome::NotTried => break,
            }
            settled += 1;
        }
        if settled > 0 {
            return Ok(&records[settled..]);
        }
    }
    Err(SeedError::Contended {
        conversation: conversation.key(),
    })
}

fn logins(start: &Start<'_>) -> Vec<Login> {
    let login = |username: &UserName| Login {
        username: username.clone(),
        password: if start.survey.users.contains(username) {
            None
        } else {
            start.options.password.clone()
        },
    };
    start
        .world
        .users
        .iter()
        .take(LOGINS_TOLD)
        .map(login)
        .collect()
}
