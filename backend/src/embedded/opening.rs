//! Opening a data directory: lock, checks, tables, and the counters that each open raises.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use antiphon_core::random;
use rusqlite::{Connection, OpenFlags};
use tracing::warn;

use super::checksum::RowSum;
use super::failure::{Failure, is_damage};
use super::limits::WHOLE_CHECK_BYTES_MAX;
use super::message_archive::{self, Searchable};
use super::schema::{self, APPLICATION_ID, SCHEMA_VERSION};
use super::seal::{self, Seal};
use super::{room_store, write_ahead_log};

/// The database's file in the data directory.
pub(super) const DATABASE_FILE: &str = "antiphon.db";
pub(super) const LOCK_FILE: &str = "LOCK";

/// Why a data directory can't be opened. Each says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory can't be made or written to.
    #[error("can't use the data directory {}", dir.display())]
    Directory {
        /// Which.
        dir: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// Another process has it.
    #[error(
        "the data directory {} is in use by another process; stop that one or choose another \
         directory",
        dir.display()
    )]
    Locked {
        /// Which.
        dir: PathBuf,
    },
    /// The file is of another program, or of another version of this one.
    #[error(
        "{} was written by another version ({found}); this one reads version {expected}",
        file.display()
    )]
    Version {
        /// Which.
        file: PathBuf,
        /// What it says.
        found: String,
        /// What this program writes.
        expected: i64,
    },
    /// The file is not a store's, so it is left alone.
    #[error("{} is not an antiphon store; it is left as it is", file.display())]
    Foreign {
        /// Which.
        file: PathBuf,
    },
    /// A table or index isn't as it should be.
    #[error("{} lacks what keeps its promises: {difference}; restore a backup", file.display())]
    Schema {
        /// Which.
        file: PathBuf,
        /// The first difference.
        difference: String,
    },
    /// Stored bytes are damaged.
    #[error("{} is damaged ({report}); restore a backup", file.display())]
    Damaged {
        /// Which.
        file: PathBuf,
        /// What was found.
        report: String,
    },
    /// The database can't be used.
    #[error("can't open {}", file.display())]
    Database {
        /// Which.
        file: PathBuf,
        /// The database's answer.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A database that is open, locked and checked.
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) lock: File,
    pub(super) file: PathBuf,
    pub(super) log_id: String,
    pub(super) generation: u64,
}

/// Opens the directory; blocking.
pub(super) fn open(dir: &Path) -> Result<Opened, OpenError> {
    let lock = lock(dir)?;
    let file = dir.join(DATABASE_FILE);
    write_ahead_log::check(&file)?;
    let seal = seal::look(&file)?;
    private(&file).map_err(|source| OpenError::Directory {
        dir: dir.to_owned(),
        source,
    })?;
    let mut connection = connect(&file).map_err(|error| told(&file, error))?;
    let fresh = is_fresh(&connection).map_err(|error| told(&file, error))?;
    if fresh && seal != Seal::Absent {
        let report = "it is empty, and was not when it was closed".to_owned();
        return Err(OpenError::Damaged { file, report });
    }
    if fresh {
        write_ahead(&connection, &file)?;
        make(&mut connection).map_err(|error| told(&file, error))?;
    }
    check(&connection, &file, seal)?;
    if seal != Seal::Whole {
        mend_search(&mut connection, &file)?;
    }
    seal::remove(&file).map_err(|source| OpenError::Directory {
        dir: dir.to_owned(),
        source,
    })?;
    let (log_id, generation) = raise(&mut connection).map_err(|error| told(&file, error))?;
    Ok(Opened {
        connection,
        lock,
        file,
        log_id,
        generation,
    })
}

pub(super) fn lock(dir: &Path) -> Result<File, OpenError> {
    let unusable = |source| OpenError::Directory {
        dir: dir.to_owned(),
        source,
    };
    make_dir(dir).map_err(unusable)?;
    let lock = private(&dir.join(LOCK_FILE)).map_err(unusable)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked {
            dir: dir.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(unusable(source)),
    }
}

/// Makes the directory so that only its owner sees it: it will hold password hashes.
fn make_dir(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// Opens a file, made for its owner alone if it is not there: the directory may be one that
/// others see. What the database puts beside its file gets the same mode.
pub(super) fn private(file: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)
}

fn connect(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    schema::set_up_writer(&connection)?;
    Ok(connection)
}

pub(super) fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

/// Whether nothing was ever written to the file (by us: half a creation is rolled back).
pub(super) fn is_fresh(connection: &Connection) -> rusqlite::Result<bool> {
    let objects = "SELECT count(*) FROM sqlite_schema";
    let objects: i64 = connection.query_row(objects, [], |row| row.get(0))?;
    Ok(objects == 0 && pragma(connection, "application_id")? == 0)
}

/// Turns the write-ahead log on; the file keeps that.
fn write_ahead(connection: &Connection, file: &Path) -> Result<(), OpenError> {
    let mode = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0));
    let mode: String = mode.map_err(|error| told(file, error))?;
    if mode == "wal" {
        return Ok(());
    }
    let source = format!("the file system has no write-ahead log, only mode {mode}").into();
    Err(OpenError::Database {
        file: file.to_owned(),
        source,
    })
}

fn make(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    schema::create(&transaction)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    let insert = "INSERT INTO meta (key, value) VALUES ('log_id', ?1), ('generation', '0'), \
                  ('clean', '1'), ('sum', ?2)";
    let log_id = random::hex::<16>();
    transaction.execute(insert, (&log_id, meta_sum(&log_id, "0")))?;
    transaction.commit()
}

/// Checks that the database is one of ours and whole.
pub(super) fn check(connection: &Connection, file: &Path, seal: Seal) -> Result<(), OpenError> {
    let told = |error| told(file, error);
    let application = pragma(connection, "application_id").map_err(told)?;
    let version = pragma(connection, "user_version").map_err(told)?;
    if application != APPLICATION_ID || version != SCHEMA_VERSION {
        let found = format!("application {application:#x}, version {version}");
        let file = file.to_owned();
        return Err(OpenError::Version {
            file,
            found,
            expected: SCHEMA_VERSION,
        });
    }
    if let Some(difference) = schema::difference(connection).map_err(told)? {
        return Err(OpenError::Schema {
            file: file.to_owned(),
            difference,
        });
    }
    let mut findings = damaged_meta(connection).map_err(told)?;
    if findings.is_empty() {
        let generation = meta(connection, "generation").map_err(told)?;
        findings = match seal {
            Seal::Whole => Vec::new(),
            Seal::Broken { generation: sealed } if generation == sealed.to_string() => {
                vec![unsealed(file)]
            }
            // Another file was put there, or it was in use when its process ended.
            Seal::Broken { .. } | Seal::Absent => structure(connection).map_err(told)?,
        };
    }
    if findings.is_empty() {
        return Ok(());
    }
    Err(OpenError::Damaged {
        file: file.to_owned(),
        report: findings.join("; "),
    })
}

fn unsealed(file: &Path) -> String {
    format!(
        "some byte of it is not as it was when it was closed; if another program was meant to \
         change it, remove {} and start again",
        seal::path(file).display()
    )
}

/// The tables that are looked at whatever the size: what they lose can't be missed later.
const SMALL_TABLES: [&str; 7] = [
    "meta",
    "users",
    "tokens",
    "rooms",
    "room_members",
    "read_cursors",
    "conversations",
];

/// Looks at pages, and at indexes against their tables: at all of them up to a size. Above it,
/// the messages' pages are looked at when there was no clean close.
fn structure(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let lost = room_store::damaged_cursors(connection)?;
    if !lost.is_empty() {
        return Ok(lost);
    }
    if is_small(connection)? {
        return schema::findings(connection, "integrity_check");
    }
    let mut findings = Vec::new();
    for table in SMALL_TABLES {
        findings.extend(schema::findings(
            connection,
            &format!("integrity_check({table})"),
        )?);
    }
    if findings.is_empty() && meta(connection, "clean")? != "1" {
        findings = schema::findings(connection, "quick_check")?;
    }
    Ok(findings)
}

/// Whether it is checked whole.
fn is_small(connection: &Connection) -> rusqlite::Result<bool> {
    let pages = pragma(connection, "page_count")?;
    let bytes = pages.cast_unsigned() * pragma(connection, "page_size")?.cast_unsigned();
    Ok(bytes <= WHOLE_CHECK_BYTES_MAX)
}

/// Compares the search index with the messages, since its structure doesn't tell what it lost.
fn mend_search(connection: &mut Connection, file: &Path) -> Result<(), OpenError> {
    if !is_small(connection).map_err(|error| told(file, error))? {
        return Ok(());
    }
    let file_name = file.display();
    match message_archive::mend(connection) {
        Ok(Searchable::AsItWas) => Ok(()),
        Ok(Searchable::Rebuilt) => {
            warn!(file = %file_name, "the search index was damaged, and was made anew");
            Ok(())
        }
        Ok(Searchable::Unknown) => {
            warn!(file = %file_name, "a message is damaged, see whether a backup has it");
            Ok(())
        }
        Err(Failure::Sql(error)) => Err(told(file, error)),
        Err(failure) => Err(OpenError::Database {
            file: file.to_owned(),
            source: failure.into(),
        }),
    }
}

/// Whether the counters are what was written. A store of an earlier build has no sum yet; it
/// gets one when it is opened.
fn damaged_meta(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare("SELECT key FROM meta ORDER BY key")?;
    let keys = statement.query_map([], |row| row.get::<_, String>(0))?;
    let keys: Vec<String> = keys.collect::<rusqlite::Result<_>>()?;
    let is_whole = if keys == ["clean", "generation", "log_id", "sum"] {
        let sum = meta_sum(
            &meta(connection, "log_id")?,
            &meta(connection, "generation")?,
        );
        sum == meta(connection, "sum")?
    } else {
        keys == ["clean", "generation", "log_id"]
    };
    Ok(match is_whole {
        true => Vec::new(),
        false => vec!["a damaged row in meta".to_owned()],
    })
}

fn meta_sum(log_id: &str, generation: &str) -> String {
    let sum = RowSum::new("meta").text(log_id).text(generation).finish();
    sum.to_string()
}

pub(super) fn meta(connection: &Connection, key: &str) -> rusqlite::Result<String> {
    connection.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| {
        row.get(0)
    })
}

/// Raises the generation and marks the database as in use.
fn raise(connection: &mut Connection) -> rusqlite::Result<(String, u64)> {
    let transaction = connection.transaction()?;
    let log_id = meta(&transaction, "log_id")?;
    let unreadable = |error: std::num::ParseIntError| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, error.into())
    };
    let generation = meta(&transaction, "generation")?
        .parse::<u64>()
        .map_err(unreadable)?
        + 1;
    let put = "INSERT INTO meta (key, value) VALUES (?1, ?2) \
               ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    let sum = meta_sum(&log_id, &generation.to_string());
    transaction.execute(put, ("generation", generation.to_string()))?;
    transaction.execute(put, ("sum", sum))?;
    transaction.execute(put, ("clean", "0"))?;
    transaction.commit()?;
    Ok((log_id, generation))
}

/// Marks the database as closed in good order, or as in use.
pub(super) fn mark(connection: &Connection, is_clean: bool) -> rusqlite::Result<()> {
    let sql = "UPDATE meta SET value = ?1 WHERE key = 'clean'";
    let value = if is_clean { "1" } else { "0" };
    connection.execute(sql, [value]).map(|_| ())
}

/// The error of opening that stands for one of the database.
pub(super) fn told(file: &Path, error: rusqlite::Error) -> OpenError {
    let file = file.to_owned();
    if is_damage(&error) {
        OpenError::Damaged {
            file,
            report: error.to_string(),
        }
    } else {
        OpenError::Database {
            file,
            source: error.into(),
        }
    }
}
