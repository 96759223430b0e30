use std::sync::atomic::Ordering;
use std::time::Duration;

use antiphon_core::clock;
use antiphon_core::net::{ClusterKey, FrameReader, FrameWriter, Side, handshake};
use antiphon_protocol::NodeId;
use antiphon_protocol::client::Visibility;
use antiphon_protocol::peer::{
    PEER_FRAME_BYTES_MAX, PEER_VERSION, PeerEnvelope, PeerFrame, RoomCommand, RoomSubmit,
};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;

use super::*;
use crate::server::settings::UNREAD_MAX;
use crate::server::tests::support::{PATIENCE, client_id, room, until, user};

async fn with_hall(plan: Plan) -> TestCluster {
    let cluster = TestCluster::start(plan).await;
    cluster.stores.add_users(&NAMES).await;
    cluster
        .stores
        .add_room(HALL, Visibility::Public, &NAMES)
        .await;
    cluster
}

/// Pitfalls 73 and 75: a link that breaks is dialled again, for ever, and what was waiting
/// goes over it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_link_is_dialled_again() {
    let cluster = with_hall(Plan::default()).await;
    let leader = cluster.leader().await;
    let follower = cluster
        .servers
        .keys()
        .find(|name| **name != leader)
        .unwrap();
    let mut alice = Client::login(cluster.client_addr(follower), "alice").await;
    let mut bob = Client::login(cluster.client_addr(&leader), "bob").await;
    alice.say_until_acked(HALL, "before").await;
    let links = cluster.proxies.passed.load(Ordering::Relaxed);
    for round in 0..3 {
        cluster.proxies.refuses.store(true, Ordering::Relaxed);
        cluster.proxies.cut();
        let id = format!("during {round}").replace(' ', "-");
        let sent = alice.send(
            "chat",
            json!({"roomName": HALL, "message": id, "clientId": id}),
        );
        let request = sent.await.unwrap();
        cluster.proxies.refuses.store(false, Ordering::Relaxed);
        assert_eq!(alice.reply(request).await.unwrap()["action"], "ack");
        while bob.event("chat").await["data"]["message"] != id {}
        // And downwards: the new link has its audience.
        let back = format!("back-{round}");
        bob.say_until_acked(HALL, &back).await;
        while alice.event("chat").await["data"]["message"] != back {}
    }
    assert!(cluster.proxies.passed.load(Ordering::Relaxed) >= links + 3);
    assert_eq!(cluster.leader().await, leader);
    assert_eq!(cluster.stores.room_log(HALL).await.len(), 7);
    cluster.stop().await;
}

type Peer = (
    FrameReader<ReadHalf<TcpStream>>,
    FrameWriter<WriteHalf<TcpStream>>,
);

async fn dial(cluster: &TestCluster, name: &str, key: &ClusterKey) -> Option<Peer> {
    let addr = cluster.servers[name].cluster_addr();
    let stream = TcpStream::connect(addr).await.unwrap();
    let shaken = handshake(stream, Side::Dialer, key, PEER_FRAME_BYTES_MAX);
    clock::timeout(PATIENCE, shaken).await.unwrap().ok()
}

async fn tell(peer: &mut Peer, epoch: u64, frame: PeerFrame) {
    let envelope = serde_json::to_vec(&PeerEnvelope { epoch, frame }).unwrap();
    peer.1.feed(&envelope).await.unwrap();
    peer.1.flush().await.unwrap();
}

fn hello() -> PeerFrame {
    PeerFrame::Hello {
        node: NodeId {
            name: "impostor".into(),
            incarnation: 1,
        },
        version: PEER_VERSION,
    }
}

fn forged(text: &str) -> PeerFrame {
    PeerFrame::Submit(RoomSubmit {
        request: 1,
        user: user("alice"),
        room: room(HALL),
        command: RoomCommand::Chat {
            client_id: client_id(text),
            own: true,
            body_hash: [0; 16],
            message: text.into(),
            format: "text".into(),
            after: None,
        },
    })
}

/// Reads to the end of the link; whether it ended.
async fn ends(peer: &mut Peer) -> bool {
    let read = async { while let Ok(Some(_)) = peer.0.read().await {} };
    clock::timeout(PATIENCE, read).await.is_ok()
}

/// Pitfalls 29, 30 and 83: the cluster port is for servers that hold the key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_on_the_cluster_port_get_nothing() {
    let cluster = with_hall(Plan::default()).await;
    let leader = cluster.leader().await;
    assert!(
        dial(&cluster, &leader, &ClusterKey::random())
            .await
            .is_none()
    );
    // A client that takes the port for the other one.
    let addr = cluster.servers[&leader].cluster_addr();
    assert!(Client::connect(addr).await.is_none());
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    let read = clock::timeout(PATIENCE, stream.read_to_end(&mut answer));
    let _ = read.await.expect("the port closes the connection");
    assert_eq!(answer, b"");
    // A frame of the cluster plane on the client port is no action, and ends the visit.
    let mut client = Client::login(cluster.client_addr(&leader), "alice").await;
    let reply = client.ask("leaderConnect", json!({})).await.unwrap();
    assert_eq!(reply["data"]["code"], 501);
    assert_eq!(client.closed().await, Closed(Some(4400)));
    cluster.stop().await;
}

/// Pitfall 46: a frame carries the term that it was meant for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_of_an_old_term_is_refused() {
    let cluster = with_hall(Plan::default()).await;
    let leader = cluster.leader().await;
    let epoch = cluster.epoch(&leader);
    let mut peer = dial(&cluster, &leader, &cluster.key).await.unwrap();
    tell(&mut peer, epoch, hello()).await;
    tell(&mut peer, epoch - 1, forged("stale")).await;
    assert!(ends(&mut peer).await, "the link of an old term goes on");
    assert_eq!(cluster.stores.room_log(HALL).await.len(), 0);
    // Of the right term the same frame is done: the test would see it.
    let mut peer = dial(&cluster, &leader, &cluster.key).await.unwrap();
    tell(&mut peer, epoch, hello()).await;
    tell(&mut peer, epoch, forged("fresh")).await;
    until("the message of the right term", async || {
        (cluster.stores.room_log(HALL).await.len() == 1).then_some(())
    })
    .await;
    cluster.stop().await;
}

/// Design section 4: private chat needs no leader.
/// Pitfall 77: private messages pass no leader; the rooms of a cluster do have one owner.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn direct_messages_are_stored_without_any_leader() {
    let plan = Plan {
        elects: false,
        servers: 2,
        ..Plan::default()
    };
    let cluster = with_hall(plan).await;
    let mut alice = Client::login(cluster.client_addr("n1"), "alice").await;
    let mut near = Client::login(cluster.client_addr("n1"), "bob").await;
    let mut far = Client::login(cluster.client_addr("n2"), "bob").await;
    for n in 1..=5 {
        let data =
            json!({"to": "bob", "message": format!("psst {n}"), "clientId": format!("d{n}")});
        let reply = alice.ask("chat", data).await.unwrap();
        assert_eq!(reply["data"]["seq"], n, "{reply}");
        let data = json!({"to": "alice", "message": "yes?", "clientId": format!("d{n}")});
        if n == 3 {
            // Both servers write to one conversation.
            assert_eq!(far.ask("chat", data).await.unwrap()["data"]["seq"], 4);
            break;
        }
    }
    assert_eq!(near.event("chat").await["data"]["message"], "psst 1");
    let history = json!({"conversation": "user:alice"});
    let page = far.ask("history", history).await.unwrap();
    let messages = page["data"]["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 4, "{page}");
    // A room waits for its leader, and nothing is acked meanwhile.
    let id = alice
        .send(
            "chat",
            json!({"roomName": HALL, "message": "x", "clientId": "x"}),
        )
        .await
        .unwrap();
    let waits = clock::timeout(Duration::from_millis(300), alice.reply(id));
    assert!(waits.await.is_err());
    cluster.stop().await;
}

/// Pitfall 19: one who does not read is sent away, alone.
/// Pitfall 40: what it did not get does not count as delivered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_consumer_is_closed_and_its_neighbours_go_on() {
    let plan = Plan {
        servers: 1,
        tune: |settings| {
            settings.outbound_bytes_max = 64 * 1024;
            settings.outbound_frames_max = 64;
        },
        ..Plan::default()
    };
    let cluster = with_hall(plan).await;
    let addr = cluster.client_addr("n1");
    let mut slow = Client::login(addr, "alice").await;
    let mut bob = Client::login(addr, "bob").await;
    let mut carol = Client::login(addr, "carol").await;
    carol.say_until_acked(HALL, "first").await;
    let refused = || cluster.servers["n1"].node.fan_out.refused();
    let text = "x".repeat(7_000);
    let mut sent = 0;
    while refused() == 0 {
        sent += 1;
        assert!(sent < 20_000, "it was never found slow");
        let reply = bob.say(HALL, &format!("m{sent}"), &text).await.unwrap();
        assert_eq!(reply["action"], "ack");
        // The neighbour reads along.
        while carol.event("chat").await["data"]["message"] != text {}
    }
    assert_eq!(slow.closed().await, Closed(Some(4300)));
    bob.say_until_acked(HALL, "after").await;
    while carol.event("chat").await["data"]["message"] != "after" {}
    assert_eq!(
        cluster.stores.room_log(HALL).await.len(),
        1 + sent + 1,
        "loss-free: the log has what it missed"
    );
    let mut back = Client::login(addr, "alice").await;
    let told = back.ask("conversations", json!({})).await.unwrap();
    let hall = &told["data"]["conversations"][0];
    let missed = (1 + sent + 1).min(UNREAD_MAX as usize);
    assert_eq!(hall["unread"], missed, "{told}");
    cluster.stop().await;
}

/// Design section 5: whoever is told of a newer leader leads no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_hears_of_a_newer_one_steps_down() {
    let cluster = with_hall(Plan::default()).await;
    for at_hello in [true, false] {
        let leader = cluster.leader().await;
        let epoch = cluster.epoch(&leader);
        let newer = epoch + 1;
        let mut peer = dial(&cluster, &leader, &cluster.key).await.unwrap();
        if at_hello {
            tell(&mut peer, newer, hello()).await;
        } else {
            tell(&mut peer, epoch, hello()).await;
            tell(&mut peer, newer, PeerFrame::Ping).await;
        }
        assert!(ends(&mut peer).await);
        until("the leader steps down", async || {
            let leading = *cluster.servers[&leader].leading().borrow();
            (leading != Some(epoch)).then_some(())
        })
        .await;
    }
    cluster.stop().await;
}

/// The coordination service has lost its data, so that its epochs begin again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_leads_under_an_older_epoch_than_it_knows() {
    let plan = Plan {
        servers: 1,
        ..Plan::default()
    };
    let cluster = with_hall(plan).await;
    let epoch = cluster.epoch("n1");
    let newest = epoch + 1_000;
    let mut peer = dial(&cluster, "n1", &cluster.key).await.unwrap();
    tell(&mut peer, newest, hello()).await;
    let view = cluster.stores.backends.coordinator.view();
    until("it is elected again", async || {
        let leader = view.borrow().leader.clone()?;
        (leader.epoch > epoch && leader.epoch < newest).then_some(())
    })
    .await;
    let mut alice = Client::login(cluster.client_addr("n1"), "alice").await;
    let data = json!({"roomName": HALL, "message": "x", "clientId": "x"});
    let request = alice.send("chat", data).await.unwrap();
    let waits = clock::timeout(Duration::from_millis(300), alice.reply(request));
    assert!(waits.await.is_err());
    assert_eq!(*cluster.servers["n1"].leading().borrow(), None);
    cluster.stop().await;
}
