//! Rooms, members and read cursors.
//!
//! A write to a room is a transaction over the room's document and one member's. The room's
//! document has the newest epoch that wrote to the room and the number of its members, and
//! every transaction changes it; so two writes to one room are never both committed on the
//! same state, and what a deposed leader still has under way is taken back.

mod decision;
mod listing;
mod transactor;

use std::sync::Arc;

use antiphon_core::contract::{
    BackendErrorKind, BackendResult, MemberRecord, RoomListing, RoomRecord, RoomStore, Standing,
};
use antiphon_protocol::client::Visibility;
use antiphon_protocol::{ConversationId, RoomName, UserName};
use async_trait::async_trait;
use futures_util::{FutureExt, TryStreamExt};
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Document, Uuid, doc};
use mongodb::options::ReturnDocument;
use serde::{Deserialize, Serialize};

use super::Store;
use super::failure::{Failure, is_duplicate};
use super::limits::UPSERTS_MAX;
use super::number::{limit, read, stored};
use decision::Decision;

pub(super) use transactor::Noted;

/// A room as it is stored.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Room {
    #[serde(rename = "_id")]
    id: ObjectId,
    name: String,
    skeleton: String,
    visibility: i32,
    topic: String,
    created_at_ms: i64,
    epoch: i64,
    members: i64,
    /// Rises with every transaction, so that each of them is in conflict with any other.
    decisions: i64,
    /// The session in which they are made; see [`transactor`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    transactor: Option<Uuid>,
}

/// A member's row as it is stored.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Member {
    #[serde(rename = "_id")]
    id: ObjectId,
    room: String,
    user: String,
    standing: i32,
    since_ms: i64,
}

/// A read cursor as it is stored.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Cursor {
    user: String,
    conversation: String,
    seq: i64,
}

/// [`RoomStore`] on MongoDB.
pub(super) struct MongoRoomStore(pub(super) Arc<Store>);

#[async_trait]
impl RoomStore for MongoRoomStore {
    async fn create(
        &self,
        room: RoomRecord,
        members: Vec<MemberRecord>,
        epoch: u64,
    ) -> BackendResult<()> {
        let work = async {
            let decision = Decision::create(room, members, epoch)?;
            decision::make(&self.0, &decision).await
        };
        self.0.write("room_store.create", work).await
    }

    async fn claim(&self, room: &RoomName, epoch: u64) -> BackendResult<Option<RoomRecord>> {
        let work = claim(&self.0, room, epoch);
        self.0.write("room_store.claim", work).await
    }

    async fn get(&self, room: &RoomName) -> BackendResult<Option<RoomRecord>> {
        let work = async {
            let found = find_room(&self.0, room).await?;
            found.map(|room| room_of(&room)).transpose()
        };
        self.0.read("room_store.get", work).await
    }

    async fn members(&self, room: &RoomName) -> BackendResult<Vec<MemberRecord>> {
        let work = async {
            let found = self.0.members.find(doc! { "room": room.as_str() });
            let found = found.sort(doc! { "user": 1 }).await?;
            found
                .err_into()
                .and_then(async |row| member_of(row))
                .try_collect()
                .await
        };
        self.0.read("room_store.members", work).await
    }

    async fn members_page(
        &self,
        room: &RoomName,
        after: &str,
        rows: usize,
    ) -> BackendResult<Vec<MemberRecord>> {
        if rows == 0 {
            return Ok(Vec::new());
        }
        let filter = doc! {
            "room": room.as_str(),
            "user": { "$gt": after },
            "standing": { "$gte": standing_number(Standing::Member) },
        };
        let work = async {
            let found = self.0.members.find(filter).sort(doc! { "user": 1 });
            let found = found.limit(limit(rows)).await?;
            found
                .err_into()
                .and_then(async |row| member_of(row))
                .try_collect()
                .await
        };
        self.0.read("room_store.members_page", work).await
    }

    async fn member_count(&self, room: &RoomName) -> BackendResult<u64> {
        let work = async {
            let found = find_room(&self.0, room).await?;
            found.map_or(Ok(0), |room| read(room.members, "rooms"))
        };
        self.0.read("room_store.member_count", work).await
    }

    async fn standing(&self, room: &RoomName, user: &UserName) -> BackendResult<Option<Standing>> {
        let filter = doc! { "room": room.as_str(), "user": user.as_str() };
        let work = async {
            let found = self.0.members.find_one(filter).await?;
            found.map(|row| standing_of(row.standing)).transpose()
        };
        self.0.read("room_store.standing", work).await
    }

    async fn put_member(&self, member: MemberRecord, epoch: u64) -> BackendResult<()> {
        let work = async {
            let decision = Decision::put(member, epoch)?;
            decision::make(&self.0, &decision).await
        };
        self.0.write("room_store.put_member", work).await
    }

    async fn remove_member(
        &self,
        room: &RoomName,
        user: &UserName,
        epoch: u64,
    ) -> BackendResult<()> {
        let work = async {
            let decision = Decision::remove(room, user, epoch)?;
            decision::make(&self.0, &decision).await
        };
        self.0.write("room_store.remove_member", work).await
    }

    async fn rooms_of(&self, user: &UserName) -> BackendResult<Vec<RoomName>> {
        let filter = doc! {
            "user": user.as_str(),
            "standing": { "$gte": standing_number(Standing::Member) },
        };
        let work = async {
            let found = self.0.members.find(filter).sort(doc! { "room": 1 }).await?;
            let rooms = found
                .err_into()
                .and_then(async |row| Ok(member_of(row)?.room));
            rooms.try_collect().await
        };
        self.0.read("room_store.rooms_of", work).await
    }

    async fn list(
        &self,
        viewer: &UserName,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> BackendResult<Vec<RoomListing>> {
        let work = listing::list(&self.0, viewer, prefix, after, limit);
        self.0.read("room_store.list", work).await
    }

    async fn count(&self) -> BackendResult<u64> {
        let work = async { Ok(self.0.rooms.count_documents(doc! {}).await?) };
        self.0.scan("room_store.count", work).await
    }

    async fn set_read(
        &self,
        user: &UserName,
        conversation: &ConversationId,
        seq: u64,
    ) -> BackendResult<u64> {
        let work = set_read(&self.0, user, conversation, seq);
        self.0.write("room_store.set_read", work).await
    }

    async fn read_cursors(&self, user: &UserName) -> BackendResult<Vec<(ConversationId, u64)>> {
        let filter = doc! { "user": user.as_str() };
        let work = async {
            let found = self.0.cursors.find(filter);
            let found = found.sort(doc! { "conversation": 1 }).await?;
            found
                .err_into()
                .and_then(async |row| cursor_of(&row))
                .try_collect()
                .await
        };
        self.0.read("room_store.read_cursors", work).await
    }
}

/// Moves a cursor forward. Doing it twice is doing it once.
async fn set_read(
    store: &Store,
    user: &UserName,
    conversation: &ConversationId,
    seq: u64,
) -> Result<u64, Failure> {
    let filter: Document = doc! { "user": user.as_str(), "conversation": conversation.key() };
    let change: Document = doc! { "$max": { "seq": stored(seq)? } };
    let mut tries = 1;
    loop {
        let moving = store
            .cursors
            .find_one_and_update(filter.clone(), change.clone());
        let moved = moving
            .upsert(true)
            .return_document(ReturnDocument::After)
            .await;
        match moved {
            Ok(Some(cursor)) => return read(cursor.seq, "read_cursors"),
            // An upsert that a server answers without its document is done again.
            Ok(None) if tries < UPSERTS_MAX => tries += 1,
            Ok(None) => return Err(Failure::Damaged("read_cursors")),
            // Another process made the same cursor meanwhile.
            Err(error) if is_duplicate(&error) && tries < UPSERTS_MAX => tries += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

/// One document changes, so this needs no transaction; any that is under way on the room meets
/// it, and is taken back or was before it. Doing it twice is doing it once, and an attempt that
/// is given up may still be done.
async fn claim(store: &Store, name: &RoomName, epoch: u64) -> Result<Option<RoomRecord>, Failure> {
    let epoch = stored(epoch)?;
    let mut noted = transactor::lock(store, name.as_str()).lock().await;
    // Another may have led in between.
    noted.forget(name.as_str());
    let open = doc! { "name": name.as_str(), "epoch": { "$lte": epoch } };
    let change = doc! { "$set": { "epoch": epoch }, "$inc": { "decisions": 1_i64 } };
    let claiming = || {
        let claiming = store
            .rooms
            .find_one_and_update(open.clone(), change.clone());
        claiming.into_future().boxed()
    };
    let claimed: Option<Room> = transactor::past(store, name.as_str(), epoch, claiming).await?;
    if let Some(room) = claimed {
        return room_of(&room).map(Some);
    }
    match find_room(store, name).await? {
        Some(_) => Err(Failure::Refused(BackendErrorKind::Conflict)),
        None => Ok(None),
    }
}

async fn find_room(store: &Store, name: &RoomName) -> Result<Option<Room>, Failure> {
    Ok(store.rooms.find_one(doc! { "name": name.as_str() }).await?)
}

fn room_of(room: &Room) -> Result<RoomRecord, Failure> {
    let damaged = || Failure::Damaged("rooms");
    let visibility = match room.visibility {
        0 => Visibility::Public,
        1 => Visibility::Private,
        _ => return Err(damaged()),
    };
    Ok(RoomRecord {
        name: RoomName::parse(&room.name).map_err(|_| damaged())?,
        visibility,
        topic: room.topic.clone(),
        created_at_ms: read(room.created_at_ms, "rooms")?,
    })
}

fn visibility_number(visibility: Visibility) -> i32 {
    match visibility {
        Visibility::Public => 0,
        Visibility::Private => 1,
    }
}

fn member_of(member: Member) -> Result<MemberRecord, Failure> {
    let damaged = || Failure::Damaged("room_members");
    Ok(MemberRecord {
        room: RoomName::parse(&member.room).map_err(|_| damaged())?,
        user: UserName::parse(&member.user).map_err(|_| damaged())?,
        standing: standing_of(member.standing)?,
        since_ms: read(member.since_ms, "room_members")?,
    })
}

fn standing_of(number: i32) -> Result<Standing, Failure> {
    match number {
        0 => Ok(Standing::Invited),
        1 => Ok(Standing::Member),
        2 => Ok(Standing::Owner),
        _ => Err(Failure::Damaged("room_members")),
    }
}

fn standing_number(standing: Standing) -> i32 {
    match standing {
        Standing::Invited => 0,
        Standing::Member => 1,
        Standing::Owner => 2,
    }
}

fn cursor_of(cursor: &Cursor) -> Result<(ConversationId, u64), Failure> {
    let conversation = ConversationId::from_key(&cursor.conversation);
    let conversation = conversation.ok_or(Failure::Damaged("read_cursors"))?;
    Ok((conversation, read(cursor.seq, "read_cursors")?))
}
