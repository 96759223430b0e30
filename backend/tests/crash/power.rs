//! Losses of power: what was not synced when it happens may be there, or not, or in parts.
//!
//! One process appends under `strace`, which tells in which order it wrote, synced and
//! acknowledged. From that and the file it leaves, the disk can be made as a loss of power at
//! any moment may have left it.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::process::Command;

use super::{Ack, Appender, CHILD_ARGS, Dice, ack, assert_all_there, crashes, own_path};

/// Appends of each writer: below what makes the store copy its log into the database.
const APPENDS: u64 = 60;
/// What a disk writes at once.
const SECTOR: usize = 512;
const DATABASE: &str = "antiphon.db";
const LOG: &str = "antiphon.db-wal";

/// What the process did, in order.
#[derive(Debug, PartialEq)]
enum Event {
    /// These bytes of the write-ahead log were written.
    Written(Range<usize>),
    /// The write-ahead log was synced.
    Synced,
    Acked(Ack),
}

/// Reads the trace of the calls; panics at one that the test does not reckon with.
fn events(trace: &str) -> Vec<Event> {
    let mut events = Vec::new();
    // Calls of which another thread's interrupted the telling, by thread.
    let mut begun: HashMap<&str, &str> = HashMap::new();
    for line in trace.lines() {
        let (thread, told) = line.split_once(' ').expect("a thread and a call");
        let told = told.trim_start();
        let is_ack = told.contains("\"acked ");
        let first = told.strip_suffix(" <unfinished ...>");
        if let Some(first) = first.filter(|_| !is_ack) {
            begun.insert(thread, first);
            continue;
        }
        let rest = told
            .strip_prefix("<... ")
            .and_then(|told| told.split_once(" resumed>"));
        let call = match rest {
            Some((_, rest)) => begun.remove(thread).map(|first| format!("{first}{rest}")),
            None => Some(told.to_owned()),
        };
        // An ack counts from when it began.
        let Some(call) = call.as_deref() else {
            continue;
        };
        if let Some((_, said)) = call.split_once("\"acked ") {
            assert!(call.starts_with("write(1<"), "{call}");
            let said = said.split("\\n").next().unwrap();
            let said = ack(&format!("acked {said}"));
            events.push(Event::Acked(said.expect("a whole line")));
        } else if call.contains("antiphon.db-wal>") {
            events.push(match call.split('(').next() {
                Some("pwrite64") => {
                    Event::Written(written(call).unwrap_or_else(|| panic!("{call}")))
                }
                Some("fsync" | "fdatasync") if call.ends_with("= 0") => Event::Synced,
                _ => panic!("{call}"),
            });
        } else if call.contains("antiphon.db>") && call.starts_with("pwrite64(") {
            let late = events.iter().any(|event| matches!(event, Event::Acked(_)));
            assert!(!late, "the database was written to: make the test shorter");
        }
    }
    events
}

/// `pwrite64(FILE, BYTES, LENGTH, PLACE) = LENGTH`.
fn written(call: &str) -> Option<Range<usize>> {
    let (call, result) = call.rsplit_once(" = ")?;
    let mut arguments = call.trim_end().strip_suffix(')')?.rsplit(", ");
    let place: usize = arguments.next()?.parse().ok()?;
    let length: usize = result.parse().ok()?;
    (arguments.next()? == result).then_some(place..place + length)
}

/// The log as a loss of power may leave it: `synced` is there, of `pending` each sector may be,
/// or be empty, or garbage; and the file may end anywhere behind what is synced.
fn torn(log: &[u8], synced: usize, pending: usize, dice: &mut Dice) -> Vec<u8> {
    let mut left = log[..pending.max(synced)].to_vec();
    let mut from = synced;
    while from < left.len() {
        let to = left.len().min((from / SECTOR + 1) * SECTOR);
        let sector = &mut left[from..to];
        match dice.below(3) {
            0 => sector.fill(0),
            1 => sector
                .iter_mut()
                .for_each(|byte| *byte = dice.below(256) as u8),
            _ => {}
        }
        from = to;
    }
    if left.len() > synced && dice.below(2) == 0 {
        let behind = (left.len() - synced) as u64;
        left.truncate(synced + dice.below(behind) as usize);
    }
    left
}

fn traced(dir: &Path) -> (String, BTreeSet<Ack>) {
    let trace = dir.join("trace");
    let mut command = Command::new("strace");
    command.args([
        "-f",
        "-y",
        "-s",
        "100",
        "-e",
        "trace=write,pwrite64,fsync,fdatasync,ftruncate",
    ]);
    command.args(["-e", "signal=none", "--seccomp-bpf", "-o"]);
    command.arg(&trace).arg(own_path()).args(CHILD_ARGS);
    let mut appender = Appender::start(command, APPENDS, &dir.join("data"));
    let lines: Vec<String> = appender.lines.by_ref().map_while(Result::ok).collect();
    appender.child.wait().unwrap();
    let acks = lines.iter().filter_map(|line| ack(line)).collect();
    (
        fs::read_to_string(trace).expect("strace wrote what it saw"),
        acks,
    )
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "what was tried")]
async fn nothing_acknowledged_is_lost_when_the_power_fails() {
    let seed = antiphon_core::random::below(u64::MAX);
    println!("seed {seed}");
    let mut dice = Dice(seed);
    let dir = tempfile::tempdir().unwrap();
    let (trace, acks) = traced(dir.path());
    assert_eq!(acks.len() as u64, APPENDS * super::WRITERS);
    let data = dir.path().join("data");
    let database = fs::read(data.join(DATABASE)).unwrap();
    let log = fs::read(data.join(LOG)).unwrap();
    let events = events(&trace);
    let syncs = events.iter().filter(|event| **event == Event::Synced);
    assert!(syncs.count() as u64 > APPENDS, "one commit after the other");
    let first = events
        .iter()
        .position(|event| matches!(event, Event::Acked(_)))
        .unwrap();
    let losses = crashes();
    let mut torn_ones = 0;
    for _ in 0..losses {
        let moment = first + dice.below((events.len() - first) as u64) as usize;
        let (mut synced, mut pending, mut known) = (0, 0, BTreeSet::new());
        for event in &events[..=moment] {
            match event {
                Event::Written(bytes) => pending = bytes.end.max(pending),
                Event::Synced => synced = pending,
                Event::Acked(ack) => {
                    known.insert(ack.clone());
                }
            }
        }
        torn_ones += usize::from(pending > synced);
        let after = tempfile::tempdir().unwrap();
        fs::write(after.path().join(DATABASE), &database).unwrap();
        fs::write(
            after.path().join(LOG),
            torn(&log, synced, pending, &mut dice),
        )
        .unwrap();
        assert_all_there(after.path(), &known).await;
    }
    println!("{losses} losses of power, {torn_ones} in the middle of a write, nothing lost");
    assert!(
        torn_ones * 5 > losses,
        "only {torn_ones} of {losses} in the middle of a write"
    );
}
