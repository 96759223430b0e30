//! The search index against the records. It keeps no text, so the database has nothing to
//! compare it with; the words of each record are cut again instead.

use std::hash::{DefaultHasher, Hasher};

use rusqlite::Connection;

use super::super::failure::Failure;
use super::super::words;
use super::query::each_log;

/// What became of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Searchable {
    /// It has the words of all records and no others.
    AsItWas,
    /// It had not, and was made anew.
    Rebuilt,
    /// A record is damaged, so nobody knows its words. Whoever reads that record is told.
    Unknown,
}

/// A set of words, each with the row that has it, as its size and the sum of its hashes: the
/// order does not matter, and who lost or won a word has another sum.
#[derive(Debug, Default, PartialEq, Eq)]
struct WordSet {
    size: u64,
    sum: u128,
}

impl WordSet {
    fn add(&mut self, word: &[u8], row_id: i64) {
        let mut hasher = DefaultHasher::new();
        hasher.write_i64(row_id);
        hasher.write(word);
        self.size += 1;
        self.sum = self.sum.wrapping_add(u128::from(hasher.finish()));
    }
}

/// Compares the index with the records, and makes it anew if they differ.
pub(in super::super) fn mend(connection: &mut Connection) -> Result<Searchable, Failure> {
    let wanted = match of_records(connection) {
        Ok(wanted) => wanted,
        Err(Failure::Damaged(_)) => return Ok(Searchable::Unknown),
        Err(failure) => return Err(failure),
    };
    if of_index(connection)? == wanted {
        return Ok(Searchable::AsItWas);
    }
    rebuild(connection)?;
    Ok(Searchable::Rebuilt)
}

/// Every record's row id and words, in the order of row ids.
fn each_record(
    connection: &Connection,
    mut take: impl FnMut(i64, &str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    each_log(connection, |log| {
        log.each(|row_id, record| take(row_id, &words::of_record(record)))
    })
}

fn of_records(connection: &Connection) -> Result<WordSet, Failure> {
    let mut set = WordSet::default();
    each_record(connection, |row_id, words| {
        let words = words.split(' ').filter(|word| !word.is_empty());
        words.for_each(|word| set.add(word.as_bytes(), row_id));
        Ok(())
    })?;
    Ok(set)
}

fn of_index(connection: &Connection) -> Result<WordSet, Failure> {
    connection.execute_batch(
        "CREATE VIRTUAL TABLE temp.indexed_words USING fts5vocab (main, message_words, instance)",
    )?;
    let mut set = WordSet::default();
    let mut statement = connection.prepare("SELECT term, doc FROM temp.indexed_words")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        set.add(
            row.get_ref(0)?.as_bytes().map_err(rusqlite::Error::from)?,
            row.get(1)?,
        );
    }
    drop(rows);
    drop(statement);
    connection.execute_batch("DROP TABLE temp.indexed_words")?;
    Ok(set)
}

fn rebuild(connection: &mut Connection) -> Result<(), Failure> {
    let transaction = connection.transaction()?;
    let empty = "INSERT INTO message_words (message_words) VALUES ('delete-all')";
    transaction.execute(empty, [])?;
    let insert = "INSERT INTO message_words (rowid, words) VALUES (?1, ?2)";
    let mut insert = transaction.prepare(insert)?;
    // The index wants them in the order of row ids.
    each_record(&transaction, |row_id, words| {
        if !words.is_empty() {
            insert.execute((row_id, words))?;
        }
        Ok(())
    })?;
    drop(insert);
    Ok(transaction.commit()?)
}
