//! Decorators that tell of every call of a contract: how long it took and how it ended. One
//! for each contract, made by one macro, so that none can be forgotten.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::clock;
use crate::contract::{
    AppendOutcome, BackendErrorKind, BackendResult, Backends, Directory, Extent, MemberRecord,
    MessageArchive, OnlineEntry, RankingScope, RecentMessages, Record, RoomListing, RoomRecord,
    RoomStore, SeqRange, ServerDirectory, SessionEntry, SessionRegistry, Standing, Tail,
    TokenRecord, Trimmed, UserRecord, UserStore, WordCounts, WordRanking,
};
use antiphon_protocol::{ClientId, ConversationId, NodeId, RoomName, SessionId, UserName};
use async_trait::async_trait;

/// One call that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// The contract, e.g. `message_archive`.
    pub contract: &'static str,
    /// Its method, e.g. `append`.
    pub operation: &'static str,
    /// How long it took.
    pub took: Duration,
    /// What went wrong, if something did.
    pub error: Option<BackendErrorKind>,
}

/// Learns of every call. It must not block.
pub trait Observer: Send + Sync {
    /// A call has ended.
    fn observed(&self, call: Call);
}

/// The same backends, observed. The coordinator is not: its calls are few and are logged.
pub fn observe(backends: Backends, observer: &Arc<dyn Observer>) -> Backends {
    Backends {
        coordinator: backends.coordinator,
        directory: Arc::new(Observed::new(backends.directory, observer)),
        sessions: Arc::new(Observed::new(backends.sessions, observer)),
        recent: Arc::new(Observed::new(backends.recent, observer)),
        ranking: Arc::new(Observed::new(backends.ranking, observer)),
        users: Arc::new(Observed::new(backends.users, observer)),
        rooms: Arc::new(Observed::new(backends.rooms, observer)),
        archive: Arc::new(Observed::new(backends.archive, observer)),
    }
}

struct Observed<C: ?Sized> {
    inner: Arc<C>,
    observer: Arc<dyn Observer>,
}

impl<C: ?Sized> Observed<C> {
    fn new(inner: Arc<C>, observer: &Arc<dyn Observer>) -> Self {
        let observer = Arc::clone(observer);
        Self { inner, observer }
    }

    async fn watch<T>(
        &self,
        contract: &'static str,
        operation: &'static str,
        call: impl Future<Output = BackendResult<T>>,
    ) -> BackendResult<T> {
        let begun = clock::now();
        let result = call.await;
        self.observer.observed(Call {
            contract,
            operation,
            took: clock::now().saturating_duration_since(begun),
            error: result.as_ref().err().map(|error| error.kind),
        });
        result
    }
}

macro_rules! observed {
    ($contract:literal, $Contract:ident {
        $($operation:ident($($name:ident: $type:ty),*) -> $result:ty;)*
    } $($rest:item)*) => {
        #[async_trait]
        impl $Contract for Observed<dyn $Contract> {
            $(async fn $operation(&self, $($name: $type),*) -> BackendResult<$result> {
                let call = self.inner.$operation($($name),*);
                self.watch($contract, stringify!($operation), call).await
            })*
            $($rest)*
        }
    };
}

observed!("server_directory", ServerDirectory {
    publish(directory: Directory, ttl: Duration) -> ();
    list() -> Option<Directory>;
});

observed!("session_registry", SessionRegistry {
    bind(entry: SessionEntry) -> ();
    unbind(user: &UserName, session: &SessionId) -> ();
    locate(user: &UserName) -> Vec<SessionEntry>;
    online(prefix: &str, after: &str, limit: usize) -> Vec<OnlineEntry>;
    count() -> u64;
    retain_nodes(live: &BTreeSet<NodeId>) -> ();
});

observed!("recent_messages", RecentMessages {
    push(records: &[Record]) -> ();
    latest(conversation: &ConversationId, limit: usize) -> Option<Vec<Record>>;
});

observed!("word_ranking", WordRanking {
    claim_rebuild() -> bool;
    bump(counts: Vec<WordCounts>) -> ();
    top(scope: &RankingScope, since_ms: u64, n: usize) -> Vec<(String, u64)>;
});

observed!("user_store", UserStore {
    create(user: UserRecord) -> ();
    create_many(users: Vec<UserRecord>) -> u64;
    get(name: &UserName) -> Option<UserRecord>;
    set_password(name: &UserName, password_hash: &str) -> ();
    count() -> u64;
    put_token(token: TokenRecord, now_ms: u64) -> ();
    token(hash: &[u8; 32]) -> Option<TokenRecord>;
    rotate_token(hash: &[u8; 32], now_ms: u64) -> bool;
    revoke_family(family: &str) -> ();
    revoke_user(user: &UserName, except_family: Option<&str>) -> ();
});

observed!("room_store", RoomStore {
    create(room: RoomRecord, members: Vec<MemberRecord>, epoch: u64) -> ();
    get(room: &RoomName) -> Option<RoomRecord>;
    members(room: &RoomName) -> Vec<MemberRecord>;
    members_page(room: &RoomName, after: &str, limit: usize) -> Vec<MemberRecord>;
    member_count(room: &RoomName) -> u64;
    standing(room: &RoomName, user: &UserName) -> Option<Standing>;
    put_member(member: MemberRecord, epoch: u64) -> ();
    claim(room: &RoomName, epoch: u64) -> Option<RoomRecord>;
    remove_member(room: &RoomName, user: &UserName, epoch: u64) -> ();
    rooms_of(user: &UserName) -> Vec<RoomName>;
    list(viewer: &UserName, prefix: &str, after: &str, limit: usize) -> Vec<RoomListing>;
    count() -> u64;
    set_read(user: &UserName, conversation: &ConversationId, seq: u64) -> u64;
    read_cursors(user: &UserName) -> Vec<(ConversationId, u64)>;
});

observed!("message_archive", MessageArchive {
    append(records: Vec<Record>) -> Vec<AppendOutcome>;
    tail(conversation: &ConversationId) -> Option<Tail>;
    extent(conversation: &ConversationId) -> Extent;
    range(
        conversation: &ConversationId,
        window: SeqRange,
        limit: usize,
        newest_first: bool
    ) -> Vec<Record>;
    seq_at(conversation: &ConversationId, ts_ms: u64) -> Option<u64>;
    find(
        conversation: &ConversationId,
        sender: &UserName,
        client_id: &ClientId
    ) -> Option<Record>;
    unread(
        conversation: &ConversationId,
        viewer: &UserName,
        after_seq: u64,
        max: u64
    ) -> u64;
    direct_conversations(user: &UserName) -> Vec<ConversationId>;
    search(conversations: &[ConversationId], text: &str, limit: usize) -> Vec<Record>;
    since(ts_ms: u64, limit: usize) -> Vec<Record>;
    trim(before_ms: u64, after: &str, limit: usize) -> Trimmed;
    count() -> u64;
}
    fn log_id(&self) -> String {
        self.inner.log_id()
    }
);

#[cfg(test)]
mod tests;
