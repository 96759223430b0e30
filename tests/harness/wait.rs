//! Waiting for a state, never for a notification or a time.

use std::future::Future;
use std::time::Duration;

use antiphon_core::clock;

const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// Looks until `look` gives a value; after `deadline` it fails with what was seen last.
pub(crate) async fn wait_until<T, F>(
    what: &str,
    deadline: Duration,
    mut look: impl FnMut() -> F,
) -> T
where
    F: Future<Output = Result<T, String>>,
{
    let end = clock::now() + deadline;
    loop {
        match look().await {
            Ok(value) => return value,
            Err(last) if clock::now() >= end => {
                panic!("waited {deadline:?} for {what}; last seen: {last}")
            }
            Err(_) => clock::sleep(BETWEEN_LOOKS).await,
        }
    }
}
