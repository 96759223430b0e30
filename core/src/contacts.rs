//! Whether the coordination service can be heard, over all that a server asks of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::clock::Instant;
use crate::contract::Contact;

/// Joins what several askers of the service tell into one [`Contact`]: suspended while any of
/// them gets no answers, since the first that got none.
#[derive(Debug, Default)]
pub struct Contacts {
    silent: Mutex<Silent>,
    told: watch::Sender<Contact>,
}

#[derive(Debug, Default)]
struct Silent {
    last_asker: u64,
    since: BTreeMap<u64, Instant>,
}

impl Contacts {
    /// What they tell together, now and from now on.
    pub fn subscribe(&self) -> watch::Receiver<Contact> {
        self.told.subscribe()
    }

    /// One more asker, taken to be answered until it says otherwise.
    pub fn asker(self: &Arc<Self>) -> Asker {
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        silent.last_asker += 1;
        Asker {
            contacts: Arc::clone(self),
            number: silent.last_asker,
        }
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<u64, Instant>)) {
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut silent.since);
        let contact = match silent.since.values().min() {
            Some(since) => Contact::Suspended { since: *since },
            None => Contact::Connected,
        };
        // Under the lock, so that they appear in order.
        self.told.send_if_modified(|told| {
            let changes = *told != contact;
            *told = contact;
            changes
        });
    }
}

/// What one asker tells, as a session does. Dropped, it tells nothing more.
#[derive(Debug)]
pub struct Asker {
    contacts: Arc<Contacts>,
    number: u64,
}

impl Asker {
    /// It was answered.
    pub fn answered(&self) {
        self.contacts.change(|since| {
            since.remove(&self.number);
        });
    }

    /// What it asked then was the last that was answered.
    pub fn silent(&self, from: Instant) {
        self.contacts.change(|since| {
            since.insert(self.number, from);
        });
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        self.answered();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock;

    #[tokio::test]
    async fn suspended_while_any_is_silent_since_the_first() {
        let contacts = Arc::new(Contacts::default());
        let told = contacts.subscribe();
        let (one, two) = (contacts.asker(), contacts.asker());
        let early = clock::now();
        let late = early + Duration::from_secs(1);
        assert_eq!(*told.borrow(), Contact::Connected);
        one.silent(late);
        two.silent(early);
        assert_eq!(*told.borrow(), Contact::Suspended { since: early });
        two.answered();
        assert_eq!(*told.borrow(), Contact::Suspended { since: late });
        drop(one);
        assert_eq!(*told.borrow(), Contact::Connected);
    }
}
