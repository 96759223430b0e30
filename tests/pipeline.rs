//! One program that sends much: many messages on their way at a time, in order all the same,
//! while the rate is low and servers go.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use antiphon_client::protocol::client::{CreateRoom, Ping, RoomKind, Secret, Target, Visibility};
use antiphon_client::protocol::{RoomName, UserName};
use antiphon_client::{
    Client, ConnectionState, Credentials, Event, Events, GatewayUrl, Shutdown, register,
};
use antiphon_core::clock;
use futures_util::StreamExt;
use futures_util::stream;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::harness::{Cluster, Options, PASSWORD};

/// As many sends as the app lets wait at a time: more than one window.
const WAITING: usize = 200;
const MESSAGES: usize = 5_000;
const BETWEEN_PINGS: Duration = Duration::from_millis(2);
const TO_A_USER: usize = 1_500;
const FLOW_DEADLINE: Duration = Duration::from_secs(150);

/// Low enough to be met, high enough that the test ends.
const LOW_RATE: &[(&str, &str)] = &[
    ("limits.messages_per_second", "400"),
    ("limits.message_burst", "400"),
    ("limits.handshakes_per_second", "10000"),
];

async fn start(cluster: &Cluster, name: &str, scope: &Shutdown) -> (Client, Events) {
    let gateway = GatewayUrl::parse(cluster.gateway()).unwrap();
    start_at(gateway, name, scope).await
}

async fn start_at(gateway: GatewayUrl, name: &str, scope: &Shutdown) -> (Client, Events) {
    let (name, password) = (UserName::parse(name).unwrap(), Secret(PASSWORD.into()));
    register(&gateway, name.clone(), password.clone())
        .await
        .unwrap();
    let credentials = Credentials::Password(name, password);
    Client::builder(gateway, credentials).start(scope)
}

fn text(number: usize) -> String {
    format!("line {number}")
}

/// Sends so many in order; gives the places that they got. `at` is called between them.
async fn send_all(
    client: &Client,
    target: &Target,
    count: usize,
    mut at: impl AsyncFnMut(usize),
) -> Vec<u64> {
    let sends = stream::iter(0..count).map(|number| {
        let (client, target) = (client.clone(), target.clone());
        async move { client.send(target, text(number)).await }
    });
    let mut acks = sends.buffered(WAITING);
    let mut seqs = Vec::with_capacity(count);
    while let Some(ack) = acks.next().await {
        let number = seqs.len();
        seqs.push(
            ack.unwrap_or_else(|error| panic!("message {number}: {error}"))
                .seq,
        );
        at(number).await;
    }
    seqs
}

/// Reads events until so many messages of a conversation have come.
async fn read_all(events: &mut Events, conversation: &str, count: usize) -> Vec<(u64, String)> {
    let mut seen = Vec::with_capacity(count);
    while seen.len() < count {
        match events.recv().await.expect("it goes on") {
            Event::Message(message) if message.conversation == conversation => {
                seen.push((message.seq, message.message));
            }
            Event::Gap { from, to, .. } => panic!("{from} to {to} are gone"),
            Event::Stopped { reason } => panic!("stopped: {reason}"),
            Event::Message(_)
            | Event::Connected { .. }
            | Event::ResumeToken { .. }
            | Event::LoggedIn { .. }
            | Event::Disconnected { .. }
            | Event::Presence(_)
            | Event::RoomEvent(_)
            | Event::Notice(_) => {}
        }
    }
    seen
}

fn check(seqs: &[u64], seen: &[(u64, String)], count: usize) {
    let late = seqs.windows(2).position(|pair| pair[0] >= pair[1]);
    if let Some(late) = late {
        let around = &seqs[late.saturating_sub(5)..(late + 10).min(count)];
        panic!("acknowledged in another order than sent, from {late}: {around:?}");
    }
    let texts: Vec<&String> = seen.iter().map(|(_, text)| text).collect();
    let sent: Vec<String> = (0..count).map(text).collect();
    assert!(
        texts.into_iter().eq(&sent),
        "another order, or something lost or doubled"
    );
    let places: Vec<u64> = seen.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(places, seqs);
}

fn server_of(client: &Client) -> Option<String> {
    match client.state() {
        ConnectionState::Online { server } | ConnectionState::Draining { server, .. } => {
            Some(server)
        }
        ConnectionState::Connecting
        | ConnectionState::LoggingIn
        | ConnectionState::Waiting { .. }
        | ConnectionState::Stopped { .. } => None,
    }
}

async fn make_room(client: &Client, name: &RoomName) {
    let create = CreateRoom {
        room_name: name.clone(),
        kind: RoomKind::Group,
        visibility: Visibility::Public,
        topic: String::new(),
    };
    client.request(create).await.unwrap();
}

/// Other requests on the sender's connection, so that single messages among many are refused
/// for their rate.
async fn disturb(client: &Client) {
    let mut ticks = clock::interval(BETWEEN_PINGS);
    loop {
        ticks.tick().await;
        // Refused or lost: either will do.
        let _ = client.request(Ping {}).await;
    }
}

/// First the leader stops, then the sender's own server, wherever it is then.
#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_messages_keep_their_order_over_a_low_rate_and_stopped_servers() {
    let cluster = Cluster::start(&Options {
        servers: Some(4),
        ..Options::set(LOW_RATE)
    });
    let scope = Shutdown::new();
    let (alice, mut alice_events) = start(&cluster, "alice", &scope).await;
    let (bob, mut events) = start(&cluster, "bob", &scope).await;
    let room = RoomName::parse("garden").unwrap();
    make_room(&alice, &room).await;
    bob.join_room(room.clone()).await.unwrap();
    let mut stopped = Vec::new();
    let mut stop = |name: String| {
        if !stopped.contains(&name) {
            cluster.stop_server(&name);
            stopped.push(name);
        }
    };
    let target = Target::Room(room);
    let sending = send_all(&alice, &target, MESSAGES, async |number| {
        if number == MESSAGES / 4 {
            tokio::task::block_in_place(|| stop(cluster.leader().name.clone()));
        }
        if number == MESSAGES / 2 {
            let own = server_of(&alice);
            let own = own.unwrap_or_else(|| cluster.followers()[0].name.clone());
            tokio::task::block_in_place(|| stop(own));
        }
    });
    let sending = async {
        tokio::select! {
            seqs = sending => seqs,
            () = disturb(&alice) => unreachable!("it has no end"),
        }
    };
    let flow = async {
        tokio::join!(
            sending,
            read_all(&mut events, "room:garden", MESSAGES),
            // The sender gets its own messages, too, and must read them.
            read_all(&mut alice_events, "room:garden", MESSAGES),
        )
    };
    let (seqs, seen, own) = clock::timeout(FLOW_DEADLINE, flow).await.expect("in time");
    check(&seqs, &seen, MESSAGES);
    check(&seqs, &own, MESSAGES);
    assert!(!stopped.is_empty());
    scope.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn direct_messages_keep_their_order_when_the_sender_moves_between_servers() {
    let cluster = Cluster::start(&Options {
        servers: Some(3),
        ..Options::set(LOW_RATE)
    });
    let scope = Shutdown::new();
    let (alice, alice_events) = start(&cluster, "alice", &scope).await;
    drop(alice_events);
    let (bob, mut events) = start(&cluster, "bob", &scope).await;
    assert!(bob.connected().await && alice.connected().await);
    let target = Target::User(UserName::parse("bob").unwrap());
    let sending = send_all(&alice, &target, TO_A_USER, async |number| {
        if number == TO_A_USER / 3
            && let Some(own) = server_of(&alice)
        {
            tokio::task::block_in_place(|| cluster.stop_server(&own));
        }
    });
    let flow = async { tokio::join!(sending, read_all(&mut events, "user:alice", TO_A_USER)) };
    let (seqs, seen) = clock::timeout(FLOW_DEADLINE, flow).await.expect("in time");
    check(&seqs, &seen, TO_A_USER);
    scope.stop();
}

/// A way to whatever gateway there is at the moment, so that clients find a cluster that was
/// started again.
struct Detour {
    addr: std::net::SocketAddr,
    gateway: Arc<Mutex<String>>,
    // Ends with the detour.
    _task: JoinSet<()>,
}

impl Detour {
    async fn start(gateway: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let gateway = Arc::new(Mutex::new(gateway.to_owned()));
        let current = Arc::clone(&gateway);
        let mut task = JoinSet::new();
        task.spawn(async move {
            while let Ok((mut from, _)) = listener.accept().await {
                let current = current.lock().unwrap().clone();
                if let Ok(mut to) = TcpStream::connect(current).await {
                    // One after the other: an exchange is short.
                    let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
                }
            }
        });
        Self {
            addr,
            gateway,
            _task: task,
        }
    }

    fn url(&self) -> GatewayUrl {
        GatewayUrl::parse(&self.addr.to_string()).unwrap()
    }
}

/// The whole cluster dies as by a power cut, twice, and comes back on its data.
#[tokio::test(flavor = "multi_thread")]
async fn the_order_survives_a_cluster_that_is_killed_and_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options::set(LOW_RATE);
    let mut cluster = Cluster::start_in(folder.path(), &options);
    let detour = Detour::start(cluster.gateway()).await;
    let scope = Shutdown::new();
    let (alice, alice_events) = start_at(detour.url(), "alice", &scope).await;
    drop(alice_events);
    let (bob, mut events) = start_at(detour.url(), "bob", &scope).await;
    let room = RoomName::parse("garden").unwrap();
    make_room(&alice, &room).await;
    bob.join_room(room.clone()).await.unwrap();
    let target = Target::Room(room);
    let sending = send_all(&alice, &target, TO_A_USER, async |number| {
        if number == TO_A_USER / 3 || number == TO_A_USER * 2 / 3 {
            tokio::task::block_in_place(|| {
                cluster.kill9();
                cluster = Cluster::start_in(folder.path(), &options);
            });
            cluster
                .gateway()
                .clone_into(&mut detour.gateway.lock().unwrap());
        }
    });
    let flow = async { tokio::join!(sending, read_all(&mut events, "room:garden", TO_A_USER)) };
    let (seqs, seen) = clock::timeout(FLOW_DEADLINE, flow).await.expect("in time");
    check(&seqs, &seen, TO_A_USER);
    scope.stop();
}
