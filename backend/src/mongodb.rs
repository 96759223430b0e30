//! The MongoDB store: accounts, rooms and the message log in a database that many servers
//! share.
//!
//! One document for each user, token, room, member, read cursor, conversation and message.
//! Writes are majority-journaled, reads see only what a majority has. Every document's `_id`
//! is drawn for the write that makes it: a write that the driver repeats carries the same one,
//! any other write another; so a key that is there already is known to be one's own or
//! another's by the `_id` of the document that has it.
//!
//! Names and texts go into a filter as values only. Nothing that a client sends is ever a
//! field's name, an operator, or part of an aggregation's expression.
//! See `docs/adr/004-mongodb-documents.md`.

mod failure;
mod gate;
mod indexes;
mod limits;
mod message_archive;
mod number;
mod opening;
mod room_store;
mod user_store;

use std::sync::Arc;

use antiphon_core::contract::{BackendResult, MessageArchive, RoomStore, UserStore};
use mongodb::{Client, Collection};

pub use indexes::IndexError;
pub use opening::{ConnectError, MongoSettings, remove_database};

use failure::{Effect, Failure};
use gate::Gate;
use limits::{CALL_DEADLINE, ROOM_LOCKS, SCAN_DEADLINE};
use message_archive::{Conversation, Mark, Message, Place, Tops};
use opening::Opened;
use room_store::{Cursor, Member, Noted, Room};
use user_store::{Token, User};

/// A connected database.
pub struct MongoStore {
    store: Arc<Store>,
}

/// What the contracts' implementations share.
struct Store {
    client: Client,
    gate: Gate,
    users: Collection<User>,
    tokens: Collection<Token>,
    rooms: Collection<Room>,
    members: Collection<Member>,
    cursors: Collection<Cursor>,
    conversations: Collection<Conversation>,
    messages: Collection<Message>,
    /// The messages again, without their texts.
    marks: Collection<Mark>,
    /// And again.
    places: Collection<Place>,
    /// What this process knows of the logs' tops.
    tops: Tops,
    /// Held while a room is written to.
    room_locks: Vec<tokio::sync::Mutex<Noted>>,
    log_id: String,
    generation: u64,
}

impl MongoStore {
    /// Connects to the database that `url` names, makes what indexes it lacks, and checks
    /// them. Read and write concerns of the URL are overridden.
    pub async fn connect(url: &str, settings: MongoSettings) -> Result<Self, ConnectError> {
        Ok(Self::new(opening::open(url, settings).await?))
    }

    fn new(opened: Opened) -> Self {
        let Opened {
            client,
            database,
            log_id,
            generation,
        } = opened;
        let store = Store {
            users: database.collection("users"),
            tokens: database.collection("tokens"),
            rooms: database.collection("rooms"),
            members: database.collection("room_members"),
            cursors: database.collection("read_cursors"),
            conversations: database.collection("conversations"),
            messages: database.collection("messages"),
            marks: database.collection("messages"),
            places: database.collection("messages"),
            tops: Tops::default(),
            room_locks: (0..ROOM_LOCKS)
                .map(|_| tokio::sync::Mutex::default())
                .collect(),
            gate: Gate::new(database),
            client,
            log_id,
            generation,
        };
        Self {
            store: Arc::new(store),
        }
    }

    /// Accounts and resume tokens.
    pub fn users(&self) -> Arc<dyn UserStore> {
        Arc::new(user_store::MongoUserStore(Arc::clone(&self.store)))
    }

    /// Rooms, members and read cursors.
    pub fn rooms(&self) -> Arc<dyn RoomStore> {
        Arc::new(room_store::MongoRoomStore(Arc::clone(&self.store)))
    }

    /// The message log.
    pub fn archive(&self) -> Arc<dyn MessageArchive> {
        Arc::new(message_archive::MongoMessageArchive(Arc::clone(
            &self.store,
        )))
    }

    /// Counts the connects to this database, durably.
    pub fn generation(&self) -> u64 {
        self.store.generation
    }

    /// Names this database; see [`MessageArchive::log_id`].
    pub fn log_id(&self) -> &str {
        &self.store.log_id
    }

    /// Whether the database answers now; for readiness.
    pub async fn health(&self) -> BackendResult<()> {
        self.store.gate.ask("mongodb.health").await
    }

    /// Closes every connection. Later calls fail with `Unavailable`.
    pub async fn close(&self) {
        self.store.client.clone().shutdown().immediate(true).await;
    }
}

impl std::fmt::Debug for MongoStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MongoStore")
    }
}

impl Store {
    /// A call that reads.
    async fn read<T>(
        &self,
        operation: &'static str,
        work: impl Future<Output = Result<T, Failure>> + Send,
    ) -> BackendResult<T> {
        self.gate
            .run(operation, Effect::Read, CALL_DEADLINE, work)
            .await
    }

    /// A call that reads much.
    async fn scan<T>(
        &self,
        operation: &'static str,
        work: impl Future<Output = Result<T, Failure>> + Send,
    ) -> BackendResult<T> {
        self.gate
            .run(operation, Effect::Read, SCAN_DEADLINE, work)
            .await
    }

    /// A call that writes.
    async fn write<T>(
        &self,
        operation: &'static str,
        work: impl Future<Output = Result<T, Failure>> + Send,
    ) -> BackendResult<T> {
        self.gate
            .run(operation, Effect::Write, CALL_DEADLINE, work)
            .await
    }
}

#[cfg(test)]
mod tests;
