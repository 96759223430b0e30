//! An archive that fails as it is told.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use antiphon_core::contract::{
    AppendOutcome, BackendError, BackendErrorKind, BackendResult, Extent, MessageArchive, Record,
    SeqRange, Tail, Trimmed,
};
use antiphon_protocol::{ClientId, ConversationId, UserName};
use async_trait::async_trait;

use super::record;
use crate::server::session::lock;

/// What happens to one append.
pub(crate) enum Fault {
    /// Nothing special.
    None,
    /// It fails and nothing is written.
    Refused(BackendErrorKind),
    /// It is done, and fails all the same.
    Done(BackendErrorKind),
    /// Somebody else appends first, under this epoch.
    Behind(u64),
}

/// See [`Fault`].
pub(crate) struct FaultyArchive {
    inner: Arc<dyn MessageArchive>,
    faults: Mutex<VecDeque<Fault>>,
    /// Somebody else is always first.
    pub(crate) contended: AtomicBool,
    /// Reads fail.
    pub(crate) unreadable: AtomicBool,
    /// The oldest are removed between a look at a log's bounds and the next read of it.
    pub(crate) trims_between: AtomicBool,
    pub(crate) appends: AtomicUsize,
    pub(crate) tails: AtomicUsize,
}

impl FaultyArchive {
    pub(crate) fn new(inner: &Arc<dyn MessageArchive>) -> Arc<Self> {
        Arc::new(Self {
            inner: Arc::clone(inner),
            faults: Mutex::default(),
            contended: AtomicBool::new(false),
            unreadable: AtomicBool::new(false),
            trims_between: AtomicBool::new(false),
            appends: AtomicUsize::new(0),
            tails: AtomicUsize::new(0),
        })
    }

    /// The next appends meet these, in order.
    pub(crate) fn plan(&self, faults: impl IntoIterator<Item = Fault>) {
        lock(&self.faults).extend(faults);
    }

    async fn intrude(&self, conversation: &ConversationId, epoch: u64) {
        let seq = self.inner.tail(conversation).await.unwrap();
        let seq = seq.map_or(0, |tail| tail.seq) + 1;
        let intruder = record(conversation, seq, epoch, &format!("intruder-{seq}"));
        let outcome = self.inner.append(vec![intruder]).await.unwrap();
        assert_eq!(outcome, [AppendOutcome::Stored]);
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
}

#[async_trait]
impl MessageArchive for FaultyArchive {
    fn log_id(&self) -> String {
        self.inner.log_id()
    }

    async fn append(&self, records: Vec<Record>) -> BackendResult<Vec<AppendOutcome>> {
        self.appends.fetch_add(1, Ordering::Relaxed);
        if self.contended.load(Ordering::Relaxed) {
            self.intrude(&records[0].conversation, records[0].epoch)
                .await;
        }
        let fault = lock(&self.faults).pop_front().unwrap_or(Fault::None);
        match fault {
            Fault::None => self.inner.append(records).await,
            Fault::Refused(kind) => Err(BackendError::new(kind, "test.append")),
            Fault::Done(kind) => {
                self.inner.append(records).await?;
                Err(BackendError::new(kind, "test.append"))
            }
            Fault::Behind(epoch) => {
                self.intrude(&records[0].conversation, epoch).await;
                self.inner.append(records).await
            }
        }
    }

    async fn tail(&self, conversation: &ConversationId) -> BackendResult<Option<Tail>> {
        self.tails.fetch_add(1, Ordering::Relaxed);
        self.readable()?;
        self.inner.tail(conversation).await
    }

    async fn extent(&self, conversation: &ConversationId) -> BackendResult<Extent> {
        self.readable()?;
        self.inner.extent(conversation).await
    }

    async fn range(
        &self,
        conversation: &ConversationId,
        window: SeqRange,
        limit: usize,
        newest_first: bool,
    ) -> BackendResult<Vec<Record>> {
        self.readable()?;
        let inner = &self.inner;
        if self.trims_between.swap(false, Ordering::Relaxed) {
            inner.trim(u64::MAX, "", 1_000).await?;
        }
        inner.range(conversation, window, limit, newest_first).await
    }

    async fn seq_at(&self, of: &ConversationId, ts_ms: u64) -> BackendResult<Option<u64>> {
        self.inner.seq_at(of, ts_ms).await
    }

    async fn find(
        &self,
        conversation: &ConversationId,
        sender: &UserName,
        client_id: &ClientId,
    ) -> BackendResult<Option<Record>> {
        self.readable()?;
        self.inner.find(conversation, sender, client_id).await
    }

    async fn unread(
        &self,
        conversation: &ConversationId,
        viewer: &UserName,
        after_seq: u64,
        max: u64,
    ) -> BackendResult<u64> {
        let inner = &self.inner;
        inner.unread(conversation, viewer, after_seq, max).await
    }

    async fn direct_conversations(&self, user: &UserName) -> BackendResult<Vec<ConversationId>> {
        self.inner.direct_conversations(user).await
    }

    async fn search(
        &self,
        conversations: &[ConversationId],
        text: &str,
        limit: usize,
    ) -> BackendResult<Vec<Record>> {
        self.inner.search(conversations, text, limit).await
    }

    async fn since(&self, ts_ms: u64, limit: usize) -> BackendResult<Vec<Record>> {
        self.inner.since(ts_ms, limit).await
    }

    async fn trim(&self, before_ms: u64, after: &str, limit: usize) -> BackendResult<Trimmed> {
        self.inner.trim(before_ms, after, limit).await
    }

    async fn count(&self) -> BackendResult<u64> {
        self.inner.count().await
    }
}
