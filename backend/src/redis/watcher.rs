//! Looks at Redis again and again, so that an outage is known before a caller waits for it,
//! and its end without a caller that tries.

use std::sync::Arc;

use antiphon_core::clock;
use redis::Cmd;
use tracing::info;

use super::gate::Gate;
use super::key::Keys;

pub(super) struct Watcher {
    gate: Arc<Gate>,
    command: Cmd,
    /// The server's own name for this run of it.
    run: Option<String>,
}

impl Watcher {
    pub(super) fn new(gate: Arc<Gate>, keys: &Keys) -> Self {
        let command = if gate.is_cluster() {
            // Of a cluster only the part that is asked would tell.
            let mut exists = redis::cmd("EXISTS");
            exists.arg(keys.key("probe", "", ""));
            exists
        } else {
            let mut info = redis::cmd("INFO");
            info.arg("server");
            info
        };
        Self {
            gate,
            command,
            run: None,
        }
    }

    /// Looks for ever.
    pub(super) async fn run(mut self) {
        let mut answered = true;
        loop {
            let settings = self.gate.settings();
            if answered && self.gate.breaker().is_serving() {
                tokio::select! {
                    () = clock::sleep(settings.check_interval) => {}
                    () = self.gate.breaker().opened() => {}
                }
            } else {
                clock::sleep(settings.retry_interval).await;
            }
            answered = self.look().await;
        }
    }

    /// Looks once; false without an answer.
    pub(super) async fn look(&mut self) -> bool {
        if self.gate.is_cluster() {
            return self.gate.probe::<u64>(&self.command).await.is_some();
        }
        let Some(told) = self.gate.probe::<String>(&self.command).await else {
            return false;
        };
        let run = told.lines().find_map(|line| line.strip_prefix("run_id:"));
        let run = run.map(|run| run.trim().to_owned());
        if self.run.is_some() && self.run != run {
            // Restarted, or another server took over: what was said last may be lost.
            info!("another run of redis serves");
            self.gate.lost();
        }
        self.run = run;
        true
    }
}
