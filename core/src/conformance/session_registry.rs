//! Who is online where.

use std::collections::BTreeSet;
use std::sync::Arc;

use antiphon_protocol::{NodeId, SessionId, UserName};

use super::eventually;
use crate::contract::{SessionEntry, SessionRegistry};

/// Every promise.
pub async fn all<Fut: Future<Output = Arc<dyn SessionRegistry>>>(make: impl Fn() -> Fut) {
    sessions_are_located_newest_login_first(&*make().await).await;
    binding_a_session_again_replaces_its_entry(&*make().await).await;
    unbinding_touches_no_other_session(&*make().await).await;
    users_online_are_listed_by_name(&*make().await).await;
    users_are_counted_once(&*make().await).await;
    entries_of_dead_registrations_do_not_count(&*make().await).await;
    a_dead_registration_stays_dead(&*make().await).await;
    a_registration_not_heard_of_yet_may_bind(&*make().await).await;
}

fn user(name: &str) -> UserName {
    UserName::parse(name).expect("a name")
}

fn node(name: &str, incarnation: u64) -> NodeId {
    NodeId {
        name: name.to_owned(),
        incarnation,
    }
}

fn session(id: &str) -> SessionId {
    SessionId(id.to_owned())
}

fn entry(id: &str, name: &str, on: &NodeId, login_at_ms: u64) -> SessionEntry {
    SessionEntry {
        session: session(id),
        user: user(name),
        node: on.clone(),
        login_at_ms,
    }
}

async fn bind(store: &dyn SessionRegistry, entry: SessionEntry) {
    store.bind(entry).await.expect("bound");
}

async fn located(store: &dyn SessionRegistry, name: &str) -> Vec<String> {
    let entries = store.locate(&user(name)).await.expect("an answer");
    entries.into_iter().map(|entry| entry.session.0).collect()
}

async fn is_at(store: &dyn SessionRegistry, name: &str, sessions: &[&str]) {
    let what = format!("{name} has the sessions {sessions:?}");
    eventually(&what, async || {
        (located(store, name).await == sessions).then_some(())
    })
    .await;
}

async fn retain(store: &dyn SessionRegistry, live: &[&NodeId]) {
    let live: BTreeSet<NodeId> = live.iter().map(|&node| node.clone()).collect();
    store.retain_nodes(&live).await.expect("told");
}

/// With every field as it was bound; who has none has none.
pub async fn sessions_are_located_newest_login_first(store: &dyn SessionRegistry) {
    let one = node("one", 1);
    let two = node("two", 2);
    let middle = entry("s-middle", "анна", &one, 2_000);
    let newest = entry("s-newest", "анна", &two, 3_000);
    let oldest = entry("s-oldest", "анна", &one, 1_000);
    for bound in [&middle, &newest, &oldest] {
        bind(store, bound.clone()).await;
    }
    is_at(store, "анна", &["s-newest", "s-middle", "s-oldest"]).await;
    let entries = store.locate(&user("анна")).await.expect("an answer");
    assert_eq!(entries, [newest, middle, oldest]);
    assert!(located(store, "nobody").await.is_empty());
}

/// A session is there once, as it was bound last.
pub async fn binding_a_session_again_replaces_its_entry(store: &dyn SessionRegistry) {
    bind(store, entry("s", "ann", &node("one", 1), 1_000)).await;
    let again = entry("s", "ann", &node("two", 2), 2_000);
    bind(store, again.clone()).await;
    eventually("the newer entry", async || {
        (store.locate(&user("ann")).await.expect("an answer") == [again.clone()]).then_some(())
    })
    .await;
    assert_eq!(store.count().await.expect("an answer"), 1);
}

/// Not another session of the user, not another user's; and what isn't there is no error.
pub async fn unbinding_touches_no_other_session(store: &dyn SessionRegistry) {
    let one = node("one", 1);
    bind(store, entry("a1", "ann", &one, 1_000)).await;
    bind(store, entry("a2", "ann", &one, 2_000)).await;
    bind(store, entry("b1", "bob", &one, 1_000)).await;
    store
        .unbind(&user("ann"), &session("a1"))
        .await
        .expect("unbound");
    is_at(store, "ann", &["a2"]).await;
    store
        .unbind(&user("ann"), &session("a1"))
        .await
        .expect("twice is no error");
    store
        .unbind(&user("ann"), &session("b1"))
        .await
        .expect("somebody else's is no error");
    store
        .unbind(&user("carl"), &session("c1"))
        .await
        .expect("never bound is no error");
    is_at(store, "ann", &["a2"]).await;
    is_at(store, "bob", &["b1"]).await;
    store
        .unbind(&user("ann"), &session("a2"))
        .await
        .expect("unbound");
    is_at(store, "ann", &[]).await;
    is_at(store, "bob", &["b1"]).await;
}

/// In pages, and by the beginning of the name.
pub async fn users_online_are_listed_by_name(store: &dyn SessionRegistry) {
    let one = node("one", 1);
    for name in ["bob", "anna", "ann", "carl", "ærø"] {
        bind(store, entry(&format!("s-{name}"), name, &one, 1_000)).await;
    }
    bind(store, entry("s-anna-2", "anna", &node("two", 2), 2_000)).await;
    let list = async |prefix: &str, after: &str, limit: usize| -> Vec<(String, u64)> {
        let page = store.online(prefix, after, limit).await.expect("an answer");
        page.into_iter()
            .map(|online| (online.user.to_string(), online.sessions))
            .collect()
    };
    let pairs = |expected: &[(&str, u64)]| -> Vec<(String, u64)> {
        expected
            .iter()
            .map(|&(name, sessions)| (name.to_owned(), sessions))
            .collect()
    };
    let everybody = pairs(&[("ann", 1), ("anna", 2), ("bob", 1), ("carl", 1), ("ærø", 1)]);
    eventually("everybody", async || {
        (list("", "", 100).await == everybody).then_some(())
    })
    .await;
    assert_eq!(list("", "", 2).await, everybody[..2]);
    assert_eq!(list("", "anna", 2).await, everybody[2..4]);
    assert_eq!(list("", "bo", 1).await, everybody[2..3]);
    assert_eq!(list("ann", "", 100).await, everybody[..2]);
    assert_eq!(list("ann", "ann", 100).await, everybody[1..2]);
    assert_eq!(list("b", "ann", 100).await, everybody[2..3]);
    assert!(list("ann", "b", 100).await.is_empty());
    assert!(list("z", "", 100).await.is_empty());
    assert!(list("", "", 0).await.is_empty());
}

/// However many sessions they have.
pub async fn users_are_counted_once(store: &dyn SessionRegistry) {
    let count = async |expected: u64| {
        let what = format!("{expected} users");
        eventually(&what, async || {
            (store.count().await.expect("an answer") == expected).then_some(())
        })
        .await;
    };
    count(0).await;
    let one = node("one", 1);
    bind(store, entry("a1", "ann", &one, 1_000)).await;
    bind(store, entry("a2", "ann", &one, 2_000)).await;
    bind(store, entry("b1", "bob", &one, 1_000)).await;
    count(2).await;
    store
        .unbind(&user("ann"), &session("a1"))
        .await
        .expect("unbound");
    count(2).await;
    store
        .unbind(&user("ann"), &session("a2"))
        .await
        .expect("unbound");
    count(1).await;
}

/// In no answer: not by location, not in the list, not in the count. An older incarnation
/// of a live name is dead.
pub async fn entries_of_dead_registrations_do_not_count(store: &dyn SessionRegistry) {
    let (old, new, other) = (node("one", 1), node("one", 3), node("two", 2));
    bind(store, entry("a-old", "ann", &old, 1_000)).await;
    bind(store, entry("a-new", "ann", &new, 2_000)).await;
    bind(store, entry("b-other", "bob", &other, 1_000)).await;
    bind(store, entry("c-old", "carl", &old, 1_000)).await;
    retain(store, &[&new]).await;
    is_at(store, "ann", &["a-new"]).await;
    is_at(store, "bob", &[]).await;
    is_at(store, "carl", &[]).await;
    let page = store.online("", "", 100).await.expect("an answer");
    let page: Vec<_> = page
        .iter()
        .map(|online| (online.user.as_str(), online.sessions))
        .collect();
    assert_eq!(page, [("ann", 1)]);
    assert_eq!(store.count().await.expect("an answer"), 1);
    retain(store, &[]).await;
    is_at(store, "ann", &[]).await;
    assert_eq!(store.count().await.expect("an answer"), 0);
}

/// Its entries don't come back, and its late words are not heard.
pub async fn a_dead_registration_stays_dead(store: &dyn SessionRegistry) {
    let (one, two) = (node("one", 1), node("two", 2));
    bind(store, entry("a", "ann", &one, 1_000)).await;
    retain(store, &[&one, &two]).await;
    is_at(store, "ann", &["a"]).await;
    retain(store, &[&two]).await;
    is_at(store, "ann", &[]).await;
    bind(store, entry("late", "ann", &one, 2_000)).await;
    is_at(store, "ann", &[]).await;
    bind(store, entry("fresh", "ann", &node("one", 3), 3_000)).await;
    retain(store, &[&node("one", 3), &two]).await;
    is_at(store, "ann", &["fresh"]).await;
    assert_eq!(store.count().await.expect("an answer"), 1);
}

/// A server that registered after the last word on who is live is not dead.
pub async fn a_registration_not_heard_of_yet_may_bind(store: &dyn SessionRegistry) {
    let (one, late) = (node("one", 1), node("late", 2));
    retain(store, &[&one]).await;
    bind(store, entry("a", "ann", &late, 1_000)).await;
    is_at(store, "ann", &["a"]).await;
    retain(store, &[&one, &late]).await;
    is_at(store, "ann", &["a"]).await;
}
