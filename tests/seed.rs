//! `antiphon seed`, run as a process.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use antiphon_backend::embedded::EmbeddedStore;
use antiphon_core::contract::{Record, SeqRange, UserRecord};
use antiphon_protocol::{ConversationId, RoomName, UserName};
use serde_json::{Value, json};

use crate::harness::{Client, Cluster, Options};

const DATABASE: &str = "antiphon.db";
const ANCHOR: &str = "1790000000000";

fn seed(data_dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_antiphon"));
    command.arg("seed").arg("--data-dir").arg(data_dir);
    command.args(arguments).stdin(Stdio::null());
    command
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs it; its exit code and both outputs.
fn run(data_dir: &Path, arguments: &[&str]) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = seed(data_dir, arguments).output().unwrap();
    (status.code().unwrap(), said(&stdout), said(&stderr))
}

/// Runs it, and expects success and a line of JSON.
fn run_json(data_dir: &Path, arguments: &[&str]) -> Value {
    let (code, stdout, stderr) = run(data_dir, &[arguments, &["--json"]].concat());
    assert_eq!(code, 0, "{stderr}");
    serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"))
}

/// How many of a kind were made, and how many were there.
fn counts(json: &Value, kind: &str) -> (u64, u64) {
    let count = |what: &str| json[kind][what].as_u64().unwrap();
    (count("made"), count("there"))
}

fn room(number: u32) -> ConversationId {
    ConversationId::Room(RoomName::parse(&format!("room{number}")).unwrap())
}

async fn log(store: &EmbeddedStore, conversation: &ConversationId) -> Vec<Record> {
    let all = SeqRange {
        from: 1,
        to: u64::MAX,
    };
    let archive = store.archive();
    let records = archive.range(conversation, all, 1_000_000, false).await;
    records.unwrap()
}

/// Every message of rooms 1 to `rooms` and of user1's direct conversations.
async fn dump(data_dir: &Path, rooms: u32) -> Vec<Record> {
    let store = EmbeddedStore::open(data_dir).await.unwrap();
    let user = UserName::parse("user1").unwrap();
    let mut conversations: Vec<ConversationId> = (1..=rooms).map(room).collect();
    conversations.extend(store.archive().direct_conversations(&user).await.unwrap());
    let mut records = Vec::new();
    for conversation in &conversations {
        records.extend(log(&store, conversation).await);
    }
    store.close().await;
    records
}

const SMALL: &[&str] = &["--users", "12", "--rooms", "3", "--messages", "600"];

#[test]
fn a_plan_writes_nothing_and_tells_the_target() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    let (code, stdout, stderr) = run(&dir, &[SMALL, &["--dry-run"]].concat());
    assert_eq!(code, 0, "{stderr}");
    assert!(
        stderr.contains(DATABASE) && stderr.contains("not there yet"),
        "{stderr}"
    );
    assert!(
        stdout.contains("12 would be made") && stdout.contains("600 would be made"),
        "{stdout}"
    );
    assert!(stdout.contains("#room1"), "{stdout}");
    assert!(!dir.exists(), "a plan makes no folder");

    run_json(&dir, SMALL);
    let listing = || {
        let mut names: Vec<_> = fs::read_dir(&dir)
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        names.sort();
        (names, fs::read(dir.join(DATABASE)).unwrap())
    };
    let before = listing();
    let more = [
        "--users",
        "12",
        "--rooms",
        "3",
        "--messages",
        "700",
        "--dry-run",
    ];
    let plan = run_json(&dir, &more);
    assert_eq!(plan["event"], "plan");
    assert_eq!(counts(&plan, "messages"), (100, 600));
    assert!(listing() == before, "a plan changes no byte");
}

#[tokio::test]
async fn the_same_seed_and_anchor_give_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let dirs = ["a", "b", "c"].map(|name| folder.path().join(name));
    let anchored = [SMALL, &["--anchor", ANCHOR]].concat();
    run_json(&dirs[0], &anchored);
    run_json(&dirs[1], &anchored);
    run_json(&dirs[2], &[&anchored[..], &["--seed", "43"]].concat());
    let first = dump(&dirs[0], 3).await;
    assert!(first.len() > 500, "{}", first.len());
    assert_eq!(first, dump(&dirs[1], 3).await);
    assert_ne!(first, dump(&dirs[2], 3).await);
}

#[test]
fn a_second_run_adds_nothing_and_a_larger_one_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let made = run_json(folder.path(), SMALL);
    assert_eq!(made["event"], "seeded");
    assert_eq!(counts(&made, "users"), (12, 0));
    assert_eq!(counts(&made, "rooms"), (3, 0));
    assert_eq!(counts(&made, "messages"), (600, 0));
    let again = run_json(folder.path(), SMALL);
    assert_eq!(counts(&again, "users"), (0, 12));
    assert_eq!(counts(&again, "messages"), (0, 600));
    let more = ["--users", "12", "--rooms", "3", "--messages", "900"];
    assert_eq!(
        counts(&run_json(folder.path(), &more), "messages"),
        (300, 600)
    );
}

/// Killed again and again in the middle, and run again: the same bytes as in one go.
#[tokio::test]
async fn killed_in_the_middle_it_goes_on() {
    const MESSAGES: u64 = 40_000;
    let folder = tempfile::tempdir().unwrap();
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
    let many = MESSAGES.to_string();
    let set = ["--users", "30", "--rooms", "4", "--messages", &many];
    let anchored = [&set[..], &["--anchor", ANCHOR]].concat();
    run_json(&whole, &anchored);
    let mut kills = 0;
    for percent in [10, 40, 70] {
        let mut child = seed(&killed, &anchored)
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let stderr = std::io::BufReader::new(child.stderr.take().unwrap());
        let marks = std::io::BufRead::lines(stderr).map_while(Result::ok);
        let reached = |line: &String| {
            let number = line
                .trim()
                .split(' ')
                .next()
                .and_then(|n| n.parse::<u64>().ok());
            line.contains('%') && number.is_some_and(|n| n >= percent)
        };
        if marks.into_iter().any(|line| reached(&line)) {
            let _ = child.kill();
        }
        kills += u32::from(!child.wait().unwrap().success());
    }
    assert!(kills >= 2, "the runs were over before they could be killed");
    // Without the anchor: the first run's holds.
    let last = run_json(&killed, &set);
    let (made, there) = counts(&last, "messages");
    assert!(
        there > 0 && made + there == MESSAGES,
        "{made} made, {there} there"
    );
    let (whole, killed) = (dump(&whole, 4).await, dump(&killed, 4).await);
    assert_eq!(whole.len(), killed.len());
    assert!(whole == killed, "the records differ");
}

#[test]
fn an_interrupt_stops_it_in_good_order() {
    let folder = tempfile::tempdir().unwrap();
    let set = ["--users", "30", "--rooms", "4", "--messages", "200000"];
    let mut child = seed(folder.path(), &set)
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
    assert!(lines.any(|line| line.unwrap().contains("10 %")));
    let kill = format!("kill -INT {}", child.id());
    assert!(
        Command::new("sh")
            .args(["-c", &kill])
            .status()
            .unwrap()
            .success()
    );
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest:?}");
    assert!(rest.iter().any(|line| line.contains("goes on")), "{rest:?}");
    let small = ["--users", "30", "--rooms", "4", "--messages", "1000"];
    let (made, there) = counts(&run_json(folder.path(), &small), "messages");
    assert_eq!(made + there, 1_000);
}

#[tokio::test]
async fn what_is_not_a_seeds_is_refused_and_with_force_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let own = UserRecord {
        name: UserName::parse("alice").unwrap(),
        password_hash: Some("hers".to_owned()),
        created_at_ms: 5,
    };
    let store = EmbeddedStore::open(folder.path()).await.unwrap();
    store.users().create(own.clone()).await.unwrap();
    store.close().await;
    let (code, _, stderr) = run(folder.path(), SMALL);
    assert_eq!(code, 1, "{stderr}");
    assert!(
        stderr.contains("--force") && stderr.contains("holds 1 users"),
        "{stderr}"
    );
    run_json(folder.path(), &[SMALL, &["--force"]].concat());
    let store = EmbeddedStore::open(folder.path()).await.unwrap();
    assert_eq!(store.users().get(&own.name).await.unwrap(), Some(own));
    assert_eq!(store.users().count().await.unwrap(), 13);
    store.close().await;
}

#[tokio::test]
async fn a_wipe_asks_and_removes_the_store_alone() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let password = |json: &Value| json["logins"][0]["password"].as_str().unwrap().to_owned();
    let first = run_json(dir, SMALL);
    fs::write(dir.join("notes.txt"), "mine").unwrap();
    let wipe = ["--users", "5", "--rooms", "1", "--messages", "50", "--wipe"];

    for flags in [&wipe[..], &[&wipe[..], &["--no-input"]].concat()] {
        let (code, _, stderr) = run(dir, flags);
        assert_eq!(code, 2, "{stderr}");
        assert!(stderr.contains("--yes"), "{stderr}");
    }
    let plan = run_json(dir, &[&wipe[..], &["--dry-run"]].concat());
    assert_eq!(
        (counts(&plan, "users"), plan["wipe"].as_bool()),
        ((5, 0), Some(true))
    );
    assert_eq!(counts(&run_json(dir, SMALL), "messages"), (0, 600));

    let made = run_json(dir, &[&wipe[..], &["--yes"]].concat());
    assert_eq!(counts(&made, "users"), (5, 0));
    assert_eq!(counts(&made, "messages"), (50, 0));
    assert_ne!(password(&made), password(&first), "the old logins are gone");
    assert_eq!(fs::read_to_string(dir.join("notes.txt")).unwrap(), "mine");
}

#[test]
fn what_is_no_store_is_not_wiped() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(DATABASE);
    fs::write(&file, "somebody's notes, which are longer than a header of a hundred bytes; they happen to have the name of a store, and are not one").unwrap();
    let before = fs::read(&file).unwrap();
    let (code, _, stderr) = run(folder.path(), &["--wipe", "--yes"]);
    assert_eq!(code, 1, "{stderr}");
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[tokio::test]
async fn a_directory_in_use_is_left_alone_and_its_data_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    let made = run_json(&dir, SMALL);
    let password = made["logins"][0]["password"].as_str().unwrap();
    let cluster = Cluster::start_in(&dir, &Options::default());
    for flags in [&["--wipe", "--yes"][..], &["--dry-run"], &[]] {
        let (code, _, stderr) = run(&dir, flags);
        assert_eq!(code, 1, "{stderr}");
        assert!(stderr.contains("in use"), "{stderr}");
    }
    let mut client = Client::connect(cluster.server(0)).await;
    let account = json!({ "username": "user1", "password": password });
    let login = client.ok("login", account).await;
    assert!(login.to_string().contains("room1"), "{login}");
}

#[test]
fn wrong_numbers_are_told_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    for flags in [
        &["--users", "0"][..],
        &["--days", "0"],
        &["--lang", "fr"],
        &["--users", "99999999"],
        &["--wipe", "--force"],
    ] {
        let (code, _, stderr) = run(&dir, flags);
        assert_eq!(code, 2, "{flags:?}: {stderr}");
        assert!(!dir.exists());
    }
}

#[test]
fn one_language_may_be_enough() {
    let folder = tempfile::tempdir().unwrap();
    let (code, stdout, stderr) = run(folder.path(), &["--lang", "zh", "--dry-run"]);
    assert_eq!(code, 0, "{stderr}");
    let rooms: Vec<&str> = stdout.lines().filter(|line| line.contains('#')).collect();
    assert!(
        rooms.len() >= 9 && rooms.iter().all(|line| !line.is_ascii()),
        "{stdout}"
    );
}
