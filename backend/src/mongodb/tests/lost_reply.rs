//! A write whose reply is lost: the driver sends it again, and finds its own.

use std::sync::Arc;
use std::time::Duration;

use antiphon_core::clock;
use antiphon_core::contract::{AppendOutcome, Record, Tail, TokenRecord, UserRecord};
use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{self, TaskKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};

use super::super::MongoStore;
use super::{Databases, chat, client_id, connect, everything, room};

const TIMEOUT: Duration = Duration::from_secs(20);

/// Stands between a store and its database. When it is set to a word, the reply to the next
/// request with that word is swallowed, and the connection is held until [`Proxy::cut`].
struct Proxy {
    url: String,
    state: Arc<State>,
    _scope: Shutdown,
}

struct State {
    word: watch::Sender<Option<&'static str>>,
    swallowed: Notify,
    cut: Notify,
}

impl Proxy {
    async fn start(database: &str, behind: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            word: watch::Sender::new(None),
            swallowed: Notify::new(),
            cut: Notify::new(),
        });
        let scope = Shutdown::new();
        let (own, shared) = (scope.clone(), Arc::clone(&state));
        task::spawn(&scope, TaskKind::Client, async move {
            while let Ok((client, _)) = listener.accept().await {
                let (state, behind) = (Arc::clone(&shared), behind.clone());
                task::spawn(&own, TaskKind::Client, async move {
                    // While the server is away, the client's connection just closes.
                    if let Ok(server) = TcpStream::connect(behind).await {
                        relay(client, server, &state).await;
                    }
                });
            }
        });
        Self {
            // Directly: the server tells its own address, which is not the proxy's.
            url: format!("mongodb://{address}/{database}?directConnection=true"),
            state,
            _scope: scope,
        }
    }

    /// The reply to the next request with this word is to be lost.
    fn lose_reply_to(&self, word: &'static str) {
        self.state.word.send_replace(Some(word));
    }

    /// Waits until a reply is lost: the write is done.
    async fn swallowed(&self) {
        clock::timeout(TIMEOUT, self.state.swallowed.notified())
            .await
            .expect("a reply");
    }

    /// Closes the connection whose reply was lost.
    fn cut(&self) {
        self.state.cut.notify_one();
    }
}

async fn relay(mut client: TcpStream, mut server: TcpStream, state: &State) {
    let (mut request, mut reply) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut is_marked = false;
    loop {
        tokio::select! {
            read = client.read(&mut request) => {
                let Ok(count @ 1..) = read else { return };
                is_marked |= state.word.borrow().is_some_and(|word| has(&request[..count], word));
                if server.write_all(&request[..count]).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut reply) => {
                let Ok(count @ 1..) = read else { return };
                if is_marked {
                    state.word.send_replace(None);
                    state.swallowed.notify_one();
                    state.cut.notified().await;
                    return;
                }
                if client.write_all(&reply[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn has(bytes: &[u8], word: &str) -> bool {
    bytes
        .windows(word.len())
        .any(|window| window == word.as_bytes())
}

/// Runs a call whose first reply is lost; the server is killed and started again meanwhile,
/// so that it has forgotten that it has seen the call.
async fn over_a_lost_reply<T>(
    databases: &Databases,
    proxy: &Proxy,
    word: &'static str,
    call: impl Future<Output = T>,
) -> T {
    proxy.lose_reply_to(word);
    let lose = async {
        proxy.swallowed().await;
        databases.server().restart().await;
        proxy.cut();
    };
    tokio::join!(call, lose).0
}

async fn behind_a_proxy() -> (Databases, Proxy, MongoStore) {
    let databases = Databases::of_own_server().await;
    // Makes the indexes.
    connect(&databases.server().url("antiphon")).await;
    let proxy = Proxy::start("antiphon", databases.server().address()).await;
    let store = connect(&proxy.url).await;
    (databases, proxy, store)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_was_stored_before_its_reply_was_lost_is_stored_once() {
    let (databases, proxy, store) = behind_a_proxy().await;
    let (archive, hall) = (store.archive(), room("hall"));
    let text = |seq| Record {
        body: "lost-reply".to_owned(),
        ..chat(&hall, seq)
    };
    for first in [1, 6] {
        let batch = (first..first + 5).map(text).collect();
        let call = archive.append(batch);
        let outcomes = over_a_lost_reply(&databases, &proxy, "lost-reply", call).await;
        assert_eq!(outcomes.unwrap(), [const { AppendOutcome::Stored }; 5]);
    }
    let wanted: Vec<Record> = (1..=10).map(text).collect();
    let found = archive.range(&hall, everything(), 99, false).await.unwrap();
    assert_eq!(found, wanted);
    // A later send of the same message is told from a repeated write.
    let again = archive.append(vec![text(10)]).await.unwrap();
    assert_eq!(
        again,
        [AppendOutcome::DuplicateClientId(Box::new(text(10)))]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_goes_on_behind_what_was_stored_before_the_reply_was_lost() {
    let (databases, proxy, store) = behind_a_proxy().await;
    let (archive, hall) = (store.archive(), room("hall"));
    let text = |seq| Record {
        body: "lost-reply".to_owned(),
        ..chat(&hall, seq)
    };
    let first = text(1);
    assert_eq!(
        archive.append(vec![first.clone()]).await.unwrap(),
        [AppendOutcome::Stored]
    );
    // The third of it is a retry of the first message.
    let retry = Record {
        client_id: client_id("c-1"),
        ..text(4)
    };
    let call = archive.append(vec![text(2), text(3), retry, text(5)]);
    let outcomes = over_a_lost_reply(&databases, &proxy, "lost-reply", call).await;
    let wanted = [
        AppendOutcome::Stored,
        AppendOutcome::Stored,
        AppendOutcome::DuplicateClientId(Box::new(first)),
        AppendOutcome::NotTried,
    ];
    assert_eq!(outcomes.unwrap(), wanted);
    assert_eq!(archive.count().await.unwrap(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn single_records_of_many_logs_are_stored_once_over_a_lost_reply() {
    let (databases, proxy, store) = behind_a_proxy().await;
    let archive = store.archive();
    let logs: Vec<_> = (0..5)
        .map(|number| room(&format!("hall{number}")))
        .collect();
    let text = |log: usize, seq| Record {
        body: "lost-reply".to_owned(),
        ..chat(&logs[log], seq)
    };
    // One of them is a retry, and the place of another is taken.
    let before = vec![text(1, 1), text(2, 1)];
    archive.append(before.clone()).await.unwrap();
    let late = Record {
        client_id: client_id("late"),
        ..text(2, 1)
    };
    let call = vec![text(0, 1), text(1, 1), late, text(3, 1), text(4, 1)];
    let call = archive.append(call);
    let outcomes = over_a_lost_reply(&databases, &proxy, "lost-reply", call).await;
    let wanted = [
        AppendOutcome::Stored,
        AppendOutcome::DuplicateClientId(Box::new(before[0].clone())),
        AppendOutcome::SequenceTaken(Tail { seq: 1, epoch: 1 }),
        AppendOutcome::Stored,
        AppendOutcome::Stored,
    ];
    assert_eq!(outcomes.unwrap(), wanted);
    assert_eq!(archive.count().await.unwrap(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_and_a_token_are_ones_own_over_a_lost_reply() {
    let (databases, proxy, store) = behind_a_proxy().await;
    let users = store.users();
    let account = |raw: &str| UserRecord {
        name: super::name(raw),
        password_hash: Some("lost-reply".to_owned()),
        created_at_ms: 1,
    };
    let call = users.create(account("ann"));
    over_a_lost_reply(&databases, &proxy, "lost-reply", call)
        .await
        .unwrap();
    let call = users.create_many(vec![account("ann"), account("bob"), account("cat")]);
    let made = over_a_lost_reply(&databases, &proxy, "lost-reply", call).await;
    assert_eq!(made.unwrap(), 2);
    let token = TokenRecord {
        hash: [3; 32],
        user: super::name("ann"),
        family: "lost-reply".to_owned(),
        expires_at_ms: 9_000,
        rotated_at_ms: None,
    };
    let call = users.put_token(token, 1);
    over_a_lost_reply(&databases, &proxy, "lost-reply", call)
        .await
        .unwrap();
    let call = users.rotate_token(&[3; 32], 77);
    let rotated = over_a_lost_reply(&databases, &proxy, "rotated_by", call).await;
    assert!(rotated.unwrap(), "this call did it");
    assert!(!users.rotate_token(&[3; 32], 78).await.unwrap());
}
