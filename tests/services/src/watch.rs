//! Servers that ended in the middle of a test: a failing test says which, whatever it failed
//! with.

use std::panic;
use std::sync::{Arc, Mutex, Once, PoisonError, Weak};

use crate::service::{State, lock};

static WATCHED: Mutex<Vec<(String, Weak<Mutex<State>>)>> = Mutex::new(Vec::new());
static HOOK: Once = Once::new();

/// Watches a server until it is removed.
pub(crate) fn add(label: &str, state: &Arc<Mutex<State>>) {
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            before(info);
            report();
        }));
    });
    let entry = (label.to_owned(), Arc::downgrade(state));
    watched(|all| all.push(entry));
}

pub(crate) fn remove(state: &Arc<Mutex<State>>) {
    let this = Arc::downgrade(state);
    watched(|all| all.retain(|(_, other)| !other.ptr_eq(&this)));
}

fn watched<T>(change: impl FnOnce(&mut Vec<(String, Weak<Mutex<State>>)>) -> T) -> T {
    change(&mut WATCHED.lock().unwrap_or_else(PoisonError::into_inner))
}

/// How a server ended that the test didn't end.
pub(crate) fn death(state: &Mutex<State>) -> Option<String> {
    match &mut *lock(state) {
        State::Running(process) => {
            let status = process.ended()?;
            Some(format!("ended during the test ({status})"))
        }
        State::Ended => None,
    }
}

/// From the panic hook: never waits for a lock, which the panicking thread may hold.
fn report() {
    let Ok(all) = WATCHED.try_lock() else {
        return;
    };
    for (label, state) in all.iter() {
        let Some(state) = state.upgrade() else {
            continue;
        };
        let Ok(mut state) = state.try_lock() else {
            continue;
        };
        let ended = match &mut *state {
            State::Running(process) => process.ended(),
            State::Ended => None,
        };
        if let Some(status) = ended {
            eprintln!("SERVICE GONE: {label} ended during this test ({status})");
        }
    }
}
