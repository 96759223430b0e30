//! Redis that hangs, ends, comes back, and forgets.

use super::*;

/// Above the deadline of the slowest call, with room for a busy machine.
const ONE_CALL_MAX: Duration = Duration::from_secs(4);
/// A refusal costs nothing; all calls together stay under the deadline of one.
const REFUSALS_MAX: Duration = Duration::from_millis(250);

async fn serving(server: &RedisServer, client: &RedisCache) {
    eventually(server, "redis serves", async || {
        client.health().serving.then_some(())
    })
    .await;
}

/// Every call but those that are told later.
async fn answered_by_redis(
    client: &RedisCache,
) -> impl Iterator<Item = (&'static str, Option<BackendErrorKind>)> {
    let calls = every_call(client).await.into_iter();
    calls.filter(|(call, _)| !["bind", "unbind"].contains(call))
}

async fn all_calls_succeed(client: &RedisCache) {
    for (call, error) in every_call(client).await {
        assert_eq!(error, None, "{call}");
    }
}

/// Pitfall 88: callers wait for a hanging Redis a bounded time, and soon not at all.
#[tokio::test]
async fn a_hanging_redis_costs_callers_little_and_then_nothing() {
    let server = RedisServer::start().await;
    let client = connect(&server.url(), RedisSettings::default()).await;
    all_calls_succeed(&client).await;
    let bound = session("ann", &node("calls", 1));
    client.sessions().bind(bound.clone()).await.unwrap();
    server.pause();
    let paused_at = clock::now();
    let asked = clock::timeout(ONE_CALL_MAX, client.directory().list()).await;
    let error = asked.expect("in time").unwrap_err();
    assert_eq!(error.kind, BackendErrorKind::Timeout);
    assert!(error.is_retryable());
    for (call, error) in answered_by_redis(&client).await {
        let kind = error.unwrap_or_else(|| panic!("{call} succeeded"));
        assert!(
            matches!(
                kind,
                BackendErrorKind::Timeout | BackendErrorKind::Unavailable
            ),
            "{call}: {kind:?}"
        );
    }
    let health = client.health();
    assert!(!health.serving && health.last_error.is_some(), "{health:?}");
    // Three deadlines; the rest of the calls was refused at once.
    assert!(clock::now() - paused_at < ONE_CALL_MAX);
    let refused_from = clock::now();
    for _ in 0..10 {
        for (call, error) in answered_by_redis(&client).await {
            assert_eq!(error, Some(BackendErrorKind::Unavailable), "{call}");
        }
    }
    assert!(clock::now() - refused_from < REFUSALS_MAX);
    assert!(client.health().refused_total >= 100);
    server.resume();
    serving(&server, &client).await;
    all_calls_succeed(&client).await;
    assert_eq!(client.health().outages_total, 1);
    // Its lease has not ended, and if it had, it would be announced again.
    eventually(&server, "ann is on line", async || {
        (sessions_of(&client, "ann").await.ok()? == [bound.session.clone()]).then_some(())
    })
    .await;
}

/// Without a caller that tries, and within a second.
#[tokio::test]
async fn an_outage_is_noticed_and_its_end_too_without_callers() {
    let server = RedisServer::start().await;
    let client = connect(&server.url(), brisk()).await;
    assert!(client.health().serving);
    server.pause();
    eventually(&server, "the outage is noticed", async || {
        (!client.health().serving).then_some(())
    })
    .await;
    server.resume();
    serving(&server, &client).await;
    server.kill();
    eventually(&server, "the end is noticed", async || {
        (!client.health().serving).then_some(())
    })
    .await;
    assert_eq!(
        client.health().failures_total,
        client.health().failures_total.max(6)
    );
    server.restart().await;
    serving(&server, &client).await;
    assert_eq!(client.health().outages_total, 2);
}

#[tokio::test]
async fn a_killed_redis_is_unavailable_until_it_is_back() {
    let server = RedisServer::start().await;
    let client = connect(&server.url(), brisk()).await;
    client.recent().push(&[record("lobby", 1)]).await.unwrap();
    server.kill();
    eventually(&server, "calls are refused", async || {
        let error = client.directory().list().await.unwrap_err();
        assert!(error.is_retryable(), "{error:?}");
        (error.kind == BackendErrorKind::Unavailable && !client.health().serving).then_some(())
    })
    .await;
    server.restart().await;
    serving(&server, &client).await;
    all_calls_succeed(&client).await;
    let lobby = record("lobby", 1).conversation;
    let cached = client.recent().latest(&lobby, 5).await.unwrap();
    assert_eq!(cached.map(|records| records.len()), Some(1));
}

#[tokio::test]
async fn a_redis_that_is_not_there_yet_is_no_error() {
    let server = RedisServer::start().await;
    server.kill();
    let client = connect(&server.url(), brisk()).await;
    let health = client.health();
    assert!(!health.serving && health.last_error.is_some(), "{health:?}");
    server.restart().await;
    serving(&server, &client).await;
    all_calls_succeed(&client).await;
}

/// What was bound is announced again; caches are empty, and say so.
#[tokio::test]
async fn everything_is_rebuilt_after_a_flush() {
    let server = RedisServer::start().await;
    let client = connect(&server.url(), brisk()).await;
    let on = node("one", 1);
    let bound: Vec<_> = (0..500)
        .map(|i| session(&format!("user{i}"), &on))
        .collect();
    for entry in &bound {
        client.sessions().bind(entry.clone()).await.unwrap();
    }
    client
        .sessions()
        .unbind(&bound[0].user, &bound[0].session)
        .await
        .unwrap();
    client.directory().publish(list(5), DEADLINE).await.unwrap();
    client.recent().push(&[record("lobby", 1)]).await.unwrap();
    client.ranking().bump(vec![said("word")]).await.unwrap();
    let _: String = command(&server, &["FLUSHALL"]).await;
    assert_eq!(client.directory().list().await.unwrap(), None);
    let lobby = record("lobby", 1).conversation;
    assert_eq!(client.recent().latest(&lobby, 5).await.unwrap(), None);
    let top = client.ranking().top(&RankingScope::Global, 0, 5).await;
    assert_eq!(top.unwrap(), []);
    eventually(&server, "all are announced again", async || {
        (client.sessions().count().await.unwrap() == 499).then_some(())
    })
    .await;
    assert_eq!(sessions_of(&client, "user0").await.unwrap(), []);
    let last = &bound[499];
    let located = client.sessions().locate(&last.user).await.unwrap();
    assert_eq!(located.as_slice(), std::slice::from_ref(last));
    // The epochs went with the rest; the leader publishes twice a second.
    client.directory().publish(list(5), DEADLINE).await.unwrap();
    assert!(client.directory().list().await.unwrap().is_some());
    all_calls_succeed(&client).await;
}

/// As after a restart from an old copy of its data.
#[tokio::test]
async fn after_a_restart_redis_is_told_what_it_lacks() {
    for appendonly in ["no", "yes"] {
        let server = RedisServer::start_with(&["--appendonly", appendonly]).await;
        // The renewals alone would not find it soon.
        let settings = RedisSettings {
            renew_interval: Duration::from_secs(3_600),
            lease: Duration::from_secs(7_200),
            ..brisk()
        };
        let client = connect(&server.url(), settings).await;
        let bound = session("ann", &node("one", 1));
        client.sessions().bind(bound.clone()).await.unwrap();
        let _: u64 = command(&server, &["DEL", "antiphon:1:{sessions:}:entries"]).await;
        server.restart().await;
        eventually(&server, "ann is announced again", async || {
            (sessions_of(&client, "ann").await.ok()? == [bound.session.clone()]).then_some(())
        })
        .await;
    }
}

/// As a Redis does that may evict what it likes.
#[tokio::test]
async fn a_key_that_is_gone_is_rebuilt() {
    let server = RedisServer::start().await;
    let client = connect(&server.url(), brisk()).await;
    let on = node("one", 1);
    for name in ["ann", "ann", "bob"] {
        client.sessions().bind(session(name, &on)).await.unwrap();
    }
    for key in ["entries", "by_user", "users", "by_node", "leases"] {
        let key = format!("antiphon:1:{{sessions:}}:{key}");
        let gone: u64 = command(&server, &["DEL", &key]).await;
        assert_eq!(gone, 1, "{key}");
        eventually(
            &server,
            &format!("all is there again without {key}"),
            async || {
                let there: u64 = command(&server, &["EXISTS", &key]).await;
                let online = client.sessions().online("", "", 10).await.unwrap();
                let sessions: Vec<u64> = online.iter().map(|entry| entry.sessions).collect();
                let count = client.sessions().count().await.unwrap();
                let located = sessions_of(&client, "ann").await.unwrap().len();
                (there == 1 && sessions == [2, 1] && count == 2 && located == 2).then_some(())
            },
        )
        .await;
    }
}

/// Also the scripts that Redis has forgotten are sent again.
#[tokio::test]
async fn a_flush_of_scripts_goes_unnoticed() {
    let server = RedisServer::start().await;
    let client = connect(&server.url(), RedisSettings::default()).await;
    all_calls_succeed(&client).await;
    let _: String = command(&server, &["SCRIPT", "FLUSH", "SYNC"]).await;
    all_calls_succeed(&client).await;
    assert_eq!(client.health().failures_total, 0);
}

/// Who logs in or out meanwhile is told of later; a login doesn't fail for want of Redis.
#[tokio::test]
async fn who_comes_and_goes_while_redis_hangs_is_told_later() {
    let server = RedisServer::start().await;
    let client = connect(&server.url(), brisk()).await;
    let on = node("one", 1);
    let [stays, leaves, comes, comes_and_goes] =
        ["stays", "leaves", "comes", "passes"].map(|name| session(name, &on));
    let sessions = client.sessions();
    sessions.bind(stays.clone()).await.unwrap();
    sessions.bind(leaves.clone()).await.unwrap();
    server.pause();
    sessions
        .unbind(&leaves.user, &leaves.session)
        .await
        .unwrap();
    sessions.bind(comes.clone()).await.unwrap();
    sessions.bind(comes_and_goes.clone()).await.unwrap();
    sessions
        .unbind(&comes_and_goes.user, &comes_and_goes.session)
        .await
        .unwrap();
    // Nobody here has bound it, so nobody would tell later.
    let other = SessionId("other".to_owned());
    sessions.unbind(&stays.user, &other).await.unwrap_err();
    server.resume();
    serving(&server, &client).await;
    eventually(&server, "all is as it is", async || {
        let online = sessions.online("", "", 10).await.ok()?;
        let names: Vec<_> = online.iter().map(|entry| entry.user.as_str()).collect();
        (names == ["comes", "stays"]).then_some(())
    })
    .await;
    assert_eq!(
        sessions_of(&client, "comes").await.unwrap(),
        [comes.session]
    );
}

/// It refuses writes, and is still there for reads.
#[tokio::test]
async fn a_full_redis_refuses_writes_only() {
    let arguments = ["--maxmemory", "4mb", "--maxmemory-policy", "noeviction"];
    let server = RedisServer::start_with(&arguments).await;
    let client = connect(&server.url(), brisk()).await;
    let long = |seq| {
        let body = "x".repeat(8_000);
        Record {
            body,
            ..record(&format!("room{seq}"), seq)
        }
    };
    client.ranking().bump(vec![said("word")]).await.unwrap();
    let bound = session("ann", &node("one", 1));
    client.sessions().bind(bound.clone()).await.unwrap();
    let mut seq = 0;
    let error = loop {
        seq += 1;
        assert!(seq < 5_000, "redis is never full");
        if let Err(error) = client.recent().push(&[long(seq)]).await {
            break error;
        }
    };
    assert_eq!(error.kind, BackendErrorKind::Unavailable);
    let first = long(1).conversation;
    assert!(client.recent().latest(&first, 5).await.unwrap().is_some());
    let top = client.ranking().top(&RankingScope::Global, 0, 5).await;
    assert_eq!(top.unwrap().len(), 1);
    // Longer than a lease: what is there is renewed.
    clock::sleep(brisk().lease * 2).await;
    assert_eq!(sessions_of(&client, "ann").await.unwrap(), [bound.session]);
    assert!(client.health().serving);
}
