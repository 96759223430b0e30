//! Against a real Redis.

mod contracts;
mod outages;
mod sharing;
mod topologies;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use antiphon_core::contract::{
    BackendErrorKind, BackendResult, Directory, RankingScope, Record, RecordKind, SessionEntry,
    WordCounts,
};
use antiphon_core::shutdown::Shutdown;
use antiphon_core::{clock, random};
use antiphon_protocol::{
    ClientId, ConversationId, MessageId, NodeId, RoomName, SessionId, UserName,
};
use antiphon_test_services::RedisServer;

use super::*;

const DEADLINE: Duration = Duration::from_secs(30);
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// A client whose tasks end with it.
struct Client {
    cache: RedisCache,
    scope: Shutdown,
}

impl std::ops::Deref for Client {
    type Target = RedisCache;
    fn deref(&self) -> &RedisCache {
        &self.cache
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.scope.stop();
    }
}

async fn connect(url: &str, settings: RedisSettings) -> Client {
    let scope = Shutdown::new();
    let cache = RedisCache::connect(url, settings, &scope).await.unwrap();
    Client { cache, scope }
}

/// Leases that can be waited for.
fn brisk() -> RedisSettings {
    RedisSettings {
        lease: Duration::from_secs(2),
        renew_interval: Duration::from_millis(300),
        check_interval: Duration::from_millis(200),
        retry_interval: Duration::from_millis(50),
        ..RedisSettings::default()
    }
}

/// Keys that no other store has.
fn apart(settings: RedisSettings) -> RedisSettings {
    static STORES: AtomicU64 = AtomicU64::new(0);
    let number = STORES.fetch_add(1, Ordering::Relaxed);
    RedisSettings {
        prefix: format!("test {number}"),
        ..settings
    }
}

async fn eventually<T>(
    server: &RedisServer,
    what: &str,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> T {
    let end = clock::now() + DEADLINE;
    loop {
        server.check_alive();
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(clock::now() < end, "not in time: {what}");
        clock::sleep(BETWEEN_LOOKS).await;
    }
}

/// A command of the test's own, outside of what is tested.
async fn command<T: redis::FromRedisValue>(server: &RedisServer, words: &[&str]) -> T {
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    command.query_async(&mut connection).await.unwrap()
}

fn user(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}

fn node(name: &str, incarnation: u64) -> NodeId {
    NodeId {
        name: name.to_owned(),
        incarnation,
    }
}

fn session(name: &str, on: &NodeId) -> SessionEntry {
    SessionEntry {
        session: SessionId(format!("s-{name}-{}", random::hex::<4>())),
        user: user(name),
        node: on.clone(),
        login_at_ms: clock::unix_ms(),
    }
}

fn record(room: &str, seq: u64) -> Record {
    Record {
        conversation: ConversationId::Room(RoomName::parse(room).unwrap()),
        seq,
        epoch: 1,
        kind: RecordKind::Chat,
        sender: user("ann"),
        client_id: ClientId::parse(&format!("c-{seq}")).unwrap(),
        message_id: MessageId(format!("m-{seq}")),
        body_hash: [7; 16],
        ts_ms: clock::unix_ms(),
        format: "text".to_owned(),
        body: "hello".to_owned(),
    }
}

fn said(word: &str) -> WordCounts {
    WordCounts {
        scopes: vec![RankingScope::Global],
        at_ms: clock::unix_ms(),
        words: vec![(word.to_owned(), 1)],
    }
}

fn list(epoch: u64) -> Directory {
    Directory {
        epoch,
        generated_at_ms: clock::unix_ms(),
        servers: Vec::new(),
    }
}

async fn sessions_of(cache: &RedisCache, name: &str) -> BackendResult<Vec<SessionId>> {
    let entries = cache.sessions().locate(&user(name)).await?;
    Ok(entries.into_iter().map(|entry| entry.session).collect())
}

/// Every call of every contract, with the kind of its error.
async fn every_call(cache: &RedisCache) -> Vec<(&'static str, Option<BackendErrorKind>)> {
    let kind = |result: BackendResult<()>| result.err().map(|error| error.kind);
    let (sessions, on) = (cache.sessions(), node("calls", 1));
    let bound = session("caller", &on);
    let scope = RankingScope::Global;
    let live = std::iter::once(on.clone()).collect();
    let ttl = Duration::from_secs(600);
    vec![
        (
            "publish",
            kind(cache.directory().publish(list(9), ttl).await),
        ),
        ("list", kind(cache.directory().list().await.map(|_| ()))),
        ("bind", kind(sessions.bind(bound.clone()).await)),
        (
            "locate",
            kind(sessions.locate(&bound.user).await.map(|_| ())),
        ),
        (
            "online",
            kind(sessions.online("", "", 10).await.map(|_| ())),
        ),
        ("count", kind(sessions.count().await.map(|_| ()))),
        ("retain", kind(sessions.retain_nodes(&live).await)),
        (
            "unbind",
            kind(sessions.unbind(&bound.user, &bound.session).await),
        ),
        (
            "push",
            kind(cache.recent().push(&[record("calls", 1)]).await),
        ),
        (
            "latest",
            kind(
                cache
                    .recent()
                    .latest(&record("calls", 1).conversation, 5)
                    .await
                    .map(|_| ()),
            ),
        ),
        ("bump", kind(cache.ranking().bump(vec![said("word")]).await)),
        (
            "top",
            kind(cache.ranking().top(&scope, 0, 5).await.map(|_| ())),
        ),
    ]
}
