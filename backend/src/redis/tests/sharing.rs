//! Several processes on one Redis, and several builds.

use super::*;

/// Two servers' processes.
async fn two(server: &RedisServer) -> (Client, Client) {
    (
        connect(&server.url(), brisk()).await,
        connect(&server.url(), brisk()).await,
    )
}

#[tokio::test]
async fn two_registries_see_each_other() {
    let server = RedisServer::start().await;
    let (one, two) = two(&server).await;
    let (here, there) = (
        session("ann", &node("one", 1)),
        session("ann", &node("two", 2)),
    );
    one.sessions().bind(here.clone()).await.unwrap();
    two.sessions().bind(there.clone()).await.unwrap();
    for client in [&one, &two] {
        assert_eq!(sessions_of(client, "ann").await.unwrap().len(), 2);
        assert_eq!(client.sessions().count().await.unwrap(), 1);
    }
    // Not its own, but it is asked to.
    two.sessions()
        .unbind(&here.user, &here.session)
        .await
        .unwrap();
    assert_eq!(sessions_of(&one, "ann").await.unwrap(), [there.session]);
    two.recent().push(&[record("lobby", 7)]).await.unwrap();
    let lobby = record("lobby", 7).conversation;
    assert!(one.recent().latest(&lobby, 5).await.unwrap().is_some());
    two.ranking().bump(vec![said("word")]).await.unwrap();
    let top = one.ranking().top(&RankingScope::Global, 0, 5).await;
    assert_eq!(top.unwrap(), [("word".to_owned(), 1)]);
}

/// Pitfall 45: nobody has to tidy up after a process that ended.
#[tokio::test]
async fn sessions_of_a_process_that_ended_end_with_its_lease() {
    let server = RedisServer::start().await;
    let (one, two) = two(&server).await;
    for i in 0..1_200 {
        let entry = session(&format!("gone{i}"), &node("one", 1));
        one.sessions().bind(entry).await.unwrap();
    }
    let stays = session("stays", &node("two", 2));
    two.sessions().bind(stays.clone()).await.unwrap();
    assert_eq!(two.sessions().count().await.unwrap(), 1_201);
    drop(one);
    eventually(&server, "the sessions end", async || {
        (sessions_of(&two, "gone7").await.unwrap().is_empty()).then_some(())
    })
    .await;
    assert_eq!(two.sessions().count().await.unwrap(), 1);
    let online = two.sessions().online("", "", 10).await.unwrap();
    assert_eq!(online.len(), 1);
    let left: u64 = command(&server, &["HLEN", "antiphon:1:{sessions:}:entries"]).await;
    assert_eq!(left, 1, "what ended is removed");
    // Longer than a lease later the other is still there: it is renewed.
    clock::sleep(brisk().lease * 2).await;
    assert_eq!(sessions_of(&two, "stays").await.unwrap(), [stays.session]);
}

/// A process that was paused beyond its lease, or declared dead by an older view.
#[tokio::test]
async fn sessions_come_back_when_their_server_is_live_after_all() {
    let server = RedisServer::start().await;
    let (one, leader) = two(&server).await;
    let (here, other) = (node("one", 4), node("two", 2));
    let bound = session("ann", &here);
    one.sessions().bind(bound.clone()).await.unwrap();
    let live = |nodes: &[&NodeId]| nodes.iter().map(|&node| node.clone()).collect();
    leader
        .sessions()
        .retain_nodes(&live(&[&other]))
        .await
        .unwrap();
    assert_eq!(sessions_of(&leader, "ann").await.unwrap(), []);
    // It renews, and stays dead.
    clock::sleep(brisk().renew_interval * 3).await;
    assert_eq!(sessions_of(&leader, "ann").await.unwrap(), []);
    leader
        .sessions()
        .retain_nodes(&live(&[&here, &other]))
        .await
        .unwrap();
    eventually(&server, "ann is back", async || {
        (sessions_of(&leader, "ann").await.unwrap() == [bound.session.clone()]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_older_epoch_is_refused_whoever_publishes() {
    let server = RedisServer::start().await;
    let (one, two) = two(&server).await;
    let high = (1 << 62) + 1;
    one.directory().publish(list(high), DEADLINE).await.unwrap();
    // Beyond 2^53 floating point can't tell these apart.
    let refused = two.directory().publish(list(high - 1), DEADLINE).await;
    assert_eq!(refused.unwrap_err().kind, BackendErrorKind::Conflict);
    let seen = two.directory().list().await.unwrap().unwrap();
    assert_eq!(seen.epoch, high);
    two.directory()
        .publish(list(high + 1), DEADLINE)
        .await
        .unwrap();
    let seen = one.directory().list().await.unwrap().unwrap();
    assert_eq!(seen.epoch, high + 1);
    assert!(one.health().serving, "a refusal is no failure");
}

#[tokio::test]
async fn values_of_another_form_are_ignored() {
    let server = RedisServer::start().await;
    let client = connect(&server.url(), RedisSettings::default()).await;
    let newer = r#"{"v":2,"list":["something"]}"#;
    let key = "antiphon:1:{directory:}:list";
    let _: u64 = command(&server, &["HSET", key, "list", newer]).await;
    assert_eq!(client.directory().list().await.unwrap(), None);
    client.directory().publish(list(1), DEADLINE).await.unwrap();
    assert!(client.directory().list().await.unwrap().is_some());

    let lobby = record("lobby", 1).conversation;
    client.recent().push(&[record("lobby", 1)]).await.unwrap();
    let key = "antiphon:1:{recent:room%3Alobby}:records";
    let _: u64 = command(&server, &["ZADD", key, "2", newer]).await;
    assert_eq!(client.recent().latest(&lobby, 5).await.unwrap(), None);
    client.recent().push(&[record("lobby", 2)]).await.unwrap();
    let cached = client.recent().latest(&lobby, 5).await.unwrap().unwrap();
    assert_eq!(cached.len(), 2);

    let bound = session("ann", &node("one", 1));
    client.sessions().bind(bound.clone()).await.unwrap();
    let key = "antiphon:1:{sessions:}:entries";
    let _: u64 = command(&server, &["HSET", key, bound.session.as_str(), "2\nx"]).await;
    assert_eq!(sessions_of(&client, "ann").await.unwrap(), []);
    client.sessions().bind(bound.clone()).await.unwrap();
    assert_eq!(sessions_of(&client, "ann").await.unwrap(), [bound.session]);
}

#[tokio::test]
async fn junk_is_an_error_or_nothing_and_no_panic() {
    let server = RedisServer::start().await;
    let client = connect(&server.url(), RedisSettings::default()).await;
    let key = "antiphon:1:{directory:}:list";
    let _: u64 = command(&server, &["HSET", key, "list", "junk"]).await;
    let error = client.directory().list().await.unwrap_err();
    assert_eq!(error.kind, BackendErrorKind::Corrupt);
    let key = "antiphon:1:{recent:room%3Alobby}:records";
    let _: u64 = command(&server, &["ZADD", key, "2", "junk"]).await;
    let lobby = record("lobby", 1).conversation;
    assert_eq!(client.recent().latest(&lobby, 5).await.unwrap(), None);
    let key = "antiphon:1:{recent:room%3Aattic}:records";
    let _: String = command(&server, &["SET", key, "not a set"]).await;
    let attic = record("attic", 1).conversation;
    let error = client.recent().latest(&attic, 5).await.unwrap_err();
    assert_eq!(error.kind, BackendErrorKind::Corrupt);
    assert!(client.health().serving);
}

/// Nothing of ours stays for ever, and nothing lies outside of our prefix.
#[tokio::test]
async fn every_key_has_the_prefix_and_ends() {
    let server = RedisServer::start().await;
    let settings = RedisSettings {
        prefix: "other {chat}".to_owned(),
        ..RedisSettings::default()
    };
    let client = connect(&server.url(), settings).await;
    let bound = session("ann", &node("one", 1));
    every_call(&client).await;
    client.sessions().bind(bound).await.unwrap();
    let keys: Vec<String> = command(&server, &["KEYS", "*"]).await;
    assert!(keys.len() >= 10, "{keys:?}");
    for key in keys {
        assert!(key.starts_with("other%20%7Bchat%7D:1:{"), "{key}");
        let life: i64 = command(&server, &["PTTL", &key]).await;
        assert!(life > 0, "{key} stays for ever");
    }
}

/// Not only what is read is bounded.
#[tokio::test]
async fn what_redis_keeps_is_bounded() {
    let server = RedisServer::start().await;
    let client = connect(&server.url(), RedisSettings::default()).await;
    for from in [1, 40, 90] {
        let records: Vec<_> = (from..from + 60).map(|seq| record("lobby", seq)).collect();
        client.recent().push(&records).await.unwrap();
    }
    let key = "antiphon:1:{recent:room%3Alobby}:records";
    let kept: usize = command(&server, &["ZCARD", key]).await;
    assert_eq!(kept, antiphon_protocol::limits::RECENT_MAX);
    let words = (0..20_000).map(|i| (format!("word{i}"), 1)).collect();
    let flood = WordCounts { words, ..said("") };
    client.ranking().bump(vec![flood]).await.unwrap();
    let keys: Vec<String> = command(&server, &["KEYS", "antiphon:1:{words:*"]).await;
    assert_eq!(keys.len(), 3, "a minute, an hour, a day: {keys:?}");
    for key in keys {
        let kept: usize = command(&server, &["ZCARD", &key]).await;
        assert!((1_000..8_000).contains(&kept), "{key} has {kept} words");
    }
}
