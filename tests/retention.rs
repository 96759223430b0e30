//! Retention: what is older than it is kept goes, and every reader is told so.

use std::path::Path;
use std::process::{Command, Stdio};

use antiphon_backend::embedded::EmbeddedStore;
use antiphon_client::protocol::UserName;
use antiphon_client::protocol::client::Secret;
use antiphon_client::{Client as Sdk, Credentials, Event, Events, GatewayUrl, Shutdown};
use antiphon_core::clock;
use antiphon_core::contract::{AppendOutcome, Extent, Record, SeqRange};
use antiphon_protocol::{ClientId, ConversationId, MessageId, RoomName};
use serde_json::{Value, json};

use crate::harness::{Client, Cluster, DEADLINE, Options, wait_until};

/// In November 2023.
const LONG_AGO: &str = "1700000000000";
const ROOM: &str = "room:room1";
/// Messages that a client misses, of which all but the newest are removed.
const MISSED: u64 = 20;
const KILLS: usize = 3;

fn one_day() -> Options {
    Options::set(&[("store.retention_days", "1")])
}

/// Fills a folder with old messages; the password of its users.
fn seed(data_dir: &Path, messages: u32) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_antiphon"))
        .arg("seed")
        .arg("--data-dir")
        .arg(data_dir)
        .args(["--users", "6", "--rooms", "2", "--anchor", LONG_AGO])
        .args(["--messages", &messages.to_string(), "--json"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let seeded: Value = serde_json::from_slice(&output.stdout).unwrap();
    seeded["logins"][0]["password"].as_str().unwrap().to_owned()
}

async fn log_in(cluster: &Cluster, password: &str) -> Client {
    let mut client = Client::connect(cluster.server(0)).await;
    let account = json!({ "username": "user1", "password": password });
    client.ok("login", account).await;
    client
}

/// The bounds of the room's log.
async fn bounds(client: &mut Client) -> (u64, u64) {
    let data = json!({"conversation": ROOM, "limit": 1});
    let page = client.ok("history", data).await;
    let seq = |key: &str| page[key].as_u64().unwrap();
    (seq("firstAvailableSeq"), seq("lastSeq"))
}

/// Waits until nothing but the newest record of the room is left; its sequence.
async fn trimmed(cluster: &Cluster, password: &str) -> u64 {
    let looking = async || {
        let (first, last) = bounds(&mut log_in(cluster, password).await).await;
        (first == last)
            .then_some(last)
            .ok_or_else(|| format!("{first} to {last}"))
    };
    wait_until("the old messages to go", DEADLINE, looking).await
}

/// Waits until the room's log begins behind a sequence.
async fn begins_behind(cluster: &Cluster, password: &str, before: u64) {
    let client = tokio::sync::Mutex::new(log_in(cluster, password).await);
    let looking = async || {
        let (first, last) = bounds(&mut *client.lock().await).await;
        (first > before)
            .then_some(())
            .ok_or_else(|| format!("{first} to {last}"))
    };
    wait_until("the first messages to go", DEADLINE, looking).await;
}

fn room1() -> ConversationId {
    ConversationId::Room(RoomName::parse("room1").unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn old_messages_go_and_every_reader_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    let password = seed(&dir, 600);
    let cluster = Cluster::start_in(&dir, &one_day());
    let last = trimmed(&cluster, &password).await;
    assert!(last > 50, "{last}");

    let mut client = log_in(&cluster, &password).await;
    let told = |page: &Value| {
        assert_eq!(page["firstAvailableSeq"], last, "{page}");
        assert_eq!(page["lastSeq"], last, "{page}");
        let messages = page["messages"].as_array().unwrap();
        let seqs: Vec<u64> = messages
            .iter()
            .map(|message| message["seq"].as_u64().unwrap())
            .collect();
        (page["complete"] == true, page["more"] == true, seqs)
    };
    let mut history = async |from: Value| {
        let mut data = from;
        data["conversation"] = json!(ROOM);
        data["limit"] = json!(50);
        client.ok("history", data).await
    };
    let behind = |seq: u64| json!({ "afterSeq": seq });
    let page = history(behind(0)).await;
    assert_eq!(told(&page), (false, false, vec![last]));
    let page = history(behind(last - 2)).await;
    assert_eq!(told(&page), (false, false, vec![last]));
    let page = history(behind(last - 1)).await;
    assert_eq!(told(&page), (true, false, vec![last]));
    let page = history(json!({})).await;
    assert_eq!(told(&page), (false, false, vec![last]));
    let page = history(json!({ "beforeSeq": last })).await;
    assert_eq!(told(&page), (false, false, vec![]));
    let page = history(json!({ "beforeSeq": 7 })).await;
    assert_eq!(told(&page), (false, false, vec![]));
    let page = history(json!({ "aroundTs": 1 })).await;
    assert_eq!(told(&page), (false, false, vec![last]));

    let cursors = json!([{"conversation": ROOM, "afterSeq": 3}]);
    let sync = client.ok("sync", json!({ "cursors": cursors })).await;
    let page = &sync["conversations"][0];
    assert_eq!(told(page), (false, false, vec![last]));

    // The log goes on above: the new leader's mark, and then the message.
    let data = json!({"roomName": "room1", "message": "still here", "clientId": "c1"});
    let ack = client.ok("chat", data).await;
    assert_eq!(ack["seq"], last + 2, "{ack}");
    // Who joins is not shown what is too old, though it is the newest of the old.
    let joined = client.ok("joinRoom", json!({"roomName": "room1"})).await;
    assert_eq!(joined["lastSeq"], last + 2, "{joined}");
    let replayed: Vec<String> = client
        .pushes()
        .iter()
        .filter(|frame| frame.action == "chat")
        .map(|frame| frame.data["message"].to_string())
        .collect();
    assert!(
        replayed.iter().all(|text| text.contains("still here")),
        "{replayed:?}"
    );
}

/// The events of a client until a message of the room with that text, without anything else.
async fn until_text(events: &mut Events, text: &str) -> Vec<String> {
    let mut seen = Vec::new();
    let reading = async {
        loop {
            let event = events.recv().await.expect("it goes on");
            if let Event::Gap {
                conversation,
                from,
                to,
            } = &event
                && conversation == ROOM
            {
                seen.push(format!("gap {from}-{to}"));
            }
            if let Event::Message(message) = event
                && message.conversation == ROOM
            {
                if message.message == text {
                    return;
                }
                seen.push(message.seq.to_string());
            }
        }
    };
    clock::timeout(DEADLINE * 2, reading)
        .await
        .expect("in time");
    seen
}

/// Appends old messages to the room of a cluster that is down.
async fn append_old(dir: &Path) -> Extent {
    let store = EmbeddedStore::open(dir).await.unwrap();
    let (archive, room) = (store.archive(), room1());
    let last = archive.extent(&room).await.unwrap().last;
    let top = SeqRange {
        from: last,
        to: last,
    };
    let newest = archive.range(&room, top, 1, false).await.unwrap();
    let records = (last + 1..=last + MISSED).map(|seq| Record {
        seq,
        client_id: ClientId::parse(&format!("missed-{seq}")).unwrap(),
        message_id: MessageId(format!("missed-{seq}")),
        ..newest[0].clone()
    });
    let outcomes = archive.append(records.collect()).await.unwrap();
    assert!(outcomes.iter().all(|one| *one == AppendOutcome::Stored));
    let extent = archive.extent(&room).await.unwrap();
    store.close().await;
    extent
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_was_away_is_told_once_of_what_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    let password = seed(&dir, 100);
    let mut cluster = Cluster::start_in(&dir, &Options::default());
    let gateway = cluster.gateway().to_owned();
    let scope = Shutdown::new();
    let credentials =
        Credentials::Password(UserName::parse("user1").unwrap(), Secret(password.clone()));
    let builder = Sdk::builder(GatewayUrl::parse(&gateway).unwrap(), credentials);
    let (_sdk, mut events) = builder.start(&scope);
    let logged_in = async {
        loop {
            if let Event::LoggedIn { conversations, .. } = events.recv().await.unwrap() {
                let room = conversations.iter().find(|one| one.name == ROOM);
                return room.expect("user1 is in room1").last_seq;
            }
        }
    };
    let seen = clock::timeout(DEADLINE, logged_in).await.expect("in time");
    cluster.kill9();

    // It is away while there is more, and while that goes.
    let extent = append_old(&dir).await;
    assert_eq!(extent.last, seen + MISSED);
    let mut trimming = Cluster::start_in(&dir, &one_day());
    assert_eq!(trimmed(&trimming, &password).await, extent.last);
    trimming.kill9();

    let options = Options {
        gateway: Some(gateway),
        ..one_day()
    };
    let cluster = Cluster::start_in(&dir, &options);
    let mut other = log_in(&cluster, &password).await;
    let data = json!({"roomName": "room1", "message": "welcome back"});
    other.ok("chat", data).await;
    let told = until_text(&mut events, "welcome back").await;
    let (from, to) = (seen + 1, extent.last - 1);
    assert_eq!(told, [format!("gap {from}-{to}"), extent.last.to_string()]);
    // Nothing is told again.
    let data = json!({"roomName": "room1", "message": "and on"});
    other.ok("chat", data).await;
    assert_eq!(until_text(&mut events, "and on").await, [""; 0]);
    scope.stop();
}

/// Every log is whole from its first record to its top, and the tops are what they were.
/// Where room1 begins, and how many records there are in all.
async fn check(dir: &Path, tops: &mut Option<Vec<u64>>) -> (u64, u64) {
    let store = EmbeddedStore::open(dir).await.unwrap();
    assert_eq!(store.verify().await.unwrap(), Vec::<String>::new());
    let archive = store.archive();
    let (mut firsts, mut lasts) = (Vec::new(), Vec::new());
    for name in ["room1", "room2"] {
        let room = ConversationId::Room(RoomName::parse(name).unwrap());
        let Extent { first, last } = archive.extent(&room).await.unwrap();
        let all = SeqRange { from: 1, to: last };
        let found = archive.range(&room, all, 1_000_000, false).await.unwrap();
        let seqs: Vec<u64> = found.iter().map(|record| record.seq).collect();
        assert_eq!(seqs, (first..=last).collect::<Vec<_>>());
        firsts.push(first);
        lasts.push(last);
    }
    assert_eq!(*tops.get_or_insert_with(|| lasts.clone()), lasts);
    let left = archive.count().await.unwrap();
    store.close().await;
    (firsts[0], left)
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_it_removes_it_leaves_whole_logs() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    let password = seed(&dir, 12_000);
    let mut tops = None;
    let (mut first, mut left) = check(&dir, &mut tops).await;
    assert_eq!((first, left), (1, 12_000));
    for _ in 0..KILLS {
        let mut cluster = Cluster::start_in(&dir, &one_day());
        begins_behind(&cluster, &password, first).await;
        cluster.kill9();
        let now = check(&dir, &mut tops).await;
        assert!(now.0 > first && now.1 < left, "{now:?}");
        assert!(now.1 > 500, "the kill came too late: {now:?}");
        (first, left) = now;
    }
    let cluster = Cluster::start_in(&dir, &one_day());
    trimmed(&cluster, &password).await;
}
