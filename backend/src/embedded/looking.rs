//! A store that is looked at, not used: opened for reading alone, or removed.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::opening::{
    DATABASE_FILE, LOCK_FILE, OpenError, check, is_fresh, lock, meta, pragma, told,
};
use super::schema::APPLICATION_ID;
use super::{seal, write_ahead_log};

/// A database that is there and may be read.
pub(super) struct Looked {
    pub(super) file: PathBuf,
    /// Held while it is read.
    pub(super) lock: Option<File>,
    pub(super) log_id: String,
    /// Whether nothing is in the write-ahead log, so that no file beside the database is
    /// needed to read it.
    pub(super) is_settled: bool,
}

/// Looks at a directory without writing to it; `None` if it has no store. Blocking.
pub(super) fn look(dir: &Path) -> Result<Option<Looked>, OpenError> {
    let file = dir.join(DATABASE_FILE);
    if !exists(&file)? {
        return Ok(None);
    }
    let lock = hold(dir)?;
    let is_settled = !exists(&write_ahead_log::path(&file))?;
    let connection = connect(&file, is_settled).map_err(|error| told(&file, error))?;
    if !is_ours(&connection).map_err(|error| told(&file, error))? {
        return Err(OpenError::Foreign { file });
    }
    if is_fresh(&connection).map_err(|error| told(&file, error))? {
        return Ok(None);
    }
    check(&connection, &file, seal::look(&file)?)?;
    let log_id = meta(&connection, "log_id").map_err(|error| told(&file, error))?;
    Ok(Some(Looked {
        file,
        lock,
        log_id,
        is_settled,
    }))
}

/// A connection that reads. A file whose log is empty is read as one that nobody changes, so
/// that nothing is made beside it; the lock sees to that.
pub(super) fn connect(file: &Path, is_settled: bool) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if is_settled {
        Connection::open_with_flags(uri(file), flags | OpenFlags::SQLITE_OPEN_URI)
    } else {
        Connection::open_with_flags(file, flags)
    }
}

/// Removes the files of a store, and nothing else; returns which. Blocking.
pub(super) fn wipe(dir: &Path) -> Result<Vec<PathBuf>, OpenError> {
    let file = dir.join(DATABASE_FILE);
    if !exists(&file)? {
        return Ok(Vec::new());
    }
    let _lock = lock(dir)?;
    let is_settled = !exists(&write_ahead_log::path(&file))?;
    let ours = connect(&file, is_settled).and_then(|connection| is_ours(&connection));
    // What can't be read as a database is nothing that this program may remove.
    if !ours.unwrap_or(false) {
        return Err(OpenError::Foreign { file });
    }
    let beside = |suffix: &str| dir.join(format!("{DATABASE_FILE}{suffix}"));
    let mut removed = Vec::new();
    // The database last: until it is gone, a second wipe finds the rest.
    let (sealed, draft) = (seal::path(&file), seal::draft(&file));
    for file in [draft, sealed, beside("-wal"), beside("-shm"), file] {
        match fs::remove_file(&file) {
            Ok(()) => removed.push(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => {
                return Err(OpenError::Directory {
                    dir: dir.to_owned(),
                    source,
                });
            }
        }
    }
    Ok(removed)
}

fn exists(file: &Path) -> Result<bool, OpenError> {
    file.try_exists().map_err(|source| OpenError::Directory {
        dir: file.parent().unwrap_or(file).to_owned(),
        source,
    })
}

/// Takes the lock if its file is there; it is not made.
fn hold(dir: &Path) -> Result<Option<File>, OpenError> {
    let unusable = |source| OpenError::Directory {
        dir: dir.to_owned(),
        source,
    };
    let held = match File::open(dir.join(LOCK_FILE)) {
        Ok(held) => held,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(error)),
    };
    match held.try_lock() {
        Ok(()) => Ok(Some(held)),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked {
            dir: dir.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(unusable(source)),
    }
}

/// Whether the file is a store, or one whose making was interrupted.
fn is_ours(connection: &Connection) -> rusqlite::Result<bool> {
    Ok(pragma(connection, "application_id")? == APPLICATION_ID || is_fresh(connection)?)
}

fn uri(file: &Path) -> String {
    let mut uri = "file:".to_owned();
    for byte in file.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                uri.push(char::from(*byte));
            }
            _ => uri.push_str(&format!("%{byte:02x}")),
        }
    }
    uri + "?immutable=1"
}
