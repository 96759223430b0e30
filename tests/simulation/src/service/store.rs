//! The durable store: users, rooms and messages.
//!
//! A write is applied when it arrives, is durable after a drawn time, and is answered then.
//! Writes become durable in the order in which they were applied. Reads see what is durable
//! and nothing else. A crash takes the store back to that.

mod archive;
mod gate;
mod room;
mod user;

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use antiphon_core::contract::{BackendErrorKind, BackendResult, Record};

pub(super) use archive::Archive;
pub(super) use room::Rooms;
pub(super) use user::Users;

use super::line::Line;
use super::world::{Answer, World};
use gate::Gate;

/// What the store holds.
#[derive(Debug, Clone, Default)]
pub(super) struct Tables {
    users: user::UserTables,
    rooms: room::RoomTables,
    logs: archive::Logs,
}

/// A write that is applied and not durable yet.
struct Pending {
    at_us: u64,
    redo: Box<dyn Fn(&mut Tables) + Send>,
}

/// The store.
pub(super) struct Store {
    log_id: String,
    applied: Tables,
    durable: Tables,
    pending: VecDeque<Pending>,
    /// When the last of them is durable.
    synced_us: u64,
    /// How often it has crashed.
    pub(super) life: u64,
    pub(super) is_down: bool,
    pub(super) is_full: bool,
    /// How long syncs take instead of as usual.
    pub(super) slow: Option<RangeInclusive<Duration>>,
}

impl Store {
    pub(super) fn new(log_id: String) -> Self {
        Self {
            log_id,
            applied: Tables::default(),
            durable: Tables::default(),
            pending: VecDeque::new(),
            synced_us: 0,
            life: 0,
            is_down: false,
            is_full: false,
            slow: None,
        }
    }

    /// What is due becomes durable.
    pub(super) fn advance(&mut self, clock_us: u64) {
        while let Some(first) = self.pending.front()
            && first.at_us <= clock_us
            && let Some(first) = self.pending.pop_front()
        {
            (first.redo)(&mut self.durable);
        }
    }

    /// Every durable record.
    pub(super) fn records(&self) -> Vec<Record> {
        self.durable.logs.records()
    }

    /// Loses whatever is not durable.
    pub(super) fn crash(&mut self) {
        if self.is_down {
            return;
        }
        self.is_down = true;
        self.life += 1;
        self.pending.clear();
        self.synced_us = 0;
        self.applied = self.durable.clone();
    }

    /// Syncs whatever is applied, and stops without an answer to anybody.
    pub(super) fn stop(&mut self) {
        self.advance(u64::MAX);
        self.crash();
    }

    pub(super) fn restart(&mut self) {
        self.is_down = false;
    }
}

/// A host's way to the store.
#[derive(Debug, Clone)]
pub(super) struct StoreLine(Arc<Gate>);

impl StoreLine {
    pub(super) fn new(line: Line) -> Self {
        Self(Arc::new(Gate::new(line)))
    }

    fn log_id(&self) -> String {
        self.0.log_id()
    }

    /// Reads what is durable.
    async fn read<T: Send + 'static>(
        &self,
        operation: &'static str,
        read: impl FnOnce(&Tables) -> T + Send + 'static,
    ) -> BackendResult<T> {
        let work =
            move |world: &mut World, now_us| Answer::at_once(now_us, read(&world.store.durable));
        self.0.call(operation, work).await
    }

    /// Writes; the answer comes when the write, and whatever it has seen, is durable.
    async fn write<T: Send + 'static>(
        &self,
        operation: &'static str,
        write: impl Fn(&mut Tables) -> Result<T, BackendErrorKind> + Send + 'static,
    ) -> BackendResult<T> {
        self.write_then(operation, write, false).await
    }

    /// The same; if `early`, answered before it is durable, which is wrong.
    async fn write_then<T: Send + 'static>(
        &self,
        operation: &'static str,
        write: impl Fn(&mut Tables) -> Result<T, BackendErrorKind> + Send + 'static,
        early: bool,
    ) -> BackendResult<T> {
        let work = move |world: &mut World, now_us: u64| {
            if world.store.is_full {
                return Answer::refused(now_us, BackendErrorKind::Unavailable);
            }
            let synced_us = now_us + world.sync_us();
            let store = &mut world.store;
            let result = write(&mut store.applied);
            let at_us = synced_us.max(store.synced_us);
            store.synced_us = at_us;
            let redo = Box::new(move |tables: &mut Tables| {
                // The same as the first time, on the same tables.
                let _ = write(tables);
            });
            store.pending.push_back(Pending { at_us, redo });
            let at_us = if early { now_us } else { at_us };
            Answer { result, at_us }
        };
        self.0.call(operation, work).await
    }
}
