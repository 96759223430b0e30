//! The coordinator as a host sees it: its view follows the ensemble, its registrations keep
//! sessions there.
//!
//! A host that hears nothing keeps its last view and its leadership, says so by its contact,
//! and learns what happened when it is heard again.

mod ensemble;
mod registration;

use std::sync::Arc;
use std::time::Duration;

use antiphon_core::clock;
use antiphon_core::contacts::{Asker, Contacts};
use antiphon_core::contract::{
    BackendResult, ClusterView, Contact, Coordinator, NodeRecord, Registration,
};
use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{self, TaskKind};
use async_trait::async_trait;
use tokio::sync::watch;

pub(super) use ensemble::Ensemble;

use super::line::Line;
use super::world::Answer;

/// The longest request of the production client, at a session timeout of 6 s.
const CALL_DEADLINE: Duration = Duration::from_millis(1_500);
/// How often is asked without a reason.
const ASK_INTERVAL: Duration = Duration::from_secs(1);
/// How soon is asked again after a call that failed.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// So long without an answer is silence.
const SILENCE: Duration = Duration::from_millis(2_400);

/// [`Coordinator`] of a host.
struct SimulatedCoordinator {
    line: Line,
    view: watch::Receiver<ClusterView>,
    contacts: Arc<Contacts>,
    scope: Shutdown,
}

/// The coordinator as a host sees it, with the task that follows it.
pub(super) fn start(line: Line) -> Arc<dyn Coordinator> {
    let (view_tx, view) = watch::channel(ClusterView::default());
    let (contacts, scope) = (Arc::<Contacts>::default(), Shutdown::new());
    let following = follow(line.clone(), view_tx, contacts.asker());
    task::spawn(&scope, TaskKind::Timer, following);
    Arc::new(SimulatedCoordinator {
        line,
        view,
        contacts,
        scope,
    })
}

impl Drop for SimulatedCoordinator {
    fn drop(&mut self) {
        self.scope.stop();
    }
}

/// Publishes every view that is heard of, for ever.
async fn follow(line: Line, view: watch::Sender<ClusterView>, asker: Asker) {
    let mut changes = line.shared.lock().ensemble.changes();
    let mut heard = clock::now();
    loop {
        changes.mark_unchanged();
        let asked = clock::now();
        let seen = line
            .call("coordinator.view", CALL_DEADLINE, |world, now| {
                Answer::at_once(now, world.ensemble.view())
            })
            .await;
        let pause = pause(&seen);
        match seen {
            Ok(seen) => {
                heard = asked;
                asker.answered();
                view.send_if_modified(|view| {
                    let changed = *view != seen;
                    *view = seen;
                    changed
                });
            }
            Err(_) if heard.elapsed() >= SILENCE => asker.silent(heard),
            Err(_) => {}
        }
        tokio::select! {
            biased;
            _ = changes.changed() => {}
            () = clock::sleep(pause) => {}
        }
    }
}

/// How long to wait before the next call.
fn pause<T>(answered: &BackendResult<T>) -> Duration {
    match answered {
        Ok(_) => ASK_INTERVAL,
        Err(_) => RETRY_INTERVAL,
    }
}

#[async_trait]
impl Coordinator for SimulatedCoordinator {
    async fn register(&self, record: NodeRecord) -> BackendResult<Arc<dyn Registration>> {
        registration::register(self.line.clone(), record, self.contacts.asker()).await
    }

    fn view(&self) -> watch::Receiver<ClusterView> {
        self.view.clone()
    }

    fn contact(&self) -> watch::Receiver<Contact> {
        self.contacts.subscribe()
    }
}
