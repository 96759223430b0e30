use antiphon_protocol::client::Visibility;
use antiphon_protocol::{ConversationId, RoomName, UserName};
use async_trait::async_trait;

use super::BackendResult;

/// A room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomRecord {
    /// The name.
    pub name: RoomName,
    /// Who may find and join it.
    pub visibility: Visibility,
    /// Its topic.
    pub topic: String,
    /// When it was made, in milliseconds since 1970.
    pub created_at_ms: u64,
}

/// What a user is to a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// May join; sees nothing yet.
    Invited,
    /// Chats, invites.
    Member,
    /// Besides, kicks.
    Owner,
}

impl Standing {
    /// Whether it is a membership.
    pub fn is_member(self) -> bool {
        self >= Self::Member
    }
}

/// One row of a room's member list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberRecord {
    /// The room.
    pub room: RoomName,
    /// Who.
    pub user: UserName,
    /// As what.
    pub standing: Standing,
    /// Since when, in milliseconds since 1970.
    pub since_ms: u64,
}

/// A room with what a list shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomListing {
    /// The room.
    pub room: RoomRecord,
    /// How many members (invited ones don't count).
    pub members: u64,
    /// What the asker is to it.
    pub standing: Option<Standing>,
}

/// Rooms, members (one row each, never an array) and read cursors.
///
/// Promises: a write is durable when it returns; writes that carry an epoch are refused with
/// `Conflict` if the room was written under a newer one, so that a deposed leader can't undo
/// its successor's decisions.
#[async_trait]
pub trait RoomStore: Send + Sync {
    /// Makes a room and, in the same step, its first members. `Conflict` if the name, or one
    /// that looks alike, is taken.
    async fn create(
        &self,
        room: RoomRecord,
        members: Vec<MemberRecord>,
        epoch: u64,
    ) -> BackendResult<()>;

    /// The room of that name, from now on written under this epoch or a newer one only: a
    /// leader reads a room behind this, so that nothing of an older leader is decided behind
    /// what it reads. `None` if there is no such room, `Conflict` if a newer epoch wrote it.
    async fn claim(&self, room: &RoomName, epoch: u64) -> BackendResult<Option<RoomRecord>>;

    /// The room of that name.
    async fn get(&self, room: &RoomName) -> BackendResult<Option<RoomRecord>>;

    /// Every row of a room, by user name.
    async fn members(&self, room: &RoomName) -> BackendResult<Vec<MemberRecord>>;

    /// Members (not invited ones) behind `after`, by user name.
    async fn members_page(
        &self,
        room: &RoomName,
        after: &str,
        limit: usize,
    ) -> BackendResult<Vec<MemberRecord>>;

    /// How many members (invited ones don't count).
    async fn member_count(&self, room: &RoomName) -> BackendResult<u64>;

    /// What a user is to a room.
    async fn standing(&self, room: &RoomName, user: &UserName) -> BackendResult<Option<Standing>>;

    /// Adds or replaces one row. `NotFound` if there is no such room.
    async fn put_member(&self, member: MemberRecord, epoch: u64) -> BackendResult<()>;

    /// Removes one row; no error if it is not there. Also then it is a decision of its epoch,
    /// which shuts out older ones.
    async fn remove_member(
        &self,
        room: &RoomName,
        user: &UserName,
        epoch: u64,
    ) -> BackendResult<()>;

    /// The rooms that a user is a member of (not: invited to), by name.
    async fn rooms_of(&self, user: &UserName) -> BackendResult<Vec<RoomName>>;

    /// Public rooms and those that the viewer has a row in, whose names begin with `prefix`
    /// and sort behind `after`, by name.
    async fn list(
        &self,
        viewer: &UserName,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> BackendResult<Vec<RoomListing>>;

    /// How many rooms there are.
    async fn count(&self) -> BackendResult<u64>;

    /// Moves a read cursor forward, never back; returns where it is.
    async fn set_read(
        &self,
        user: &UserName,
        conversation: &ConversationId,
        seq: u64,
    ) -> BackendResult<u64>;

    /// A user's read cursors.
    async fn read_cursors(&self, user: &UserName) -> BackendResult<Vec<(ConversationId, u64)>>;
}
