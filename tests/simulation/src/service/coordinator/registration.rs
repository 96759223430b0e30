//! A server's registration: a session at the ensemble, kept by a task that asks again and
//! again whether it is still there.
//!
//! What is certain is told: a session that is over, a node that is gone, is `Lost`. Silence is
//! not: leadership stays what it was, and the contact says "suspended".

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use antiphon_core::clock;
use antiphon_core::contacts::Asker;
use antiphon_core::contract::{
    BackendError, BackendErrorKind, BackendResult, Leadership, NodeRecord, Registration,
};
use antiphon_core::shutdown::Shutdown;
use antiphon_core::task::{self, TaskKind};
use antiphon_protocol::NodeId;
use async_trait::async_trait;
use tokio::sync::{Notify, watch};

use super::ensemble::{SessionKey, Standing};
use super::{CALL_DEADLINE, SILENCE, pause};
use crate::service::line::Line;
use crate::service::world::Answer;

/// The registration as its owner holds it.
struct SimulatedRegistration(Arc<Seat>);

/// What there is of a candidacy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Candidacy {
    /// Never asked for.
    #[default]
    None,
    /// Being asked for.
    Asked,
    /// Made.
    Standing,
    /// Given up; perhaps the ensemble does not know yet.
    Withdrawn,
}

/// What the owner and the keeper share.
struct Seat {
    line: Line,
    session: SessionKey,
    id: NodeId,
    leadership: watch::Sender<Leadership>,
    candidacy: Mutex<Candidacy>,
    /// Rings when the keeper should look.
    bell: Notify,
    asker: Asker,
    scope: Shutdown,
}

/// Registers: a session first, then the member in it.
pub(super) async fn register(
    line: Line,
    record: NodeRecord,
    asker: Asker,
) -> BackendResult<Arc<dyn Registration>> {
    const OPERATION: &str = "coordinator.register";
    let opening = line.call(OPERATION, CALL_DEADLINE, |world, now| {
        Answer::at_once(now, world.ensemble.open(now))
    });
    let session = opening.await?;
    let making = line.call(OPERATION, CALL_DEADLINE, move |world, now| {
        Answer::at_once(now, world.ensemble.register(session, &record, now))
    });
    // Without an answer there may be a member; it goes with its session.
    let over = BackendError::new(BackendErrorKind::Unavailable, OPERATION);
    let id = making.await?.ok_or(over)?;
    let seat = Arc::new(Seat {
        line,
        session,
        id,
        leadership: watch::Sender::new(Leadership::Follower),
        candidacy: Mutex::default(),
        bell: Notify::new(),
        asker,
        scope: Shutdown::new(),
    });
    task::spawn(&seat.scope, TaskKind::Timer, Arc::clone(&seat).keep());
    Ok(Arc::new(SimulatedRegistration(seat)))
}

impl Seat {
    fn candidacy(&self) -> MutexGuard<'_, Candidacy> {
        self.candidacy
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks, a second apart and whenever something changes, what there is of the registration.
    async fn keep(self: Arc<Self>) {
        let mut changes = self.line.shared.lock().ensemble.changes();
        let mut heard = clock::now();
        loop {
            changes.mark_unchanged();
            let asked = clock::now();
            // Who hears nothing closes the connection, and another begins with an answer.
            let connected = match heard.elapsed() >= SILENCE {
                true => self.connect().await,
                false => Ok(()),
            };
            let renewed = match connected {
                Ok(()) => self.renew().await,
                Err(error) => Err(error),
            };
            let pause = pause(&renewed);
            match renewed {
                Ok(Standing::Gone) => return self.end(),
                Ok(standing) => {
                    heard = asked;
                    self.asker.answered();
                    self.tell(standing);
                }
                Err(_) if heard.elapsed() >= SILENCE => self.asker.silent(heard),
                Err(_) => {}
            }
            tokio::select! {
                biased;
                _ = changes.changed() => {}
                () = self.bell.notified() => {}
                () = clock::sleep(pause) => {}
            }
        }
    }

    /// What changes nothing, and is no sign of life, unless it is answered.
    async fn connect(&self) -> BackendResult<()> {
        self.line
            .call("coordinator.connect", CALL_DEADLINE, |_, now| {
                Answer::at_once(now, ())
            })
            .await
    }

    async fn renew(&self) -> BackendResult<Standing> {
        let (session, id) = (self.session, self.id.clone());
        let candidacy = *self.candidacy();
        self.line
            .call("coordinator.renew", CALL_DEADLINE, move |world, now| {
                if candidacy == Candidacy::Withdrawn {
                    world.ensemble.withdraw(session, now);
                }
                let stands = candidacy == Candidacy::Standing;
                Answer::at_once(now, world.ensemble.renew(session, &id, stands, now))
            })
            .await
    }

    fn tell(&self, standing: Standing) {
        // Whoever resigns holds the lock, so that nothing is told after that.
        let candidacy = self.candidacy();
        let Standing::First { epoch } = standing else {
            return;
        };
        let leads = Leadership::Leader { epoch };
        if *candidacy == Candidacy::Standing {
            self.leadership.send_if_modified(|told| {
                let changes = *told == Leadership::Follower;
                if changes {
                    *told = leads;
                }
                changes
            });
        }
    }

    /// Nothing is told after this.
    fn end(&self) {
        let _candidacy = self.candidacy();
        self.leadership.send_replace(Leadership::Lost);
        self.asker.answered();
        self.scope.stop();
    }

    fn is_lost(&self) -> bool {
        *self.leadership.borrow() == Leadership::Lost
    }
}

#[async_trait]
impl Registration for SimulatedRegistration {
    fn id(&self) -> NodeId {
        self.0.id.clone()
    }

    async fn campaign(&self) -> BackendResult<watch::Receiver<Leadership>> {
        const OPERATION: &str = "coordinator.campaign";
        let seat = &self.0;
        let told = seat.leadership.subscribe();
        if seat.is_lost() {
            return Ok(told);
        }
        {
            let mut candidacy = seat.candidacy();
            if *candidacy != Candidacy::None {
                return Err(BackendError::new(BackendErrorKind::Conflict, OPERATION));
            }
            *candidacy = Candidacy::Asked;
        }
        let (session, id) = (seat.session, seat.id.clone());
        let standing = seat.line.call(OPERATION, CALL_DEADLINE, move |world, now| {
            Answer::at_once(now, world.ensemble.stand(session, &id, now))
        });
        let stood = standing.await;
        let mut candidacy = seat.candidacy();
        if *candidacy == Candidacy::Asked {
            *candidacy = match &stood {
                Ok(true) => Candidacy::Standing,
                // The next try finds a candidacy whose reply was lost.
                Ok(false) | Err(_) => Candidacy::None,
            };
        }
        seat.bell.notify_one();
        // That the session is over, if it is, the keeper tells.
        stood.map(|_| told)
    }

    async fn resign(&self) -> BackendResult<()> {
        let seat = &self.0;
        {
            let mut candidacy = seat.candidacy();
            if seat.is_lost() || *candidacy == Candidacy::None {
                return Ok(());
            }
            *candidacy = Candidacy::Withdrawn;
            seat.leadership.send_replace(Leadership::Follower);
        }
        let session = seat.session;
        // If this does not arrive, the keeper goes on trying.
        seat.line
            .call("coordinator.resign", CALL_DEADLINE, move |world, now| {
                world.ensemble.withdraw(session, now);
                Answer::at_once(now, ())
            })
            .await
    }

    async fn deregister(&self) -> BackendResult<()> {
        let seat = &self.0;
        let was_lost = seat.is_lost();
        seat.end();
        if was_lost {
            return Ok(());
        }
        let session = seat.session;
        seat.line
            .call(
                "coordinator.deregister",
                CALL_DEADLINE,
                move |world, now| {
                    world.ensemble.close(session);
                    Answer::at_once(now, ())
                },
            )
            .await
    }
}

impl Drop for SimulatedRegistration {
    /// Without `deregister`, a crash: the session ends when its timeout does.
    fn drop(&mut self) {
        if !self.0.is_lost() {
            self.0.end();
        }
    }
}
