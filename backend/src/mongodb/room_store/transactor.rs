//! A process that is killed within a transaction leaves it open, and with it the room's document
//! is locked until the server gives the transaction up, after a minute. So each room has the
//! session in which it is written to, noted before the first transaction in it; whoever has a
//! newer epoch and waits for the document ends that session, and with it the transaction. It
//! would have been taken back in any case.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use antiphon_core::clock;
use antiphon_core::contract::BackendErrorKind;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use mongodb::ClientSession;
use mongodb::bson::{Uuid, doc};
use mongodb::error::Error;
use tokio::sync::Mutex;
use tracing::{info, warn};

use super::super::Store;
use super::super::failure::Failure;
use super::super::limits::{NOTED_MAX, ROOM_PATIENCE};

/// The session that each room has noted, of the rooms behind one lock.
#[derive(Debug, Default)]
pub(in super::super) struct Noted(HashMap<String, Uuid>);

/// The lock of whoever writes to a room, so that a process is never in conflict with itself.
pub(super) fn lock<'s>(store: &'s Store, room: &str) -> &'s Mutex<Noted> {
    let mut hasher = DefaultHasher::new();
    room.hash(&mut hasher);
    let place = hasher.finish() % store.room_locks.len() as u64;
    &store.room_locks[place as usize]
}

impl Noted {
    pub(super) fn forget(&mut self, room: &str) {
        self.0.remove(room);
    }

    /// Notes in a room that is there the session that is going to write to it.
    pub(super) async fn note(
        &mut self,
        store: &Store,
        room: &str,
        epoch: i64,
        session: &ClientSession,
    ) -> Result<(), Failure> {
        let id = session.id().get("id").cloned();
        let id: Option<Uuid> = id.and_then(|id| mongodb::bson::deserialize_from_bson(id).ok());
        let Some(id) = id.filter(|id| self.0.get(room) != Some(id)) else {
            return Ok(());
        };
        let open = doc! { "name": room, "epoch": { "$lte": epoch } };
        let change = doc! { "$set": { "transactor": id } };
        let noting = || {
            let noting = store.rooms.update_one(open.clone(), change.clone());
            noting.into_future().boxed()
        };
        let noted = clock::timeout(ROOM_PATIENCE * 2, past(store, room, epoch, noting)).await;
        // Nothing of the decision is done yet.
        let noted = noted.map_err(|_| Failure::Refused(BackendErrorKind::Unavailable))?;
        if noted.map_err(Failure::before_writing)?.matched_count == 0 {
            return Ok(());
        }
        if self.0.len() >= NOTED_MAX {
            self.0.clear();
        }
        self.0.insert(room.to_owned(), id);
        Ok(())
    }
}

/// Writes to a room's document. If that has to wait, a transaction is under way in the session
/// that the room has noted; unless that is of a newer epoch, it is ended.
pub(super) async fn past<'w, T>(
    store: &Store,
    room: &str,
    epoch: i64,
    write: impl Fn() -> BoxFuture<'w, Result<T, Error>> + Send + Sync,
) -> Result<T, Failure> {
    if let Ok(written) = clock::timeout(ROOM_PATIENCE, write()).await {
        return Ok(written?);
    }
    let found = store.rooms.find_one(doc! { "name": room }).await?;
    let session = found
        .filter(|found| found.epoch <= epoch)
        .and_then(|found| found.transactor);
    if let Some(session) = session {
        let admin = store.client.database("admin");
        let ending = admin.run_command(doc! { "killSessions": [{ "id": session }] });
        match ending.await {
            Ok(_) => info!(room, "ended a transaction that nobody ends"),
            Err(error) => warn!(room, %error, "a transaction that nobody ends can't be ended"),
        }
    }
    Ok(write().await?)
}
