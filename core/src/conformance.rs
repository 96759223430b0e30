//! One suite per contract; every implementation passes it.
//!
//! A suite is called with a factory, each call of which gives a store of its own: empty, and
//! not seen by the others. Every function checks one promise and panics where it is broken.
//! Effects may take a while, up to [`DEADLINE`].

pub mod coordinator;
pub mod message_archive;
pub mod recent_messages;
pub mod room_store;
pub mod server_directory;
pub mod session_registry;
pub mod user_store;
pub mod word_ranking;

use std::time::Duration;

use tokio::sync::watch;

use crate::clock;

/// How long an effect may take; above the session timeouts of the coordination services.
const DEADLINE: Duration = Duration::from_secs(30);
const POLL_EVERY: Duration = Duration::from_millis(10);

/// Asks until the answer is `Some`; panics with `what` after the deadline.
async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            clock::sleep(POLL_EVERY).await;
        }
    };
    clock::timeout(DEADLINE, asking)
        .await
        .unwrap_or_else(|_| panic!("not in time: {what}"))
}

/// Waits until the watched value is as wanted; panics with `what` and the last value after
/// the deadline.
async fn watched<T: Clone + std::fmt::Debug>(
    what: &str,
    receiver: &mut watch::Receiver<T>,
    wanted: impl FnMut(&T) -> bool,
) -> T {
    let seen = clock::timeout(DEADLINE, receiver.wait_for(wanted)).await;
    let seen = seen.map(|result| result.map(|value| value.clone()));
    match seen {
        Ok(Ok(value)) => value,
        Ok(Err(_)) => panic!(
            "the watch ended before: {what}; last {:?}",
            *receiver.borrow()
        ),
        Err(_) => panic!("not in time: {what}; last {:?}", *receiver.borrow()),
    }
}
