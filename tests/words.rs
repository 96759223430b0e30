//! The word filter of a running cluster.

use serde_json::json;

use crate::harness::{Client, Cluster, DEADLINE, Options, wait_until};

#[tokio::test]
async fn word_lists_are_read_again_on_sighup_and_bad_ones_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("masked.txt");
    std::fs::write(&list, "gribble\n").unwrap();
    let path = list.to_str().unwrap();
    let options = Options::set(&[
        ("words.masked_lists", path),
        ("limits.messages_per_second", "10000"),
        ("limits.message_burst", "10000"),
    ]);
    let cluster = Cluster::start(&options);
    let mut alice = Client::join(cluster.server(0), "alice").await;
    alice.ok("createRoom", json!({"roomName": "den"})).await;
    alice.say("den", "a gribble and a frobnitz", "c-1").await;
    alice.delivery("a ******* and a frobnitz").await;

    // What can't be a list leaves the old one in place; a good one takes its place.
    std::fs::write(&list, [0xff, 0xfe, b'\n']).unwrap();
    cluster.signal("HUP");
    wait_until("a word in the log", DEADLINE, || async {
        let log = cluster.log_tail();
        if log.contains("the old ones stay") {
            Ok(())
        } else {
            Err(log)
        }
    })
    .await;
    alice.say("den", "still a gribble", "c-2").await;
    alice.delivery("still a *******").await;

    std::fs::write(&list, "frobnitz\r\n").unwrap();
    cluster.signal("HUP");
    wait_until("a word in the log", DEADLINE, || async {
        let log = cluster.log_tail();
        if log.contains("word lists read again") {
            Ok(())
        } else {
            Err(log)
        }
    })
    .await;
    alice
        .say("den", "a gribble and a frobnitz now", "c-3")
        .await;
    alice.delivery("a gribble and a ******** now").await;

    // The stored copy is the delivered one (pitfall 50).
    let page = alice
        .ok("history", json!({"conversation": "room:den"}))
        .await;
    let texts: Vec<_> = page["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["message"].clone())
        .collect();
    assert_eq!(
        texts,
        [
            "a ******* and a frobnitz",
            "still a *******",
            "a gribble and a ******** now"
        ]
    );
}
