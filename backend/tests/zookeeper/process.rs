//! Servers that are processes of their own: killed, restarted at once, stopped and resumed.

use std::io::{Read, Write};
use std::process::Stdio;
use std::time::Duration;

use antiphon_core::clock;
use antiphon_core::contract::{Coordinator, Leadership};
use antiphon_test_services::ZooKeeper;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::harness::{Candidate, PATIENCE, SESSION, connect, led_by, seen};

/// The child: registers as `one`, stands, and prints what it is told.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "the child process of the other tests; reads its address from stdin"]
async fn member() {
    let mut url = String::new();
    std::io::stdin().read_to_string(&mut url).unwrap();
    let coordinator = connect(&url).await;
    let mut one = Candidate::join(&coordinator, "one").await;
    tell(&format!("registered {}", one.id().incarnation));
    loop {
        let now = one.told.borrow_and_update().clone();
        match now {
            Leadership::Follower => tell("follower"),
            Leadership::Leader { epoch } => tell(&format!("leader {epoch}")),
            Leadership::Lost => return tell("lost"),
        }
        one.told.changed().await.unwrap();
    }
}

fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    // The parent may be gone.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

struct Member {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    registered: u64,
}

impl Member {
    async fn start(url: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--ignored", "--exact", "process::member", "--nocapture"]);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped.kill_on_drop(true).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(url.as_bytes()).await.unwrap();
        drop(stdin);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut member = Self {
            child,
            lines,
            registered: 0,
        };
        member.registered = member.told("registered").await;
        member
    }

    /// The number behind the next line of this kind.
    async fn told(&mut self, kind: &str) -> u64 {
        let reading = async {
            loop {
                let line = self.lines.next_line().await.unwrap();
                let line = line.unwrap_or_else(|| panic!("the child ended before {kind:?}"));
                // The harness prints before a test's first line.
                if let Some((_, rest)) = line.split_once(kind) {
                    return rest.trim().parse().unwrap_or_default();
                }
            }
        };
        clock::timeout(PATIENCE, reading).await.unwrap()
    }

    async fn signal(&self, name: &str) {
        let id = self.child.id().unwrap().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().await;
        assert!(sent.unwrap().success());
    }
}

/// Pitfall 66: the old node is still there; it is replaced, not run into.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_leader_that_restarts_at_once_leads_at_once() {
    let server = ZooKeeper::start().await;
    let url = server.url("a");
    let mut last = (0, 0);
    for _ in 0..3 {
        let begun = clock::now();
        let mut member = Member::start(&url).await;
        let epoch = member.told("leader").await;
        if last.0 > 0 {
            assert!(begun.elapsed() < SESSION, "{:?}", begun.elapsed());
        }
        assert!(member.registered > last.0 && epoch > last.1);
        last = (member.registered, epoch);
        member.child.kill().await.unwrap();
    }
}

/// Stopped beyond its session, a leader believes that it leads when it wakes up; it learns
/// better, and its successor's epoch is higher.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_sleeps_beyond_its_session_is_lost() {
    let server = ZooKeeper::start().await;
    let url = server.url("a");
    let mut sleeper = Member::start(&url).await;
    let epoch = sleeper.told("leader").await;
    let coordinator = connect(&url).await;
    let mut two = Candidate::join(&coordinator, "two").await;
    sleeper.signal("STOP").await;
    let next = two.elected().await;
    assert!(next > epoch);
    sleeper.signal("CONT").await;
    let begun = clock::now();
    sleeper.told("lost").await;
    assert!(begun.elapsed() < Duration::from_secs(5));
    let status = clock::timeout(PATIENCE, sleeper.child.wait()).await;
    assert!(status.unwrap().unwrap().success());
    seen(&coordinator, "the successor leads alone", |view| {
        led_by(view, &two.id(), next) && view.members.len() == 1
    })
    .await;
}

/// A short sleep is only latency.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_sleeps_shortly_goes_on() {
    let server = ZooKeeper::start().await;
    let url = server.url("a");
    let mut sleeper = Member::start(&url).await;
    let epoch = sleeper.told("leader").await;
    let coordinator = connect(&url).await;
    let two = Candidate::join(&coordinator, "two").await;
    for _ in 0..3 {
        sleeper.signal("STOP").await;
        clock::sleep(SESSION / 3).await;
        sleeper.signal("CONT").await;
        clock::sleep(SESSION / 3).await;
    }
    assert_eq!(two.now(), Leadership::Follower);
    let view = coordinator.view().borrow().clone();
    let leader = view.leader.unwrap();
    assert_eq!(
        (leader.id.incarnation, leader.epoch),
        (sleeper.registered, epoch)
    );
}
