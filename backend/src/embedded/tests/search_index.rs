//! The search index is compared with the records when a store was not closed.

use std::path::Path;

use antiphon_core::contract::Record;
use antiphon_core::random;
use rusqlite::Connection;
use tempfile::TempDir;

use super::super::EmbeddedStore;
use super::super::message_archive::{Searchable, mend};
use super::super::opening::DATABASE_FILE;
use super::super::seal;
use super::{chat, fill, fresh, open, room};

const RECORDS: u64 = 300;

/// As after a kill: a store with records, without a seal.
async fn killed() -> (TempDir, Connection) {
    let (dir, store) = fresh().await;
    for place in ["hall", "den"] {
        fill(&*store.archive(), &room(place), RECORDS).await;
    }
    store.archive().trim(1_100, "", 1_000).await.unwrap();
    store.close().await;
    drop(store);
    let file = dir.path().join("data").join(DATABASE_FILE);
    std::fs::remove_file(seal::path(&file)).unwrap();
    let connection = Connection::open(file).unwrap();
    (dir, connection)
}

async fn found(store: &EmbeddedStore, place: &str, word: &str) -> Vec<u64> {
    let archive = store.archive();
    let hits = archive.search(&[room(place)], word, 1_000).await.unwrap();
    hits.iter().map(|record| record.seq).collect()
}

/// Opens it as its users do, and asks.
async fn searches_are_right(dir: &Path) {
    let store = open(dir).await;
    for place in ["hall", "den"] {
        let all: Vec<u64> = (100..=RECORDS).rev().collect();
        assert_eq!(found(&store, place, "log").await, all);
        assert_eq!(found(&store, place, "number250").await, [250]);
        assert!(found(&store, place, "lantern").await.is_empty());
    }
    store.close().await;
}

#[tokio::test]
async fn an_index_that_lost_or_won_a_word_is_made_anew() {
    let (dir, mut connection) = killed().await;
    assert_eq!(mend(&mut connection).unwrap(), Searchable::AsItWas);
    let row: i64 = connection
        .query_row("SELECT max(id) FROM messages", [], |row| row.get(0))
        .unwrap();
    let damages = [
        // A word of a row, all words of a row, a word that nobody wrote, a word at another row.
        format!(
            "INSERT INTO message_words (message_words, rowid, words) VALUES ('delete', {row}, 'log')"
        ),
        format!(
            "INSERT INTO message_words (message_words, rowid, words) VALUES ('delete', {row}, 'text number{RECORDS} of the log')"
        ),
        format!("INSERT INTO message_words (rowid, words) VALUES ({row}, 'lantern')"),
        format!(
            "INSERT INTO message_words (rowid, words) VALUES ({}, 'number250')",
            row + 1
        ),
        "INSERT INTO message_words (message_words) VALUES ('delete-all')".to_owned(),
    ];
    for damage in damages {
        connection.execute(&damage, []).unwrap();
        assert_eq!(
            mend(&mut connection).unwrap(),
            Searchable::Rebuilt,
            "{damage}"
        );
        assert_eq!(
            mend(&mut connection).unwrap(),
            Searchable::AsItWas,
            "{damage}"
        );
    }
    connection
        .execute(
            "INSERT INTO message_words (message_words) VALUES ('delete-all')",
            [],
        )
        .unwrap();
    drop(connection);
    searches_are_right(&dir.path().join("data")).await;
}

/// Else every start after a kill would make the index anew.
#[tokio::test]
async fn whatever_people_write_the_index_has_the_same_words() {
    let (dir, store) = fresh().await;
    let hall = room("hall");
    let mut drawn = |seq: u64| Record {
        body: (0..random::below(60)).map(|_| letter()).collect(),
        ..chat(&hall, seq)
    };
    let records: Vec<Record> = (1..=2_000).map(&mut drawn).collect();
    store.archive().append(records).await.unwrap();
    store.close().await;
    drop(store);
    let mut connection = Connection::open(dir.path().join("data").join(DATABASE_FILE)).unwrap();
    assert_eq!(mend(&mut connection).unwrap(), Searchable::AsItWas);
}

/// Any character, those of ASCII and of Chinese and parts of words more often.
fn letter() -> char {
    let below = |limit: u64| u32::try_from(random::below(limit)).unwrap();
    let code = match below(6) {
        0 | 1 => below(0x80),
        2 => u32::from(b'a') + below(26),
        3 => 0x4e00 + below(0x5000),
        4 => 0x80 + below(0x2000),
        _ => below(0x11_0000),
    };
    char::from_u32(code).unwrap_or(' ')
}

#[tokio::test]
async fn beside_a_damaged_record_the_index_is_left_as_it_is() {
    let (_dir, mut connection) = killed().await;
    let damage =
        "UPDATE messages SET body = 'text of nobody' WHERE id = (SELECT max(id) FROM messages)";
    connection.execute(damage, []).unwrap();
    assert_eq!(mend(&mut connection).unwrap(), Searchable::Unknown);
}
