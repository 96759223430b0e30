//! Connecting: the options, what the server must be able to do, the indexes, and the
//! document that names the log.

use std::time::Duration;

use antiphon_core::{clock, random};
use mongodb::bson::{Document, doc};
use mongodb::error::{Error, ErrorKind};
use mongodb::options::{
    Acknowledgment, ClientOptions, ReadConcern, ReturnDocument, SelectionCriteria, WriteConcern,
};
use mongodb::{Client, Collection, Database};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::indexes::{self, IndexError};
use super::limits::{
    CONNECT_TIMEOUT, CONNECTING_MAX, CONNECTIONS_MAX, HEARTBEAT_EVERY, OPEN_DEADLINE,
    REMOVE_DEADLINE, SERVER_SELECTION_TIMEOUT,
};

/// The database of a URL that names none.
const DATABASE_DEFAULT: &str = "antiphon";
/// Raised when the documents change in a way that older programs can't read.
const SCHEMA_VERSION: i64 = 1;
/// The key of the one document of `meta`.
const META_ID: &str = "log";

/// How a [`super::MongoStore`] connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MongoSettings {
    /// Whether indexes that are absent are made. They are checked either way; without the
    /// right to make them, an operator makes them before.
    pub make_indexes: bool,
    /// Longest wait for a server that can take a call.
    pub server_selection_timeout: Duration,
}

impl Default for MongoSettings {
    fn default() -> Self {
        Self {
            make_indexes: true,
            server_selection_timeout: SERVER_SELECTION_TIMEOUT,
        }
    }
}

/// Why a database can't be used. Each says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The URL.
    #[error("the store's URL can't be used")]
    Url(#[source] Error),
    /// The server.
    #[error("the database can't be reached")]
    Unreachable(#[source] Error),
    /// The URL's user and password.
    #[error("the database refuses the user or the password of the store's URL")]
    Login(#[source] Error),
    /// No answer.
    #[error("the start did not end within {} seconds", OPEN_DEADLINE.as_secs())]
    TooSlow,
    /// A server on its own.
    #[error(
        "the database is a server on its own, which has no transactions; start it as a replica \
         set (of one server, if need be)"
    )]
    Standalone,
    /// The indexes.
    #[error("the database's indexes can't be relied on")]
    Index(#[from] IndexError),
    /// A newer program wrote it.
    #[error("the database is of version {found}; this program knows up to {SCHEMA_VERSION}")]
    TooNew {
        /// Its version.
        found: i64,
    },
    /// The document that names the log.
    #[error("the database's name can't be read or written")]
    Meta(#[source] Error),
}

/// A database that can be used.
pub(super) struct Opened {
    pub(super) client: Client,
    pub(super) database: Database,
    pub(super) log_id: String,
    pub(super) generation: u64,
}

/// Connects to the database that `url` names, and makes it ready.
pub(super) async fn open(url: &str, settings: MongoSettings) -> Result<Opened, ConnectError> {
    let options = ClientOptions::parse(url).await.map_err(ConnectError::Url)?;
    open_with(options, settings).await
}

/// The same with the driver's options.
pub(super) async fn open_with(
    options: ClientOptions,
    settings: MongoSettings,
) -> Result<Opened, ConnectError> {
    let opening = Box::pin(make_ready(options, settings));
    let opened = clock::timeout(OPEN_DEADLINE, opening).await;
    opened.map_err(|_| ConnectError::TooSlow)?
}

/// Removes the database that `url` names, with everything in it.
pub async fn remove_database(url: &str) -> Result<(), ConnectError> {
    let mut options = ClientOptions::parse(url).await.map_err(ConnectError::Url)?;
    require(&mut options, MongoSettings::default());
    let unnamed = || ConnectError::Url(Error::custom("it names no database"));
    let name = options.default_database.clone().ok_or_else(unnamed)?;
    let client = Client::with_options(options).map_err(ConnectError::Url)?;
    let database = client.database(&name);
    let dropped = clock::timeout(REMOVE_DEADLINE, async { database.drop().await }).await;
    dropped
        .map_err(|_| ConnectError::TooSlow)?
        .map_err(unreachable)
}

async fn make_ready(
    mut options: ClientOptions,
    settings: MongoSettings,
) -> Result<Opened, ConnectError> {
    require(&mut options, settings);
    let name = options.default_database.clone();
    let name = name.unwrap_or_else(|| DATABASE_DEFAULT.to_owned());
    let client = Client::with_options(options).map_err(ConnectError::Url)?;
    let database = client.database(&name);
    let hello = database.run_command(doc! { "hello": 1 }).await;
    let hello = hello.map_err(unreachable)?;
    let is_router = hello.get_str("msg").is_ok_and(|msg| msg == "isdbgrid");
    if !is_router && !hello.contains_key("setName") {
        return Err(ConnectError::Standalone);
    }
    indexes::ensure(&database, settings.make_indexes).await?;
    let meta = count_start(&database).await?;
    Ok(Opened {
        client,
        log_id: log_id(&meta.log_id, &name),
        generation: meta.generation.unsigned_abs(),
        database,
    })
}

fn unreachable(error: Error) -> ConnectError {
    if matches!(error.kind.as_ref(), ErrorKind::Authentication { .. }) {
        ConnectError::Login(error)
    } else {
        ConnectError::Unreachable(error)
    }
}

/// Sets what the promises need, whatever the URL says: majority-journaled writes, reads of
/// the primary that no election takes back, bounded waits.
fn require(options: &mut ClientOptions, settings: MongoSettings) {
    let durable = WriteConcern::builder()
        .w(Acknowledgment::Majority)
        .journal(true)
        .build();
    options.write_concern = Some(durable);
    options.read_concern = Some(ReadConcern::majority());
    let primary = mongodb::options::ReadPreference::Primary;
    options.selection_criteria = Some(SelectionCriteria::ReadPreference(primary));
    options.retry_writes = Some(true);
    options.retry_reads = Some(true);
    options.server_selection_timeout = Some(settings.server_selection_timeout);
    options.connect_timeout = Some(CONNECT_TIMEOUT);
    options.heartbeat_freq = Some(HEARTBEAT_EVERY);
    options.max_pool_size = Some(CONNECTIONS_MAX);
    options.max_connecting = Some(CONNECTING_MAX);
    options.app_name = Some("antiphon".to_owned());
}

/// The document that names the log and counts the starts on it.
#[derive(Debug, Serialize, Deserialize)]
struct Meta {
    #[serde(rename = "_id")]
    id: String,
    log_id: String,
    schema: i64,
    generation: i64,
}

/// Names the log, if it has no name yet, and counts this start.
async fn count_start(database: &Database) -> Result<Meta, ConnectError> {
    let collection: Collection<Meta> = database.collection("meta");
    let found = collection.find_one(doc! { "_id": META_ID }).await;
    let found = found.map_err(ConnectError::Meta)?;
    if let Some(found) = found.filter(|meta| meta.schema > SCHEMA_VERSION) {
        return Err(ConnectError::TooNew {
            found: found.schema,
        });
    }
    let update: Document = doc! {
        "$setOnInsert": { "log_id": random::hex::<16>(), "schema": SCHEMA_VERSION },
        "$inc": { "generation": 1_i64 },
    };
    let counting = || {
        collection
            .find_one_and_update(doc! { "_id": META_ID }, update.clone())
            .upsert(true)
            .return_document(ReturnDocument::After)
    };
    let counted = match counting().await {
        // Another server made it between the look and the insert.
        Err(error) if super::failure::is_duplicate(&error) => counting().await,
        other => other,
    };
    let missing = || Error::custom("the document is gone");
    counted
        .map_err(ConnectError::Meta)?
        .ok_or_else(|| ConnectError::Meta(missing()))
}

/// The name of the log: of the database's own name and what was drawn for it, so that a copy
/// restored under a new name is another log.
fn log_id(drawn: &str, database: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(drawn.as_bytes());
    hash.update([0]);
    hash.update(database.as_bytes());
    let full: [u8; 32] = hash.finalize().into();
    full[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
