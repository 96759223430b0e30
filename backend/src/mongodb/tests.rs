//! Tests of the MongoDB store, on a real server.

mod concerns;
mod contracts;
mod cost;
mod damage;
mod indexes;
mod lost_reply;
mod orphan;
mod outage;
mod refusal;
mod trimming;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use antiphon_core::contract::{AppendOutcome, MessageArchive, Record, RecordKind, SeqRange};
use antiphon_core::random;
use antiphon_protocol::{ClientId, ConversationId, MessageId, RoomName, UserName};
use antiphon_test_services::MongoServer;

use super::{MongoSettings, MongoStore};

/// The URL of a MongoDB to test on, instead of servers that the tests start. Tests that kill
/// or pause their server start one in any case.
const GIVEN_URL: &str = "ANTIPHON_TEST_MONGODB_URL";

/// A server, and the stores of a test on it, each in a database of its own.
struct Databases {
    server: Option<MongoServer>,
    url: String,
    prefix: String,
    made: AtomicU64,
    stores: Mutex<Vec<MongoStore>>,
}

impl Databases {
    /// On the server that is given, or else on one of the test's own.
    async fn start() -> Self {
        match std::env::var_os(GIVEN_URL).filter(|url| !url.is_empty()) {
            Some(url) => Self::on(url.into_string().expect("a URL"), None),
            None => Self::of_own_server().await,
        }
    }

    async fn of_own_server() -> Self {
        // With commands by which a test says what the server is to answer.
        let server = MongoServer::start_with(&["--enable-test-commands"]).await;
        Self::on(server.url("antiphon"), Some(server))
    }

    fn on(url: String, server: Option<MongoServer>) -> Self {
        Self {
            server,
            url,
            prefix: format!("antiphon_test_{}", random::hex::<6>()),
            made: AtomicU64::new(0),
            stores: Mutex::new(Vec::new()),
        }
    }

    /// The server that this test has started.
    fn server(&self) -> &MongoServer {
        self.server.as_ref().expect("a server of the test's own")
    }

    /// A database that nobody has used.
    fn url(&self) -> String {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        with_database(&self.url, &format!("{}_{number}", self.prefix))
    }

    /// A part of a new store, which is kept until the end.
    async fn make<T>(&self, part: impl Fn(&MongoStore) -> T) -> T {
        let store = connect(&self.url()).await;
        let made = part(&store);
        self.stores.lock().unwrap().push(store);
        made
    }
}

/// Leaves nothing on a server that others use.
impl Drop for Databases {
    fn drop(&mut self) {
        if self.server.is_some() {
            return;
        }
        let (url, prefix) = (self.url.clone(), self.prefix.clone());
        let made = *self.made.get_mut();
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            runtime.block_on(async {
                let client = mongodb::Client::with_uri_str(url).await.expect("a client");
                for number in 0..made {
                    let database = client.database(&format!("{prefix}_{number}"));
                    database.drop().await.expect("the database is dropped");
                }
            });
        });
        let dropped = dropping.join().is_ok();
        assert!(dropped || std::thread::panicking(), "databases are left");
    }
}

/// A MongoDB URL with another database.
fn with_database(url: &str, database: &str) -> String {
    let (place, options) = url.split_once('?').unwrap_or((url, ""));
    let (scheme, rest) = place.split_once("://").expect("a URL");
    let servers = rest.split('/').next().expect("servers");
    format!("{scheme}://{servers}/{database}?{options}")
}

#[test]
fn a_url_gets_another_database() {
    let with = |url: &str| with_database(url, "d");
    assert_eq!(with("mongodb://a:1"), "mongodb://a:1/d?");
    assert_eq!(with("mongodb://a:1/x?y=z"), "mongodb://a:1/d?y=z");
    assert_eq!(with("mongodb://u:p@a,b/?y=z"), "mongodb://u:p@a,b/d?y=z");
}

async fn connect(url: &str) -> MongoStore {
    MongoStore::connect(url, MongoSettings::default())
        .await
        .expect("the database can be used")
}

fn name(raw: &str) -> UserName {
    UserName::parse(raw).expect("a name")
}

fn room(raw: &str) -> ConversationId {
    ConversationId::Room(RoomName::parse(raw).expect("a name"))
}

fn client_id(raw: &str) -> ClientId {
    ClientId::parse(raw).expect("a client id")
}

fn chat(conversation: &ConversationId, seq: u64) -> Record {
    Record {
        conversation: conversation.clone(),
        seq,
        epoch: 1,
        kind: RecordKind::Chat,
        sender: name("ann"),
        client_id: client_id(&format!("c-{seq}")),
        message_id: MessageId(format!("id of {seq}")),
        body_hash: [7; 16],
        ts_ms: seq.saturating_add(1_000),
        format: "text".to_owned(),
        body: format!("text number{seq} of the log"),
    }
}

async fn fill(
    archive: &dyn MessageArchive,
    conversation: &ConversationId,
    seqs: std::ops::RangeInclusive<u64>,
) {
    for chunk in seqs.collect::<Vec<_>>().chunks(1_000) {
        let records: Vec<Record> = chunk.iter().map(|seq| chat(conversation, *seq)).collect();
        let stored = vec![AppendOutcome::Stored; records.len()];
        assert_eq!(archive.append(records).await.expect("append"), stored);
    }
}

fn everything() -> SeqRange {
    SeqRange {
        from: 1,
        to: u64::MAX,
    }
}

fn seqs(records: &[Record]) -> Vec<u64> {
    records.iter().map(|record| record.seq).collect()
}
