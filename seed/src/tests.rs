use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use antiphon_core::contract::*;
use antiphon_core::words::WordFilter;
use antiphon_protocol::client::Visibility;
use antiphon_protocol::{ConversationId, RoomName, UserName};

use super::*;
use memory::{MemoryArchive, MemoryRooms, MemoryUsers};

mod memory;
mod reading;

const NOW_MS: u64 = 1_790_000_000_000;

#[derive(Default)]
struct Memory {
    users: Arc<MemoryUsers>,
    rooms: Arc<MemoryRooms>,
    archive: Arc<MemoryArchive>,
}

impl Memory {
    fn stores(&self) -> Stores {
        Stores {
            users: self.users.clone(),
            rooms: self.rooms.clone(),
            archive: self.archive.clone(),
        }
    }

    async fn run(&self, options: &SeedOptions) -> Result<Summary, SeedError> {
        run(&self.stores(), options, &mut |_| {}).await
    }

    /// Everything that is stored, to compare.
    fn dump(&self) -> String {
        let users = self.users.users.lock().unwrap();
        let rooms = self.rooms.rooms.lock().unwrap();
        let members = self.rooms.members.lock().unwrap();
        format!("{users:?} {rooms:?} {members:?} {:?}", self.archive.all())
    }
}

fn options() -> SeedOptions {
    SeedOptions {
        now_ms: Some(NOW_MS),
        ..SeedOptions::default()
    }
}

fn small() -> SeedOptions {
    SeedOptions {
        users: 12,
        rooms: 3,
        messages: 300,
        ..options()
    }
}

fn name(raw: &str) -> UserName {
    UserName::parse(raw).unwrap()
}

/// Pitfall 114.
#[tokio::test]
async fn pitfall_114_the_ancestors_counts_are_exact() {
    let memory = Memory::default();
    let summary = memory.run(&options()).await.unwrap();
    assert_eq!(
        (
            summary.users_made,
            summary.rooms_made,
            summary.messages_made
        ),
        (99, 9, 2_000)
    );
    assert_eq!(memory.users.count().await.unwrap(), 99);
    assert_eq!(memory.rooms.count().await.unwrap(), 9);
    assert_eq!(memory.archive.count().await.unwrap(), 2_000);
    for number in 1..=99 {
        let user = name(&format!("user{number}"));
        assert!(memory.users.get(&user).await.unwrap().is_some());
        assert!(!memory.rooms.rooms_of(&user).await.unwrap().is_empty());
    }
    for number in 1..=9 {
        let room = RoomName::parse(&format!("room{number}")).unwrap();
        let members = memory.rooms.members(&room).await.unwrap();
        let owners = members
            .iter()
            .filter(|row| row.standing == Standing::Owner)
            .count();
        assert!(members.len() > 1 && owners == 1, "{room}");
    }
}

/// Pitfall 114: a second run adds nothing, and nothing is ever wiped.
#[tokio::test]
async fn pitfall_114_a_second_run_adds_nothing() {
    let memory = Memory::default();
    memory.run(&small()).await.unwrap();
    let before = memory.dump();
    let later = SeedOptions {
        now_ms: Some(NOW_MS + 86_400_000),
        ..small()
    };
    let summary = memory.run(&later).await.unwrap();
    assert_eq!(
        (
            summary.users_made,
            summary.rooms_made,
            summary.messages_made
        ),
        (0, 0, 0)
    );
    assert_eq!(
        (
            summary.users_there,
            summary.rooms_there,
            summary.messages_there
        ),
        (12, 3, 300)
    );
    assert_eq!(memory.dump(), before);
}

/// Pitfall 23.
#[tokio::test]
async fn pitfall_23_users_have_the_password_that_is_told() {
    let memory = Memory::default();
    let password = Some("correct horse".to_owned());
    let with = SeedOptions {
        password,
        password_hash: Some("$phc$".to_owned()),
        ..small()
    };
    let summary = memory.run(&with).await.unwrap();
    assert_eq!(summary.logins[0].username, name("user1"));
    assert_eq!(summary.logins[0].password.as_deref(), Some("correct horse"));
    assert!(!format!("{with:?} {summary:?}").contains("correct horse"));
    let users = memory.users.users.lock().unwrap().clone();
    assert!(
        users
            .values()
            .all(|user| user.password_hash.as_deref() == Some("$phc$"))
    );

    let again = SeedOptions {
        password_hash: Some("$other$".to_owned()),
        ..with
    };
    let summary = memory.run(&again).await.unwrap();
    assert_eq!(
        summary.logins[0].password, None,
        "who was there keeps the old password"
    );
    assert_eq!(*memory.users.users.lock().unwrap(), users);
}

#[tokio::test]
async fn the_same_options_give_the_same_data() {
    let dump = async |options: SeedOptions| {
        let memory = Memory::default();
        memory.run(&options).await.unwrap();
        memory.dump()
    };
    assert_eq!(dump(small()).await, dump(small()).await);
    assert_ne!(
        dump(small()).await,
        dump(SeedOptions {
            seed: 43,
            ..small()
        })
        .await
    );
}

/// Interrupted again and again, and each time taken up later: the same bytes as in one go.
#[tokio::test]
async fn an_interrupted_run_goes_on_where_it_stopped() {
    let options = SeedOptions {
        batch_max: 16,
        ..small()
    };
    let whole = Memory::default();
    whole.run(&options).await.unwrap();
    let memory = Memory::default();
    let mut failures = 0;
    for appends in 0..200 {
        *memory.archive.appends_left.lock().unwrap() = Some(appends % 3);
        let later = SeedOptions {
            now_ms: Some(NOW_MS + u64::from(appends) * 7_000_000),
            ..options.clone()
        };
        // The first run stores something, which tells the later ones the anchor.
        let run = if appends < 3 { &options } else { &later };
        match memory.run(run).await {
            Ok(_) => break,
            Err(SeedError::Backend(error)) => assert!(error.is_retryable()),
            Err(error) => panic!("{error}"),
        }
        failures += 1;
    }
    assert!(failures > 3);
    assert_eq!(memory.dump(), whole.dump());
}

#[tokio::test]
async fn a_larger_set_goes_on_from_a_smaller_one() {
    let memory = Memory::default();
    memory.run(&small()).await.unwrap();
    let larger = SeedOptions {
        messages: 500,
        ..small()
    };
    let summary = memory.run(&larger).await.unwrap();
    assert_eq!((summary.messages_there, summary.messages_made), (300, 200));
    for log in memory.archive.logs.lock().unwrap().values() {
        assert!(log.is_sorted_by_key(|record| record.ts_ms));
        let ids: BTreeSet<_> = log.iter().map(|record| &record.client_id).collect();
        assert_eq!(ids.len(), log.len());
    }
    assert_eq!(memory.run(&larger).await.unwrap().messages_made, 0);
    assert_eq!(memory.run(&small()).await.unwrap().messages_made, 0);
}

/// A week later the same set is the same, a week later.
#[tokio::test]
async fn another_anchor_moves_the_times_and_nothing_else() {
    const WEEK_MS: u64 = 7 * 86_400_000;
    let said = async |now_ms: u64| {
        let memory = Memory::default();
        let now_ms = Some(now_ms);
        memory
            .run(&SeedOptions { now_ms, ..small() })
            .await
            .unwrap();
        memory.archive.all()
    };
    let now = said(NOW_MS).await;
    let later = said(NOW_MS + WEEK_MS).await;
    assert_eq!(now.len(), later.len());
    for (a, b) in now.iter().zip(&later) {
        assert_eq!((&a.sender, &a.body, a.seq), (&b.sender, &b.body, b.seq));
        assert_eq!(a.ts_ms + WEEK_MS, b.ts_ms);
    }
}

#[tokio::test]
async fn a_plan_tells_what_a_run_makes_and_writes_nothing() {
    let memory = Memory::default();
    let before = memory.dump();
    let planned = plan(&memory.stores(), &small()).await.unwrap();
    assert_eq!(memory.dump(), before);
    assert_eq!(
        (planned.users, planned.rooms.len(), planned.messages),
        (12, 3, 300)
    );
    let summary = memory.run(&small()).await.unwrap();
    assert_eq!(planned.messages, summary.messages_made);
    let planned = plan(&memory.stores(), &small()).await.unwrap();
    assert_eq!(
        (planned.users, planned.rooms.len(), planned.messages),
        (0, 0, 0)
    );
    assert_eq!(
        (
            planned.users_there,
            planned.rooms_there,
            planned.messages_there
        ),
        (12, 3, 300)
    );
}

#[tokio::test]
async fn what_is_not_a_seeds_is_refused_and_left_alone() {
    let memory = Memory::default();
    let user = |raw: &str| UserRecord {
        name: name(raw),
        password_hash: Some("mine".to_owned()),
        created_at_ms: 5,
    };
    for own in ["alice", "user5"] {
        memory.users.create(user(own)).await.unwrap();
    }
    let room = RoomRecord {
        name: RoomName::parse("room2").unwrap(),
        visibility: Visibility::Private,
        topic: "mine".to_owned(),
        created_at_ms: 5,
    };
    memory
        .rooms
        .create(room.clone(), Vec::new(), 9)
        .await
        .unwrap();
    let before = memory.dump();
    let error = memory.run(&small()).await.unwrap_err();
    assert!(matches!(error, SeedError::NotEmpty { users: 2, rooms: 1 }));
    assert!(plan(&memory.stores(), &small()).await.is_err());
    assert_eq!(memory.dump(), before);

    let forced = SeedOptions {
        force: true,
        ..small()
    };
    let summary = memory.run(&forced).await.unwrap();
    assert_eq!((summary.users_made, summary.rooms_made), (11, 2));
    assert_eq!(
        memory.users.get(&name("user5")).await.unwrap(),
        Some(user("user5"))
    );
    assert_eq!(
        memory.rooms.get(&room.name).await.unwrap(),
        Some(room.clone())
    );
    assert!(
        memory
            .rooms
            .rooms_of(&name("user5"))
            .await
            .unwrap()
            .is_empty()
    );
    let records = memory.archive.all();
    assert!(records.iter().all(|record| record.sender != name("user5")));
    assert!(
        records
            .iter()
            .all(|record| record.conversation != ConversationId::Room(room.name.clone()))
    );
    assert_eq!(memory.run(&forced).await.unwrap().messages_made, 0);
}

#[tokio::test]
async fn a_name_that_looks_like_one_of_the_set_is_not_a_seeds() {
    let memory = Memory::default();
    let lookalike = UserRecord {
        name: name("userl"),
        password_hash: None,
        created_at_ms: 5,
    };
    memory.users.create(lookalike).await.unwrap();
    let forced = SeedOptions {
        force: true,
        ..small()
    };
    assert_eq!(memory.run(&forced).await.unwrap().users_made, 11);
    assert!(
        memory
            .archive
            .all()
            .iter()
            .all(|record| record.sender != name("user1"))
    );
}

#[tokio::test]
async fn others_may_write_meanwhile() {
    let memory = Memory::default();
    *memory.archive.intruders.lock().unwrap() = 5;
    let summary = memory.run(&small()).await.unwrap();
    assert_eq!(summary.messages_made, 300);
    assert_eq!(memory.archive.count().await.unwrap(), 305);
    let clients: BTreeSet<_> = memory
        .archive
        .all()
        .into_iter()
        .map(|r| (r.conversation, r.client_id))
        .collect();
    assert_eq!(clients.len(), 305);

    let memory = Memory::default();
    *memory.archive.intruders.lock().unwrap() = 1_000;
    let error = memory.run(&small()).await.unwrap_err();
    assert!(matches!(error, SeedError::Contended { .. }));
}

#[tokio::test]
async fn options_are_checked() {
    let memory = Memory::default();
    let bad = [
        SeedOptions {
            users: USERS_MAX + 1,
            ..small()
        },
        SeedOptions {
            users: 0,
            ..small()
        },
        SeedOptions {
            users: 1,
            rooms: 0,
            ..small()
        },
        SeedOptions {
            languages: Vec::new(),
            ..small()
        },
        SeedOptions { days: 0, ..small() },
        SeedOptions {
            messages: MESSAGES_MAX + 1,
            ..small()
        },
        SeedOptions {
            password: Some("x".to_owned()),
            ..small()
        },
    ];
    for options in bad {
        let error = memory.run(&options).await.unwrap_err();
        assert!(
            matches!(error, SeedError::InvalidOptions { .. }),
            "{options:?}"
        );
    }
    let good = [
        SeedOptions {
            users: 0,
            rooms: 0,
            messages: 0,
            ..small()
        },
        SeedOptions {
            users: 2,
            rooms: 0,
            messages: 10,
            ..small()
        },
        SeedOptions {
            users: 1,
            rooms: 2,
            messages: 10,
            ..small()
        },
        SeedOptions {
            languages: vec![Language::Chinese],
            ..small()
        },
    ];
    for options in good {
        let summary = Memory::default().run(&options).await.unwrap();
        assert_eq!(
            summary.messages_made,
            u64::from(options.messages),
            "{options:?}"
        );
    }
}

#[tokio::test]
async fn conversations_read_like_real_ones() {
    let memory = Memory::default();
    memory.run(&options()).await.unwrap();
    let records = memory.archive.all();
    let filter = WordFilter::builtin();
    let begin = NOW_MS - 15 * 86_400_000;
    let mut ids = BTreeSet::new();
    let mut logs: BTreeMap<ConversationId, Vec<&Record>> = BTreeMap::new();
    for record in &records {
        assert!((begin..=NOW_MS).contains(&record.ts_ms));
        assert!(!record.body.contains(['{', '}']), "{}", record.body);
        assert_eq!(filter.mask(&record.body), record.body);
        assert!(ids.insert(record.message_id.clone()));
        logs.entry(record.conversation.clone())
            .or_default()
            .push(record);
    }
    for (conversation, log) in &logs {
        assert!(log.is_sorted_by_key(|record| record.ts_ms));
        assert!(
            log.iter().zip(1..).all(|(record, seq)| record.seq == seq),
            "{conversation:?}"
        );
        let speakers: BTreeSet<_> = log.iter().map(|record| &record.sender).collect();
        assert!(speakers.len() > 1, "{conversation:?}");
    }
    let busy = |room: &str| logs[&ConversationId::Room(RoomName::parse(room).unwrap())].len();
    assert!(busy("room1") > 10 * busy("room9") && busy("room9") > 0);
    let is_direct = |key: &&ConversationId| matches!(key, ConversationId::Direct(..));
    assert!(logs.keys().filter(is_direct).count() > 5);
    assert!(records.iter().any(|record| record.body.contains("@user")));
}
