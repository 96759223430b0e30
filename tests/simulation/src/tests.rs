mod mutants;
mod seeds;

use std::io::Write;
use std::process::Command;

use antiphon_core::{clock, random};

use crate::keep;
use crate::named::NAMED;
use crate::plan::{Mode, Plan};
use crate::run::{Played, play};

fn lines(played: &Played) -> String {
    let mut lines = Vec::new();
    keep::write(&played.history, &mut lines).unwrap();
    String::from_utf8(lines).unwrap()
}

fn assert_same(seed: u64, first: &str, second: &str) {
    let differs = first.lines().zip(second.lines()).find(|(a, b)| a != b);
    assert_eq!(differs, None, "seed {seed}");
    assert_eq!(first.len(), second.len(), "seed {seed}");
}

/// The same seed plays the same, to the last byte of the history.
#[test]
fn a_seed_decides_everything() {
    for seed in 1..=5 {
        let again = || lines(&play(Plan::new(seed, Mode::Safety)));
        assert_same(seed, &again(), &again());
    }
}

const HISTORY_OF: &str = "ANTIPHON_SIMULATION_TEST_HISTORY";

/// Another process has other addresses and other hash seeds, and plays the same.
#[test]
fn a_seed_decides_everything_in_another_process_too() {
    const SEED: u64 = 6;
    let own = || lines(&play(Plan::new(SEED, Mode::Safety)));
    if let Some(path) = std::env::var_os(HISTORY_OF) {
        std::fs::write(path, own()).unwrap();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history");
    let name = "tests::a_seed_decides_everything_in_another_process_too";
    let ended = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env(HISTORY_OF, &path)
        .output()
        .unwrap();
    assert!(ended.status.success(), "{ended:?}");
    assert_same(SEED, &own(), &std::fs::read_to_string(path).unwrap());
}

/// What broke, of many; each with the command that plays it again.
fn failures(seeds: impl Iterator<Item = u64>, mode: Mode) -> Vec<String> {
    let played = seeds.map(|seed| play(Plan::new(seed, mode)));
    let failed = played.filter(|played| !played.passed());
    failed.map(|played| played.told()).collect()
}

fn assert_none(failures: &[String]) {
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn what_was_found_stays_mended() {
    for named in NAMED {
        let played = play(Plan::new(named.seed, named.mode));
        assert!(
            played.passed(),
            "{}; it once found: {}",
            played.told(),
            named.found
        );
    }
}

/// Seeds that nobody has played.
fn fresh(mode: Mode) {
    const SEEDS: u64 = 25;
    let from = 1_000_000 + clock::unix_ms() % 1_000_000_000 + random::below(1_000_000_000);
    let mut out = std::io::stderr();
    writeln!(out, "{} seeds from {from}", mode.word()).unwrap();
    assert_none(&failures(from..from + SEEDS, mode));
}

#[test]
fn fresh_seeds_keep_the_promises() {
    fresh(Mode::Safety);
}

#[test]
fn more_fresh_seeds_keep_the_promises() {
    fresh(Mode::Safety);
}
