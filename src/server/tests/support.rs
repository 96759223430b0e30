//! What the tests of the server share: real stores in a temporary folder, and stores that
//! fail on purpose.

pub(crate) mod archive;
pub(crate) mod client;
pub(crate) mod cluster;
pub(crate) mod rooms;

use std::sync::Arc;
use std::time::Duration;

use antiphon_backend::embedded::EmbeddedStore;
use antiphon_core::clock;
use antiphon_core::contract::{
    Backends, MemberRecord, Record, RecordKind, RoomRecord, SeqRange, Standing, UserRecord,
};
use antiphon_core::memory::{
    MemoryCoordinator, MemoryRecentMessages, MemoryServerDirectory, MemorySessionRegistry,
    MemoryWordRanking,
};
use antiphon_core::random;
use antiphon_protocol::client::Visibility;
use antiphon_protocol::{ClientId, ConversationId, RoomName, UserName};

/// How long a state may take before a test gives up on it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// Real stores in a folder that goes with them.
pub(crate) struct Stores {
    pub(crate) backends: Backends,
    pub(crate) coordinator: MemoryCoordinator,
    pub(crate) store: EmbeddedStore,
    _dir: tempfile::TempDir,
}

pub(crate) async fn stores() -> Stores {
    let dir = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(dir.path()).await.unwrap();
    let coordinator = MemoryCoordinator::new(100);
    let backends = Backends {
        coordinator: Arc::new(coordinator.clone()),
        directory: Arc::new(MemoryServerDirectory::new()),
        sessions: Arc::new(MemorySessionRegistry::new()),
        recent: Arc::new(MemoryRecentMessages::new()),
        ranking: Arc::new(MemoryWordRanking::new()),
        users: store.users(),
        rooms: store.rooms(),
        archive: store.archive(),
    };
    Stores {
        backends,
        coordinator,
        store,
        _dir: dir,
    }
}

impl Stores {
    /// Accounts without passwords, for open login.
    pub(crate) async fn add_users(&self, names: &[&str]) {
        let records = names.iter().map(|name| UserRecord {
            name: user(name),
            password_hash: None,
            created_at_ms: 1,
        });
        let made = self.backends.users.create_many(records.collect()).await;
        assert_eq!(made.unwrap(), names.len() as u64);
    }

    /// A room made by nobody's leader; the first member owns it.
    pub(crate) async fn add_room(&self, name: &str, visibility: Visibility, members: &[&str]) {
        let record = RoomRecord {
            name: room(name),
            visibility,
            topic: String::new(),
            created_at_ms: 1,
        };
        let rows = members.iter().enumerate().map(|(at, member)| MemberRecord {
            room: room(name),
            user: user(member),
            standing: if at == 0 {
                Standing::Owner
            } else {
                Standing::Member
            },
            since_ms: 1 + at as u64,
        });
        let made = self.backends.rooms.create(record, rows.collect(), 0).await;
        made.unwrap();
    }

    /// The whole log of a conversation, checked to be dense, with epochs that never fall and
    /// ids that occur once.
    pub(crate) async fn log(&self, conversation: &ConversationId) -> Vec<Record> {
        let all = SeqRange {
            from: 1,
            to: 1_000_000,
        };
        let archive = &self.backends.archive;
        let records = archive.range(conversation, all, 100_000, false).await;
        let records = records.unwrap();
        let seqs: Vec<u64> = records.iter().map(|record| record.seq).collect();
        let dense: Vec<u64> = (1..=records.len() as u64).collect();
        assert_eq!(seqs, dense, "the log has holes");
        assert!(
            records.is_sorted_by_key(|record| record.epoch),
            "epochs fall"
        );
        let mut ids: Vec<_> = records.iter().map(|r| (&r.sender, &r.client_id)).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), records.len(), "a client id occurs twice");
        records
    }

    pub(crate) async fn room_log(&self, name: &str) -> Vec<Record> {
        self.log(&ConversationId::Room(room(name))).await
    }
}

pub(crate) fn user(name: &str) -> UserName {
    UserName::parse(name).expect("a user name")
}

pub(crate) fn room(name: &str) -> RoomName {
    RoomName::parse(name).expect("a room name")
}

pub(crate) fn client_id(id: &str) -> ClientId {
    ClientId::parse(id).expect("a client id")
}

/// A body's hash, for tests.
pub(crate) fn hash_of(body: &str) -> [u8; 16] {
    let mut hash = [0; 16];
    for (at, byte) in body.bytes().enumerate() {
        hash[at % 16] ^= byte;
    }
    hash
}

pub(crate) fn record(conversation: &ConversationId, seq: u64, epoch: u64, id: &str) -> Record {
    Record {
        conversation: conversation.clone(),
        seq,
        epoch,
        kind: RecordKind::Chat,
        sender: user("somebody"),
        client_id: client_id(id),
        message_id: random::message_id(),
        body_hash: hash_of(id),
        ts_ms: 1,
        format: "text".into(),
        body: id.into(),
    }
}

/// Looks again until the state is there.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = clock::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(clock::now() < deadline, "not in time: {what}");
        clock::sleep(Duration::from_millis(5)).await;
    }
}
