//! `send` and `tail` as two ends of a pipe: nothing lost, nothing doubled, in order.

use std::io::Write;
use std::time::Duration;

use antiphon_core::clock;
use serde_json::Value;

use super::Shell;
use super::shell::Running;
use crate::harness::{Cluster, DEADLINE, FAST, Options};

/// Messages of the long run.
const MESSAGES: usize = 100_000;
/// Messages of the runs with faults.
const MESSAGES_UNDER_FAULTS: usize = 6_000;
/// For everything to arrive; a run takes a fraction of it.
const ARRIVAL: Duration = Duration::from_secs(300);

/// Writes numbers, one a line, as fast as they are read.
fn feed(send: &mut Running, count: usize) -> std::thread::JoinHandle<()> {
    let mut stdin = send.stdin.take().unwrap();
    std::thread::spawn(move || {
        let mut lines = String::new();
        for number in 0..count {
            lines.push_str(&format!("message {number}\n"));
        }
        stdin.write_all(lines.as_bytes()).unwrap();
    })
}

fn parsed(lines: &[String]) -> Vec<Value> {
    lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Both ends have seen the same messages, each once, in order.
fn check(send: &Running, tail: &Running, count: usize) {
    let received = parsed(&tail.out());
    assert_eq!(received.len(), count);
    for (number, message) in received.iter().enumerate() {
        assert_eq!(message["message"], format!("message {number}"));
    }
    let seqs: Vec<u64> = received.iter().filter_map(|m| m["seq"].as_u64()).collect();
    assert!(seqs.is_sorted_by(|a, b| a < b), "sequences rise");
    let receipts = parsed(&send.out());
    let acked: Vec<u64> = receipts.iter().filter_map(|m| m["seq"].as_u64()).collect();
    assert_eq!(acked, seqs, "each receipt is of its line");
}

/// Writer and reader, who are two users, each in a home of their own.
async fn ends(cluster: &Cluster) -> (Shell, Shell, Running, Running) {
    let shell = Shell::of(cluster, "alice").await;
    shell.ok(&["create", "garden"]);
    let reader = Shell::of(cluster, "bob").await;
    reader.ok(&["join", "garden"]);
    let tail = reader.start(&["tail", "room:garden", "--json"]);
    tail.says("following", DEADLINE).await;
    let send = shell.start(&["send", "room:garden", "-", "--json"]);
    (shell, reader, send, tail)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_moves_every_message_once_and_in_order() {
    let cluster = Cluster::start(&Options::set(FAST));
    let (_writer, reader, mut send, tail) = ends(&cluster).await;
    let began = clock::now();
    let feeding = feed(&mut send, MESSAGES);
    assert_eq!(send.exit(ARRIVAL).await.code(), Some(0), "{}", send.err());
    feeding.join().unwrap();
    tail.prints(MESSAGES, ARRIVAL).await;
    let rate = MESSAGES as f64 / began.elapsed().as_secs_f64();
    let report = format!("{MESSAGES} messages through send and tail: {rate:.0}/s\n");
    std::io::stderr().write_all(report.as_bytes()).unwrap();
    check(&send, &tail, MESSAGES);

    // From the beginning, at a later time, it is the same.
    let count = MESSAGES.to_string();
    let args = [
        "tail",
        "room:garden",
        "--since",
        "0",
        "--limit",
        &count,
        "--json",
    ];
    let mut again = reader.start(&args);
    assert!(again.exit(ARRIVAL).await.success(), "{}", again.err());
    check(&send, &again, MESSAGES);
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_stop_meanwhile_cost_nothing() {
    let cluster = Cluster::start(&Options::set(FAST));
    let (_writer, _reader, mut send, tail) = ends(&cluster).await;
    let feeding = feed(&mut send, MESSAGES_UNDER_FAULTS);
    // The leader first, then one more: whoever is left has all users and all rooms.
    let leader = cluster.leader().name.clone();
    let next = cluster.followers()[0].name.clone();
    for (part, server) in [(4, &leader), (2, &next)] {
        tail.prints(MESSAGES_UNDER_FAULTS / part, ARRIVAL).await;
        cluster.stop_server(server);
    }
    assert_eq!(send.exit(ARRIVAL).await.code(), Some(0), "{}", send.err());
    feeding.join().unwrap();
    tail.prints(MESSAGES_UNDER_FAULTS, ARRIVAL).await;
    check(&send, &tail, MESSAGES_UNDER_FAULTS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_killed_meanwhile_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start_in(folder.path(), &Options::set(FAST));
    let gateway = cluster.gateway().to_owned();
    let (_writer, _reader, mut send, tail) = ends(&cluster).await;
    let feeding = feed(&mut send, MESSAGES_UNDER_FAULTS);
    tail.prints(MESSAGES_UNDER_FAULTS / 4, ARRIVAL).await;
    cluster.kill9();
    let options = Options {
        gateway: Some(gateway),
        ..Options::set(FAST)
    };
    let _again = Cluster::start_in(folder.path(), &options);
    assert_eq!(send.exit(ARRIVAL).await.code(), Some(0), "{}", send.err());
    feeding.join().unwrap();
    tail.prints(MESSAGES_UNDER_FAULTS, ARRIVAL).await;
    check(&send, &tail, MESSAGES_UNDER_FAULTS);
    assert!(tail.err().contains("connected again"), "{}", tail.err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_sent_again_is_stored_once() {
    let cluster = Cluster::start(&Options::set(FAST));
    let shell = Shell::of(&cluster, "alice").await;
    shell.ok(&["create", "garden"]);
    let args = ["send", "room:garden", "-", "--client-id", "batch", "--json"];
    // The first run got as far as the third line.
    let first = shell.run_input(&args, "a\nb\nc\n").json();
    let second = shell.run_input(&args, "a\nb\nc\nd\n").json();
    let seqs = |receipts: &[Value]| -> Vec<u64> {
        receipts
            .iter()
            .filter_map(|receipt| receipt["seq"].as_u64())
            .collect()
    };
    assert_eq!(seqs(&first), [1, 2, 3]);
    assert_eq!(seqs(&second), [1, 2, 3, 4]);
    let duplicates: Vec<&Value> = second.iter().map(|r| &r["duplicate"]).collect();
    assert_eq!(duplicates, [true, true, true, false]);
}
