//! The seal: a checksum of the whole database, in a file beside it while no process has it
//! open.
//!
//! SQLite's pages carry no checksums, and a damaged page of an index only loses rows, which
//! nobody would see. So a database that was closed in good order is compared, byte by byte,
//! with what was closed before it is used again. A larger one, and one that was not closed, is
//! checked by its structure.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::limits::WHOLE_CHECK_BYTES_MAX;
use super::opening::{self, OpenError};
use super::write_ahead_log;

const FORM: &str = "antiphon-seal-1";
/// Longer than any seal.
const SEAL_BYTES_MAX: u64 = 200;
const CHUNK_BYTES: usize = 1 << 16;

/// What the seal of a database says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seal {
    /// There is none, or the database was used since.
    Absent,
    /// Every byte is as it was when it was closed.
    Whole,
    /// Something is not as it was when this generation was closed.
    Broken { generation: u64 },
}

/// The seal's file.
pub(super) fn path(database: &Path) -> PathBuf {
    let mut name = OsString::from(database);
    name.push("-seal");
    PathBuf::from(name)
}

/// What a crash while it was written may leave.
pub(super) fn draft(database: &Path) -> PathBuf {
    let mut name = path(database).into_os_string();
    name.push("-new");
    PathBuf::from(name)
}

/// Compares a database with its seal.
pub(super) fn look(database: &Path) -> Result<Seal, OpenError> {
    let file = path(database);
    let unreadable = |source: io::Error| OpenError::Database {
        file: file.clone(),
        source: source.into(),
    };
    let Some(said) = read(&file).map_err(unreadable)? else {
        return Ok(Seal::Absent);
    };
    let Some((generation, sum)) = parsed(&said) else {
        let report = "it is no seal; without it the database is checked by its structure";
        return Err(OpenError::Damaged {
            file,
            report: report.to_owned(),
        });
    };
    if bytes(&write_ahead_log::path(database)) > 0 {
        return Ok(Seal::Absent);
    }
    let is_whole = bytes(database) <= WHOLE_CHECK_BYTES_MAX
        && summed(database, generation).map_err(unreadable)? == sum;
    Ok(match is_whole {
        true => Seal::Whole,
        false => Seal::Broken { generation },
    })
}

/// Seals a database that was closed in good order and is small enough.
pub(super) fn put(database: &Path, generation: u64) -> io::Result<()> {
    let is_closed = bytes(&write_ahead_log::path(database)) == 0;
    if !is_closed || bytes(database) > WHOLE_CHECK_BYTES_MAX {
        return Ok(());
    }
    let sum = summed(database, generation)?;
    // It is there whole or not at all: half a seal would be refused.
    let (seal, draft) = (path(database), draft(database));
    let mut file = opening::private(&draft)?;
    file.set_len(0)?;
    file.write_all(format!("{FORM} {generation} {sum}\n").as_bytes())?;
    file.sync_all()?;
    fs::rename(draft, seal)
}

/// Breaks the seal, since the database will be written to.
pub(super) fn remove(database: &Path) -> io::Result<()> {
    match fs::remove_file(path(database)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn bytes(file: &Path) -> u64 {
    fs::metadata(file).map_or(0, |file| file.len())
}

fn read(file: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(file) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut said = Vec::new();
    file.take(SEAL_BYTES_MAX).read_to_end(&mut said)?;
    Ok(Some(said))
}

fn parsed(said: &[u8]) -> Option<(u64, String)> {
    let line = std::str::from_utf8(said).ok()?.strip_suffix('\n')?;
    let mut words = line.split(' ');
    let (form, generation) = (words.next()?, words.next()?.parse().ok()?);
    let sum = words.next()?.to_owned();
    (form == FORM && words.next().is_none()).then_some((generation, sum))
}

fn summed(database: &Path, generation: u64) -> io::Result<String> {
    let mut file = match File::open(database) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        Err(error) => return Err(error),
    };
    let mut sum = Sha256::new().chain_update(generation.to_le_bytes());
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match file.read(&mut chunk)? {
            0 => break,
            read => sum.update(&chunk[..read]),
        }
    }
    let hex = |byte: u8| format!("{byte:02x}");
    Ok(sum.finalize().iter().copied().map(hex).collect())
}
