//! One who does not read costs the others nothing, and loses nothing either.

use serde_json::json;

use crate::harness::{Client, Cluster, DEADLINE, FAST, Options, PASSWORD, RawSocket, is_offline};

const MESSAGES: usize = 3_000;
const TEXT_CHARS: usize = 7_900;

#[tokio::test(flavor = "multi_thread")]
async fn row_19_a_stalled_reader_is_closed_and_the_others_go_on() {
    // Small enough that what the kernel buffers on the way is a known part of the load.
    let options = Options::set(FAST).and(&[("limits.outbound_bytes_max", "65536")]);
    let cluster = Cluster::start(&options);
    let mut alice = Client::join(cluster.server(0), "alice").await;
    alice.ok("createRoom", json!({"roomName": "garden"})).await;
    let mut bob = Client::join(cluster.server(1), "bob").await;
    bob.ok("joinRoom", json!({"roomName": "garden"})).await;
    let mut slow = Client::join(cluster.server(1), "slow").await;
    slow.ok("joinRoom", json!({"roomName": "garden"})).await;
    drop(slow);
    let mut stalled = RawSocket::upgraded(cluster.server(1)).await;
    let login =
        json!({"id": 1, "action": "login", "data": {"username": "slow", "password": PASSWORD}});
    stalled.text(&login.to_string()).await;
    assert_eq!(stalled.read_json().await["action"], "login");
    // From here on it does not read.

    let filler = "x".repeat(TEXT_CHARS);
    for number in 0..MESSAGES {
        // One at a time: alice and bob read as fast as it goes.
        alice
            .say(
                "garden",
                &format!("{number} {filler}"),
                &format!("a-{number}"),
            )
            .await;
    }
    let seen = bob.wait_deliveries(MESSAGES, DEADLINE).await;
    assert_eq!(seen.len(), MESSAGES);
    assert!(!alice.is_closed() && !bob.is_closed());
    is_offline(cluster.server(2), "slow").await;
    let closed = stalled.closed().await;
    assert!(matches!(closed.code, Some(4300) | None), "{closed:?}");

    // It comes back and pulls what it lacks.
    let mut slow = Client::connect(cluster.server(2)).await;
    slow.login("slow").await;
    let (messages, _) = slow.history("room:garden").await;
    assert_eq!(messages.len(), MESSAGES);
}
