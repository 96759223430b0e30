//! Whether the ensemble can be heard, over all that a host asks of it: suspended as long as any
//! asker gets no answers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use antiphon_core::clock::Instant;
use antiphon_core::contract::Contact;
use tokio::sync::watch;

/// What the askers of a host tell.
#[derive(Debug, Default)]
pub(super) struct Contacts {
    silent: Mutex<Silent>,
    told: watch::Sender<Contact>,
}

#[derive(Debug, Default)]
struct Silent {
    last_voice: u64,
    since: BTreeMap<u64, Instant>,
}

impl Contacts {
    pub(super) fn subscribe(&self) -> watch::Receiver<Contact> {
        self.told.subscribe()
    }

    /// One more asker.
    pub(super) fn voice(self: &Arc<Self>) -> Voice {
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        silent.last_voice += 1;
        Voice {
            contacts: Arc::clone(self),
            number: silent.last_voice,
        }
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<u64, Instant>)) {
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut silent.since);
        let contact = match silent.since.values().min() {
            Some(since) => Contact::Suspended { since: *since },
            None => Contact::Connected,
        };
        self.told.send_if_modified(|told| {
            let changes = *told != contact;
            *told = contact;
            changes
        });
    }
}

/// What one asker tells. Dropped, it tells nothing more.
#[derive(Debug)]
pub(super) struct Voice {
    contacts: Arc<Contacts>,
    number: u64,
}

impl Voice {
    pub(super) fn answered(&self) {
        self.contacts.change(|since| {
            since.remove(&self.number);
        });
    }

    /// Not heard since then.
    pub(super) fn silent(&self, from: Instant) {
        self.contacts.change(|since| {
            since.insert(self.number, from);
        });
    }
}

impl Drop for Voice {
    fn drop(&mut self) {
        self.answered();
    }
}
