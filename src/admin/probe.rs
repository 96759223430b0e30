//! Whether a backing service answers: one small read each.

use std::sync::Arc;

use antiphon_core::contract::{ServerDirectory, UserStore};
use antiphon_core::error_chain::ErrorChain;
use antiphon_protocol::UserName;
use async_trait::async_trait;

use super::{Health, Source};

/// Looks an account up that need not be there.
pub struct StoreProbe(pub Arc<dyn UserStore>);

#[async_trait]
impl Source for StoreProbe {
    async fn health(&self) -> Health {
        let name = UserName::parse("readiness").expect("it is a name");
        match self.0.get(&name).await {
            Ok(_) => Health::Ok,
            Err(error) => Health::Failed(ErrorChain(&error).to_string()),
        }
    }
}

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

impl std::fmt::Debug for StoreProbe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoreProbe")
    }
}

impl std::fmt::Debug for CacheProbe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CacheProbe")
    }
}
