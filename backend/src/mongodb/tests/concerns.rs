//! How durably writes are asked for, and what reads may see.

use std::sync::{Arc, Mutex};

use antiphon_core::contract::{
    MemberRecord, RoomRecord, RoomStore, Standing, TokenRecord, UserRecord, UserStore,
};
use antiphon_protocol::RoomName;
use antiphon_protocol::client::Visibility;
use mongodb::bson::{Document, doc};
use mongodb::event::EventHandler;
use mongodb::event::command::CommandEvent;
use mongodb::options::ClientOptions;

use super::super::{MongoSettings, MongoStore, opening};
use super::{Databases, connect, fill, name, room};

/// A store and the commands that it sends.
async fn noted(url: &str) -> (MongoStore, Arc<Mutex<Vec<Document>>>) {
    // The URL asks for less, which is overridden.
    let joint = if url.ends_with('?') { "" } else { "&" };
    let less = "w=0&journal=false&readConcernLevel=local&readPreference=nearest";
    let url = format!("{url}{joint}{less}");
    let mut options = ClientOptions::parse(url).await.unwrap();
    let commands = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&commands);
    options.command_event_handler = Some(EventHandler::callback(move |event| {
        if let CommandEvent::Started(started) = event {
            noted.lock().unwrap().push(started.command);
        }
    }));
    let opened = opening::open_with(options, MongoSettings::default()).await;
    (MongoStore::new(opened.unwrap()), commands)
}

async fn use_accounts(users: &dyn UserStore) {
    let account = UserRecord {
        name: name("ann"),
        password_hash: None,
        created_at_ms: 0,
    };
    users.create_many(vec![account]).await.unwrap();
    users.set_password(&name("ann"), "x").await.unwrap();
    let token = |number| TokenRecord {
        hash: [number; 32],
        user: name("ann"),
        family: "f".to_owned(),
        expires_at_ms: 9,
        rotated_at_ms: None,
    };
    users.put_token(token(1), 0).await.unwrap();
    users.put_token(token(2), 99).await.unwrap();
    users.rotate_token(&[2; 32], 5).await.unwrap();
    users.revoke_family("f").await.unwrap();
    users.revoke_user(&name("ann"), None).await.unwrap();
}

async fn use_rooms(rooms: &dyn RoomStore) {
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
    rooms.create(record, vec![member("ann")], 0).await.unwrap();
    rooms.put_member(member("bob"), 1).await.unwrap();
    rooms.remove_member(&hall, &name("bob"), 2).await.unwrap();
    rooms
        .set_read(&name("ann"), &room("hall"), 3)
        .await
        .unwrap();
    rooms.list(&name("ann"), "", "", 9).await.unwrap();
}

#[tokio::test]
async fn every_acked_write_is_majority_journaled_and_every_read_of_a_majority() {
    let databases = Databases::start().await;
    let url = databases.url();
    connect(&url).await;
    let (store, commands) = noted(&url).await;
    let archive = store.archive();
    fill(&*archive, &room("hall"), 1..=3).await;
    use_accounts(&*store.users()).await;
    use_rooms(&*store.rooms()).await;
    archive.tail(&room("hall")).await.unwrap();
    archive.search(&[room("hall")], "log", 9).await.unwrap();

    let majority = doc! { "w": "majority", "j": true };
    let (mut writes, mut reads) = (0, 0);
    for command in commands.lock().unwrap().iter() {
        let (verb, _) = command.iter().next().unwrap();
        let verb = verb.as_str();
        let starts = command.get_bool("startTransaction").unwrap_or(false);
        let inside = command.contains_key("autocommit") && verb != "commitTransaction";
        if starts {
            let concern = command.get_document("readConcern").unwrap();
            assert_eq!(concern.get_str("level").unwrap(), "snapshot", "{command}");
        } else if inside {
            continue;
        } else if ["find", "aggregate"].contains(&verb) {
            let concern = command.get_document("readConcern").unwrap();
            assert_eq!(concern.get_str("level").unwrap(), "majority", "{command}");
            reads += 1;
        } else if [
            "insert",
            "update",
            "delete",
            "findAndModify",
            "commitTransaction",
        ]
        .contains(&verb)
        {
            assert_eq!(
                command.get_document("writeConcern").unwrap(),
                &majority,
                "{command}"
            );
            writes += 1;
        }
    }
    assert!(writes >= 14 && reads >= 5, "{writes} writes, {reads} reads");
}

#[tokio::test(flavor = "multi_thread")]
async fn joins_through_two_servers_all_count() {
    let databases = Databases::start().await;
    let url = databases.url();
    let stores = [connect(&url).await, connect(&url).await];
    let hall = RoomName::parse("hall").unwrap();
    let member = |user: String| MemberRecord {
        room: hall.clone(),
        user: name(&user),
        standing: Standing::Member,
        since_ms: 0,
    };
    let record = RoomRecord {
        name: hall.clone(),
        visibility: Visibility::Public,
        topic: String::new(),
        created_at_ms: 0,
    };
    let rooms = stores[0].rooms();
    rooms.create(record, Vec::new(), 0).await.unwrap();
    let joins = (0..40).map(|number| {
        let (rooms, row) = (stores[number % 2].rooms(), member(format!("user{number}")));
        async move { rooms.put_member(row, 0).await.unwrap() }
    });
    futures_util::future::join_all(joins).await;
    assert_eq!(rooms.member_count(&hall).await.unwrap(), 40);
    assert_eq!(rooms.members(&hall).await.unwrap().len(), 40);
}

/// A deposed leader's write that runs at the same time as its successor's never undoes it.
#[tokio::test(flavor = "multi_thread")]
async fn a_kick_by_a_newer_epoch_stands_whatever_the_older_does_meanwhile() {
    let databases = Databases::start().await;
    let url = databases.url();
    let (deposed, leader) = (connect(&url).await, connect(&url).await);
    let (old, new) = (deposed.rooms(), leader.rooms());
    for number in 0..30_u64 {
        let hall = RoomName::parse(&format!("hall{number}")).unwrap();
        let bob = || MemberRecord {
            room: hall.clone(),
            user: name("bob"),
            standing: Standing::Member,
            since_ms: number,
        };
        let record = RoomRecord {
            name: hall.clone(),
            visibility: Visibility::Public,
            topic: String::new(),
            created_at_ms: 0,
        };
        new.create(record, vec![bob()], 6).await.unwrap();
        let kick = async { new.remove_member(&hall, &name("bob"), 7).await.unwrap() };
        let undo = async { while old.put_member(bob(), 6).await.is_ok() {} };
        tokio::join!(kick, undo);
        let standing = new.standing(&hall, &name("bob")).await.unwrap();
        assert_eq!(standing, None);
        assert_eq!(new.member_count(&hall).await.unwrap(), 0);
    }
}
