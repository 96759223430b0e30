//! Rooms, members and read cursors.

mod member;
mod room;

use std::sync::Arc;

use antiphon_core::contract::{
    BackendErrorKind, BackendResult, MemberRecord, RoomListing, RoomRecord, RoomStore, Standing,
};
use antiphon_protocol::{ConversationId, RoomName, UserName};
use async_trait::async_trait;
use rusqlite::Connection;

use super::checksum::RowSum;
use super::failure::{Failure, optional};
use super::{Store, stored};

/// [`RoomStore`] on the embedded database.
pub(super) struct EmbeddedRoomStore(pub(super) Arc<Store>);

#[async_trait]
impl RoomStore for EmbeddedRoomStore {
    async fn create(
        &self,
        room: RoomRecord,
        members: Vec<MemberRecord>,
        epoch: u64,
    ) -> BackendResult<()> {
        let rows = members.len() + 1;
        let work = move |connection: &Connection| {
            let name = room.name.clone();
            room::insert(connection, room, epoch)?;
            members.into_iter().try_for_each(|member| {
                member::put(
                    connection,
                    &MemberRecord {
                        room: name.clone(),
                        ..member
                    },
                    epoch,
                )
            })
        };
        self.0
            .write("room_store.create", rows, move |w| work(w.connection))
            .await
    }

    async fn claim(&self, room: &RoomName, epoch: u64) -> BackendResult<Option<RoomRecord>> {
        let room = room.clone();
        let work = move |connection: &Connection| {
            let Some(mut row) = guarded(connection, &room, epoch)? else {
                return Ok(None);
            };
            row.epoch = epoch;
            room::update(connection, &row)?;
            Ok(Some(row.record))
        };
        self.0
            .write("room_store.claim", 1, move |w| work(w.connection))
            .await
    }

    async fn get(&self, room: &RoomName) -> BackendResult<Option<RoomRecord>> {
        let room = room.clone();
        let work =
            move |connection: &Connection| Ok(room::read(connection, &room)?.map(|row| row.record));
        self.0.read("room_store.get", work).await
    }

    async fn members(&self, room: &RoomName) -> BackendResult<Vec<MemberRecord>> {
        let room = room.clone();
        let work = move |connection: &Connection| member::all(connection, &room);
        self.0.read("room_store.members", work).await
    }

    async fn members_page(
        &self,
        room: &RoomName,
        after: &str,
        limit: usize,
    ) -> BackendResult<Vec<MemberRecord>> {
        let (room, after) = (room.clone(), after.to_owned());
        let work = move |connection: &Connection| member::page(connection, &room, &after, limit);
        self.0.read("room_store.members_page", work).await
    }

    async fn member_count(&self, room: &RoomName) -> BackendResult<u64> {
        let room = room.clone();
        let work = move |connection: &Connection| {
            Ok(room::read(connection, &room)?.map_or(0, |row| row.members))
        };
        self.0.read("room_store.member_count", work).await
    }

    async fn standing(&self, room: &RoomName, user: &UserName) -> BackendResult<Option<Standing>> {
        let (room, user) = (room.clone(), user.clone());
        let work = move |connection: &Connection| {
            Ok(member::read(connection, &room, &user)?.map(|member| member.standing))
        };
        self.0.read("room_store.standing", work).await
    }

    async fn put_member(&self, member: MemberRecord, epoch: u64) -> BackendResult<()> {
        let work = move |connection: &Connection| member::put(connection, &member, epoch);
        self.0
            .write("room_store.put_member", 1, move |w| work(w.connection))
            .await
    }

    async fn remove_member(
        &self,
        room: &RoomName,
        user: &UserName,
        epoch: u64,
    ) -> BackendResult<()> {
        let (room, user) = (room.clone(), user.clone());
        let work = move |connection: &Connection| member::remove(connection, &room, &user, epoch);
        self.0
            .write("room_store.remove_member", 1, move |w| work(w.connection))
            .await
    }

    async fn rooms_of(&self, user: &UserName) -> BackendResult<Vec<RoomName>> {
        let user = user.clone();
        let work = move |connection: &Connection| member::rooms_of(connection, &user);
        self.0.read("room_store.rooms_of", work).await
    }

    async fn list(
        &self,
        viewer: &UserName,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> BackendResult<Vec<RoomListing>> {
        let (viewer, prefix, after) = (viewer.clone(), prefix.to_owned(), after.to_owned());
        let work =
            move |connection: &Connection| room::list(connection, &viewer, &prefix, &after, limit);
        self.0.read("room_store.list", work).await
    }

    async fn count(&self) -> BackendResult<u64> {
        let work = |connection: &Connection| {
            let mut statement = connection.prepare_cached("SELECT count(*) FROM rooms")?;
            Ok(statement
                .query_row([], |row| row.get::<_, i64>(0))?
                .cast_unsigned())
        };
        self.0.read("room_store.count", work).await
    }

    async fn set_read(
        &self,
        user: &UserName,
        conversation: &ConversationId,
        seq: u64,
    ) -> BackendResult<u64> {
        let (user, key) = (user.clone(), conversation.key());
        let work = move |connection: &Connection| set_read(connection, &user, &key, seq);
        self.0
            .write("room_store.set_read", 1, move |w| work(w.connection))
            .await
    }

    async fn read_cursors(&self, user: &UserName) -> BackendResult<Vec<(ConversationId, u64)>> {
        let user = user.clone();
        let work = move |connection: &Connection| read_cursors(connection, &user);
        self.0.read("room_store.read_cursors", work).await
    }
}

fn set_read(connection: &Connection, user: &UserName, key: &str, seq: u64) -> Result<u64, Failure> {
    let sql = "SELECT seq, checksum FROM read_cursors WHERE user = ?1 AND conversation = ?2";
    let found = connection
        .prepare_cached(sql)?
        .query_row((user.as_str(), key), |row| {
            Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get(1)?))
        });
    let found = optional(found)?.map(|(seq, sum)| checked_cursor(user, key, seq, sum));
    let before = found.transpose()?;
    if let Some(before) = before.filter(|before| *before >= seq) {
        return Ok(before);
    }
    let sql = "INSERT INTO read_cursors (user, conversation, seq, checksum) \
               VALUES (?1, ?2, ?3, ?4) ON CONFLICT (user, conversation) \
               DO UPDATE SET seq = excluded.seq, checksum = excluded.checksum";
    let row = (
        user.as_str(),
        key,
        stored(seq),
        cursor_sum(user.as_str(), key, seq),
    );
    connection.prepare_cached(sql)?.execute(row)?;
    Ok(seq)
}

fn read_cursors(
    connection: &Connection,
    user: &UserName,
) -> Result<Vec<(ConversationId, u64)>, Failure> {
    let sql = "SELECT conversation, seq, checksum FROM read_cursors WHERE user = ?1 \
               ORDER BY conversation";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([user.as_str()])?;
    let mut cursors = Vec::new();
    while let Some(row) = rows.next()? {
        let key: String = row.get(0)?;
        let seq = row.get::<_, i64>(1)?.cast_unsigned();
        let seq = checked_cursor(user, &key, seq, row.get(2)?)?;
        let conversation =
            ConversationId::from_key(&key).ok_or(Failure::Damaged("read_cursors"))?;
        cursors.push((conversation, seq));
    }
    Ok(cursors)
}

/// Reads every cursor: no index tells of one that its key no longer finds.
pub(super) fn damaged_cursors(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT user, conversation, seq, checksum FROM read_cursors";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (user, key): (String, String) = (row.get(0)?, row.get(1)?);
        let seq = row.get::<_, i64>(2)?.cast_unsigned();
        if cursor_sum(&user, &key, seq) != row.get::<_, i64>(3)? {
            return Ok(vec!["a damaged row in read_cursors".to_owned()]);
        }
    }
    Ok(Vec::new())
}

fn checked_cursor(user: &UserName, key: &str, seq: u64, sum: i64) -> Result<u64, Failure> {
    let ok = cursor_sum(user.as_str(), key, seq) == sum;
    if ok {
        Ok(seq)
    } else {
        Err(Failure::Damaged("read_cursors"))
    }
}

fn cursor_sum(user: &str, key: &str, seq: u64) -> i64 {
    RowSum::new("read_cursors")
        .text(user)
        .text(key)
        .number(seq)
        .finish()
}

/// The room of a write, unless it is not there or was written under a newer epoch.
fn guarded(
    connection: &Connection,
    name: &RoomName,
    epoch: u64,
) -> Result<Option<room::RoomRow>, Failure> {
    let found = room::read(connection, name)?;
    if found.as_ref().is_some_and(|row| row.epoch > epoch) {
        return Err(Failure::Refused(BackendErrorKind::Conflict));
    }
    Ok(found)
}
