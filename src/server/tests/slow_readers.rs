//! A tenth of a room stops reading: exactly they are closed, what waits for them is bounded,
//! the others miss nothing, and so do they once they are back.

use std::net::SocketAddr;

use antiphon_core::clock;
use antiphon_core::contract::{MemberRecord, RoomRecord, Standing, UserRecord};
use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{self, TaskKind};
use antiphon_protocol::client::Visibility;
use antiphon_protocol::{RoomName, UserName};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::support::client::Client;
use super::support::cluster::{Plan, TestCluster};
use super::support::{PATIENCE, until};
use crate::server::Server;

const MEMBERS: usize = 200;
/// Every tenth.
const SLOW: usize = 10;
const QUEUE_BYTES_MAX: usize = 64 * 1024;
const TEXT_CHARS: usize = 7_000;
/// More than a queue and the buffers of the system on both sides hold.
const MESSAGES_MAX: u64 = 400;

fn name(number: usize) -> UserName {
    UserName::parse(&format!("member{number}")).unwrap()
}

fn is_slow(number: usize) -> bool {
    number.is_multiple_of(SLOW)
}

async fn room_of_many() -> TestCluster {
    let cluster = TestCluster::start(Plan {
        servers: 1,
        elects: true,
        tune: |settings| settings.outbound_bytes_max = QUEUE_BYTES_MAX,
    })
    .await;
    let backends = &cluster.stores.backends;
    let users = (0..MEMBERS).map(|number| UserRecord {
        name: name(number),
        password_hash: None,
        created_at_ms: 1,
    });
    backends.users.create_many(users.collect()).await.unwrap();
    let square = RoomName::parse("square").unwrap();
    let members = (0..MEMBERS).map(|number| MemberRecord {
        room: square.clone(),
        user: name(number),
        standing: Standing::Member,
        since_ms: 1,
    });
    let room = RoomRecord {
        name: square.clone(),
        visibility: Visibility::Public,
        topic: String::new(),
        created_at_ms: 1,
    };
    let created = backends.rooms.create(room, members.collect(), 1).await;
    created.unwrap();
    cluster
}

/// The place of a delivery.
fn seq_of(frame: &Value) -> Option<u64> {
    (frame["action"] == "chat").then(|| frame["data"]["seq"].as_u64().unwrap())
}

/// Reads until it has everything up to the last sequence, which is told at the end.
async fn read(mut member: Client, have: watch::Sender<u64>, mut last: watch::Receiver<u64>) {
    loop {
        let next = tokio::select! {
            biased;
            next = member.next() => next.expect("who reads is not closed"),
            _ = last.wait_for(|last| *last == *have.borrow()) => return,
        };
        if let Some(seq) = seq_of(&next) {
            assert_eq!(seq, *have.borrow() + 1, "in order, without a gap");
            have.send_replace(seq);
        }
    }
}

fn closed(server: &Server) -> Vec<String> {
    let mut registry = Registry::with_prefix("antiphon");
    server.node.settings.metrics.register(&mut registry);
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    let lines = text.lines();
    let lines = lines.filter(|line| line.starts_with("antiphon_connections_closed_total"));
    lines.map(str::to_owned).collect()
}

/// Everything, as one who has nothing gets it.
async fn whole_log(addr: SocketAddr, number: usize) -> Vec<u64> {
    let mut member = Client::login(addr, name(number).as_str()).await;
    let mut have = Vec::new();
    loop {
        let after = have.last().copied().unwrap_or(0);
        let cursor = json!({"conversation": "room:square", "afterSeq": after});
        let asked = json!({"cursors": [cursor], "limit": 500});
        let reply = member.ask("sync", asked).await.expect("an open connection");
        let page = &reply["data"]["conversations"][0];
        assert_eq!(page["complete"], true);
        let messages = page["messages"].as_array().unwrap();
        have.extend(
            messages
                .iter()
                .map(|message| message["seq"].as_u64().unwrap()),
        );
        if page["more"] == false {
            return have;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenth_that_does_not_read_is_closed_and_nobody_loses_anything() {
    let cluster = room_of_many().await;
    let (server, addr) = (&cluster.servers["n1"], cluster.client_addr("n1"));
    let scope = Shutdown::new();
    let last = watch::Sender::new(u64::MAX);
    let (mut stopped, mut readers, mut have) = (Vec::new(), Vec::new(), Vec::new());
    for number in 1..MEMBERS {
        let member = Client::login(addr, name(number).as_str()).await;
        if is_slow(number) {
            stopped.push(member);
        } else {
            let has = watch::Sender::new(0);
            have.push(has.subscribe());
            let reading = read(member, has, last.subscribe());
            readers.push(task::spawn(&scope, TaskKind::Client, reading));
        }
    }
    let mut sender = Client::login(addr, name(0).as_str()).await;

    let is_on = |number: &usize| !server.node.sessions.of(&name(*number)).is_empty();
    let slow: Vec<usize> = (1..MEMBERS).filter(|number| is_slow(*number)).collect();
    let filler = "x".repeat(TEXT_CHARS);
    let mut sent = 0;
    while slow.iter().any(is_on) {
        sent += 1;
        assert!(sent <= MESSAGES_MAX, "they are not closed");
        let text = format!("{sent} {filler}");
        let reply = sender.say("square", &format!("m{sent}"), &text).await;
        assert_eq!(reply.unwrap()["action"], "ack");
        // The others are never behind, so that only who does not read can be slow.
        for has in &mut have {
            let waiting = clock::timeout(PATIENCE, has.wait_for(|seq| *seq >= sent)).await;
            waiting.expect("in time").expect("the reader reads");
            assert!(server.fullest_queue_bytes() <= QUEUE_BYTES_MAX);
        }
    }
    assert!(sent > 1);
    let expected = format!(
        "antiphon_connections_closed_total{{server=\"n1\",code=\"4300\"}} {}",
        slow.len()
    );
    assert_eq!(closed(server), [expected], "exactly who does not read");

    last.send_replace(sent);
    for reader in readers {
        assert!(reader.await.unwrap().is_some(), "a reader lost something");
    }
    let log: Vec<u64> = (1..=sent).collect();
    for number in &slow {
        assert_eq!(whole_log(addr, *number).await, log, "{number}");
    }
    drop((stopped, sender));
    let nobody = || server.node.sessions.users().is_empty().then_some(());
    until("everybody to be gone", async || nobody()).await;
    cluster.stop().await;
}
