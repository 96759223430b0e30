//! Whether ZooKeeper can be heard, over all sessions of one coordinator: suspended as long as
//! any of them gets no answers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use antiphon_core::clock::Instant;
use antiphon_core::contract::Contact;
use tokio::sync::watch;

/// What the sessions tell.
#[derive(Debug, Default)]
pub(super) struct Contacts {
    silent: Mutex<Silent>,
    told: watch::Sender<Contact>,
}

#[derive(Debug, Default)]
struct Silent {
    last_line: u64,
    since: BTreeMap<u64, Instant>,
}

impl Contacts {
    pub(super) fn subscribe(&self) -> watch::Receiver<Contact> {
        self.told.subscribe()
    }

    /// One more session.
    pub(super) fn line(self: &Arc<Self>) -> Line {
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        silent.last_line += 1;
        Line {
            contacts: Arc::clone(self),
            number: silent.last_line,
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

/// What one session tells. Dropped, it tells nothing more.
#[derive(Debug)]
pub(super) struct Line {
    contacts: Arc<Contacts>,
    number: u64,
}

impl Line {
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

impl Drop for Line {
    fn drop(&mut self) {
        self.answered();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use antiphon_core::clock;

    use super::*;

    #[tokio::test]
    async fn suspended_while_any_is_silent_since_the_first() {
        let contacts = Arc::new(Contacts::default());
        let told = contacts.subscribe();
        let (one, two) = (contacts.line(), contacts.line());
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
