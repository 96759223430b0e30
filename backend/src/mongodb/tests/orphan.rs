//! A transaction that nobody will end, because its process was killed.

use std::time::Duration;

use antiphon_core::clock;
use antiphon_core::contract::{BackendErrorKind, MemberRecord, RoomRecord, Standing};
use antiphon_protocol::RoomName;
use antiphon_protocol::client::Visibility;
use mongodb::Client;
use mongodb::bson::{Document, doc};

use super::{Databases, connect, name};

/// What waits behind a change of members waits no longer for it.
const REFUSED_WITHIN: Duration = Duration::from_millis(1_500);

/// The server keeps it for a minute; the room's messages must not wait for that.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_members_does_not_wait_for_a_dead_process() {
    let databases = Databases::start().await;
    let url = databases.url();
    let store = connect(&url).await;
    let rooms = store.rooms();
    let hall = RoomName::parse("hall").unwrap();
    let member = |user: &str| MemberRecord {
        room: hall.clone(),
        user: name(user),
        standing: Standing::Member,
        since_ms: 0,
    };
    let record = RoomRecord {
        name: hall.clone(),
        visibility: Visibility::Public,
        topic: String::new(),
        created_at_ms: 0,
    };
    rooms.create(record, vec![member("ann")], 1).await.unwrap();

    let client = Client::with_uri_str(&url).await.unwrap();
    let database = client.default_database().unwrap();
    let mut dead = client.start_session().await.unwrap();
    dead.start_transaction().await.unwrap();
    let written = (database.collection::<Document>("rooms"))
        .update_one(doc! { "name": "hall" }, doc! { "$inc": { "decisions": 1 } })
        .session(&mut dead)
        .await
        .unwrap();
    assert_eq!(written.matched_count, 1);

    let begun = clock::now();
    let refused = rooms.put_member(member("bob"), 1).await;
    let took = begun.elapsed();
    let kind = refused.expect_err("the room is held").kind;
    assert_eq!(kind, BackendErrorKind::Unavailable, "certainly not done");
    assert!(took < REFUSED_WITHIN, "{took:?}");

    dead.abort_transaction().await.unwrap();
    rooms.put_member(member("bob"), 1).await.unwrap();
    assert_eq!(rooms.member_count(&hall).await.unwrap(), 2);
}

/// probe
#[tokio::test(flavor = "multi_thread")]
async fn probe_kill_sessions() {
    let databases = Databases::start().await;
    let url = databases.url();
    let store = connect(&url).await;
    let rooms = store.rooms();
    let hall = RoomName::parse("hall").unwrap();
    let record = RoomRecord {
        name: hall.clone(),
        visibility: Visibility::Public,
        topic: String::new(),
        created_at_ms: 0,
    };
    rooms.create(record, vec![], 1).await.unwrap();
    let client = Client::with_uri_str(&url).await.unwrap();
    let database = client.default_database().unwrap();
    let mut dead = client.start_session().await.unwrap();
    dead.start_transaction().await.unwrap();
    (database.collection::<Document>("rooms"))
        .update_one(doc! { "name": "hall" }, doc! { "$inc": { "decisions": 1 } })
        .session(&mut dead)
        .await
        .unwrap();
    let begun = clock::now();
    let claimed = rooms.claim(&hall, 2).await;
    eprintln!("claim: {claimed:?} after {:?}", begun.elapsed());
    let lsid = dead.id().clone();
    eprintln!("lsid {lsid:?}");
    let other = Client::with_uri_str(&url).await.unwrap();
    let killed = other.database("admin").run_command(doc! { "killSessions": [lsid] }).await;
    eprintln!("killSessions: {killed:?}");
    let begun = clock::now();
    let claimed = rooms.claim(&hall, 2).await;
    eprintln!("claim: {claimed:?} after {:?}", begun.elapsed());
    let commit = dead.commit_transaction().await;
    eprintln!("commit: {commit:?}");
}
