//! Plans a seed, and makes it.

use std::collections::HashSet;
use std::sync::Arc;

use antiphon_core::clock;
use antiphon_core::contract::{BackendErrorKind, UserRecord};
use antiphon_protocol::{ConversationId, UserName};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use tokio::sync::mpsc;

use crate::append::Appender;
use crate::conversation::There;
use crate::feed::{Feed, Item};
use crate::mark::Mark;
use crate::options::{
    Login, Plan, PlannedConversation, Progress, SeedError, SeedOptions, Stores, Summary,
};
use crate::own::Survey;
use crate::random::Random;
use crate::world::{SEED_EPOCH, SeedRoom, Talk, World, created_at_ms};

/// Most users in one call.
const USERS_BATCH_MAX: usize = 500;
/// Users whose read cursors a seed sets: those that people log in as.
const READERS: usize = 9;
/// They have fewer unread messages than this in each conversation.
const UNREAD_BOUND: u64 = 9;
/// Sets the numbers for read cursors apart from those for words.
const READ_CURSORS: u64 = u64::MAX;
/// Read cursors written at once.
const CURSORS_IN_FLIGHT: usize = 64;
/// How many logins the summary tells.
const LOGINS_TOLD: usize = 3;

/// What [`run`] would make in empty stores.
pub fn plan_anew(options: &SeedOptions) -> Result<Plan, SeedError> {
    options.validate()?;
    let start = Start::with(options, Survey::default());
    let there = vec![There::default(); start.world.talks.len()];
    Ok(start.plan(&there))
}

/// What [`run`] would make now. Writes nothing.
pub async fn plan(stores: &Stores, options: &SeedOptions) -> Result<Plan, SeedError> {
    let mut start = Start::new(stores, options).await?;
    let there = start.look(stores).await?;
    Ok(start.plan(&there))
}

/// Makes what of the set isn't there yet. It may be dropped at any time, and the next run
/// goes on from there.
pub async fn run(
    stores: &Stores,
    options: &SeedOptions,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Summary, SeedError> {
    let mut start = Start::new(stores, options).await?;
    let users_made = make_users(stores, &mut start, progress).await?;
    let rooms_made = make_rooms(stores, &mut start, progress).await?;
    let there = start.look(stores).await?;
    let messages_there: u64 = there.iter().map(|there| there.messages as u64).sum();
    let messages = make_messages(stores, &start, there, progress).await?;
    mark_read(stores, &start).await?;
    Ok(Summary {
        users_made,
        users_there: start.survey.users.len() as u64,
        rooms_made,
        rooms_there: start.survey.rooms.len() as u64,
        messages_made: messages.made,
        messages_there: messages.there + messages_there,
        conversations: start.world.talks.len() as u64,
        logins: logins(&start),
    })
}

/// What a plan and a run begin with.
struct Start<'o> {
    options: &'o SeedOptions,
    world: Arc<World>,
    survey: Survey,
    mark: Mark,
    now_ms: u64,
}

impl<'o> Start<'o> {
    async fn new(stores: &Stores, options: &'o SeedOptions) -> Result<Self, SeedError> {
        options.validate()?;
        let survey = Survey::new(stores, options).await?;
        Ok(Self::with(options, survey))
    }

    fn with(options: &'o SeedOptions, survey: Survey) -> Self {
        let mut world = World::new(options);
        world.exclude(&survey.foreign_users, &survey.foreign_rooms);
        let now_ms = options.now_ms.unwrap_or_else(clock::unix_ms);
        Self {
            options,
            world: Arc::new(world),
            survey,
            mark: Mark::new(options, now_ms),
            now_ms,
        }
    }

    /// What is there of each conversation. Takes over the anchor of an earlier run.
    async fn look(&mut self, stores: &Stores) -> Result<Vec<There>, SeedError> {
        let mut all = Vec::with_capacity(self.world.talks.len());
        let mut earlier = None;
        for talk in &self.world.talks {
            let found = self.mark.find(stores, talk).await?;
            let mut there = There::default();
            if let Some((mark, found)) = found {
                earlier = Some(mark);
                let wanted = usize::try_from(talk.messages).expect("below MESSAGES_MAX");
                there = found;
                there.messages = there.messages.min(wanted);
            }
            all.push(there);
        }
        self.mark = earlier.unwrap_or(self.mark);
        Ok(all)
    }

    fn plan(&self, there: &[There]) -> Plan {
        let (world, survey) = (&self.world, &self.survey);
        let planned = |(talk, there): (&Talk, &There)| PlannedConversation {
            conversation: talk.conversation.clone(),
            topic: world.topics[talk.topic].title.to_owned(),
            people: talk.participants.len() as u64,
            messages: talk.messages,
            messages_there: there.messages as u64,
        };
        let conversations: Vec<_> = world.talks.iter().zip(there).map(planned).collect();
        let names = world.rooms.iter().map(|room| &room.record.name);
        let messages_there = conversations.iter().map(|talk| talk.messages_there).sum();
        let calendar = self.mark.calendar(self.options);
        Plan {
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
            anchor_ms: self.mark.anchor_ms(),
            days: calendar.days(),
        }
    }
}

#[derive(Debug, Default)]
struct Written {
    made: u64,
    there: u64,
}

async fn make_messages(
    stores: &Stores,
    start: &Start<'_>,
    there: Vec<There>,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Written, SeedError> {
    let total = start.world.messages();
    let before: u64 = there.iter().map(|there| there.messages as u64).sum();
    let feed = Feed {
        world: Arc::clone(&start.world),
        options: start.options.clone(),
        mark: start.mark,
        there,
        now_ms: start.now_ms,
    };
    let (batches, end) = feed.start();
    let mut appender = Appender::new(stores, &start.world);
    let progress = |appender: &Appender<'_>| {
        let done = before + appender.made + appender.there;
        progress(Progress::Messages { done, total });
    };
    // The thread ends by itself when nobody takes its batches.
    let stored = store_all(&mut appender, batches, progress);
    let (stored, is_whole) = futures_util::future::join(stored, end).await;
    stored?;
    if !is_whole {
        return Err(SeedError::Generator);
    }
    Ok(Written {
        made: appender.made,
        there: appender.there,
    })
}

async fn store_all(
    appender: &mut Appender<'_>,
    mut batches: mpsc::Receiver<Vec<Item>>,
    mut progress: impl FnMut(&Appender<'_>),
) -> Result<(), SeedError> {
    progress(appender);
    while let Some(batch) = batches.recv().await {
        appender.add(batch).await?;
        progress(appender);
    }
    appender.finish().await?;
    progress(appender);
    Ok(())
}

/// Sets the read cursors of the first users near the end, so that whoever logs in as one of
/// them finds some messages unread, not all of the past. A cursor that is there stays.
async fn mark_read(stores: &Stores, start: &Start<'_>) -> Result<(), SeedError> {
    let mut cursors: Vec<(UserName, ConversationId, u64)> = Vec::new();
    for user in start.world.users.iter().take(READERS) {
        let held = stores.rooms.read_cursors(user).await?;
        let is_held = |talk: &&Talk| !held.iter().any(|(key, _)| *key == talk.conversation);
        let talks = start.world.talks.iter().filter(is_held);
        for talk in talks.filter(|talk| talk.messages > 0 && talk.participants.contains(user)) {
            let path = [talk.number, READ_CURSORS, cursors.len() as u64];
            let unread = Random::new(start.options.seed, &path).below(UNREAD_BOUND);
            let seq = talk.messages.saturating_sub(unread);
            cursors.push((user.clone(), talk.conversation.clone(), seq));
        }
    }
    let writes = cursors
        .into_iter()
        .map(|(user, conversation, seq)| async move {
            stores.rooms.set_read(&user, &conversation, seq).await
        });
    stream::iter(writes)
        .buffer_unordered(CURSORS_IN_FLIGHT)
        .try_for_each(|_| async { Ok(()) })
        .await?;
    Ok(())
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
    Arc::make_mut(&mut start.world).exclude(&others, &[]);
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
    Arc::make_mut(&mut start.world).exclude(&[], &others);
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
