//! A look at the write-ahead log before the database opens it.
//!
//! SQLite ends the log at the first page whose checksum is wrong. For a tail that was never
//! synced that is right; for a bit that flipped in the middle it would drop, without a word,
//! commits that were acknowledged. A later commit shows which of the two it is: each is
//! synced before the next is written. (A flip in the very last commit looks like a torn tail.)

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use super::opening::OpenError;

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;
/// The first word of the file, but for its last bit, which tells the byte order of sums.
const MAGIC: u32 = 0x377f_0682;
const PAGE_BYTES: std::ops::RangeInclusive<usize> = 512..=65_536;
/// Commits behind a damaged page that show that it was synced: the first may be its own.
const LATER_COMMITS: u32 = 2;

/// Refuses a write-ahead log that is damaged before its end.
pub(super) fn check(database: &Path) -> Result<(), OpenError> {
    let file = path(database);
    let unreadable = |source: io::Error| OpenError::Database {
        file: file.clone(),
        source: source.into(),
    };
    let log = match File::open(&file) {
        Ok(log) => log,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unreadable(error)),
    };
    match damage(BufReader::new(log)).map_err(unreadable)? {
        None => Ok(()),
        Some(offset) => {
            let report = format!("acknowledged commits lie behind a bad page at byte {offset}");
            Err(OpenError::Damaged { file, report })
        }
    }
}

/// Where SQLite keeps the log of a database.
pub(super) fn path(database: &Path) -> PathBuf {
    let mut name = OsString::from(database);
    name.push("-wal");
    PathBuf::from(name)
}

/// SQLite's running sum of 32-bit words.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Sum(u32, u32);

impl Sum {
    fn over(mut self, bytes: &[u8], big_endian: bool) -> Self {
        for pair in bytes.chunks_exact(8) {
            let (first, second) = (word(pair, 0), word(pair, 4));
            let swap = |word: u32| if big_endian { word } else { word.swap_bytes() };
            self.0 = self.0.wrapping_add(swap(first)).wrapping_add(self.1);
            self.1 = self.1.wrapping_add(swap(second)).wrapping_add(self.0);
        }
        self
    }

    fn at(bytes: &[u8], offset: usize) -> Self {
        Self(word(bytes, offset), word(bytes, offset + 4))
    }
}

/// A big-endian word, as everything in the file but the sums' input.
fn word(bytes: &[u8], offset: usize) -> u32 {
    let bytes = bytes[offset..]
        .first_chunk()
        .expect("callers read whole headers");
    u32::from_be_bytes(*bytes)
}

/// The offset of damage that later commits show not to be a torn tail.
fn damage(mut log: impl Read) -> io::Result<Option<u64>> {
    let mut header = [0; HEADER_BYTES];
    if !filled(&mut log, &mut header)? {
        return Ok(None);
    }
    let told = Sum::at(&header, 24);
    let found = |big_endian| Sum(0, 0).over(&header[..24], big_endian);
    let big_endian = word(&header, 0) & 1 == 1;
    let whole = told == found(big_endian) && word(&header, 0) & !1 == MAGIC;
    let page_bytes = word(&header, 8) as usize;
    if !PAGE_BYTES.contains(&page_bytes) || !page_bytes.is_power_of_two() {
        // Nothing behind it can be read; whether something was there decides.
        return Ok(filled(&mut log, &mut [0; FRAME_HEADER_BYTES])?.then_some(0));
    }
    let walk = |big_endian| Walk {
        salts: whole.then(|| Sum::at(&header, 16)),
        seeds: [told, found(big_endian)],
        // The header is synced before the first page, so one commit tells.
        broken: (!whole).then_some(Broken {
            offset: 0,
            commits: 0,
            needed: 1,
        }),
        big_endian,
    };
    // A bad header may lie about the byte order too, so both are tried then.
    let orders = if whole {
        vec![big_endian]
    } else {
        vec![false, true]
    };
    let mut walks: Vec<Walk> = orders.into_iter().map(walk).collect();
    let mut frame = vec![0; FRAME_HEADER_BYTES + page_bytes];
    let mut offset = HEADER_BYTES as u64;
    while filled(&mut log, &mut frame)? {
        for walk in &mut walks {
            walk.step(offset, &frame);
        }
        offset += frame.len() as u64;
    }
    Ok(walks.iter().find_map(Walk::damage))
}

/// The first bad page and what lies behind it.
#[derive(Clone, Copy)]
struct Broken {
    offset: u64,
    commits: u32,
    needed: u32,
}

struct Walk {
    /// The mark of this generation of the log: pages of an earlier one may lie behind its end.
    salts: Option<Sum>,
    /// The sum before this page: as told, and as computed; they differ behind a bad page.
    seeds: [Sum; 2],
    broken: Option<Broken>,
    big_endian: bool,
}

impl Walk {
    /// Where the damage begins, if later commits tell that it is no torn tail.
    fn damage(&self) -> Option<u64> {
        let telling = self.broken.filter(|broken| broken.commits >= broken.needed);
        telling.map(|broken| broken.offset)
    }

    fn step(&mut self, offset: u64, frame: &[u8]) {
        let (told, salts) = (Sum::at(frame, 16), Sum::at(frame, 8));
        let sums = self.sums(frame);
        let current = *self.salts.get_or_insert(salts) == salts;
        let chained = sums.contains(&told);
        let commit = word(frame, 4) != 0;
        match &mut self.broken {
            Some(broken) => broken.commits += u32::from(chained && current && commit),
            None if chained && current => {}
            None => {
                // The salts are in no sum: of a page that only they are wrong of, the mark of a
                // commit can be believed.
                let ends_commit = if commit {
                    chained || current
                } else {
                    self.lost_its_mark(frame)
                };
                self.broken = Some(Broken {
                    offset,
                    commits: 0,
                    needed: LATER_COMMITS - u32::from(ends_commit),
                });
            }
        }
        self.seeds = [told, sums[0]];
    }

    /// What the frame's sum may be.
    fn sums(&self, frame: &[u8]) -> [Sum; 2] {
        self.seeds.map(|seed| {
            seed.over(&frame[..8], self.big_endian)
                .over(&frame[FRAME_HEADER_BYTES..], self.big_endian)
        })
    }

    /// Whether the frame would be whole with one bit more in the word that marks a commit.
    fn lost_its_mark(&self, frame: &[u8]) -> bool {
        let mut frame = frame.to_vec();
        let told = Sum::at(&frame, 16);
        (0..32).any(|bit| {
            frame[4..8].copy_from_slice(&(1_u32 << bit).to_be_bytes());
            self.sums(&frame).contains(&told)
        })
    }
}

/// Whether the whole buffer could be read; false at the end.
fn filled(log: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match log.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
