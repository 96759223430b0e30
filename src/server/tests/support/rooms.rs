//! A room store that fails as it is told.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use antiphon_core::contract::{
    BackendError, BackendErrorKind, BackendResult, MemberRecord, RoomListing, RoomRecord,
    RoomStore, Standing,
};
use antiphon_protocol::{ConversationId, RoomName, UserName};
use async_trait::async_trait;

use crate::server::session::lock;

/// Fails writes once, or reads for as long as it is told.
pub(crate) struct FaultyRooms {
    inner: Arc<dyn RoomStore>,
    /// The next write's error, and whether it is done all the same.
    next_write: Mutex<Option<(BackendErrorKind, bool)>>,
    /// Reads fail.
    pub(crate) unreadable: AtomicBool,
}

impl FaultyRooms {
    pub(crate) fn new(inner: &Arc<dyn RoomStore>) -> Arc<Self> {
        Arc::new(Self {
            inner: Arc::clone(inner),
            next_write: Mutex::default(),
            unreadable: AtomicBool::new(false),
        })
    }

    pub(crate) fn fail_next_write(&self, kind: BackendErrorKind, done: bool) {
        *lock(&self.next_write) = Some((kind, done));
    }

    fn readable(&self) -> BackendResult<()> {
        if self.unreadable.load(Ordering::Relaxed) {
            return Err(BackendError::new(
                BackendErrorKind::Unavailable,
                "test.read",
            ));
        }
        Ok(())
    }

    async fn write(&self, write: impl Future<Output = BackendResult<()>>) -> BackendResult<()> {
        let fault = lock(&self.next_write).take();
        match fault {
            None => write.await,
            Some((kind, done)) => {
                if done {
                    write.await?;
                }
                Err(BackendError::new(kind, "test.write"))
            }
        }
    }
}

#[async_trait]
impl RoomStore for FaultyRooms {
    async fn create(
        &self,
        room: RoomRecord,
        members: Vec<MemberRecord>,
        epoch: u64,
    ) -> BackendResult<()> {
        self.write(self.inner.create(room, members, epoch)).await
    }

    async fn get(&self, room: &RoomName) -> BackendResult<Option<RoomRecord>> {
        self.readable()?;
        self.inner.get(room).await
    }

    async fn members(&self, room: &RoomName) -> BackendResult<Vec<MemberRecord>> {
        self.readable()?;
        self.inner.members(room).await
    }

    async fn members_page(
        &self,
        room: &RoomName,
        after: &str,
        limit: usize,
    ) -> BackendResult<Vec<MemberRecord>> {
        self.inner.members_page(room, after, limit).await
    }

    async fn member_count(&self, room: &RoomName) -> BackendResult<u64> {
        self.inner.member_count(room).await
    }

    async fn standing(&self, room: &RoomName, user: &UserName) -> BackendResult<Option<Standing>> {
        self.inner.standing(room, user).await
    }

    async fn put_member(&self, member: MemberRecord, epoch: u64) -> BackendResult<()> {
        self.write(self.inner.put_member(member, epoch)).await
    }

    async fn claim(&self, room: &RoomName, epoch: u64) -> BackendResult<Option<RoomRecord>> {
        self.readable()?;
        self.inner.claim(room, epoch).await
    }

    async fn remove_member(
        &self,
        room: &RoomName,
        user: &UserName,
        epoch: u64,
    ) -> BackendResult<()> {
        self.write(self.inner.remove_member(room, user, epoch))
            .await
    }

    async fn rooms_of(&self, user: &UserName) -> BackendResult<Vec<RoomName>> {
        self.readable()?;
        self.inner.rooms_of(user).await
    }

    async fn list(
        &self,
        viewer: &UserName,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> BackendResult<Vec<RoomListing>> {
        self.inner.list(viewer, prefix, after, limit).await
    }

    async fn count(&self) -> BackendResult<u64> {
        self.inner.count().await
    }

    async fn set_read(
        &self,
        user: &UserName,
        conversation: &ConversationId,
        seq: u64,
    ) -> BackendResult<u64> {
        self.inner.set_read(user, conversation, seq).await
    }

    async fn read_cursors(&self, user: &UserName) -> BackendResult<Vec<(ConversationId, u64)>> {
        self.inner.read_cursors(user).await
    }
}
