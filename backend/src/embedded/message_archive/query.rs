//! Reading the log.

use antiphon_core::contract::{Extent, Record, SeqRange};
use antiphon_protocol::{ConversationId, UserName};
use rusqlite::{Connection, Params};

use super::super::failure::Failure;
use super::super::limits::FINDINGS_MAX;
use super::super::{bound, limit, schema};
use super::record::{
    COLUMNS, Stored, checked_conversation, conversation_id, conversation_of, decode, row_id, seq_of,
};

/// The last record of a log.
pub(super) fn newest(
    connection: &Connection,
    id: i64,
    conversation: &ConversationId,
) -> Result<Option<Stored>, Failure> {
    let condition = "id BETWEEN ?1 AND ?2 ORDER BY id DESC LIMIT 1";
    let values = (row_id(id, 0), row_id(id, u64::MAX));
    Ok(select(connection, conversation, condition, values)?.pop())
}

/// The first record of a log that is still there.
pub(super) fn oldest(
    connection: &Connection,
    id: i64,
    conversation: &ConversationId,
) -> Result<Option<Stored>, Failure> {
    let condition = "id BETWEEN ?1 AND ?2 ORDER BY id LIMIT 1";
    let values = (row_id(id, 0), row_id(id, u64::MAX));
    Ok(select(connection, conversation, condition, values)?.pop())
}

/// The first records of a log, up to a sequence.
pub(super) fn first_up_to(
    connection: &Connection,
    id: i64,
    conversation: &ConversationId,
    to: u64,
    rows: usize,
) -> Result<Vec<Stored>, Failure> {
    let condition = "id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3";
    let values = (row_id(id, 0), row_id(id, to), limit(rows));
    select(connection, conversation, condition, values)
}

/// The bounds of a log.
pub(super) fn extent(
    connection: &Connection,
    conversation: &ConversationId,
) -> Result<Extent, Failure> {
    let Some(id) = conversation_id(connection, conversation)? else {
        return Ok(Extent::default());
    };
    let oldest = oldest(connection, id, conversation)?;
    let newest = newest(connection, id, conversation)?;
    let seq = |row: Option<Stored>| row.map_or(0, |row| row.record.seq);
    Ok(Extent {
        first: seq(oldest),
        last: seq(newest),
    })
}

/// The records in a window, ascending. A log has no holes, so one is damage.
pub(super) fn range(
    connection: &Connection,
    conversation: &ConversationId,
    window: SeqRange,
    rows: usize,
    newest_first: bool,
) -> Result<Vec<Record>, Failure> {
    let Some(id) = conversation_id(connection, conversation)? else {
        return Ok(Vec::new());
    };
    if window.from > window.to {
        return Ok(Vec::new());
    }
    let condition = match newest_first {
        true => "id BETWEEN ?1 AND ?2 ORDER BY id DESC LIMIT ?3",
        false => "id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3",
    };
    let values = (row_id(id, window.from), row_id(id, window.to), limit(rows));
    let mut found = select(connection, conversation, condition, values)?;
    if newest_first {
        found.reverse();
    }
    let dense = found
        .windows(2)
        .all(|pair| pair[0].record.seq + 1 == pair[1].record.seq);
    if !dense || !reaches_end(connection, conversation, window, rows, &found)? {
        return Err(Failure::Damaged("messages"));
    }
    Ok(found.into_iter().map(|row| row.record).collect())
}

/// Whether a page that is shorter than asked ends where the log or the window does.
fn reaches_end(
    connection: &Connection,
    conversation: &ConversationId,
    window: SeqRange,
    rows: usize,
    found: &[Stored],
) -> Result<bool, Failure> {
    if found.len() >= rows {
        return Ok(true);
    }
    let Extent { first, last } = extent(connection, conversation)?;
    // What lies before the first record was removed, so that nothing of it is missing.
    let (from, to) = (window.from.max(first), window.to.min(last));
    let last_found = found.last().map_or(0, |row| row.record.seq);
    Ok(from > to || last_found == to)
}

/// The first sequence whose time is at least `ts_ms`, by halving.
pub(super) fn seq_at(
    connection: &Connection,
    conversation: &ConversationId,
    ts_ms: u64,
) -> Result<Option<u64>, Failure> {
    let Some(id) = conversation_id(connection, conversation)? else {
        return Ok(None);
    };
    let Extent { first, last } = extent(connection, conversation)?;
    let (mut low, mut high) = (first, last + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        if at(connection, id, conversation, middle)?.ts_max_ms < ts_ms {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if low > last {
        return Ok(None);
    }
    // The first record at which the latest time so far reaches the bound is of that time.
    let found = at(connection, id, conversation, low)?;
    if found.record.ts_ms < ts_ms && low > first {
        return Err(Failure::Damaged("messages"));
    }
    Ok(Some(low))
}

fn at(
    connection: &Connection,
    id: i64,
    conversation: &ConversationId,
    seq: u64,
) -> Result<Stored, Failure> {
    let found = select(connection, conversation, "id = ?1", [row_id(id, seq)])?.pop();
    found.ok_or(Failure::Damaged("messages"))
}

/// Chat records of others behind a sequence, up to `max`.
pub(super) fn unread(
    connection: &Connection,
    conversation: &ConversationId,
    viewer: &UserName,
    after_seq: u64,
    max: u64,
) -> Result<u64, Failure> {
    let Some(id) = conversation_id(connection, conversation)? else {
        return Ok(0);
    };
    let sql = "SELECT count(*) FROM (SELECT 1 FROM messages WHERE id > ?1 AND id <= ?2 \
               AND kind = 0 AND sender <> ?3 LIMIT ?4)";
    let values = (
        row_id(id, after_seq),
        row_id(id, u64::MAX),
        viewer.as_str(),
        bound(max),
    );
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement
        .query_row(values, |row| row.get::<_, i64>(0))?
        .cast_unsigned())
}

/// The direct conversations of a user, by key.
pub(super) fn direct_conversations(
    connection: &Connection,
    user: &UserName,
) -> Result<Vec<ConversationId>, Failure> {
    let sql = "SELECT id, key, checksum FROM conversations WHERE user_a = ?1 \
               UNION SELECT id, key, checksum FROM conversations WHERE user_b = ?1 ORDER BY key";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([user.as_str()])?;
    let mut conversations = Vec::new();
    while let Some(row) = rows.next()? {
        let key: String = row.get(1)?;
        conversations.push(checked_conversation(row.get(0)?, &key, row.get(2)?)?);
    }
    Ok(conversations)
}

/// Chat records with every word of a query of the index, newest first.
pub(super) fn search(
    connection: &Connection,
    conversations: &[ConversationId],
    words: &str,
    rows: usize,
) -> Result<Vec<Record>, Failure> {
    // A conversation's rows are one stretch of row ids, so each is asked for its newest.
    let sql = "SELECT m.ts_max_ms, m.id FROM message_words w JOIN messages m ON m.id = w.rowid \
               WHERE w.message_words MATCH ?1 AND w.rowid BETWEEN ?2 AND ?3 \
               ORDER BY w.rowid DESC LIMIT ?4";
    let mut statement = connection.prepare_cached(sql)?;
    let mut hits: Vec<(i64, i64, usize)> = Vec::new();
    for (place, conversation) in conversations.iter().enumerate() {
        let Some(id) = conversation_id(connection, conversation)? else {
            continue;
        };
        let values = (words, row_id(id, 0), row_id(id, u64::MAX), limit(rows));
        let found = statement.query_map(values, |row| Ok((row.get(0)?, row.get(1)?, place)))?;
        for hit in found {
            hits.push(hit?);
        }
    }
    hits.sort_unstable_by(|a, b| b.cmp(a));
    hits.dedup_by_key(|(_, row_id, _)| *row_id);
    hits.truncate(rows);
    let record = |(_, id, place): (i64, i64, usize)| {
        let found = at(
            connection,
            conversation_of(id),
            &conversations[place],
            seq_of(id),
        )?;
        Ok(found.record)
    };
    hits.into_iter().map(record).collect()
}

/// Chat records of all conversations since a time, newest first.
pub(super) fn since(
    connection: &Connection,
    ts_ms: u64,
    rows: usize,
) -> Result<Vec<Record>, Failure> {
    let sql = format!(
        "SELECT {COLUMNS}, c.id, c.key, c.checksum FROM messages m \
         LEFT JOIN conversations c ON c.id = m.conversation \
         WHERE m.kind = 0 AND m.ts_ms >= ?1 ORDER BY m.ts_ms DESC, m.id DESC LIMIT ?2"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut found = statement.query((bound(ts_ms), limit(rows)))?;
    let mut records = Vec::new();
    while let Some(row) = found.next()? {
        let key: String = row.get(13)?;
        let conversation = checked_conversation(row.get(12)?, &key, row.get(14)?)?;
        records.push(decode(row, &conversation)?.record);
    }
    Ok(records)
}

/// How many records there are.
pub(super) fn count(connection: &Connection) -> Result<u64, Failure> {
    let mut statement = connection.prepare_cached("SELECT count(*) FROM messages")?;
    Ok(statement
        .query_row([], |row| row.get::<_, i64>(0))?
        .cast_unsigned())
}

fn select(
    connection: &Connection,
    conversation: &ConversationId,
    condition: &str,
    values: impl Params,
) -> Result<Vec<Stored>, Failure> {
    let sql = format!("SELECT {COLUMNS} FROM messages m WHERE {condition}");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(values)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(decode(row, conversation)?);
    }
    Ok(found)
}

/// Checks pages, indexes, and every record; the findings.
pub(in super::super) fn verify(connection: &Connection) -> Result<Vec<String>, Failure> {
    let mut findings = schema::findings(connection, "integrity_check")?;
    each_log(connection, |log| {
        if findings.len() < FINDINGS_MAX
            && let Err(failure) = log.each(|_, _| Ok(()))
        {
            findings.push(format!("{}: {failure}", log.key));
        }
        Ok(())
    })?;
    Ok(findings)
}

/// A log that is read from its first record to its last.
pub(super) struct Log<'c> {
    connection: &'c Connection,
    id: i64,
    key: String,
    sum: i64,
}

/// Takes up every log, in the order of row ids.
pub(super) fn each_log(
    connection: &Connection,
    mut take: impl FnMut(&Log<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let sql = "SELECT id, key, checksum FROM conversations ORDER BY id";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        take(&Log {
            connection,
            id: row.get(0)?,
            key: row.get(1)?,
            sum: row.get(2)?,
        })?;
    }
    Ok(())
}

impl Log<'_> {
    /// Every record with its row id, checked; the sequences without holes.
    pub(super) fn each(
        &self,
        mut take: impl FnMut(i64, &Record) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let conversation = checked_conversation(self.id, &self.key, self.sum)?;
        let sql =
            format!("SELECT {COLUMNS} FROM messages m WHERE id BETWEEN ?1 AND ?2 ORDER BY id");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query((row_id(self.id, 0), row_id(self.id, u64::MAX)))?;
        let mut before: Option<u64> = None;
        while let Some(row) = rows.next()? {
            let record = decode(row, &conversation)?.record;
            if before.is_some_and(|before| before + 1 != record.seq) {
                return Err(Failure::Damaged("messages"));
            }
            before = Some(record.seq);
            take(row_id(self.id, record.seq), &record)?;
        }
        before.map(|_| ()).ok_or(Failure::Damaged("messages"))
    }
}
