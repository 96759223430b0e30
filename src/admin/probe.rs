//! Whether a backing service answers: one small read.

use std::sync::Arc;

use antiphon_core::contract::ServerDirectory;
use antiphon_core::error_chain::ErrorChain;
use async_trait::async_trait;

use super::{Health, Source};

/// Reads the list of servers. Without the cache messages still flow.
pub struct CacheProbe(pub Arc<dyn ServerDirectory>);

#[async_trait]
impl Source for CacheProbe {
    async fn health(&self) -> Health {
        match self.0.list().await {
            Ok(_) => Health::Ok,
            Err(error) => Health::Degraded(ErrorChain(&error).to_string()),
        }
    }
}

impl std::fmt::Debug for CacheProbe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CacheProbe")
    }
}
