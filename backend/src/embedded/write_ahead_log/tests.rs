//! The log's format as SQLite documents it (<https://www.sqlite.org/fileformat2.html#walformat>),
//! small enough to try everything; what SQLite itself writes is tried in `embedded/tests`.

use antiphon_core::random;

use super::*;

const PAGE: usize = 512;
const FRAME: usize = FRAME_HEADER_BYTES + PAGE;
const SECTOR: usize = 512;
/// Pages of a database; as a power of two it marks a commit by a single bit.
const DATABASE_PAGES: u32 = 32;
/// Frames of each commit.
const COMMITS: [usize; 4] = [2, 1, 3, 3];

/// A log of one generation with these commits.
fn log(salts: [u32; 2], big_endian: bool, commits: &[usize]) -> Vec<u8> {
    let head = [
        MAGIC | u32::from(big_endian),
        3_007_000,
        PAGE as u32,
        1,
        salts[0],
        salts[1],
    ];
    let mut log: Vec<u8> = head.iter().flat_map(|word| word.to_be_bytes()).collect();
    let mut sum = Sum(0, 0).over(&log, big_endian);
    let put = |log: &mut Vec<u8>, sum: Sum| {
        log.extend(sum.0.to_be_bytes());
        log.extend(sum.1.to_be_bytes());
    };
    put(&mut log, sum);
    for frames in commits {
        for frame in 1..=*frames {
            let commit = if frame == *frames { DATABASE_PAGES } else { 0 };
            let head = [frame as u32, commit].map(u32::to_be_bytes).concat();
            let page: Vec<u8> = (0..PAGE).map(|_| random::below(256) as u8).collect();
            sum = sum.over(&head, big_endian).over(&page, big_endian);
            log.extend(&head);
            log.extend(salts.map(u32::to_be_bytes).concat());
            put(&mut log, sum);
            log.extend(page);
        }
    }
    log
}

fn found(log: &[u8]) -> Option<u64> {
    damage(log).expect("a slice can be read")
}

#[test]
fn every_flipped_bit_before_the_last_commit_is_found() {
    for big_endian in [false, true] {
        let log = log([7, 0xdead_beef], big_endian, &COMMITS);
        assert_eq!(found(&log), None);
        for place in 0..log.len() - COMMITS[3] * FRAME {
            for bit in 0..8 {
                let mut flipped = log.clone();
                flipped[place] ^= 1 << bit;
                assert!(found(&flipped).is_some(), "byte {place}, bit {bit}");
            }
        }
    }
}

/// A loss of power keeps some sectors of what was not synced, in any order, and leaves others
/// as they were: empty, or with frames of the generation before.
#[test]
fn a_torn_last_commit_is_no_damage() {
    for last in 1..=5 {
        let log = log([8, 0x1234_5678], false, &[2, 1, 3, last]);
        let synced = log.len() - last * FRAME;
        let older = self::log([7, 0xdead_beef], false, &[3, 4, 2, 5]);
        let garbage: Vec<u8> = (0..log.len()).map(|_| random::below(256) as u8).collect();
        for before in [vec![0; log.len()], older, garbage] {
            torn(&log, synced, &before);
        }
    }
}

/// Tries every choice of sectors behind `synced` that are as they were `before`.
fn torn(log: &[u8], synced: usize, before: &[u8]) {
    let sectors: Vec<usize> = (synced / SECTOR..log.len().div_ceil(SECTOR)).collect();
    for kept in 0..1_u32 << sectors.len() {
        let mut torn = log.to_vec();
        for (at, sector) in sectors.iter().enumerate() {
            if kept & (1 << at) == 0 {
                let from = (sector * SECTOR).max(synced);
                let to = ((sector + 1) * SECTOR).min(log.len());
                torn[from..to].copy_from_slice(&before[from..to]);
            }
        }
        assert_eq!(found(&torn), None, "sectors kept: {kept:b}");
    }
}

#[test]
fn frames_of_an_earlier_generation_behind_the_end_are_no_damage() {
    let older = log([7, 0xdead_beef], false, &[3, 4, 2, 5]);
    for commits in 0..COMMITS.len() {
        let mut newer = log([8, 0x1234_5678], false, &COMMITS[..commits]);
        newer.extend(&older[newer.len()..]);
        assert_eq!(found(&newer), None, "{commits} commits");
    }
}
