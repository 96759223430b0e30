//! Data outlive the process, however it ends.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::cluster::{up, wait_exit};
use crate::harness::{Client, Cluster, FAST, Options};

const KILLS: usize = 20;
const SENDERS: usize = 4;
/// Acknowledged messages of each sender before the process is killed.
const ACKS_BEFORE_KILL: usize = 25;
const EX_TEMPFAIL_OR_LOCKED: &str = "a second process on the same data ends with an error";

type Acks = BTreeMap<String, u64>;

/// Sends until the connection ends; `enough` is told once after `ACKS_BEFORE_KILL`.
async fn send_until_the_end(
    mut client: Client,
    name: String,
    enough: tokio::sync::mpsc::Sender<()>,
) -> Acks {
    let mut acks = Acks::new();
    let mut number = 0_usize;
    loop {
        let text = format!("{name}-{number}");
        let data = json!({"roomName": "garden", "message": text, "clientId": text});
        number += 1;
        let Ok(id) = client.try_send("chat", &data).await else {
            return acks;
        };
        let Ok(frame) = client.try_reply(id).await else {
            return acks;
        };
        assert_eq!(frame.action, "ack", "{}", frame.data);
        acks.insert(text, frame.data["seq"].as_u64().unwrap());
        if acks.len() == ACKS_BEFORE_KILL {
            let _ = enough.send(()).await;
        }
    }
}

/// One life of the process: senders at work, then a kill. Gives what was acknowledged.
async fn one_life(data_dir: &Path, round: usize) -> Acks {
    let mut cluster = Cluster::start_in(data_dir, &Options::set(FAST));
    let (enough_tx, mut enough) = tokio::sync::mpsc::channel(SENDERS);
    let mut senders = JoinSet::new();
    for sender in 0..SENDERS {
        let user = format!("sender{sender}");
        let mut client = Client::join(cluster.server(sender), &user).await;
        if round == 0 && sender == 0 {
            client.ok("createRoom", json!({"roomName": "garden"})).await;
        }
        client.ok("joinRoom", json!({"roomName": "garden"})).await;
        let name = format!("r{round}-s{sender}");
        senders.spawn(send_until_the_end(client, name, enough_tx.clone()));
    }
    for _ in 0..SENDERS {
        enough.recv().await.expect("the senders are at work");
    }
    cluster.kill9();
    let mut acks = Acks::new();
    while let Some(sent) = senders.join_next().await {
        acks.extend(sent.expect("a sender ended well"));
    }
    acks
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_by_twenty_kills_under_load() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let mut acked = Acks::new();
    for round in 0..KILLS {
        acked.extend(one_life(&data_dir, round).await);
    }
    assert!(acked.len() >= KILLS * SENDERS * ACKS_BEFORE_KILL);

    let cluster = Cluster::start_in(&data_dir, &Options::set(FAST));
    let mut reader = Client::join(cluster.server(0), "sender0").await;
    let (messages, sealed) = reader.history("room:garden").await;
    let mut stored = Acks::new();
    for message in &messages {
        let (text, seq) = (
            message["message"].as_str().unwrap(),
            message["seq"].as_u64().unwrap(),
        );
        assert_eq!(
            stored.insert(text.to_owned(), seq),
            None,
            "{text} is stored twice"
        );
    }
    for (text, seq) in &acked {
        assert_eq!(stored.get(text), Some(seq), "{text} was acknowledged");
    }
    let mut log: Vec<u64> = stored.values().copied().chain(sealed).collect();
    log.sort_unstable();
    assert_eq!(
        log,
        (1..=log.len() as u64).collect::<Vec<_>>(),
        "dense from 1"
    );
}

/// (conversation, words, how many messages have them)
const SEARCHES: &[(&str, &str, usize)] = &[
    ("room:garden", "roses", 2),
    ("room:garden", "ROSES red", 1),
    ("room:garden", "玫瑰", 2),
    ("room:garden", "你好", 1),
    ("user:bob", "secret", 1),
    ("room:garden", "absent", 0),
];

async fn everything(client: &mut Client) -> Vec<Value> {
    let mut found = Vec::new();
    for (conversation, words, count) in SEARCHES {
        let data = json!({"conversation": conversation, "words": words, "limit": 50});
        let answer = client.ok("search", data).await;
        let messages = answer["messages"].as_array().unwrap().clone();
        assert_eq!(
            messages.len(),
            *count,
            "{conversation} {words}: {messages:?}"
        );
        found.extend(messages);
    }
    let (room, _) = client.history("room:garden").await;
    let (direct, _) = client.history("user:bob").await;
    found.extend(room.into_iter().chain(direct));
    found
}

async fn popular(client: &mut Client) -> Vec<(String, u64)> {
    let answer = client.ok("popular", json!({"n": "10"})).await;
    let words: Vec<String> = serde_json::from_value(answer["words"].clone()).unwrap();
    let pairs = words
        .chunks(2)
        .map(|pair| (pair[0].clone(), pair[1].parse().unwrap()));
    pairs.collect()
}

/// Counting is off the path of the message, so the words may come a little later.
async fn counted_words(cluster: &Cluster) -> Vec<(String, u64)> {
    let counted = |words: &[(String, u64)]| {
        let of = |word: &str| {
            words
                .iter()
                .find(|(w, _)| w == word)
                .map(|(_, count)| *count)
        };
        (
            of("roses"),
            of("violets"),
            of("玫瑰"),
            of("the"),
            of("secret"),
        )
    };
    crate::harness::wait_until("the words", crate::harness::DEADLINE, || {
        let addr = cluster.server(2).to_owned();
        async move {
            let mut reader = Client::connect(&addr).await;
            reader.login("alice").await;
            let words = popular(&mut reader).await;
            let (roses, violets, chinese, stop, private) = counted(&words);
            let all = roses == Some(2) && violets.is_some() && chinese == Some(2);
            if all && stop.is_none() && private.is_none() {
                Ok(words)
            } else {
                Err(format!("{words:?}"))
            }
        }
    })
    .await
}

#[tokio::test]
async fn history_search_and_popular_words_survive_a_restart_in_english_and_chinese() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let mut cluster = Cluster::start_in(&data_dir, &Options::set(FAST));
    let mut alice = Client::join(cluster.server(0), "alice").await;
    drop(Client::join(cluster.server(1), "bob").await);
    alice
        .ok(
            "createRoom",
            json!({"roomName": "garden", "topic": "flowers"}),
        )
        .await;
    let texts = [
        "Roses are red",
        "the roses grow",
        "我喜欢玫瑰",
        "你好，玫瑰",
        "Violets grow, violets bloom",
    ];
    for (number, text) in texts.iter().enumerate() {
        alice.say("garden", text, &format!("g-{number}")).await;
    }
    let secret = json!({"to": "bob", "message": "a secret", "clientId": "d-1"});
    alice.ok("chat", secret).await;
    alice
        .ok("read", json!({"conversation": "room:garden", "seq": 3}))
        .await;
    let before = everything(&mut alice).await;
    let words = counted_words(&cluster).await;

    cluster.sigterm();
    assert!(cluster.exit().success(), "{}", cluster.log_tail());
    drop(cluster);
    let cluster = Cluster::start_in(&data_dir, &Options::set(FAST));
    let mut alice = Client::connect(cluster.server(2)).await;
    let reply = alice.login("alice").await;
    let garden = reply["conversations"]
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["name"] == "room:garden");
    assert_eq!(garden.unwrap()["readSeq"], 3);
    assert_eq!(everything(&mut alice).await, before);
    assert_eq!(popular(&mut alice).await, words);
    // Row 59: the membership is there too.
    let members = alice.ok("roomMembers", json!({"roomName": "garden"})).await;
    assert_eq!(members["members"][0]["username"], "alice");
    alice.say("garden", "still here", "g-after").await;
}

#[test]
fn a_second_process_on_the_same_data_is_refused() {
    let mut first = Cluster::start(&Options::default());
    let mut command = up(first.data_dir(), &Options::default());
    command
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped());
    let mut second = command.spawn().unwrap();
    let mut stderr = second.stderr.take().unwrap();
    let status = wait_exit(&mut second).expect(EX_TEMPFAIL_OR_LOCKED);
    assert!(!status.success(), "{EX_TEMPFAIL_OR_LOCKED}");
    let mut said = String::new();
    std::io::Read::read_to_string(&mut stderr, &mut said).unwrap();
    let named = said.contains(&*first.data_dir().to_string_lossy());
    assert!(
        named && !said.contains("panicked"),
        "the message names the folder: {said}"
    );
    assert!(first.is_running());
}
