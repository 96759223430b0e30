//! Rooms, members and read cursors.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use antiphon_core::contract::{
    BackendErrorKind, BackendResult, MemberRecord, RoomListing, RoomRecord, RoomStore, Standing,
};
use antiphon_protocol::client::Visibility;
use antiphon_protocol::{ConversationId, RoomName, UserName};
use async_trait::async_trait;

use super::StoreLine;

/// A room with its rows.
#[derive(Debug, Clone)]
struct Room {
    record: RoomRecord,
    /// The newest that wrote.
    epoch: u64,
    rows: BTreeMap<UserName, MemberRecord>,
}

/// Rooms and cursors.
#[derive(Debug, Clone, Default)]
pub(super) struct RoomTables {
    rooms: BTreeMap<RoomName, Room>,
    skeletons: BTreeSet<String>,
    /// By user and conversation's key.
    cursors: BTreeMap<(UserName, String), (ConversationId, u64)>,
}

impl Room {
    fn members(&self) -> impl Iterator<Item = &MemberRecord> {
        self.rows.values().filter(|row| row.standing.is_member())
    }

    fn put(&mut self, member: &MemberRecord) {
        let room = self.record.name.clone();
        let row = MemberRecord {
            room,
            ..member.clone()
        };
        self.rows.insert(row.user.clone(), row);
    }
}

impl RoomTables {
    fn create(
        &mut self,
        record: &RoomRecord,
        members: &[MemberRecord],
        epoch: u64,
    ) -> Result<(), BackendErrorKind> {
        if !self.skeletons.insert(record.name.skeleton()) {
            return Err(BackendErrorKind::Conflict);
        }
        let mut room = Room {
            record: record.clone(),
            epoch,
            rows: BTreeMap::new(),
        };
        members.iter().for_each(|member| room.put(member));
        self.rooms.insert(record.name.clone(), room);
        Ok(())
    }

    /// The room of a write, which is a decision of its epoch from now on.
    fn decide(
        &mut self,
        name: &RoomName,
        epoch: u64,
    ) -> Result<Option<&mut Room>, BackendErrorKind> {
        match self.rooms.get_mut(name) {
            Some(room) if room.epoch > epoch => Err(BackendErrorKind::Conflict),
            Some(room) => {
                room.epoch = epoch;
                Ok(Some(room))
            }
            None => Ok(None),
        }
    }

    fn list(&self, viewer: &UserName, prefix: &str, after: &str, limit: usize) -> Vec<RoomListing> {
        let listing = |room: &Room| {
            let standing = room.rows.get(viewer).map(|row| row.standing);
            let is_seen = room.record.visibility == Visibility::Public || standing.is_some();
            is_seen.then(|| RoomListing {
                room: room.record.clone(),
                members: room.members().count() as u64,
                standing,
            })
        };
        let names = |name: &RoomName| name.as_str().starts_with(prefix) && name.as_str() > after;
        let rooms = self.rooms.iter().filter(|(name, _)| names(name));
        rooms
            .filter_map(|(_, room)| listing(room))
            .take(limit)
            .collect()
    }

    fn set_read(&mut self, user: &UserName, conversation: &ConversationId, seq: u64) -> u64 {
        let key = (user.clone(), conversation.key());
        let cursor = self.cursors.entry(key);
        let (_, at) = cursor.or_insert_with(|| (conversation.clone(), seq));
        *at = seq.max(*at);
        *at
    }

    fn read_cursors(&self, user: &UserName) -> Vec<(ConversationId, u64)> {
        let from = Bound::Included((user.clone(), String::new()));
        let cursors = self.cursors.range((from, Bound::Unbounded));
        let own = cursors.take_while(|((owner, _), _)| owner == user);
        own.map(|(_, cursor)| cursor.clone()).collect()
    }
}

/// [`RoomStore`] of a host.
#[derive(Debug)]
pub(in super::super) struct Rooms(pub(in super::super) StoreLine);

impl Rooms {
    /// Reads a room, if it is there.
    async fn of_room<T: Default + Send + 'static>(
        &self,
        operation: &'static str,
        name: &RoomName,
        read: impl FnOnce(&Room) -> T + Send + 'static,
    ) -> BackendResult<T> {
        let name = name.clone();
        self.0
            .read(operation, move |tables| {
                tables.rooms.rooms.get(&name).map(read).unwrap_or_default()
            })
            .await
    }
}

#[async_trait]
impl RoomStore for Rooms {
    async fn create(
        &self,
        room: RoomRecord,
        members: Vec<MemberRecord>,
        epoch: u64,
    ) -> BackendResult<()> {
        self.0
            .write("room_store.create", move |tables| {
                tables.rooms.create(&room, &members, epoch)
            })
            .await
    }

    async fn claim(&self, room: &RoomName, epoch: u64) -> BackendResult<Option<RoomRecord>> {
        let room = room.clone();
        self.0
            .write("room_store.claim", move |tables| {
                let room = tables.rooms.decide(&room, epoch)?;
                Ok(room.map(|room| room.record.clone()))
            })
            .await
    }

    async fn get(&self, room: &RoomName) -> BackendResult<Option<RoomRecord>> {
        self.of_room("room_store.get", room, |room| Some(room.record.clone()))
            .await
    }

    async fn members(&self, room: &RoomName) -> BackendResult<Vec<MemberRecord>> {
        let rows = |room: &Room| room.rows.values().cloned().collect();
        self.of_room("room_store.members", room, rows).await
    }

    async fn members_page(
        &self,
        room: &RoomName,
        after: &str,
        limit: usize,
    ) -> BackendResult<Vec<MemberRecord>> {
        let after = after.to_owned();
        let page = move |room: &Room| {
            let behind = room.members().filter(|row| *row.user.as_str() > *after);
            behind.take(limit).cloned().collect()
        };
        self.of_room("room_store.members_page", room, page).await
    }

    async fn member_count(&self, room: &RoomName) -> BackendResult<u64> {
        let count = |room: &Room| room.members().count() as u64;
        self.of_room("room_store.member_count", room, count).await
    }

    async fn standing(&self, room: &RoomName, user: &UserName) -> BackendResult<Option<Standing>> {
        let user = user.clone();
        let standing = move |room: &Room| room.rows.get(&user).map(|row| row.standing);
        self.of_room("room_store.standing", room, standing).await
    }

    async fn put_member(&self, member: MemberRecord, epoch: u64) -> BackendResult<()> {
        self.0
            .write("room_store.put_member", move |tables| {
                let room = tables.rooms.decide(&member.room, epoch)?;
                room.ok_or(BackendErrorKind::NotFound)?.put(&member);
                Ok(())
            })
            .await
    }

    async fn remove_member(
        &self,
        room: &RoomName,
        user: &UserName,
        epoch: u64,
    ) -> BackendResult<()> {
        let (room, user) = (room.clone(), user.clone());
        self.0
            .write("room_store.remove_member", move |tables| {
                if let Some(room) = tables.rooms.decide(&room, epoch)? {
                    room.rows.remove(&user);
                }
                Ok(())
            })
            .await
    }

    async fn rooms_of(&self, user: &UserName) -> BackendResult<Vec<RoomName>> {
        let user = user.clone();
        self.0
            .read("room_store.rooms_of", move |tables| {
                let rooms = tables.rooms.rooms.iter();
                let own = rooms.filter(|(_, room)| room.members().any(|row| row.user == user));
                own.map(|(name, _)| name.clone()).collect()
            })
            .await
    }

    async fn list(
        &self,
        viewer: &UserName,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> BackendResult<Vec<RoomListing>> {
        let (viewer, prefix, after) = (viewer.clone(), prefix.to_owned(), after.to_owned());
        self.0
            .read("room_store.list", move |tables| {
                tables.rooms.list(&viewer, &prefix, &after, limit)
            })
            .await
    }

    async fn count(&self) -> BackendResult<u64> {
        self.0
            .read("room_store.count", |tables| tables.rooms.rooms.len() as u64)
            .await
    }

    async fn set_read(
        &self,
        user: &UserName,
        conversation: &ConversationId,
        seq: u64,
    ) -> BackendResult<u64> {
        let (user, conversation) = (user.clone(), conversation.clone());
        self.0
            .write("room_store.set_read", move |tables| {
                Ok(tables.rooms.set_read(&user, &conversation, seq))
            })
            .await
    }

    async fn read_cursors(&self, user: &UserName) -> BackendResult<Vec<(ConversationId, u64)>> {
        let user = user.clone();
        self.0
            .read("room_store.read_cursors", move |tables| {
                tables.rooms.read_cursors(&user)
            })
            .await
    }
}
