//! An orderly end: clients are told, nothing is lost, the exit code is 0; and a start that
//! can't be says why.

use std::process::Stdio;
use std::time::Duration;

use antiphon_core::clock;
use serde_json::json;

use crate::harness::cluster::{up, wait_exit};
use crate::harness::{Client, Cluster, DEADLINE, FAST, Options};

#[tokio::test(flavor = "multi_thread")]
async fn row_112_sigterm_tells_every_client_and_exits_with_0() {
    let mut cluster = Cluster::start(&Options::set(FAST));
    let mut clients = Vec::new();
    for number in 0..9 {
        clients.push(Client::join(cluster.server(number), &format!("user{number}")).await);
    }
    // One that never logged in is told as well.
    let mut stranger = Client::connect(cluster.server(0)).await;
    cluster.sigterm();
    for client in &mut clients {
        let is_reconnect = |frame: &antiphon_protocol::ServerFrame| frame.action == "reconnect";
        client
            .next_matching("reconnect", DEADLINE, is_reconnect)
            .await;
        let closed = client.closed(DEADLINE).await;
        assert!(matches!(closed.code, Some(1012 | 4500)), "{closed:?}");
    }
    let closed = stranger.closed(DEADLINE).await;
    assert!(matches!(closed.code, Some(1012 | 4500)), "{closed:?}");
    let status = cluster.exit();
    assert_eq!(status.code(), Some(0), "{}", cluster.log_tail());
    assert!(
        !cluster.log_tail().contains("panicked"),
        "{}",
        cluster.log_tail()
    );
}

/// A server that stops while others go on keeps its clients until each has gone where it was
/// told to, when it was told to.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_told_to_move_is_served_until_then() {
    let cluster = Cluster::start(&Options::set(FAST));
    let stopped = cluster.followers()[0].clone();
    let mut alice = Client::join(&stopped.client, "alice").await;
    alice.ok("createRoom", json!({"roomName": "garden"})).await;
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_antiphon"));
    command.args(["stop-server", &stopped.name, "--data-dir"]);
    let mut stopping = command.arg(cluster.data_dir()).spawn().unwrap();
    let is_reconnect = |frame: &antiphon_protocol::ServerFrame| frame.action == "reconnect";
    let hint = alice
        .next_matching("reconnect", DEADLINE, is_reconnect)
        .await;
    let told = clock::now();
    let delay = Duration::from_millis(hint.data["delayMs"].as_u64().unwrap());
    let mut said = 0;
    while told.elapsed() < delay {
        said += 1;
        alice
            .say(
                "garden",
                &format!("while I pack {said}"),
                &format!("p-{said}"),
            )
            .await;
    }
    let closed = alice.closed(DEADLINE).await;
    assert_eq!(closed.code, Some(1012), "{closed:?}");
    assert!(told.elapsed() >= delay);
    assert!(wait_exit(&mut stopping).is_some_and(|status| status.success()));
    let mut bob = Client::join(&cluster.leader().client, "bob").await;
    bob.ok("joinRoom", json!({"roomName": "garden"})).await;
    assert_eq!(bob.history("room:garden").await.0.len(), said);
}

#[tokio::test]
async fn what_was_acknowledged_before_sigterm_is_there_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let mut cluster = Cluster::start_in(&data_dir, &Options::set(FAST));
    let mut alice = Client::join(cluster.server(0), "alice").await;
    alice.ok("createRoom", json!({"roomName": "garden"})).await;
    let mut ids = Vec::new();
    for number in 0..200 {
        let data = json!({"roomName": "garden", "message": format!("m{number}"), "clientId": format!("a-{number}")});
        ids.push(alice.send("chat", data).await);
        if number == 100 {
            cluster.sigterm();
        }
        if alice.is_closed() {
            break;
        }
    }
    let mut acked = Vec::new();
    for (number, id) in ids.into_iter().enumerate() {
        match alice.try_reply(id).await {
            Ok(frame) if frame.action == "ack" => acked.push(format!("m{number}")),
            Ok(frame) => assert_eq!(frame.data["retryable"], true, "{}", frame.data),
            Err(_) => break,
        }
    }
    assert_eq!(cluster.exit().code(), Some(0), "{}", cluster.log_tail());
    drop(cluster);
    let cluster = Cluster::start_in(&data_dir, &Options::set(FAST));
    let mut alice = Client::connect(cluster.server(0)).await;
    alice.login("alice").await;
    let (messages, _) = alice.history("room:garden").await;
    for text in acked {
        assert!(
            messages
                .iter()
                .any(|message| message["message"] == text.as_str()),
            "{text} is lost"
        );
    }
}

/// Pitfalls 113 and 117: the settings are checked before anything starts, and every mistake is
/// told.
#[test]
fn a_wrong_configuration_exits_with_78_and_tells_every_problem() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options::set(&[("limits.message_burst", "0"), ("no.such", "1")]);
    let mut command = up(folder.path(), &options);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut said, mut stderr) = (String::new(), child.stderr.take().unwrap());
    let status = wait_exit(&mut child).expect("an end at once");
    std::io::Read::read_to_string(&mut stderr, &mut said).unwrap();
    assert_eq!(status.code(), Some(78), "{said}");
    assert!(
        said.contains("limits.message_burst takes") && said.contains("no.such"),
        "{said}"
    );
}

#[test]
fn row_111_a_port_that_is_taken_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_antiphon"));
    command
        .args(["up", "--json", "--gateway-addr", &addr, "--data-dir"])
        .arg(folder.path());
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut said, mut stderr) = (String::new(), child.stderr.take().unwrap());
    let status = wait_exit(&mut child).expect("an end at once");
    std::io::Read::read_to_string(&mut stderr, &mut said).unwrap();
    assert!(!status.success());
    assert!(said.contains(&addr) && !said.contains("panicked"), "{said}");
}
