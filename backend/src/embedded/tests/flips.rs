//! Single bits that flip in a store's files: told, or harmless; nothing else is ever served.
//!
//! `ANTIPHON_TEST_FLIPS` is how many bits of the database are flipped, each in a byte of its
//! own; `all` takes every byte.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use antiphon_core::contract::{
    AppendOutcome, BackendErrorKind, BackendResult, MemberRecord, Record, RoomRecord, Standing,
    TokenRecord, UserRecord,
};
use antiphon_core::random;
use antiphon_protocol::client::Visibility;
use antiphon_protocol::{ConversationId, RoomName};
use futures_util::{StreamExt, stream};

use super::super::opening::DATABASE_FILE;
use super::super::{EmbeddedStore, OpenError, seal};
use super::{chat, everything, fill, fresh, name, room};

/// Bits that are flipped where nobody asks for more.
const FLIPS: usize = 2_000;
const RECORDS: u64 = 24;
/// Stores that are tried at the same time.
const AT_ONCE: usize = 4;

fn conversations() -> [ConversationId; 3] {
    let direct = ConversationId::direct(name("ann"), name("bob"));
    [room("hall"), room("den"), direct]
}

fn user(number: u64) -> UserRecord {
    UserRecord {
        name: name(&format!("user{number:02}")),
        password_hash: Some(format!("hash of {number}")),
        created_at_ms: 3,
    }
}

fn token(number: u8) -> TokenRecord {
    TokenRecord {
        hash: [number; 32],
        user: name("ann"),
        family: format!("family{number}"),
        expires_at_ms: 9_000 + u64::from(number),
        rotated_at_ms: number.is_multiple_of(2).then_some(77),
    }
}

fn room_name(raw: &str) -> RoomName {
    RoomName::parse(raw).expect("a name")
}

/// The files of a closed store.
struct Sample {
    database: Vec<u8>,
    seal: Vec<u8>,
}

/// A closed store that has something in every table, and what it says.
async fn sample() -> (Sample, View) {
    let (dir, store) = fresh().await;
    for conversation in conversations() {
        fill(&*store.archive(), &conversation, RECORDS).await;
    }
    store
        .users()
        .create_many((0..12).map(user).collect())
        .await
        .unwrap();
    for number in 0..4 {
        store.users().put_token(token(number), 1).await.unwrap();
    }
    for (number, place) in ["hall", "den"].into_iter().enumerate() {
        let record = RoomRecord {
            name: room_name(place),
            visibility: Visibility::Public,
            topic: format!("the topic of {place}"),
            created_at_ms: 5,
        };
        let members = ["ann", "bob", "carl"].map(|user| MemberRecord {
            room: room_name(place),
            user: name(user),
            standing: Standing::Member,
            since_ms: 6,
        });
        let rooms = store.rooms();
        rooms.create(record, members.into(), 1).await.unwrap();
        let read = 3 + number as u64;
        rooms
            .set_read(&name("ann"), &room(place), read)
            .await
            .unwrap();
    }
    let view = View::of(&store).await.unwrap();
    store.close().await;
    let data = dir.path().join("data");
    let sample = Sample {
        database: fs::read(data.join(DATABASE_FILE)).unwrap(),
        seal: fs::read(seal_of(&data)).unwrap(),
    };
    (sample, view)
}

/// All that a store says, by question.
#[derive(Debug, PartialEq)]
struct View(BTreeMap<String, String>);

impl View {
    async fn of(store: &EmbeddedStore) -> BackendResult<Self> {
        let mut view = Self(BTreeMap::new());
        view.log(store).await?;
        view.records(store).await?;
        view.accounts(store).await?;
        Ok(view)
    }

    fn put(&mut self, question: String, answer: impl std::fmt::Debug) {
        self.0.insert(question, format!("{answer:?}"));
    }

    async fn log(&mut self, store: &EmbeddedStore) -> BackendResult<()> {
        let archive = store.archive();
        self.put("log id".to_owned(), archive.log_id());
        self.put("count".to_owned(), archive.count().await?);
        self.put("since".to_owned(), archive.since(0, 1_000).await?);
        let direct = archive.direct_conversations(&name("ann")).await?;
        self.put("direct".to_owned(), direct);
        for place in conversations() {
            let up = archive.range(&place, everything(), 1_000, false).await?;
            self.put(format!("range {place:?}"), up);
            let down = archive.range(&place, everything(), 5, true).await?;
            self.put(format!("newest {place:?}"), down);
            self.put(format!("tail {place:?}"), archive.tail(&place).await?);
            self.put(format!("extent {place:?}"), archive.extent(&place).await?);
            let unread = archive.unread(&place, &name("bob"), 2, 1_000).await?;
            self.put(format!("unread {place:?}"), unread);
            let at = archive.seq_at(&place, 1_011).await?;
            self.put(format!("seq at {place:?}"), at);
        }
        Ok(())
    }

    async fn records(&mut self, store: &EmbeddedStore) -> BackendResult<()> {
        let archive = store.archive();
        for place in conversations() {
            for seq in 1..=RECORDS {
                let Record {
                    sender, client_id, ..
                } = chat(&place, seq);
                let found = archive.find(&place, &sender, &client_id).await?;
                self.put(format!("find {place:?} {seq}"), found);
            }
            for seq in [1, 7, RECORDS] {
                let word = format!("number{seq}");
                let found = archive
                    .search(std::slice::from_ref(&place), &word, 5)
                    .await?;
                self.put(format!("search {place:?} {seq}"), found);
            }
        }
        Ok(())
    }

    async fn accounts(&mut self, store: &EmbeddedStore) -> BackendResult<()> {
        let (users, rooms, ann) = (store.users(), store.rooms(), name("ann"));
        for number in 0..12 {
            let found = users.get(&user(number).name).await?;
            self.put(format!("user {number}"), found);
        }
        for number in 0..4 {
            let found = users.token(&token(number).hash).await?;
            self.put(format!("token {number}"), found);
        }
        for place in ["hall", "den"].map(room_name) {
            self.put(format!("room {place:?}"), rooms.get(&place).await?);
            self.put(format!("members {place:?}"), rooms.members(&place).await?);
            for user in ["ann", "bob", "carl", "dora"].map(name) {
                let standing = rooms.standing(&place, &user).await?;
                self.put(format!("standing {place:?} {user:?}"), standing);
            }
        }
        self.put("users".to_owned(), users.count().await?);
        self.put("rooms".to_owned(), rooms.count().await?);
        self.put("rooms of".to_owned(), rooms.rooms_of(&ann).await?);
        self.put("list".to_owned(), rooms.list(&ann, "", "", 10).await?);
        self.put("cursors".to_owned(), rooms.read_cursors(&ann).await?);
        Ok(())
    }
}

/// What became of a flipped bit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    RefusedAtOpen,
    ToldWhenRead,
    ToldWhenWritten,
    Harmless,
    /// The question that was answered wrongly.
    Wrong(String),
}

/// Opens the files of `dir`, asks everything, sends the last record again and one more.
async fn end(dir: &Path, truth: &View, generation: u64) -> End {
    let store = match EmbeddedStore::open(dir).await {
        Ok(store) => store,
        Err(error) => {
            let told = error.to_string();
            let named = told.contains(&*dir.to_string_lossy());
            assert!(named, "the message names the file: {told}");
            assert!(!matches!(error, OpenError::Locked { .. }), "{error:?}");
            return End::RefusedAtOpen;
        }
    };
    if store.generation() <= generation {
        return End::Wrong(format!("generation {}", store.generation()));
    }
    let end = match View::of(&store).await {
        Ok(view) if view == *truth => written(&store).await,
        Ok(view) => {
            let differs = |(question, answer): (&String, &String)| {
                (view.0[question] != *answer).then(|| question.clone())
            };
            End::Wrong(truth.0.iter().find_map(differs).expect("they differ"))
        }
        Err(error) if error.kind == BackendErrorKind::Corrupt => End::ToldWhenRead,
        Err(error) => End::Wrong(format!("{error:?}")),
    };
    store.close().await;
    end
}

/// A retry takes effect once, and the next place is free.
async fn written(store: &EmbeddedStore) -> End {
    for place in conversations() {
        for seq in [RECORDS, RECORDS + 1] {
            let record = chat(&place, seq);
            let expected = match seq {
                RECORDS => AppendOutcome::DuplicateClientId(Box::new(record.clone())),
                _ => AppendOutcome::Stored,
            };
            match store.archive().append(vec![record]).await {
                Ok(outcome) if outcome == [expected] => {}
                Ok(outcome) => return End::Wrong(format!("append {place:?}: {outcome:?}")),
                Err(_) => return End::ToldWhenWritten,
            }
        }
    }
    End::Harmless
}

/// The bytes to flip.
pub(super) fn places(length: usize) -> Vec<usize> {
    let asked = std::env::var_os("ANTIPHON_TEST_FLIPS");
    let asked = asked.map(|asked| asked.into_string().expect("a number, or `all`"));
    let flips = match asked.as_deref() {
        None => FLIPS,
        Some("all") => return (0..length).collect(),
        Some(number) => number.parse().expect("a number, or `all`"),
    };
    let mut places: Vec<usize> = (0..length).collect();
    for place in 0..flips.min(length) {
        let other = place as u64 + random::below((length - place) as u64);
        places.swap(place, other as usize);
    }
    places.truncate(flips);
    places
}

/// Flips bits of `sample`, one at a time; what became of how many.
async fn flipped(sample: &[u8], prepared: impl Fn(&Path, Vec<u8>), truth: &View) -> Ends {
    let places = places(sample.len());
    let prepared = &prepared;
    let ends = stream::iter(places).map(|place| async move {
        let bit = random::below(8);
        let dir = tempfile::tempdir().unwrap();
        let mut bytes = sample.to_vec();
        bytes[place] ^= 1 << bit;
        prepared(dir.path(), bytes);
        (end(dir.path(), truth, 1).await, format!("{place}.{bit}"))
    });
    let mut counts = Ends::new();
    for (end, place) in ends.buffer_unordered(AT_ONCE).collect::<Vec<_>>().await {
        counts.entry(end).or_default().push(place);
    }
    counts
}

/// The places of the flips, each a byte and a bit.
type Ends = BTreeMap<End, Vec<String>>;

#[expect(clippy::print_stdout, reason = "what was tried")]
fn tell(what: &str, ends: &Ends) {
    let tried: usize = ends.values().map(Vec::len).sum();
    println!("{tried} bits flipped in {what}");
    for (end, places) in ends {
        println!("  {end:?}: {}", places.len());
    }
    let is_wrong = |end: &End| matches!(end, End::Wrong(_));
    let wrong: Vec<_> = ends.iter().filter(|(end, _)| is_wrong(end)).collect();
    assert!(wrong.is_empty(), "byte and bit: {wrong:#?}");
}

fn seal_of(dir: &Path) -> PathBuf {
    seal::path(&dir.join(DATABASE_FILE))
}

#[tokio::test]
async fn every_flipped_bit_of_a_store_that_was_closed_is_refused() {
    let (sample, truth) = sample().await;
    let prepared = |dir: &Path, bytes: Vec<u8>| {
        fs::write(dir.join(DATABASE_FILE), bytes).unwrap();
        fs::write(seal_of(dir), &sample.seal).unwrap();
    };
    let ends = flipped(&sample.database, prepared, &truth).await;
    tell("the database of a closed store", &ends);
    assert!(
        ends.keys().eq([&End::RefusedAtOpen]),
        "{:?}",
        ends.keys().collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn a_flipped_bit_of_the_seal_itself_is_refused_or_harmless() {
    let (sample, truth) = sample().await;
    let prepared = |dir: &Path, seal: Vec<u8>| {
        fs::write(dir.join(DATABASE_FILE), &sample.database).unwrap();
        fs::write(seal_of(dir), seal).unwrap();
    };
    let ends = flipped(&sample.seal, prepared, &truth).await;
    tell("a seal", &ends);
    assert!(ends[&End::RefusedAtOpen].len() > 50);
}

/// As after a kill, but with nothing in the write-ahead log.
#[tokio::test]
async fn a_flipped_bit_of_a_store_without_a_seal_is_told_or_harmless() {
    let (sample, truth) = sample().await;
    let prepared = |dir: &Path, bytes: Vec<u8>| {
        fs::write(dir.join(DATABASE_FILE), bytes).unwrap();
    };
    let ends = flipped(&sample.database, prepared, &truth).await;
    tell("the database of a store without a seal", &ends);
    assert!(ends[&End::RefusedAtOpen].len() > 50);
    assert!(ends[&End::ToldWhenRead].len() > 50);
}

/// What the flips found: a read cursor under another user's name is in order as its table goes,
/// and no index has it, so that it was gone without a word.
#[tokio::test]
async fn a_read_cursor_that_its_key_no_longer_finds_is_told() {
    let (sample, truth) = sample().await;
    let row = b"annroom:hall";
    let mut places =
        (0..sample.database.len()).filter(|at| sample.database[*at..].starts_with(row));
    let place = places.next().expect("the row of the cursor");
    assert_eq!(places.next(), None, "no other row begins so");
    for bit in 0..8 {
        let dir = tempfile::tempdir().unwrap();
        let mut bytes = sample.database.clone();
        bytes[place] ^= 1 << bit;
        fs::write(dir.path().join(DATABASE_FILE), bytes).unwrap();
        let end = end(dir.path(), &truth, 1).await;
        assert_eq!(end, End::RefusedAtOpen, "bit {bit}");
    }
}

#[tokio::test]
async fn a_database_that_is_gone_or_another_is_told_from_one_that_is_damaged() {
    let (sample, truth) = sample().await;
    let dir = tempfile::tempdir().unwrap();
    let (database, seal) = (dir.path().join(DATABASE_FILE), seal_of(dir.path()));
    // Gone, or empty: nothing begins anew in its place.
    fs::write(&seal, &sample.seal).unwrap();
    for _ in 0..2 {
        let refused = EmbeddedStore::open(dir.path()).await.unwrap_err();
        assert!(matches!(refused, OpenError::Damaged { .. }), "{refused:?}");
    }
    // A backup of an earlier day: checked by its structure, and used.
    fs::write(&database, &sample.database).unwrap();
    let later = String::from_utf8(sample.seal.clone()).unwrap();
    fs::write(&seal, later.replacen(" 1 ", " 8 ", 1)).unwrap();
    assert_eq!(end(dir.path(), &truth, 1).await, End::Harmless);
    assert!(seal.exists(), "it was closed in good order");
}
