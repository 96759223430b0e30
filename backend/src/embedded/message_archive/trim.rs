//! Removing the oldest records: planned by a connection that reads, done by the writer.
//!
//! A plan stays right however old it is: of what it names, nothing is ever changed, the newest
//! record of a log is not in it and never will be the newest again, and what another caller has
//! removed meanwhile is passed over.

use antiphon_core::contract::Extent;
use antiphon_protocol::ConversationId;
use rusqlite::Connection;

use super::super::failure::Failure;
use super::super::limits::TRIM_LOGS_MAX;
use super::super::writer::Writing;
use super::super::{limit, words};
use super::query;
use super::record::{checked_conversation, row_id};

/// A record that is to go.
pub(super) struct Doomed {
    row_id: i64,
    /// By which it is in the search index.
    words: String,
}

/// What one call removes.
pub(super) struct Plan {
    pub(super) doomed: Vec<Doomed>,
    /// The key behind which the next call goes on.
    pub(super) next: Option<String>,
}

/// Looks for records to remove in the logs behind a key.
pub(super) fn plan(
    connection: &Connection,
    before_ms: u64,
    after: String,
    rows: usize,
) -> Result<Plan, Failure> {
    let sql = "SELECT id, key, checksum FROM conversations WHERE key > ?1 ORDER BY key LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let mut found = statement.query((&after, limit(TRIM_LOGS_MAX)))?;
    let (mut doomed, mut looked_at, mut done) = (Vec::new(), 0, after);
    while let Some(row) = found.next()? {
        let (id, key): (i64, String) = (row.get(0)?, row.get(1)?);
        let conversation = checked_conversation(id, &key, row.get(2)?)?;
        let room = rows - doomed.len();
        if !doom(connection, id, &conversation, before_ms, room, &mut doomed)? {
            let next = Some(done);
            return Ok(Plan { doomed, next });
        }
        (looked_at, done) = (looked_at + 1, key);
    }
    let next = (looked_at == TRIM_LOGS_MAX).then_some(done);
    Ok(Plan { doomed, next })
}

/// Adds the records of one log that are to go; false if there are more than have room.
fn doom(
    connection: &Connection,
    id: i64,
    conversation: &ConversationId,
    before_ms: u64,
    room: usize,
    doomed: &mut Vec<Doomed>,
) -> Result<bool, Failure> {
    let oldest = query::oldest(connection, id, conversation)?;
    let oldest = oldest.ok_or(Failure::Damaged("messages"))?;
    let Extent { first, last } = query::extent(connection, conversation)?;
    if oldest.ts_max_ms >= before_ms || first == last {
        return Ok(true);
    }
    let end = query::seq_at(connection, conversation, before_ms)?;
    let end = end.unwrap_or(last).min(last);
    let mut found = query::first_up_to(connection, id, conversation, end - 1, room + 1)?;
    let fits = found.len() <= room;
    found.truncate(room);
    doomed.extend(found.into_iter().map(|stored| Doomed {
        row_id: row_id(id, stored.record.seq),
        words: words::of_record(&stored.record),
    }));
    Ok(fits)
}

/// Removes what is still there of a plan, and tells how many that were.
pub(super) fn remove(writing: &mut Writing<'_>, mut doomed: Vec<Doomed>) -> Result<u64, Failure> {
    // The index starts a new segment whenever the row ids go back.
    doomed.sort_unstable_by_key(|doomed| doomed.row_id);
    let mut delete = writing
        .connection
        .prepare_cached("DELETE FROM messages WHERE id = ?1")?;
    // The index has no texts of its own: it must be told the words again. Were they cut
    // otherwise when the record was written, what is left finds nothing, since a search reads
    // the record.
    let forget = "INSERT INTO message_words (message_words, rowid, words) \
                  VALUES ('delete', ?1, ?2)";
    let mut forget = writing.connection.prepare_cached(forget)?;
    let mut removed = 0;
    for Doomed { row_id, words } in doomed {
        if delete.execute([row_id])? == 0 {
            continue;
        }
        removed += 1;
        if !words.is_empty() {
            forget.execute((row_id, words))?;
        }
    }
    Ok(removed)
}
