//! A cluster for trying: two servers and a gateway in this process, on free ports, in a
//! folder of their own, which is gone afterwards. The examples of docs/sdk.md run in it, and
//! the tests of an app can.

use std::error::Error;
use std::path::PathBuf;

use antiphon_client::GatewayUrl;
use antiphon_core::random;

use crate::config::Config;
use crate::up::{Up, UpError};

const SERVERS: u64 = 2;

/// A running trial cluster. Its folder stays if it is dropped without [`Trial::stop`].
#[derive(Debug)]
pub struct Trial {
    up: Up,
    folder: PathBuf,
}

impl Trial {
    /// Starts one. Anybody on this machine may register in it.
    pub async fn start() -> Result<Self, UpError> {
        let mut config = Config::default();
        config.server.servers = SERVERS;
        config.gateway.addr = "127.0.0.1:0".to_owned();
        let name = format!("antiphon-trial-{}", random::hex::<8>());
        let folder = std::env::temp_dir().join(name);
        let up = Up::start(&config, &folder, false).await?;
        Ok(Self { up, folder })
    }

    /// Where clients go.
    pub fn gateway(&self) -> GatewayUrl {
        GatewayUrl::parse(&self.up.gateway_url()).expect("an address is a URL")
    }

    /// Stops it and removes its folder.
    pub async fn stop(self) {
        self.up.stop().await;
        // What can't be removed is the system's to clean.
        let _removed = std::fs::remove_dir_all(&self.folder);
    }
}

/// Runs an example in a cluster of its own, and panics if it fails.
pub fn run<F, E>(example: F)
where
    F: AsyncFnOnce(GatewayUrl) -> Result<(), E>,
    E: Into<Box<dyn Error>>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let trial = Trial::start().await.expect("a cluster");
        let end = example(trial.gateway()).await;
        trial.stop().await;
        if let Err(error) = end.map_err(Into::into) {
            panic!("the example failed: {error}");
        }
    });
}
