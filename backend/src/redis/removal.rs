//! Everything of one cluster is taken away, after its servers have ended.

use antiphon_core::contract::BackendError;
use antiphon_core::shutdown::Shutdown;
use redis::cmd;

use super::key::encode;
use super::{RedisCache, RedisSettings, UrlError};

/// Keys that one step looks at.
const KEYS_A_STEP: usize = 1_000;
/// Steps; with more keys than that something is left.
const STEPS_MAX: usize = 10_000;

/// Why keys are left.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// The URL.
    #[error("the cache's URL can't be used")]
    Url(#[from] UrlError),
    /// A call.
    #[error("the cache can't be used")]
    Call(#[from] BackendError),
    /// One would have to ask each of its servers.
    #[error("keys of a Redis Cluster are not looked for")]
    Cluster,
    /// Too much is there.
    #[error("there are too many keys")]
    TooMany,
}

/// Removes every key that begins with the prefix of `settings`.
pub async fn remove_keys(url: &str, settings: RedisSettings) -> Result<(), RemoveError> {
    const OPERATION: &str = "cache.remove";
    // No character of it means anything in a pattern.
    let pattern = format!("{}:*", encode(&settings.prefix));
    let scope = Shutdown::new();
    let _stop = scope.token().clone().drop_guard();
    // It is looked whether it serves; before that every call is refused.
    let gate = RedisCache::connect(url, settings, &scope).await?.gate;
    if gate.is_cluster() {
        return Err(RemoveError::Cluster);
    }
    let mut cursor = 0_u64;
    for _ in 0..STEPS_MAX {
        let mut scan = cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(&pattern);
        scan.arg("COUNT").arg(KEYS_A_STEP);
        let keys: Vec<Vec<u8>>;
        (cursor, keys) = gate.query(OPERATION, &scan).await?;
        if !keys.is_empty() {
            gate.query::<u64>(OPERATION, cmd("DEL").arg(keys)).await?;
        }
        if cursor == 0 {
            return Ok(());
        }
    }
    Err(RemoveError::TooMany)
}
