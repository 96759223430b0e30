use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use antiphon_core::contract::{
    BackendError, BackendErrorKind, BackendResult, OnlineEntry, SessionEntry, SessionRegistry,
    TokenRecord,
};
use antiphon_protocol::{NodeId, SessionId, UserName};
use sha2::{Digest, Sha256};

use super::*;
use crate::server::session::LocalSession;
use crate::server::tests::support::user;

struct Panics;

#[async_trait]
impl CommandHandler<Caller, Ping, Answer, ErrorBody> for Panics {
    async fn handle(&self, _: &mut Caller, _: Ping) -> CommandResult {
        panic!("as the test wants")
    }
}

/// A registry that refuses to bind when it is told to.
struct Registry {
    inner: Arc<dyn SessionRegistry>,
    refuses: AtomicBool,
}

#[async_trait]
impl SessionRegistry for Registry {
    async fn bind(&self, entry: SessionEntry) -> BackendResult<()> {
        if self.refuses.load(Ordering::Relaxed) {
            let kind = BackendErrorKind::Unavailable;
            return Err(BackendError::new(kind, "test.bind"));
        }
        self.inner.bind(entry).await
    }

    async fn unbind(&self, user: &UserName, session: &SessionId) -> BackendResult<()> {
        self.inner.unbind(user, session).await
    }

    async fn locate(&self, user: &UserName) -> BackendResult<Vec<SessionEntry>> {
        self.inner.locate(user).await
    }

    async fn online(
        &self,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> BackendResult<Vec<OnlineEntry>> {
        self.inner.online(prefix, after, limit).await
    }

    async fn count(&self) -> BackendResult<u64> {
        self.inner.count().await
    }

    async fn retain_nodes(&self, live: &BTreeSet<NodeId>) -> BackendResult<()> {
        self.inner.retain_nodes(live).await
    }
}

impl Fixture {
    async fn register_node(&self) {
        let live = [self.node.id()].into();
        let registry = &self.node.backends.sessions;
        registry.retain_nodes(&live).await.unwrap();
    }

    /// Binds a session of alice's, as a login does.
    async fn bind(&self, outbound: &Arc<Outbound>) {
        self.register_node().await;
        let entry = SessionEntry {
            session: alice().id,
            user: user("alice"),
            node: self.node.id(),
            login_at_ms: 1,
        };
        self.node.backends.sessions.bind(entry).await.unwrap();
        let local = LocalSession {
            id: alice().id,
            login_at_ms: 1,
            connection: ConnectionId(1),
            outbound: Arc::clone(outbound),
        };
        self.node.sessions.bind(user("alice"), local);
        assert_eq!(self.alices().await, (1, 1));
    }

    /// How many sessions alice has here, and how many in the registry.
    async fn alices(&self) -> (usize, usize) {
        let registry = &self.node.backends.sessions;
        let everywhere = registry.locate(&user("alice")).await.unwrap();
        let here = self.node.sessions.of(&user("alice"));
        (here.len(), everywhere.len())
    }
}

fn alice() -> Session {
    Session {
        user: user("alice"),
        id: SessionId("s1".into()),
        family: "f".into(),
    }
}

/// A bug in a command is one client's trouble, with a number to find it by.
/// Pitfall 39: no session stays behind.
#[tokio::test]
async fn a_panic_ends_its_own_connection_and_session_alone() {
    let f = fixture_with(|_| {}, with_ping(Panics)).await;
    let mut neighbor = f.connect().await;
    let mut client = f.connect_as(Some(alice()), BUFFER).await;
    f.bind(&client.outbound).await;
    client.text(r#"{"id":7,"action":"ping"}"#).await;
    let reply = client.json().await;
    assert_eq!(reply["re"], 7);
    assert_eq!(reply["data"]["code"], 500);
    assert_eq!(reply["data"]["ext"], "internal");
    let message = reply["data"]["message"].as_str().unwrap();
    let incident = message.rsplit(' ').next().unwrap();
    let is_hex = incident.chars().all(|c| c.is_ascii_hexdigit());
    assert!(incident.len() == 8 && is_hex, "{message}");
    assert_eq!(client.closed().await, (Some(1011), 0));
    client.ended().await;
    assert_eq!(f.alices().await, (0, 0));
    // The table without a handler for it answers the neighbor.
    neighbor.text(r#"{"action":"online"}"#).await;
    assert_eq!(neighbor.json().await["data"]["code"], 401);
}

/// Pitfall 44: a socket on which nobody logged in ends nobody's session.
#[tokio::test]
async fn who_never_logged_in_takes_nothing_along() {
    let f = fixture().await;
    let mut client = f.connect_as(Some(alice()), BUFFER).await;
    f.bind(&client.outbound).await;
    let stranger = f.connect().await;
    drop(stranger.stream);
    stranger.served.await.unwrap().expect("no panic");
    assert_eq!(f.alices().await, (1, 1));
    client.stream.shutdown().await.unwrap();
    assert_eq!(client.closed().await, (None, 0));
    client.ended().await;
    assert_eq!(f.alices().await, (0, 0));
}

/// Pitfall 47: a login that is not registered everywhere is none, and says so.
#[tokio::test]
async fn a_login_succeeds_only_once_it_is_registered() {
    let mut stores = stores().await;
    stores.add_users(&["alice"]).await;
    let registry = Arc::new(Registry {
        inner: Arc::clone(&stores.backends.sessions),
        refuses: AtomicBool::new(true),
    });
    stores.backends.sessions = Arc::clone(&registry) as Arc<dyn SessionRegistry>;
    let f = fixture_of(stores, |_| {}, command::dispatcher());
    f.register_node().await;
    let mut client = f.connect().await;
    let login = json!({"action": "login", "data": {"username": "alice"}}).to_string();
    client.text(&login).await;
    let reply = client.json().await;
    assert_eq!(reply["data"]["ext"], "store_unavailable", "{reply}");
    assert_eq!(f.alices().await, (0, 0));
    // The connection is as it was before: the next try is a first one.
    registry.refuses.store(false, Ordering::Relaxed);
    client.text(&login).await;
    assert_eq!(client.json().await["action"], "login");
    assert_eq!(f.alices().await, (1, 1));
}

/// A client that comes back too late is told to ask for the password.
#[tokio::test]
async fn a_token_that_has_expired_is_told_and_ends_the_connection() {
    let stores = stores().await;
    stores.add_users(&["alice"]).await;
    let tune = |settings: &mut Settings| settings.auth_mode = AuthMode::Password;
    let f = fixture_of(stores, tune, command::dispatcher());
    f.register_node().await;
    for (token, lives_ms) in [("expired-token", -1), ("a-good-token", 60_000)] {
        let now = clock::unix_ms();
        let record = TokenRecord {
            hash: Sha256::digest(token.as_bytes()).into(),
            user: user("alice"),
            family: format!("{now:x}-{token}"),
            expires_at_ms: now.saturating_add_signed(lives_ms),
            rotated_at_ms: None,
        };
        f.stores.backends.users.put_token(record, 0).await.unwrap();
        let mut client = f.connect().await;
        let login = json!({"id": 1, "action": "login", "data": {"resumeToken": token}});
        client.text(&login.to_string()).await;
        let reply = client.json().await;
        if lives_ms > 0 {
            assert_eq!(reply["data"]["username"], "alice", "{reply}");
            continue;
        }
        assert_eq!(reply["re"], 1);
        assert_eq!(reply["data"]["code"], 401);
        assert_eq!(reply["data"]["ext"], "token_expired");
        assert_eq!(client.closed().await.0, Some(4302));
        client.ended().await;
        assert_eq!(f.alices().await, (0, 0));
    }
}
