//! The end of a run: everybody gets the time to catch up, and fresh clients read every log
//! from the beginning.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use antiphon_client::protocol::client::{History, Page};
use antiphon_client::protocol::limits::PAGE_MAX;
use antiphon_client::{Client, RequestError};
use antiphon_core::clock;
use antiphon_core::shutdown::Shutdown;

use super::LoadError;
use super::user::{Handle, followed};
use super::world::{World, canonical};
use crate::torture::history::{LogEntry, LogHead, Record};

/// How often everybody's place is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// A page is asked for so often.
const PAGE_ATTEMPTS: u32 = 60;
const PAGE_RETRY: Duration = Duration::from_millis(500);

/// A conversation as its reader calls it, and as all do.
#[derive(Debug, Clone)]
pub struct Book {
    reader: usize,
    name: String,
    canonical: String,
    /// The last place before the run.
    base: u64,
}

/// Everything that is read back.
pub fn books(world: &World) -> Vec<Book> {
    let rooms = world.rooms.iter().map(|room| (0, format!("room:{room}")));
    let pairs = world.pairs().into_iter().map(|(first, second)| {
        let partner = &world.accounts[second].name;
        (first, format!("user:{partner}"))
    });
    let book = |(reader, name): (usize, String)| Book {
        reader,
        canonical: canonical(world.accounts[reader].name.as_str(), &name),
        name,
        base: 0,
    };
    rooms.chain(pairs).map(book).collect()
}

async fn page(client: &Client, ask: History) -> Result<Page, LoadError> {
    let mut attempt = 1;
    loop {
        match client.request(ask.clone()).await {
            Ok(page) => return Ok(page),
            Err(error) if attempt >= PAGE_ATTEMPTS => return Err(LoadError::ReadBack(error)),
            Err(error) => {
                attempt += 1;
                let hint = error.refusal().and_then(|body| body.retry_after_ms);
                let wait = hint.map_or(PAGE_RETRY, Duration::from_millis);
                clock::sleep(wait.min(PAGE_RETRY * 4)).await;
                if let RequestError::Refused(body) = &error
                    && !body.retryable
                {
                    return Err(LoadError::ReadBack(error));
                }
            }
        }
    }
}

/// A client for each reader.
fn readers(world: &World, books: &[Book], scope: &Shutdown) -> HashMap<usize, Client> {
    let mut readers = HashMap::new();
    for book in books {
        readers.entry(book.reader).or_insert_with(|| {
            let credentials = world.accounts[book.reader].credentials(None);
            let builder = Client::builder(world.gateway.clone(), credentials);
            let (client, _nobody_listens) = builder.start(scope);
            client
        });
    }
    readers
}

/// The newest page: the last place, and the last that holds a message.
async fn top(client: &Client, book: &Book) -> Result<(u64, u64), LoadError> {
    const ENOUGH: u64 = 20;
    let ask = History {
        conversation: book.name.clone(),
        before_seq: None,
        after_seq: None,
        around_ts: None,
        limit: ENOUGH,
    };
    let page = page(client, ask).await?;
    let message = page.messages.last().map_or(0, |message| message.seq);
    Ok((page.last_seq, message))
}

/// Asks where each log of a direct conversation stands before the run; those of new accounts
/// are empty.
pub async fn find_bases(users: &[Handle], books: &mut [Book]) -> Result<(), LoadError> {
    for book in books {
        if book.name.starts_with("user:") {
            book.base = top(&users[book.reader].client(), book).await?.0;
        }
    }
    Ok(())
}

/// Waits until everybody has everything, but not for long; then reads all logs.
pub async fn read_back(
    world: &Arc<World>,
    users: &[Handle],
    books: &[Book],
    scope: &Shutdown,
) -> Result<(), LoadError> {
    let scope = scope.child();
    let readers = readers(world, books, &scope);
    let healed = world.now();
    let catch_up = u64::try_from(world.pace.catch_up.as_micros()).unwrap_or(u64::MAX);
    let until = healed.saturating_add(catch_up);
    world.recorder.put(Record::Healed { at: healed }).await;
    let mut tops: HashMap<&str, u64> = HashMap::new();
    for book in books {
        let (_, message) = top(&readers[&book.reader], book).await?;
        tops.insert(&book.canonical, message);
    }
    while world.now() < until && !all_there(world, users, &tops) {
        clock::sleep(LOOK_EVERY).await;
    }
    for book in books {
        read_one(world, &readers[&book.reader], book).await?;
    }
    scope.stop();
    let at = world.now();
    world.recorder.put(Record::End { at }).await;
    Ok(())
}

fn all_there(world: &World, users: &[Handle], tops: &HashMap<&str, u64>) -> bool {
    users.iter().enumerate().all(|(user, handle)| {
        let told = Arc::clone(&handle.told_rx.borrow());
        let told = told.lock().expect("no holder panics");
        let rooms = handle.rooms_rx.borrow();
        followed(world, user, &rooms).iter().all(|conversation| {
            let top = tops.get(conversation.as_str()).copied().unwrap_or(0);
            told.get(conversation).copied().unwrap_or(0) >= top
        })
    })
}

async fn read_one(world: &World, client: &Client, book: &Book) -> Result<(), LoadError> {
    let mut after = book.base;
    let mut complete = true;
    let mut entries = Vec::new();
    loop {
        let ask = History {
            conversation: book.name.clone(),
            before_seq: None,
            after_seq: Some(after),
            around_ts: None,
            limit: PAGE_MAX,
        };
        let page = page(client, ask).await?;
        complete &= page.complete;
        let marks = page.sealed.iter().map(|seq| (*seq, None, None));
        let messages = page.messages.into_iter().map(|message| {
            let from = message.from.as_str().to_owned();
            (message.seq, Some(from), Some(message.message))
        });
        let mut records: Vec<_> = messages.chain(marks).collect();
        records.sort_by_key(|(seq, ..)| *seq);
        let reached = records.last().map_or(after, |(seq, ..)| *seq);
        entries.extend(records);
        if !page.more || reached <= after {
            let head = LogHead {
                conversation: book.canonical.clone(),
                base: book.base,
                last_seq: page.last_seq,
                complete,
            };
            world.recorder.put(Record::LogHead(head)).await;
            break;
        }
        after = reached;
    }
    for (seq, from, id) in entries {
        let conversation = book.canonical.clone();
        let entry = LogEntry {
            conversation,
            seq,
            from,
            id,
            epoch: None,
        };
        world.recorder.put(Record::LogEntry(entry)).await;
    }
    Ok(())
}
