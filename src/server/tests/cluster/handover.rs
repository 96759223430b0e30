use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use antiphon_core::clock;
use antiphon_core::contract::RecordKind;
use antiphon_protocol::client::Visibility;
use serde_json::Value;

use super::*;
use crate::server::session::lock;

/// What one chatter has done and seen.
#[derive(Default)]
struct Story {
    /// Client ids in the order of the acks, with their places.
    acked: Vec<(String, u64)>,
    /// Connections, each with the places of its deliveries in order.
    heard: Vec<Vec<u64>>,
}

/// Chats one message after the other until told to end; reconnects and repeats as a client
/// should.
async fn chatter(
    name: &str,
    addrs: &Mutex<Vec<SocketAddr>>,
    acks: &AtomicUsize,
    end: &AtomicBool,
) -> Story {
    let mut story = Story::default();
    let mut dials = name.len();
    let mut sent = 0;
    let mut waiting = None;
    while waiting.is_some() || !end.load(Ordering::Relaxed) {
        dials += 1;
        let addr = {
            let addrs = lock(addrs);
            addrs[dials % addrs.len()]
        };
        let Some(mut client) = Client::try_login(addr, name).await else {
            clock::sleep(std::time::Duration::from_millis(20)).await;
            continue;
        };
        while waiting.is_some() || !end.load(Ordering::Relaxed) {
            let id = waiting.take().unwrap_or_else(|| {
                sent += 1;
                format!("m{sent}")
            });
            let Ok(reply) = client.say(HALL, &id, &id).await else {
                waiting = Some(id);
                break;
            };
            if reply["action"] == "ack" {
                let seq = reply["data"]["seq"].as_u64().expect("a place");
                story.acked.push((id, seq));
                acks.fetch_add(1, Ordering::Relaxed);
            } else {
                assert_eq!(reply["data"]["retryable"], true, "{name}: {reply}");
                waiting = Some(id);
            }
        }
        let chats = client.seen.iter().filter(|frame| frame["action"] == "chat");
        let place = |frame: &Value| frame["data"]["seq"].as_u64().expect("a place");
        story.heard.push(chats.map(place).collect());
    }
    story
}

async fn more(acks: &AtomicUsize, count: usize) {
    let goal = acks.load(Ordering::Relaxed) + count;
    crate::server::tests::support::until("acks", async || {
        (acks.load(Ordering::Relaxed) >= goal).then_some(())
    })
    .await;
}

async fn check(cluster: &TestCluster, stories: &BTreeMap<&str, Story>) {
    let log = cluster.stores.room_log(HALL).await;
    let chats: BTreeMap<u64, _> = log
        .iter()
        .filter(|record| record.kind == RecordKind::Chat)
        .map(|record| (record.seq, record))
        .collect();
    let mut acked = 0;
    for (name, story) in stories {
        for (id, seq) in &story.acked {
            let record = chats.get(seq).expect("an acked message is in the log");
            assert_eq!(record.sender.as_str(), *name);
            assert_eq!(record.client_id.as_str(), id);
        }
        let places = story.acked.iter().map(|(_, seq)| *seq);
        assert!(places.is_sorted(), "{name}'s messages changed their order");
        acked += story.acked.len();
        for heard in &story.heard {
            let distinct: BTreeSet<_> = heard.iter().collect();
            assert!(heard.is_sorted(), "{name} heard them out of order");
            assert_eq!(distinct.len(), heard.len(), "{name} heard one twice");
        }
    }
    assert_eq!(acked, chats.len(), "every message was acked in the end");
    let epochs: BTreeSet<u64> = log.iter().map(|record| record.epoch).collect();
    assert!(epochs.len() >= 4, "epochs {epochs:?}");
}

/// Pitfalls 64, 65 and 76: whoever leads, and however the leader goes, nothing acked is
/// lost, doubled or out of order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chat_goes_on_while_leaders_come_and_go() {
    let mut cluster = TestCluster::start(Plan::default()).await;
    cluster.stores.add_users(&NAMES).await;
    cluster
        .stores
        .add_room(HALL, Visibility::Public, &NAMES)
        .await;
    let addrs = cluster.servers.values().map(|server| server.client_addr());
    let addrs = Mutex::new(addrs.collect::<Vec<_>>());
    let (acks, end) = (AtomicUsize::new(0), AtomicBool::new(false));
    let chatters = NAMES.map(|name| chatter(name, &addrs, &acks, &end));
    let nemesis = async {
        more(&acks, 60).await;
        for _ in 0..2 {
            let leader = cluster.leader().await;
            assert!(cluster.stores.coordinator.expire(&leader));
            more(&acks, 60).await;
        }
        let leader = cluster.leader().await;
        let server = cluster.servers.remove(&leader).expect("the leader");
        lock(&addrs).retain(|addr| *addr != server.client_addr());
        let (clean, ()) = tokio::join!(server.stop(), more(&acks, 60));
        assert!(clean, "the leader did not stop in time");
        cluster.leader().await;
        more(&acks, 60).await;
        end.store(true, Ordering::Relaxed);
    };
    let (stories, ()) = tokio::join!(futures_util::future::join_all(chatters), nemesis);
    let stories = NAMES.into_iter().zip(stories).collect();
    check(&cluster, &stories).await;
    cluster.stop().await;
}

/// Pitfalls 45 and 66: a registration that ended takes its sessions with it, and the same server
/// at the same address comes back as another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_expired_joins_anew_and_sends_its_clients_away() {
    let cluster = TestCluster::start(Plan::default()).await;
    cluster.stores.add_users(&NAMES).await;
    cluster
        .stores
        .add_room(HALL, Visibility::Public, &NAMES)
        .await;
    let leader = cluster.leader().await;
    let follower = cluster
        .servers
        .keys()
        .find(|name| **name != leader)
        .unwrap();
    let epoch = cluster.epoch(&leader);
    let mut on_leader = Client::login(cluster.client_addr(&leader), "alice").await;
    let mut on_follower = Client::login(cluster.client_addr(follower), "bob").await;
    on_leader.say_until_acked(HALL, "one").await;
    let member = |name: &str| {
        let view = cluster.stores.backends.coordinator.view();
        let view = view.borrow().clone();
        view.members.get(name).map(|member| member.id.incarnation)
    };
    let before = member(&leader);
    assert!(cluster.stores.coordinator.expire(&leader));
    assert_eq!(on_leader.closed().await, Closed(Some(4301)));
    crate::server::tests::support::until("a new incarnation", async || {
        (member(&leader) > before).then_some(())
    })
    .await;
    let next = cluster.leader().await;
    assert_ne!(next, leader);
    assert!(cluster.epoch(&next) > epoch);
    // The other one's client is not disturbed, and both meet again.
    let mut back = Client::login(cluster.client_addr(&leader), "alice").await;
    on_follower.say_until_acked(HALL, "two").await;
    back.say_until_acked(HALL, "three").await;
    loop {
        let heard = on_follower.event("chat").await;
        if heard["data"]["message"] == "three" {
            break;
        }
    }
    cluster.stop().await;
}

/// Pitfall 112.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopping_server_tells_its_clients_where_to_go() {
    let mut cluster = TestCluster::start(Plan::default()).await;
    cluster.stores.add_users(&NAMES).await;
    let leader = cluster.leader().await;
    let addr = cluster.client_addr(&leader);
    let mut clients = Vec::new();
    for name in NAMES {
        clients.push(Client::login(addr, name).await);
    }
    let server = cluster.servers.remove(&leader).unwrap();
    let watch = async {
        for client in &mut clients {
            let told = client.event("reconnect").await;
            assert_eq!(told["data"]["reason"], "drain");
            assert!(told["data"]["delayMs"].as_u64().is_some());
            assert_eq!(client.closed().await, Closed(Some(1012)));
        }
    };
    let (clean, ()) = tokio::join!(server.stop(), watch);
    assert!(clean);
    assert!(Client::connect(addr).await.is_none(), "still accepting");
    let sessions = &cluster.stores.backends.sessions;
    let left = sessions.locate(&super::super::support::user("alice")).await;
    assert!(left.unwrap().is_empty(), "the sessions are unbound");
    cluster.leader().await;
    cluster.stop().await;
}
