//! How a host calls a service: the request's way there, the answer's way back.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use antiphon_core::clock;
use antiphon_core::contract::{BackendError, BackendErrorKind, BackendResult};
use tokio::sync::{oneshot, watch};

use super::ServiceSettings;
use super::fault::Service;
use super::world::{Answer, Reply, Sent, Work, World};

/// What all hosts share.
#[derive(Debug)]
pub(super) struct Shared {
    world: Mutex<World>,
    /// Changes with every change of a fault.
    pub(super) faults: watch::Sender<u64>,
}

impl Shared {
    pub(super) fn new(seed: u64, settings: ServiceSettings) -> Arc<Self> {
        Arc::new(Self {
            world: Mutex::new(World::new(seed, settings)),
            faults: watch::Sender::default(),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A host's way to one service.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) shared: Arc<Shared>,
    pub(super) host: Arc<str>,
    service: Service,
}

impl Line {
    pub(super) fn new(shared: &Arc<Shared>, host: &str, service: Service) -> Self {
        Self {
            shared: Arc::clone(shared),
            host: Arc::from(host),
            service,
        }
    }

    /// Sends a piece of work to the service, and waits for its answer. The work is done when it
    /// arrives, also if nobody waits any more; if it never arrives, never.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        operation: &'static str,
        deadline: Duration,
        work: impl FnOnce(&mut World, u64) -> Answer<T> + Send + 'static,
    ) -> BackendResult<T> {
        let (answer_tx, answer) = oneshot::channel();
        let service = self.service;
        let work: Work = Box::new(move |world, now_us| {
            let life = world.life(service);
            // Nobody listens if the caller gave up.
            let _ = answer_tx.send((work(world, now_us), life));
        });
        let exchange = self.exchange(work, answer);
        let answered = clock::timeout(deadline, exchange).await;
        let kind = match answered {
            Ok(Ok(Ok(value))) => return Ok(value),
            Ok(Ok(Err(refused))) => refused,
            Ok(Err(failed)) => failed,
            Err(_) => BackendErrorKind::Timeout,
        };
        Err(BackendError::new(kind, operation))
    }

    /// What the service said, or how the call failed on the way.
    async fn exchange<T>(
        &self,
        work: Work,
        answer: oneshot::Receiver<(Answer<T>, u64)>,
    ) -> Result<Result<T, BackendErrorKind>, BackendErrorKind> {
        let sent = self.world(|world, now_us| world.send(&self.host, self.service, now_us, work));
        match sent {
            Sent::Refused { at_us } => {
                self.sleep_until(at_us).await;
                return Err(BackendErrorKind::Unavailable);
            }
            Sent::Lost => std::future::pending().await,
            Sent::Held => {}
            Sent::Arrives { at_us } => {
                self.sleep_until(at_us).await;
                self.world(|_, _| ());
            }
        }
        let Ok((Answer { result, at_us }, life)) = answer.await else {
            return self.unanswered().await;
        };
        self.sleep_until(at_us).await;
        let mut faults = self.shared.faults.subscribe();
        loop {
            faults.mark_unchanged();
            let reply = self.world(|world, _| world.reply(&self.host, self.service, life));
            match reply {
                Reply::Broken => return Err(BackendErrorKind::Timeout),
                Reply::Lost => std::future::pending().await,
                Reply::Held => {
                    // Whoever changes faults is ours: it can't have gone.
                    let _ = faults.changed().await;
                }
                Reply::Takes { us } => {
                    clock::sleep(Duration::from_micros(us)).await;
                    return Ok(result);
                }
            }
        }
    }

    /// The request did not arrive: a service that went away broke the connection, a network
    /// that lost it says nothing.
    async fn unanswered<T>(&self) -> Result<T, BackendErrorKind> {
        if self.world(|world, _| world.is_away(self.service)) {
            return Err(BackendErrorKind::Timeout);
        }
        std::future::pending().await
    }

    /// Looks at the world now: whatever is due happens before.
    pub(super) fn world<T>(&self, look: impl FnOnce(&mut World, u64) -> T) -> T {
        let now_us = clock::elapsed_us();
        let mut world = self.shared.lock();
        world.touch(now_us);
        look(&mut world, now_us)
    }

    async fn sleep_until(&self, at_us: u64) {
        let wait = at_us.saturating_sub(clock::elapsed_us());
        clock::sleep(Duration::from_micros(wait)).await;
    }
}
