//! The tables and indexes, how a connection is set up, and the checks of a database file.
//!
//! A message's row id is its conversation's number and its sequence packed into one integer,
//! so that (conversation, sequence) is unique by nature and a page of history is one stretch
//! of the table. The view `log` unpacks it for whoever looks into the file.

use rusqlite::Connection;

use super::limits::{
    FINDINGS_MAX, READER_CACHE_KIB, READERS_WAIT, STATEMENTS_CACHED, WRITER_CACHE_KIB,
};

/// Raised when the tables change.
pub(super) const SCHEMA_VERSION: i64 = 1;
/// Marks the file as ours ("Antp").
pub(super) const APPLICATION_ID: i64 = 0x416e_7470;
/// Bits of a message's row id that hold its sequence.
pub(super) const SEQ_BITS: u32 = 36;
/// Highest sequence that a row id can hold: 68 thousand million.
pub(super) const SEQ_LIMIT: u64 = (1 << SEQ_BITS) - 1;
/// Highest number of a conversation that a row id can hold: 134 million.
pub(super) const CONVERSATION_LIMIT: i64 = (1 << (63 - SEQ_BITS)) - 1;

const SCHEMA: &str = "
CREATE TABLE meta (
    key TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE users (
    name TEXT PRIMARY KEY NOT NULL,
    skeleton TEXT NOT NULL,
    password_hash TEXT,
    created_at_ms INTEGER NOT NULL,
    checksum INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX users_by_skeleton ON users (skeleton);

CREATE TABLE tokens (
    hash BLOB PRIMARY KEY NOT NULL,
    user TEXT NOT NULL,
    family TEXT NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    rotated_at_ms INTEGER,
    checksum INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX tokens_by_family ON tokens (family);
CREATE INDEX tokens_by_user ON tokens (user, family);
CREATE INDEX tokens_by_expiry ON tokens (expires_at_ms);

CREATE TABLE rooms (
    name TEXT PRIMARY KEY NOT NULL,
    skeleton TEXT NOT NULL,
    visibility INTEGER NOT NULL,
    topic TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    members INTEGER NOT NULL,
    checksum INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX rooms_by_skeleton ON rooms (skeleton);

CREATE TABLE room_members (
    room TEXT NOT NULL REFERENCES rooms (name),
    user TEXT NOT NULL,
    standing INTEGER NOT NULL,
    since_ms INTEGER NOT NULL,
    checksum INTEGER NOT NULL,
    PRIMARY KEY (room, user)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX room_members_by_user ON room_members (user, room);

CREATE TABLE read_cursors (
    user TEXT NOT NULL,
    conversation TEXT NOT NULL,
    seq INTEGER NOT NULL,
    checksum INTEGER NOT NULL,
    PRIMARY KEY (user, conversation)
) STRICT, WITHOUT ROWID;

CREATE TABLE conversations (
    id INTEGER PRIMARY KEY NOT NULL,
    key TEXT NOT NULL,
    user_a TEXT,
    user_b TEXT,
    checksum INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX conversations_by_key ON conversations (key);
CREATE INDEX conversations_by_user_a ON conversations (user_a, key) WHERE user_a IS NOT NULL;
CREATE INDEX conversations_by_user_b ON conversations (user_b, key) WHERE user_b IS NOT NULL;

CREATE TABLE messages (
    id INTEGER PRIMARY KEY NOT NULL,
    conversation INTEGER NOT NULL,
    sender TEXT NOT NULL,
    client_id TEXT NOT NULL,
    ts_ms INTEGER NOT NULL,
    ts_max_ms INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    body_hash BLOB NOT NULL,
    format TEXT NOT NULL,
    body TEXT NOT NULL,
    checksum INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX messages_by_client_id ON messages (conversation, sender, client_id);
CREATE INDEX messages_by_time ON messages (ts_ms) WHERE kind = 0;

CREATE VIRTUAL TABLE message_words
    USING fts5 (words, content = '', columnsize = 0, detail = none, tokenize = 'ascii');

CREATE VIEW log AS
    SELECT c.key AS conversation, m.id & 0xFFFFFFFFF AS seq, m.sender, m.ts_ms, m.epoch, m.kind,
           m.client_id, m.message_id, m.format, m.body
    FROM messages m JOIN conversations c ON c.id = m.conversation;
";

/// Makes the tables and indexes in an empty database.
pub(super) fn create(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(SCHEMA)?;
    connection.pragma_update(None, "user_version", SCHEMA_VERSION)
}

/// What the database has, or lacks, against what [`create`] makes; `None` if they are equal.
/// Uniqueness is what keeps the promises, so it is looked at and not assumed.
pub(super) fn difference(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let fresh = Connection::open_in_memory()?;
    fresh.execute_batch(SCHEMA)?;
    let (wanted, found) = (objects(&fresh)?, objects(connection)?);
    let missing = wanted.iter().find(|object| !found.contains(object));
    let extra = found.iter().find(|object| !wanted.contains(object));
    let name = |(_, name, _): &Object| name.clone();
    Ok(missing
        .map(|object| format!("{} is missing or differs", name(object)))
        .or_else(|| extra.map(|object| format!("{} is not known", name(object)))))
}

/// Kind, name, definition.
type Object = (String, String, Option<String>);

fn objects(connection: &Connection) -> rusqlite::Result<Vec<Object>> {
    // The statistics tables are SQLite's own.
    let sql = "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_stat%'";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    rows.collect()
}

/// Settings of the connection that writes. A commit is synced before it returns (`FULL`);
/// copying the write-ahead log into the database is the writer's own step, since an error
/// of it must be seen.
pub(super) fn set_up_writer(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(READERS_WAIT)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    Ok(())
}

/// Settings of a connection that reads.
pub(super) fn set_up_reader(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    Ok(())
}

/// Runs one of SQLite's own checks; the findings, none if all is well.
pub(super) fn findings(connection: &Connection, check: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(&format!("PRAGMA {check}"))?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    let mut findings: Vec<String> = rows.take(FINDINGS_MAX).collect::<Result<_, _>>()?;
    findings.retain(|finding| finding != "ok");
    Ok(findings)
}
