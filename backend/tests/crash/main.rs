//! Processes that are killed, or lose their power, or whose disk fails, while they append:
//! what they acknowledged is there afterwards.
//!
//! `ANTIPHON_TEST_CRASHES` is how many kills, and how many losses of power, are tried.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod power;

use std::collections::{BTreeSet, HashSet};
use std::io::{self, BufRead, BufReader, Lines, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use antiphon_backend::embedded::EmbeddedStore;
use antiphon_core::contract::{AppendOutcome, MessageArchive, Record, RecordKind, SeqRange};
use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{self, TaskKind};
use antiphon_protocol::{ClientId, ConversationId, MessageId, RoomName, UserName};

const ROOMS: u64 = 4;
const WRITERS: u64 = 8;
/// Kills, and losses of power, where nobody asks for more.
const CRASHES: usize = 60;
/// After so many kills a new directory is taken: reading all of a long log takes time.
const KILLS_PER_DIR: usize = 20;
/// Most acknowledgements before a kill.
const ACKS_BEFORE_KILL: u64 = 400;
/// Longest wait behind the last of them, in microseconds: about two commits.
const KILL_WAIT_US: u64 = 4_000;
/// A child whose disk never fails ends here.
const APPENDS_MAX: u64 = 200_000;

fn crashes() -> usize {
    let given = std::env::var_os("ANTIPHON_TEST_CRASHES");
    let number = |given: std::ffi::OsString| given.to_str()?.parse().ok();
    given.map_or(CRASHES, |given| number(given).expect("a number"))
}

/// Numbers that a seed gives (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % bound
    }
}

fn room(number: u64) -> ConversationId {
    ConversationId::Room(RoomName::parse(&format!("room{number}")).unwrap())
}

fn record(conversation: ConversationId, seq: u64, client_id: &str) -> Record {
    Record {
        conversation,
        seq,
        epoch: 1,
        kind: RecordKind::Chat,
        sender: UserName::parse("ann").unwrap(),
        client_id: ClientId::parse(client_id).unwrap(),
        message_id: MessageId(format!("m-{client_id}")),
        body_hash: [1; 16],
        ts_ms: 1,
        format: "text".to_owned(),
        body: format!("the text of {client_id}, some words long so that pages fill up"),
    }
}

/// The child: appends for ever and prints `acked ROOM SEQ CLIENT_ID` after each
/// acknowledgement. When a call fails, it prints that and what the next calls say, and ends.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "the child process of the other tests; reads its data directory from stdin"]
async fn appender() {
    let mut asked = String::new();
    io::stdin().read_to_string(&mut asked).unwrap();
    let (appends, dir) = asked.split_once(' ').unwrap();
    let appends: u64 = appends.parse().unwrap();
    let store = EmbeddedStore::open(Path::new(&dir)).await.unwrap();
    let (archive, generation) = (store.archive(), store.generation());
    let scope = Shutdown::new();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let archive = Arc::clone(&archive);
            task::spawn(
                &scope,
                TaskKind::Client,
                append(archive, generation, writer, appends),
            )
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    if appends < APPENDS_MAX {
        // As it is: not closed.
        std::process::abort();
    }
    for _ in 0..3 {
        let after = archive.append(vec![record(room(0), 1, "after")]).await;
        tell(&format!("after {:?}", after.map_err(|error| error.kind)));
        let read = archive.count().await;
        tell(&format!("after {:?}", read.map_err(|error| error.kind)));
    }
}

async fn append(archive: Arc<dyn MessageArchive>, generation: u64, writer: u64, appends: u64) {
    let number = writer % ROOMS;
    let mut seq = archive
        .tail(&room(number))
        .await
        .unwrap()
        .map_or(1, |tail| tail.seq + 1);
    for count in 0..appends {
        let client_id = format!("{generation}-{writer}-{count}");
        loop {
            match archive
                .append(vec![record(room(number), seq, &client_id)])
                .await
                .as_deref()
            {
                Ok([AppendOutcome::Stored]) => break,
                Ok([AppendOutcome::SequenceTaken(tail)]) => seq = tail.seq + 1,
                Ok(other) => panic!("{other:?}"),
                Err(error) => return tell(&format!("failed {:?}", error.kind)),
            }
        }
        tell(&format!("acked {number} {seq} {client_id}"));
        seq += 1;
    }
}

fn tell(line: &str) {
    let mut out = io::stdout().lock();
    // The parent may be gone.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

struct Appender {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Appender {
    fn start(mut command: Command, appends: u64, dir: &Path) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the child starts");
        let mut stdin = child.stdin.take().unwrap();
        write!(stdin, "{appends} {}", dir.display()).unwrap();
        drop(stdin);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }
}

fn own_path() -> PathBuf {
    std::env::current_exe().unwrap()
}

const CHILD_ARGS: [&str; 4] = ["--ignored", "--exact", "appender", "--nocapture"];

type Ack = (u64, u64, String);

fn ack(line: &str) -> Option<Ack> {
    let mut words = line.strip_prefix("acked ")?.split(' ');
    let mut number = || words.next()?.parse().ok();
    Some((number()?, number()?, words.next()?.to_owned()))
}

/// Everything acknowledged is at its place, as it was sent; every log is dense, and nothing is
/// there twice.
async fn assert_all_there(dir: &Path, acks: &BTreeSet<Ack>) {
    let store = EmbeddedStore::open(dir).await.unwrap();
    let archive = store.archive();
    for number in 0..ROOMS {
        let window = SeqRange {
            from: 1,
            to: u64::MAX,
        };
        let found = archive
            .range(&room(number), window, usize::MAX, false)
            .await
            .unwrap();
        let mut ids = HashSet::new();
        for (found, seq) in found.iter().zip(1..) {
            let id = found.client_id.as_str();
            assert_eq!(
                *found,
                record(room(number), seq, id),
                "a hole, or another text"
            );
            assert!(ids.insert(id), "{id} is in room {number} twice");
        }
        for (_, seq, client_id) in acks.iter().filter(|(room, ..)| *room == number) {
            let record = found
                .get(*seq as usize - 1)
                .expect("an acknowledged record is lost");
            assert_eq!(
                record.client_id.as_str(),
                client_id,
                "another record took its place"
            );
        }
    }
    assert_eq!(store.verify().await.unwrap(), Vec::<String>::new());
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "what was tried")]
async fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let seed = antiphon_core::random::below(u64::MAX);
    println!("seed {seed}");
    let mut dice = Dice(seed);
    let (mut dir, mut acks) = (tempfile::tempdir().unwrap(), BTreeSet::new());
    let (kills, mut all) = (crashes(), 0);
    for kill in 0..kills {
        if kill % KILLS_PER_DIR == 0 {
            all += acks.len();
            (dir, acks) = (tempfile::tempdir().unwrap(), BTreeSet::new());
        }
        let mut command = Command::new(own_path());
        command.args(CHILD_ARGS);
        let mut appender = Appender::start(command, APPENDS_MAX, dir.path());
        let enough = acks.len() + dice.below(ACKS_BEFORE_KILL) as usize;
        while acks.len() < enough {
            let line = appender.lines.next();
            let line = line.expect("the child appends until it is killed").unwrap();
            acks.extend(ack(&line));
        }
        // Somewhere in the next commits.
        std::thread::sleep(Duration::from_micros(dice.below(KILL_WAIT_US)));
        // SIGKILL on Unix.
        appender.child.kill().unwrap();
        appender.child.wait().unwrap();
        // What it still said before it died counts, but for a line that is cut.
        let mut rest: Vec<String> = appender.lines.map_while(Result::ok).collect();
        rest.pop();
        acks.extend(rest.iter().filter_map(|line| ack(line)));
        assert_all_there(dir.path(), &acks).await;
    }
    all += acks.len();
    println!("{kills} kills, {all} acknowledged, none lost");
    assert!(all > kills * 50, "only {all} acknowledgements");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fails_stops_the_store_and_loses_nothing_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    // A limit on the size of files makes writes to the log fail in the middle of commits.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 4000; exec \"$0\" \"$@\""]);
    command.arg(own_path()).args(CHILD_ARGS);
    let mut appender = Appender::start(command, APPENDS_MAX, dir.path());
    let lines: Vec<String> = appender.lines.by_ref().map_while(Result::ok).collect();
    appender.child.wait().unwrap();
    let failures: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("failed "))
        .collect();
    assert_eq!(
        failures.len() as u64,
        WRITERS,
        "every writer is told: {failures:?}"
    );
    assert!(
        failures
            .iter()
            .all(|kind| ["Timeout", "Unavailable"].contains(kind)),
        "{failures:?}"
    );
    assert!(
        failures.contains(&"Timeout"),
        "the outcome of a failed commit is unknown"
    );
    let after: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("after "))
        .collect();
    assert_eq!(
        after, ["Err(Unavailable)"; 6],
        "the store doesn't go on by itself"
    );
    let acks: BTreeSet<Ack> = lines.iter().filter_map(|line| ack(line)).collect();
    assert!(acks.len() > 100, "{}", acks.len());
    assert_all_there(dir.path(), &acks).await;
}
