use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use antiphon_core::conformance;
use antiphon_core::contract::Coordinator;
use antiphon_test_services::{ZooKeeper, ZooKeeperEnsemble};

use super::harness::connect;

async fn every_promise(url: impl Fn(&str) -> String) {
    let made = AtomicUsize::new(0);
    conformance::coordinator::all(async || {
        let number = made.fetch_add(1, Ordering::Relaxed);
        Arc::new(connect(&url(&format!("case-{number}"))).await) as Arc<dyn Coordinator>
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_promise_is_kept_on_one_server() {
    let server = ZooKeeper::start().await;
    every_promise(|path| server.url(path)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_promise_is_kept_on_an_ensemble() {
    let ensemble = ZooKeeperEnsemble::start().await;
    every_promise(|path| ensemble.url(path)).await;
}
