//! Whether the store takes writes.

use std::sync::Arc;

use antiphon_backend::embedded::EmbeddedStore;
use antiphon_core::error_chain::ErrorChain;
use async_trait::async_trait;

use crate::admin::{Health, Source};

/// Asks the store; a full disk still reads, but is not ready.
pub(super) struct Disk(pub(super) Arc<EmbeddedStore>);

#[async_trait]
impl Source for Disk {
    async fn health(&self) -> Health {
        match self.0.probe().await {
            Ok(()) => Health::Ok,
            Err(error) => Health::Failed(ErrorChain(&error).to_string()),
        }
    }
}
