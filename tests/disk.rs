//! A disk that is full, fails to sync, or takes no more, under `antiphon up` at work: nothing is
//! acknowledged that is not there afterwards, clients are told to try again, and readiness
//! says so. libfiu makes the calls fail (`tests/services/install` brings it).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use antiphon_core::clock;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::cluster::up;
use crate::harness::raw::http_get;
use crate::harness::{Client, Cluster, DEADLINE, FAST, Options, wait_until};

const SENDERS: usize = 4;
const ROOM: &str = "garden";
/// Acknowledgments, or refusals, that are enough to go on.
const ENOUGH: usize = 100;
/// Before another try, where the refusal names no pause.
const PAUSE_MS: u64 = 20;
const ENOSPC: u32 = 28;
const EIO: u32 = 5;
const WRITES: &[&str] = &["posix/io/rw/pwrite"];
const SYNCS: &[&str] = &["posix/io/sync/fdatasync", "posix/io/sync/fsync"];

/// What the senders were told.
#[derive(Debug, Default)]
struct Told {
    acks: Mutex<BTreeMap<String, u64>>,
    refusals: AtomicUsize,
    /// Refusals in a row, by sender; 0 after an acknowledgment.
    refused: [AtomicUsize; SENDERS],
    stop: AtomicBool,
}

impl Told {
    fn acks(&self) -> usize {
        self.acks.lock().unwrap().len()
    }
}

/// Sends one message after the other, each until it is acknowledged, until told to stop or the
/// connection ends.
async fn send(mut client: Client, sender: usize, told: Arc<Told>) {
    for number in 0.. {
        let text = format!("s{sender}-{number}");
        let data = json!({"roomName": ROOM, "message": text, "clientId": text});
        loop {
            if told.stop.load(Ordering::Relaxed) {
                return;
            }
            let Ok(id) = client.try_send("chat", &data).await else {
                return;
            };
            let Ok(frame) = client.try_reply(id).await else {
                return;
            };
            if frame.action == "ack" {
                let seq = frame.data["seq"].as_u64().unwrap();
                told.acks.lock().unwrap().insert(text, seq);
                told.refused[sender].store(0, Ordering::Relaxed);
                break;
            }
            assert_eq!(frame.action, "error", "{}", frame.data);
            assert_eq!(frame.data["retryable"], true, "{}", frame.data);
            let code = frame.data["ext"].as_str().unwrap_or_default();
            let is_known = ["store_unavailable", "unknown_outcome"].contains(&code);
            assert!(is_known, "{}", frame.data);
            told.refusals.fetch_add(1, Ordering::Relaxed);
            told.refused[sender].fetch_add(1, Ordering::Relaxed);
            // As it was asked to.
            let pause = frame.data["retryAfterMs"].as_u64().unwrap_or(PAUSE_MS);
            clock::sleep(Duration::from_millis(pause)).await;
        }
    }
}

/// A cluster under load.
struct Scene {
    folder: tempfile::TempDir,
    cluster: Cluster,
    told: Arc<Told>,
    senders: JoinSet<()>,
}

fn options() -> Options {
    Options::set(FAST).and(&[("admin.addr", "127.0.0.1:0")])
}

impl Scene {
    /// Starts `antiphon up` behind the words that `before` gives for a folder.
    async fn start(before: impl Fn(&Path) -> Vec<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        let plain = up(&data_dir, &options());
        let words = before(folder.path());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg(plain.get_program());
        command.args(plain.get_args());
        command.stdin(std::process::Stdio::null());
        let cluster = Cluster::start_as(&data_dir, &mut command);
        let told = Arc::new(Told::default());
        let mut clients = Vec::new();
        for sender in 0..SENDERS {
            let mut client = Client::join(cluster.server(sender), &format!("sender{sender}")).await;
            if sender == 0 {
                client.ok("createRoom", json!({"roomName": ROOM})).await;
            }
            client.ok("joinRoom", json!({"roomName": ROOM})).await;
            clients.push(client);
        }
        let mut senders = JoinSet::new();
        for (sender, client) in clients.into_iter().enumerate() {
            senders.spawn(send(client, sender, Arc::clone(&told)));
        }
        Self {
            folder,
            cluster,
            told,
            senders,
        }
    }

    async fn faulty() -> Self {
        let words = |folder: &Path| {
            let control = control(folder).display().to_string();
            ["fiu-run", "-x", "-f", &control].map(str::to_owned).into()
        };
        Self::start(words).await
    }

    /// One command to libfiu in the process.
    fn fiu(&self, order: &str, points: &[&str], more: &str) {
        for point in points {
            let mut command = Command::new("fiu-ctrl");
            command.arg("-f").arg(control(self.folder.path()));
            command.args(["-c", &format!("{order} name={point}{more}")]);
            let output = command.arg(self.cluster.pid().to_string()).output();
            let output = output.expect("tests/services/install brings libfiu");
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success() && said.is_empty(), "{said}");
        }
    }

    async fn acked_more(&self, more: usize) {
        let enough = self.told.acks() + more;
        wait_until("acknowledgments", DEADLINE, async || {
            let acks = self.told.acks();
            (acks >= enough).then_some(()).ok_or(format!("{acks} acks"))
        })
        .await;
    }

    /// Waits until each sender was refused `times` more without an acknowledgment between.
    async fn refused_more(&self, times: usize) {
        let counts = || {
            let refused = self.told.refused.iter();
            refused.map(|of| of.load(Ordering::Relaxed)).collect()
        };
        let before: Vec<usize> = counts();
        wait_until("refusals", DEADLINE, async || {
            let now: Vec<usize> = counts();
            let is_enough = before
                .iter()
                .zip(&now)
                .all(|(old, new)| *new >= old + times);
            is_enough.then_some(()).ok_or(format!("{now:?}"))
        })
        .await;
    }

    async fn ready(&self, status: u16) -> String {
        wait_until("readiness", DEADLINE, async || {
            let answer = http_get(self.cluster.admin(), "GET", "/readyz").await;
            let is_so = answer.status == status;
            is_so.then(|| answer.body.clone()).ok_or(answer.body)
        })
        .await
    }

    /// Ends the process as a power cut would, starts it on a good disk, and compares.
    async fn assert_nothing_lost(mut self) {
        self.told.stop.store(true, Ordering::Relaxed);
        self.cluster.kill9();
        while let Some(ended) = self.senders.join_next().await {
            ended.expect("a sender saw nothing wrong");
        }
        let acks = self.told.acks.lock().unwrap().clone();
        let data_dir = self.folder.path().join("data");
        self.cluster = Cluster::start_in(&data_dir, &options());
        let mut reader = Client::join(self.cluster.server(0), "sender0").await;
        let (messages, sealed) = reader.history(&format!("room:{ROOM}")).await;
        let mut stored = BTreeMap::new();
        for message in &messages {
            let (text, seq) = place(message);
            assert_eq!(stored.insert(text.clone(), seq), None, "{text} is twice");
        }
        for (text, seq) in &acks {
            assert_eq!(stored.get(text), Some(seq), "{text} was acknowledged");
        }
        let mut log: Vec<u64> = stored.into_values().chain(sealed).collect();
        log.sort_unstable();
        assert!(log.iter().copied().eq(1..=log.len() as u64), "dense from 1");
        // It works again.
        reader.say(ROOM, "still here", "after").await;
        self.ready(200).await;
    }
}

fn control(folder: &Path) -> PathBuf {
    folder.join("fiu")
}

fn place(message: &Value) -> (String, u64) {
    let text = message["message"].as_str().unwrap().to_owned();
    (text, message["seq"].as_u64().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_and_goes_on_when_there_is_space() {
    let scene = Scene::faulty().await;
    let mut reader = Client::join(scene.cluster.server(1), "reader").await;
    reader.ok("joinRoom", json!({"roomName": ROOM})).await;
    scene.acked_more(ENOUGH).await;
    scene.ready(200).await;
    scene.fiu("enable", WRITES, &format!(",failinfo={ENOSPC}"));
    scene.refused_more(2).await;
    let acks = scene.told.acks();
    let said = scene.ready(503).await;
    assert!(said.contains("full"), "{said}");
    scene.refused_more(3).await;
    assert_eq!(scene.told.acks(), acks, "nothing could be stored");
    // Reads go on.
    let (messages, _) = reader.history(&format!("room:{ROOM}")).await;
    assert!(messages.len() >= acks, "{} of {acks}", messages.len());
    drop(reader);

    scene.fiu("disable", WRITES, "");
    scene.acked_more(ENOUGH).await;
    scene.ready(200).await;
    scene.assert_nothing_lost().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_sync_stops_the_store_until_it_is_opened_again() {
    let scene = Scene::faulty().await;
    scene.acked_more(ENOUGH).await;
    scene.fiu("enable", SYNCS, &format!(",failinfo={EIO}"));
    scene.refused_more(2).await;
    let acks = scene.told.acks();
    scene.ready(503).await;
    // A later sync that succeeds proves nothing of the one that failed.
    scene.fiu("disable", SYNCS, "");
    scene.refused_more(3).await;
    scene.ready(503).await;
    assert_eq!(scene.told.acks(), acks, "it doesn't go on by itself");
    scene.assert_nothing_lost().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_that_fail_in_the_middle_stop_the_store_and_lose_nothing() {
    // The system refuses what goes beyond 10 MB of a file: part of a write may be there.
    let limited = "trap '' XFSZ; ulimit -f 20000; exec \"$0\" \"$@\"";
    let words = |_: &Path| ["sh", "-c", limited].map(str::to_owned).into();
    let scene = Scene::start(words).await;
    scene.acked_more(ENOUGH).await;
    wait_until("the end of the file", DEADLINE, async || {
        let refusals = scene.told.refusals.load(Ordering::Relaxed);
        (refusals > 0).then_some(()).ok_or(refusals.to_string())
    })
    .await;
    scene.refused_more(3).await;
    scene.ready(503).await;
    scene.assert_nothing_lost().await;
}
