//! The contracts' suites, and what the store promises beyond them.

use antiphon_core::conformance;
use antiphon_core::contract::{
    AppendOutcome, BackendErrorKind, Extent, MemberRecord, Record, RoomRecord, Standing, Tail,
    UserRecord,
};
use antiphon_protocol::client::Visibility;
use antiphon_protocol::{ConversationId, RoomName};

use super::super::MongoStore;
use super::{Databases, chat, client_id, connect, everything, fill, name, room, seqs};

#[tokio::test(flavor = "multi_thread")]
async fn the_user_store_keeps_its_contract() {
    let databases = Databases::start().await;
    conformance::user_store::all(async || databases.make(MongoStore::users).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_room_store_keeps_its_contract() {
    let databases = Databases::start().await;
    conformance::room_store::all(async || databases.make(MongoStore::rooms).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_message_archive_keeps_its_contract() {
    let databases = Databases::start().await;
    conformance::message_archive::all(async || databases.make(MongoStore::archive).await).await;
}

#[tokio::test]
async fn a_sequence_beyond_the_next_is_refused_so_that_no_hole_can_be() {
    let databases = Databases::start().await;
    let url = databases.url();
    let (store, other) = (connect(&url).await, connect(&url).await);
    let (archive, hall) = (store.archive(), room("hall"));
    let late = |seq| Record {
        seq,
        client_id: client_id("late"),
        ..chat(&hall, 1)
    };
    let taken = |seq, epoch| [AppendOutcome::SequenceTaken(Tail { seq, epoch })];
    for seq in [0, 2, 1 << 40, u64::MAX] {
        let beyond = archive.append(vec![late(seq)]).await.unwrap();
        assert_eq!(beyond, taken(0, 0));
    }
    fill(&*archive, &hall, 1..=3).await;
    // One that remembers the top, and one that has never seen this log.
    for archive in [&archive, &other.archive()] {
        for seq in [0, 5, 1 << 40, u64::MAX] {
            assert_eq!(archive.append(vec![late(seq)]).await.unwrap(), taken(3, 1));
        }
        let extent = archive.extent(&hall).await.unwrap();
        assert_eq!(extent, Extent { first: 1, last: 3 });
    }
}

#[tokio::test]
async fn a_number_that_the_database_cannot_hold_is_refused_before_anything_is_written() {
    let databases = Databases::start().await;
    let store = connect(&databases.url()).await;
    let (archive, hall) = (store.archive(), room("hall"));
    let large = Record {
        epoch: 1 << 63,
        ..chat(&room("den"), 1)
    };
    let refused = archive.append(vec![chat(&hall, 1), large]).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.kind, BackendErrorKind::Corrupt);
    assert!(!refused.is_retryable());
    assert_eq!(archive.count().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_writers_on_one_log_end_dense() {
    let databases = Databases::start().await;
    let url = databases.url();
    let (first, second) = (connect(&url).await, connect(&url).await);
    let hall = room("hall");
    let write = async |store: &MongoStore, writer: u64| {
        let archive = store.archive();
        let mut next = 1;
        for batch in 0..20_u64 {
            let mut left: Vec<u64> = (batch * 25..(batch + 1) * 25).collect();
            while !left.is_empty() {
                let records = left.iter().zip(next..).map(|(number, seq)| Record {
                    sender: name(&format!("writer{writer}")),
                    client_id: client_id(&format!("{number}")),
                    ..chat(&hall, seq)
                });
                let outcomes = archive.append(records.collect()).await.unwrap();
                for outcome in outcomes {
                    match outcome {
                        AppendOutcome::Stored => {
                            left.remove(0);
                            next += 1;
                        }
                        AppendOutcome::SequenceTaken(tail) => next = tail.seq + 1,
                        AppendOutcome::NotTried => {}
                        AppendOutcome::DuplicateClientId(other) => panic!("{other:?}"),
                    }
                }
            }
        }
    };
    futures_util::future::join(write(&first, 1), write(&second, 2)).await;
    let all = first.archive();
    let found = all.range(&hall, everything(), 2_000, false).await.unwrap();
    assert_eq!(seqs(&found), (1..=1_000).collect::<Vec<_>>());
    for writer in ["writer1", "writer2"] {
        let own = found.iter().filter(|record| record.sender == name(writer));
        let own: Vec<u64> = own
            .map(|record| record.client_id.as_str().parse().unwrap())
            .collect();
        assert_eq!(
            own,
            (0..500).collect::<Vec<_>>(),
            "each writer's order is kept"
        );
    }
}

#[tokio::test]
async fn the_log_keeps_its_name_and_another_database_has_another() {
    let databases = Databases::start().await;
    let (url, other_url) = (databases.url(), databases.url());
    let first = connect(&url).await;
    let again = connect(&url).await;
    let other = connect(&other_url).await;
    assert_eq!(first.archive().log_id(), again.archive().log_id());
    assert_eq!(first.log_id(), again.log_id());
    assert_ne!(first.log_id(), other.log_id());
    assert!(again.generation() > first.generation());
}

/// Pitfall 36: what a client says is a value, never a field, an operator or a filter.
#[tokio::test]
async fn texts_that_look_like_operators_are_only_texts() {
    let databases = Databases::start().await;
    let store = connect(&databases.url()).await;
    let (archive, rooms, users) = (store.archive(), store.rooms(), store.users());
    let hall = room("a.b");
    let hostile = ["$ne", "$where", "{$gt:1}", "a.b.$", "$$ROOT", "_id", "/.*/"];
    for (raw, seq) in hostile.iter().zip(1..) {
        let record = Record {
            client_id: client_id(raw),
            message_id: antiphon_protocol::MessageId((*raw).to_owned()),
            format: (*raw).to_owned(),
            body: format!("{raw} {{\"$ne\": null}}"),
            ..chat(&hall, seq)
        };
        let outcome = archive.append(vec![record.clone()]).await.unwrap();
        assert_eq!(outcome, [AppendOutcome::Stored], "{raw}");
        let found = archive.find(&hall, &name("ann"), &client_id(raw)).await;
        assert_eq!(found.unwrap(), Some(record), "{raw}");
        assert_eq!(
            archive
                .find(&hall, &name("bob"), &client_id(raw))
                .await
                .unwrap(),
            None
        );
        archive
            .search(std::slice::from_ref(&hall), raw, 9)
            .await
            .unwrap();
        assert_eq!(rooms.list(&name("eve"), raw, "", 9).await.unwrap(), []);
        assert_eq!(
            rooms.members_page(&room_name("a.b"), raw, 9).await.unwrap(),
            []
        );
        users.revoke_family(raw).await.unwrap();
    }
    let account = UserRecord {
        name: name("ann"),
        password_hash: None,
        created_at_ms: 0,
    };
    users.create(account).await.unwrap();
    users
        .set_password(&name("ann"), "$argon2id$v=19$a.b")
        .await
        .unwrap();
    let kept = users.get(&name("ann")).await.unwrap().unwrap();
    assert_eq!(kept.password_hash.as_deref(), Some("$argon2id$v=19$a.b"));
    let strange = RoomRecord {
        name: room_name("a.b"),
        visibility: Visibility::Public,
        topic: "$name".to_owned(),
        created_at_ms: 0,
    };
    let owner = MemberRecord {
        room: room_name("a.b"),
        user: name("_id"),
        standing: Standing::Owner,
        since_ms: 0,
    };
    rooms.create(strange.clone(), vec![owner], 0).await.unwrap();
    assert_eq!(rooms.get(&room_name("a.b")).await.unwrap(), Some(strange));
    let own = ConversationId::Room(room_name("a.b"));
    assert_eq!(rooms.set_read(&name("_id"), &own, 3).await.unwrap(), 3);
    assert_eq!(rooms.read_cursors(&name("_id")).await.unwrap(), [(own, 3)]);
}

fn room_name(raw: &str) -> RoomName {
    RoomName::parse(raw).expect("a name")
}

#[tokio::test]
async fn after_close_every_call_is_refused() {
    let databases = Databases::start().await;
    let store = connect(&databases.url()).await;
    let (archive, users, rooms) = (store.archive(), store.users(), store.rooms());
    fill(&*archive, &room("hall"), 1..=1).await;
    store.close().await;
    let member = MemberRecord {
        room: room_name("hall"),
        user: name("ann"),
        standing: Standing::Member,
        since_ms: 0,
    };
    let kinds = [
        archive
            .append(vec![chat(&room("hall"), 2)])
            .await
            .unwrap_err()
            .kind,
        archive.count().await.unwrap_err().kind,
        users.count().await.unwrap_err().kind,
        rooms.put_member(member, 0).await.unwrap_err().kind,
        store.health().await.unwrap_err().kind,
    ];
    assert_eq!(kinds, [BackendErrorKind::Unavailable; 5]);
}
