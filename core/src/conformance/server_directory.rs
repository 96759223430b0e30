//! The list of live servers.

use std::sync::Arc;
use std::time::Duration;

use super::eventually;
use crate::contract::{BackendErrorKind, Directory, DirectoryEntry, ServerDirectory};

/// Long enough not to end within a test.
const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_millis(200);

/// Every promise.
pub async fn all<Fut: Future<Output = Arc<dyn ServerDirectory>>>(make: impl Fn() -> Fut) {
    nothing_is_listed_before_something_is_published(&*make().await).await;
    a_list_is_read_as_it_was_published(&*make().await).await;
    a_newer_list_replaces_the_older_whole(&*make().await).await;
    a_list_of_an_older_epoch_is_refused(&*make().await).await;
    a_list_expires(&*make().await).await;
    publishing_again_prolongs_a_list(&*make().await).await;
}

fn entry(name: &str, host: &str) -> DirectoryEntry {
    DirectoryEntry {
        name: name.to_owned(),
        host: host.to_owned(),
        port: 9_000,
        connections: 12,
        weight: 100,
        is_leader: false,
        lag_ms: None,
    }
}

fn directory(epoch: u64, names: &[&str]) -> Directory {
    let servers = names
        .iter()
        .map(|name| entry(name, "chat.example"))
        .collect();
    Directory {
        epoch,
        generated_at_ms: 1_700_000_000_000 + epoch,
        servers,
    }
}

async fn listed(store: &dyn ServerDirectory) -> Option<Directory> {
    store.list().await.expect("an answer")
}

/// Nothing is not an empty list.
pub async fn nothing_is_listed_before_something_is_published(store: &dyn ServerDirectory) {
    assert_eq!(listed(store).await, None);
}

/// Every field, and the order; a list without servers is one, too.
pub async fn a_list_is_read_as_it_was_published(store: &dyn ServerDirectory) {
    let mut published = directory(7, &["b", "a"]);
    published.servers.push(DirectoryEntry {
        connections: u64::from(u32::MAX) + 1,
        weight: 0,
        is_leader: true,
        lag_ms: None,
        ..entry("c", "2001:db8::1")
    });
    store
        .publish(published.clone(), LONG)
        .await
        .expect("published");
    eventually("the list", async || {
        (listed(store).await == Some(published.clone())).then_some(())
    })
    .await;
    let empty = directory(7, &[]);
    store.publish(empty.clone(), LONG).await.expect("published");
    eventually("the empty list", async || {
        (listed(store).await == Some(empty.clone())).then_some(())
    })
    .await;
}

/// Nothing of the old list is left, under the same epoch or a newer one.
pub async fn a_newer_list_replaces_the_older_whole(store: &dyn ServerDirectory) {
    for newer in [
        directory(3, &["a", "b"]),
        directory(3, &["b"]),
        directory(4, &["c"]),
    ] {
        store.publish(newer.clone(), LONG).await.expect("published");
        eventually("the newer list", async || {
            (listed(store).await == Some(newer.clone())).then_some(())
        })
        .await;
    }
}

/// A deposed leader can't overwrite its successor's list.
pub async fn a_list_of_an_older_epoch_is_refused(store: &dyn ServerDirectory) {
    let newest = directory(5, &["new"]);
    store
        .publish(newest.clone(), LONG)
        .await
        .expect("published");
    let refused = store
        .publish(directory(4, &["old"]), LONG)
        .await
        .expect_err("an older epoch");
    assert_eq!(refused.kind, BackendErrorKind::Conflict);
    assert!(!refused.is_retryable());
    eventually("the newer list", async || {
        (listed(store).await == Some(newest.clone())).then_some(())
    })
    .await;
}

/// Without a publisher, the list ends.
pub async fn a_list_expires(store: &dyn ServerDirectory) {
    store
        .publish(directory(1, &["a"]), SHORT)
        .await
        .expect("published");
    eventually("the list is gone", async || {
        listed(store).await.is_none().then_some(())
    })
    .await;
    let again = directory(1, &["a"]);
    store.publish(again.clone(), LONG).await.expect("published");
    eventually("the list is back", async || {
        (listed(store).await == Some(again.clone())).then_some(())
    })
    .await;
}

/// The last `ttl` counts.
pub async fn publishing_again_prolongs_a_list(store: &dyn ServerDirectory) {
    store
        .publish(directory(1, &["a"]), SHORT)
        .await
        .expect("published");
    store
        .publish(directory(1, &["a"]), LONG)
        .await
        .expect("published");
    crate::clock::sleep(SHORT * 2).await;
    assert!(
        listed(store).await.is_some(),
        "the second life is the longer one"
    );
}
