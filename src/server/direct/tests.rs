use std::sync::Mutex;
use std::time::Duration;

use antiphon_core::contract::{BackendErrorKind, MessageArchive};
use antiphon_protocol::SessionId;
use antiphon_protocol::peer::PeerFrame;
use serde_json::Value;

use super::*;
use crate::server::session::{LocalSession, Outbound, Sessions, lock};
use crate::server::tests::support::archive::{Fault, FaultyArchive};
use crate::server::tests::support::{Stores, client_id, hash_of, stores, until, user};

const INTERVAL: Duration = Duration::from_secs(30);

struct Fixture {
    stores: Stores,
    archive: Arc<FaultyArchive>,
    sessions: Arc<Sessions>,
    router: Arc<Router>,
    seat: DirectSeat,
    writers: DirectWriters,
    stored: mpsc::Receiver<Stored>,
    told: Arc<Mutex<Vec<(String, RoomOutcome)>>>,
    scope: Shutdown,
}

async fn fixture() -> Fixture {
    let stores = stores().await;
    let archive = FaultyArchive::new(&stores.backends.archive);
    let sessions = Arc::new(Sessions::default());
    let rooms = Arc::clone(&stores.backends.rooms);
    let router = Arc::new(Router::new(Arc::clone(&sessions), rooms));
    let (stored_tx, stored) = mpsc::channel(64);
    let seat = DirectSeat {
        recorder: Recorder::new(Arc::clone(&archive) as Arc<dyn MessageArchive>),
        fan_out: Arc::new(FanOut::new(Arc::clone(&sessions))),
        router: Arc::clone(&router),
        stored: stored_tx,
        position_interval: INTERVAL,
    };
    let scope = Shutdown::new();
    Fixture {
        writers: DirectWriters::start(&seat, &scope),
        seat,
        stores,
        archive,
        sessions,
        router,
        stored,
        told: Arc::default(),
        scope,
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.scope.stop();
    }
}

impl Fixture {
    fn bind(&self, name: &str, connection: u64) -> Arc<Outbound> {
        let outbound = Arc::new(Outbound::new(1_000_000, 1_000));
        let session = LocalSession {
            id: SessionId(format!("s{connection}")),
            login_at_ms: 1,
            connection: ConnectionId(connection),
            outbound: Arc::clone(&outbound),
        };
        self.sessions.bind(user(name), session);
        outbound
    }

    async fn send(&self, from: &str, to: &str, id: &str, own: bool) {
        self.send_after(from, to, id, own, None).await;
    }

    async fn send_after(&self, from: &str, to: &str, id: &str, own: bool, after: Option<&str>) {
        let (told, label) = (Arc::clone(&self.told), id.to_owned());
        let message = DirectMessage {
            from: user(from),
            to: user(to),
            client_id: client_id(id),
            own,
            body_hash: hash_of(id),
            format: "text".into(),
            body: id.into(),
            after: after.map(client_id),
            origin: ConnectionId(1),
            completion: Box::new(move |outcome| lock(&told).push((label, outcome))),
        };
        self.writers.send(message).await;
    }

    /// The outcomes once there are so many.
    async fn outcomes(&self, count: usize) -> Vec<(String, RoomOutcome)> {
        until("outcomes", async || {
            let mut told = lock(&self.told);
            (told.len() >= count).then(|| std::mem::take(&mut *told))
        })
        .await
    }

    async fn ack(&self) -> Ack {
        match self.outcomes(1).await.pop() {
            Some((_, RoomOutcome::Ack(ack))) => ack,
            other => panic!("not acked: {other:?}"),
        }
    }
}

fn taken(outbound: &Outbound) -> Vec<Value> {
    let mut frames = Vec::new();
    outbound.take(usize::MAX, &mut frames);
    let frames = frames.iter().map(|frame| serde_json::from_str(frame));
    frames.collect::<Result<_, _>>().unwrap()
}

#[tokio::test]
async fn both_sides_see_the_message_under_the_name_of_the_other() {
    let mut f = fixture().await;
    let (phone, desk) = (f.bind("alice", 1), f.bind("alice", 2));
    let bob = f.bind("bob", 3);
    f.send("alice", "bob", "hello", true).await;
    let ack = f.ack().await;
    assert_eq!((ack.conversation.as_str(), ack.seq), ("user:bob", 1));
    for outbound in [&phone, &desk] {
        let data = &taken(outbound)[0]["data"];
        assert_eq!(data["conversation"], "user:bob");
        assert_eq!(data["clientId"], "hello");
        assert_eq!(data["roomName"], "");
    }
    let data = &taken(&bob)[0]["data"];
    assert_eq!(data["conversation"], "user:alice");
    assert_eq!(data["clientId"], Value::Null);
    assert_eq!(f.stored.recv().await.unwrap().records.len(), 1);
    // The other servers get both copies, in one frame.
    let (frame_tx, mut frame_rx) = mpsc::channel(8);
    let forwarded = async {
        loop {
            if let Some(PeerFrame::Forward { deliveries }) = frame_rx.recv().await {
                return deliveries;
            }
        }
    };
    let forwarded = tokio::select! {
        forwarded = forwarded => forwarded,
        _ = f.router.drive(&frame_tx) => panic!("the link ended"),
    };
    let to: Vec<&str> = forwarded.iter().map(|direct| direct.to.as_str()).collect();
    assert_eq!(to, ["bob", "alice"]);
}

#[tokio::test]
async fn a_retry_is_not_delivered_again() {
    let mut f = fixture().await;
    let bob = f.bind("bob", 3);
    for duplicate in [false, true] {
        f.send("alice", "bob", "once", true).await;
        let ack = f.ack().await;
        assert_eq!((ack.seq, ack.duplicate), (1, duplicate));
    }
    assert_eq!(taken(&bob).len(), 1);
    assert!(f.stored.recv().await.is_some());
    assert!(f.stored.try_recv().is_err());
}

/// The ancestor's client shows its own message itself.
#[tokio::test]
async fn a_client_without_ids_gets_no_copy_on_the_same_connection() {
    let f = fixture().await;
    let (origin, other) = (f.bind("alice", 1), f.bind("alice", 2));
    f.send("alice", "bob", "plain", false).await;
    f.ack().await;
    assert!(taken(&origin).is_empty());
    assert_eq!(taken(&other)[0]["data"]["clientId"], Value::Null);
}

#[tokio::test]
async fn a_note_to_oneself_comes_once() {
    let f = fixture().await;
    let alice = f.bind("alice", 1);
    f.send("alice", "alice", "note", true).await;
    assert_eq!(f.ack().await.conversation, "user:alice");
    assert_eq!(taken(&alice).len(), 1);
}

#[tokio::test]
async fn order_is_kept_within_each_conversation() {
    let f = fixture().await;
    for n in 0..40 {
        f.send(
            "alice",
            ["bob", "carol", "dave"][n % 3],
            &format!("m{n}"),
            true,
        )
        .await;
    }
    let outcomes = f.outcomes(40).await;
    for to in 0..3 {
        let places = outcomes.iter().filter_map(|(id, outcome)| {
            let n: usize = id[1..].parse().unwrap();
            let RoomOutcome::Ack(ack) = outcome else {
                panic!("not acked: {outcome:?}")
            };
            (n % 3 == to).then_some((n / 3 + 1, ack.seq as usize))
        });
        for (sent, place) in places {
            assert_eq!(sent, place);
        }
    }
}

#[tokio::test]
async fn what_the_store_refuses_is_not_delivered() {
    let f = fixture().await;
    let bob = f.bind("bob", 3);
    f.archive
        .plan([Fault::Refused(BackendErrorKind::Unavailable)]);
    f.send("alice", "bob", "lost", true).await;
    let (_, outcome) = f.outcomes(1).await.remove(0);
    let RoomOutcome::Failed(error) = outcome else {
        panic!("acked without a place: {outcome:?}")
    };
    assert_eq!(error.ext, "store_unavailable");
    f.archive.plan([Fault::Done(BackendErrorKind::Timeout)]);
    f.send("alice", "bob", "slow", true).await;
    assert_eq!(f.ack().await.seq, 1);
    f.send("alice", "bob", "next", true).await;
    assert_eq!(f.ack().await.seq, 2);
    let texts = taken(&bob)
        .into_iter()
        .map(|f| f["data"]["message"].clone());
    assert_eq!(texts.collect::<Vec<_>>(), ["slow", "next"]);
    let pair = ConversationId::direct(user("alice"), user("bob"));
    assert_eq!(f.stores.log(&pair).await.len(), 2);
}

#[tokio::test]
async fn an_active_conversation_tells_both_its_top() {
    let f = fixture().await;
    let (alice, bob) = (f.bind("alice", 1), f.bind("bob", 3));
    f.send("alice", "bob", "hello", true).await;
    f.ack().await;
    taken(&alice);
    taken(&bob);
    tokio::time::pause();
    tokio::time::advance(INTERVAL).await;
    tokio::time::resume();
    for (outbound, name) in [(alice, "user:bob"), (bob, "user:alice")] {
        let frames = until("a position", async || {
            let frames = taken(&outbound);
            (!frames.is_empty()).then_some(frames)
        })
        .await;
        assert_eq!(frames[0]["action"], "position");
        let position = &frames[0]["data"]["positions"][0];
        assert_eq!(position["conversation"], name);
        assert_eq!(position["lastSeq"], 1);
    }
}

#[tokio::test]
async fn a_message_behind_the_stop_is_refused() {
    let f = fixture().await;
    f.scope.stop();
    assert!(f.scope.wait(Duration::from_secs(5)).await);
    f.send("alice", "bob", "late", true).await;
    let (_, outcome) = f.outcomes(1).await.remove(0);
    assert!(matches!(outcome, RoomOutcome::Failed(_)), "{outcome:?}");
}

#[tokio::test]
async fn a_message_that_names_another_is_written_behind_it_or_not_at_all() {
    let mut f = fixture().await;
    let end = async |f: &Fixture, id: &str, after: &str| {
        f.send_after("alice", "bob", id, true, Some(after)).await;
        match f.outcomes(1).await.remove(0).1 {
            RoomOutcome::Failed(error) => error.ext,
            RoomOutcome::Ack(ack) => format!("{} {}", ack.seq, ack.duplicate),
            RoomOutcome::Joined { .. } | RoomOutcome::Created(_) | RoomOutcome::Done => {
                panic!("neither")
            }
        }
    };
    assert_eq!(end(&f, "two", "one").await, "predecessor_missing");
    // Another conversation of the sender's, and the same one's other side, are not it.
    f.send("alice", "carol", "one", true).await;
    f.send("bob", "alice", "one", true).await;
    f.outcomes(2).await;
    assert_eq!(end(&f, "two", "one").await, "predecessor_missing");
    f.send("alice", "bob", "one", true).await;
    f.ack().await;
    assert_eq!(end(&f, "two", "one").await, "3 false");
    assert_eq!(end(&f, "two", "never-sent").await, "3 true");
    f.archive
        .unreadable
        .store(true, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(end(&f, "three", "two").await, "4 false");
    assert_eq!(end(&f, "five", "four").await, "store_unavailable");
    f.archive
        .unreadable
        .store(false, std::sync::atomic::Ordering::Relaxed);
    // Another server's writer, which remembers nothing, asks the log.
    f.writers = DirectWriters::start(&f.seat, &f.scope);
    assert_eq!(end(&f, "four", "three").await, "5 false");
    assert_eq!(end(&f, "six", "five").await, "predecessor_missing");
}
