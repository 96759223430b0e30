//! Senders that don't stop, and what must be true of what they were told.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use antiphon_client::protocol::client::{Secret, Target};
use antiphon_client::protocol::{RoomName, UserName};
use antiphon_client::{
    Client, Closed, Credentials, DisconnectReason, Event, Events, GatewayUrl, RequestError,
    SendError,
};
use antiphon_core::clock::{self, Instant};
use antiphon_core::shutdown::Shutdown;
use serde_json::json;
use tokio::task::JoinSet;

use crate::harness::real::RealCluster;
use crate::harness::{Client as RawClient, PASSWORD};

/// Between two messages of a sender.
const PAUSE: Duration = Duration::from_millis(20);

/// What became of one message.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) room: String,
    pub(crate) text: String,
    pub(crate) begun: Instant,
    pub(crate) ended: Instant,
    pub(crate) outcome: Result<u64, SendError>,
}

/// Senders of a client library each, which reconnect through the gateways by themselves.
pub(crate) struct Load {
    senders: JoinSet<Vec<Sent>>,
    stop: Arc<AtomicBool>,
    acked: Arc<AtomicU64>,
    ends: Ends,
    scope: Shutdown,
}

/// How connections of the senders ended, and whether that was without a word.
type Ends = Arc<Mutex<Vec<(String, bool)>>>;

/// Whether somebody was connected, and was left without a word.
fn is_wordless(end: &DisconnectReason) -> bool {
    let is_lost = |closed: &Closed| match closed {
        Closed::Lost(_) | Closed::DeadPeer => true,
        Closed::Server { .. } | Closed::Local => false,
    };
    match end {
        DisconnectReason::Closed(closed)
        | DisconnectReason::Login(RequestError::Closed(closed)) => is_lost(closed),
        DisconnectReason::Login(_)
        | DisconnectReason::Gateway(_)
        | DisconnectReason::Connect(_)
        | DisconnectReason::Asked(_) => false,
    }
}

fn target(room: &str) -> Target {
    Target::Room(RoomName::parse(room).unwrap())
}

async fn drain(mut events: Events, ends: Ends) {
    while let Some(event) = events.recv().await {
        if let Event::Disconnected { reason, .. } = event {
            let end = (reason.to_string(), is_wordless(&reason));
            ends.lock().unwrap().push(end);
        }
    }
}

impl Load {
    /// One sender and one room each, `load0` and on, spread over the gateways.
    pub(crate) async fn start(cluster: &RealCluster, senders: usize) -> Self {
        let (stop, acked) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let (ends, scope) = (Ends::default(), Shutdown::new());
        let mut set = JoinSet::new();
        let first = cluster.servers.keys().next().unwrap().clone();
        for number in 0..senders {
            let (user, room) = (format!("sender{number}"), format!("load{number}"));
            let mut setup = RawClient::join(cluster.client_addr(&first), &user).await;
            setup.ok("createRoom", json!({"roomName": room})).await;
            let gateway = cluster.gateway_url(number % cluster.gateways.len());
            let gateway = GatewayUrl::parse(&gateway).unwrap();
            let name = UserName::parse(&user).unwrap();
            let credentials = Credentials::Password(name, Secret(PASSWORD.to_owned()));
            let (client, events) = Client::builder(gateway, credentials)
                .send_deadline(Duration::from_secs(120))
                .start(&scope);
            assert!(client.connected().await);
            set.spawn(drain_while(
                (events, Arc::clone(&ends)),
                send_all(client, room, Arc::clone(&stop), Arc::clone(&acked)),
            ));
        }
        Self {
            senders: set,
            stop,
            acked,
            ends,
            scope,
        }
    }

    /// Connections that have ended so far, and those of them that ended without a word: neither
    /// a close frame, nor that the server had asked its client to leave.
    pub(crate) fn ends(&self) -> (usize, Vec<String>) {
        let ends = self.ends.lock().unwrap();
        let wordless = ends.iter().filter(|(_, is_wordless)| *is_wordless);
        (ends.len(), wordless.map(|(how, _)| how.clone()).collect())
    }

    /// Messages acknowledged so far.
    pub(crate) fn acked(&self) -> u64 {
        self.acked.load(Ordering::Relaxed)
    }

    /// Waits until so many more messages are acknowledged.
    pub(crate) async fn runs(&self, more: u64) {
        let goal = self.acked() + more;
        crate::harness::wait_until("the load", Duration::from_secs(90), || async {
            let acked = self.acked();
            if acked >= goal {
                Ok(())
            } else {
                Err(format!("{acked} of {goal}"))
            }
        })
        .await;
    }

    /// Stops sending; what every sender was told.
    pub(crate) async fn end(mut self) -> Vec<Sent> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        while let Some(sent) = self.senders.join_next().await {
            all.extend(sent.expect("a sender ended well"));
        }
        self.scope.stop();
        all
    }
}

async fn drain_while(
    (events, ends): (Events, Ends),
    sending: impl Future<Output = Vec<Sent>>,
) -> Vec<Sent> {
    tokio::pin!(sending);
    tokio::select! {
        sent = &mut sending => sent,
        () = drain(events, ends) => sending.await,
    }
}

async fn send_all(
    client: Client,
    room: String,
    stop: Arc<AtomicBool>,
    acked: Arc<AtomicU64>,
) -> Vec<Sent> {
    let mut sent = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let text = format!("{room} message {}", sent.len());
        let begun = clock::now();
        let outcome = client
            .send(target(&room), text.clone())
            .await
            .map(|ack| ack.seq);
        acked.fetch_add(u64::from(outcome.is_ok()), Ordering::Relaxed);
        let ended = clock::now();
        sent.push(Sent {
            room: room.clone(),
            text,
            begun,
            ended,
            outcome,
        });
        clock::sleep(PAUSE).await;
    }
    client.stop();
    sent
}

/// Every acknowledged message is in the log where its receipt says, once; nothing else is
/// there but what nobody was told about; the log is dense from 1.
pub(crate) async fn check(cluster: &RealCluster, server: &str, sent: &[Sent]) {
    let mut rooms: BTreeMap<&str, Vec<&Sent>> = BTreeMap::new();
    for one in sent {
        rooms.entry(&one.room).or_default().push(one);
    }
    assert!(!rooms.is_empty(), "nothing was sent");
    for (room, sent) in rooms {
        let user = room.replace("load", "sender");
        let mut reader = RawClient::connect(cluster.client_addr(server)).await;
        reader.login(&user).await;
        let (messages, sealed) = reader.history(&format!("room:{room}")).await;
        let stored: BTreeMap<u64, String> = messages
            .iter()
            .map(|message| {
                let text = message["message"].as_str().unwrap().to_owned();
                (message["seq"].as_u64().unwrap(), text)
            })
            .collect();
        assert_eq!(
            stored.len(),
            messages.len(),
            "{room}: two messages at one place"
        );
        let texts: HashSet<&String> = stored.values().collect();
        assert_eq!(
            texts.len(),
            stored.len(),
            "{room}: a message is there twice"
        );
        let mut acked = 0;
        let mut last = 0;
        for one in sent {
            match &one.outcome {
                Ok(seq) => {
                    acked += 1;
                    let there = stored.get(seq);
                    assert_eq!(there, Some(&one.text), "{room}: acknowledged at {seq}");
                    assert!(*seq > last, "{room}: {seq} after {last}");
                    last = *seq;
                }
                Err(SendError::Unknown { .. }) => {}
                Err(refused) => {
                    assert!(
                        !texts.contains(&one.text),
                        "{room}: refused ({refused}) and there"
                    );
                }
            }
        }
        assert!(acked > 0, "{room}: nothing was acknowledged");
        let mut log: Vec<u64> = stored.keys().copied().chain(sealed).collect();
        log.sort_unstable();
        let dense: Vec<u64> = (1..=log.len() as u64).collect();
        assert_eq!(log, dense, "{room}: the log is dense from 1");
    }
}

/// The longest time that one message waited, among those that were under way at `from` or
/// later.
pub(crate) fn longest_wait(sent: &[Sent], from: Instant) -> Duration {
    let waits = sent.iter().filter(|one| one.ended >= from);
    waits
        .map(|one| one.ended.saturating_duration_since(one.begun.max(from)))
        .max()
        .unwrap_or_default()
}
