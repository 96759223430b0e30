//! Many senders at once: nothing lost, nothing doubled, nothing out of order.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::{Client, Cluster, FAST, Options};

const SENDERS: usize = 50;
const ROOMS: usize = 10;
const MESSAGES_EACH: usize = 200;
const WINDOW: usize = 20;
const LOAD_DEADLINE: Duration = Duration::from_secs(120);

/// What one sender knows at its end.
struct Report {
    room: String,
    /// Sequence and text of each acknowledged message, in the order of sending.
    acks: Vec<(u64, String)>,
    client: Client,
}

async fn send_all(mut client: Client, sender: usize) -> Report {
    let room = format!("room{}", sender % ROOMS);
    let mut acks = Vec::with_capacity(MESSAGES_EACH);
    for window in (0..MESSAGES_EACH).collect::<Vec<_>>().chunks(WINDOW) {
        let mut pending = Vec::new();
        for number in window {
            let text = format!("s{sender}-m{number}");
            let data = json!({"roomName": room, "message": text, "clientId": text});
            pending.push((client.send("chat", data).await, text));
        }
        for (id, text) in pending {
            let frame = client.reply(id).await;
            assert_eq!(frame.action, "ack", "{text}: {}", frame.data);
            assert_eq!(frame.data["duplicate"], false, "{text}");
            assert_eq!(frame.data["conversation"], format!("room:{room}"));
            acks.push((frame.data["seq"].as_u64().unwrap(), text));
        }
    }
    Report { room, acks, client }
}

async fn members(cluster: &Cluster) -> Vec<Client> {
    let mut clients = Vec::new();
    for sender in 0..SENDERS {
        let mut client = Client::join(cluster.server(sender), &format!("sender{sender}")).await;
        let room = format!("room{}", sender % ROOMS);
        if sender < ROOMS {
            client.ok("createRoom", json!({"roomName": room})).await;
        }
        client.ok("joinRoom", json!({"roomName": room})).await;
        clients.push(client);
    }
    clients
}

fn seq_and_text(message: &Value) -> (u64, String) {
    (
        message["seq"].as_u64().unwrap(),
        message["message"].as_str().unwrap().to_owned(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_messages_of_fifty_senders_arrive_once_and_in_order() {
    let cluster = Cluster::start(&Options::set(FAST));
    assert_eq!(cluster.servers().len(), 3);
    let mut senders = JoinSet::new();
    for (sender, client) in members(&cluster).await.into_iter().enumerate() {
        senders.spawn(send_all(client, sender));
    }
    let mut rooms: BTreeMap<String, Vec<Report>> = BTreeMap::new();
    while let Some(report) = senders.join_next().await {
        let report = report.expect("a sender ended well");
        rooms.entry(report.room.clone()).or_default().push(report);
    }
    let acked: usize = rooms
        .values()
        .flatten()
        .map(|report| report.acks.len())
        .sum();
    assert_eq!(acked, SENDERS * MESSAGES_EACH);
    for (room, reports) in &mut rooms {
        check_room(room, reports).await;
    }
}

async fn check_room(room: &str, reports: &mut [Report]) {
    let (messages, sealed) = reports[0].client.history(&format!("room:{room}")).await;
    let stored: Vec<(u64, String)> = messages.iter().map(seq_and_text).collect();
    let expected = reports.len() * MESSAGES_EACH;
    assert_eq!(stored.len(), expected, "{room}");

    let mut log: Vec<u64> = stored.iter().map(|(seq, _)| *seq).chain(sealed).collect();
    log.sort_unstable();
    let dense: Vec<u64> = (1..=log.len() as u64).collect();
    assert_eq!(log, dense, "{room}: the log is dense from 1");

    let by_seq: BTreeMap<u64, &String> = stored.iter().map(|(seq, text)| (*seq, text)).collect();
    for report in reports.iter() {
        let sequences: Vec<u64> = report.acks.iter().map(|(seq, _)| *seq).collect();
        assert!(
            sequences.is_sorted(),
            "{room}: a sender's messages keep their order"
        );
        for (seq, text) in &report.acks {
            assert_eq!(
                by_seq.get(seq),
                Some(&text),
                "{room}: acknowledged at {seq}"
            );
        }
    }
    for report in reports {
        let seen = report.client.wait_deliveries(expected, LOAD_DEADLINE).await;
        let seen: Vec<(u64, String)> = seen.iter().map(seq_and_text).collect();
        assert_eq!(
            seen, stored,
            "{room}: every member sees the log, once and in order"
        );
    }
}
