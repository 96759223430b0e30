//! A transaction that nobody will end, because its process was killed.

use std::time::Duration;

use antiphon_core::clock;
use antiphon_core::contract::{BackendErrorKind, MemberRecord, RoomRecord, Standing};
use antiphon_protocol::RoomName;
use antiphon_protocol::client::Visibility;
use mongodb::bson::{Document, doc};
use mongodb::{Client, ClientSession};

use super::super::MongoStore;
use super::{Databases, connect, name};

/// A room is written to again by then; rooms must not stand still for longer.
const FREE_WITHIN: Duration = Duration::from_millis(2_500);

/// A room, and a transaction on it in a session of a process that was killed.
struct Orphan {
    _client: Client,
    session: ClientSession,
    hall: RoomName,
}

impl Orphan {
    /// `noted`: in the room, as the store does it.
    async fn of(store: &MongoStore, url: &str, noted: bool) -> Self {
        let hall = RoomName::parse("hall").unwrap();
        let record = RoomRecord {
            name: hall.clone(),
            visibility: Visibility::Public,
            topic: String::new(),
            created_at_ms: 0,
        };
        let rooms = store.rooms();
        let ann = member(&hall, "ann");
        rooms.create(record, vec![ann], 1).await.unwrap();
        let client = Client::with_uri_str(url).await.unwrap();
        let database = client.default_database().unwrap();
        let documents = database.collection::<Document>("rooms");
        let mut session = client.start_session().await.unwrap();
        let this = doc! { "name": "hall" };
        if noted {
            let change = doc! { "$set": { "transactor": session.id().get("id").unwrap() } };
            documents.update_one(this.clone(), change).await.unwrap();
        }
        session.start_transaction().await.unwrap();
        let changing = documents.update_one(this, doc! { "$inc": { "decisions": 1 } });
        let changed = changing.session(&mut session).await.unwrap();
        assert_eq!(changed.matched_count, 1);
        Self {
            _client: client,
            session,
            hall,
        }
    }
}

fn member(room: &RoomName, user: &str) -> MemberRecord {
    MemberRecord {
        room: room.clone(),
        user: name(user),
        standing: Standing::Member,
        since_ms: 0,
    }
}

/// The server would keep it for a minute; the successor ends it, and takes the room.
#[tokio::test(flavor = "multi_thread")]
async fn a_successor_ends_the_transaction_of_a_dead_leader() {
    let databases = Databases::start().await;
    let url = databases.url();
    let store = connect(&url).await;
    let mut orphan = Orphan::of(&store, &url, true).await;
    let begun = clock::now();
    let claimed = store.rooms().claim(&orphan.hall, 2).await.unwrap();
    let took = begun.elapsed();
    assert!(claimed.is_some());
    assert!(took < FREE_WITHIN, "{took:?}");
    orphan.session.commit_transaction().await.unwrap_err();
    let bob = member(&orphan.hall, "bob");
    store.rooms().put_member(bob, 2).await.unwrap();
    let count = store.rooms().member_count(&orphan.hall).await.unwrap();
    assert_eq!(count, 2);
}

/// One who was deposed ends nothing of its successor's.
#[tokio::test(flavor = "multi_thread")]
async fn a_deposed_leader_ends_nothing() {
    let databases = Databases::start().await;
    let url = databases.url();
    let store = connect(&url).await;
    let mut orphan = Orphan::of(&store, &url, true).await;
    let claimed = store.rooms().claim(&orphan.hall, 0).await;
    assert_eq!(claimed.unwrap_err().kind, BackendErrorKind::Conflict);
    orphan.session.commit_transaction().await.unwrap();
}

/// Also a lost transaction of one's own; and the room tells in which session it is written to.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_members_does_not_wait_for_a_lost_transaction() {
    let databases = Databases::start().await;
    let url = databases.url();
    let store = connect(&url).await;
    let orphan = Orphan::of(&store, &url, true).await;
    let begun = clock::now();
    let bob = member(&orphan.hall, "bob");
    store.rooms().put_member(bob, 1).await.unwrap();
    let took = begun.elapsed();
    assert!(took < FREE_WITHIN, "{took:?}");
    let client = Client::with_uri_str(&url).await.unwrap();
    let rooms = client
        .default_database()
        .unwrap()
        .collection::<Document>("rooms");
    let hall = rooms.find_one(doc! { "name": "hall" }).await.unwrap();
    let noted = hall.unwrap().get("transactor").cloned();
    assert!(noted.is_some() && noted.as_ref() != orphan.session.id().get("id"));
}

/// Nobody knows whose it is, so nobody waits.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_members_is_refused_while_a_stranger_holds_the_room() {
    let databases = Databases::start().await;
    let url = databases.url();
    let store = connect(&url).await;
    let mut orphan = Orphan::of(&store, &url, false).await;
    let begun = clock::now();
    let bob = member(&orphan.hall, "bob");
    let refused = store.rooms().put_member(bob.clone(), 1).await;
    let took = begun.elapsed();
    let kind = refused.expect_err("the room is held").kind;
    assert_eq!(kind, BackendErrorKind::Unavailable, "certainly not done");
    assert!(took < FREE_WITHIN, "{took:?}");
    orphan.session.abort_transaction().await.unwrap();
    store.rooms().put_member(bob, 1).await.unwrap();
    let count = store.rooms().member_count(&orphan.hall).await.unwrap();
    assert_eq!(count, 2);
}
