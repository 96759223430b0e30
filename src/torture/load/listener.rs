//! One client's events, written down in the order in which they come.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use antiphon_client::protocol::client::ConversationSummary;
use antiphon_client::{Event, Events};
use antiphon_core::clock;
use tokio::sync::watch;

use super::world::{Told, World, canonical};
use crate::torture::history::{Delivery, Gap, Place, Record, Session};

/// What a listener belongs to.
#[derive(Debug, Clone)]
pub struct Listener {
    /// What all share.
    pub world: Arc<World>,
    /// Whose client it is.
    pub user: usize,
    /// The client's number.
    pub session: u32,
    /// Until when nothing is read, by [`World::now`]; 0 for not at all.
    pub slow_rx: watch::Receiver<u64>,
    /// The highest places told to this client.
    pub told: Arc<Mutex<Told>>,
}

impl Listener {
    /// Writes down every event until the client has stopped.
    pub async fn listen(self, mut events: Events) {
        let mut logged_in = false;
        loop {
            let slow_until = *self.slow_rx.borrow();
            let slow = slow_until.saturating_sub(self.world.now());
            if slow > 0 {
                clock::sleep(Duration::from_micros(slow)).await;
            }
            let Some(event) = events.recv().await else {
                return;
            };
            match event {
                Event::LoggedIn { conversations, .. } if !logged_in => {
                    logged_in = true;
                    self.session(&conversations).await;
                }
                Event::LoggedIn { .. } => {
                    self.world.shown.resumed.fetch_add(1, Ordering::Relaxed);
                }
                Event::Message(message) => {
                    let (seq, id) = (message.seq, message.message);
                    let from = message.from.as_str().to_owned();
                    self.delivery(&message.conversation, seq, from, id).await;
                }
                Event::Gap {
                    conversation,
                    from,
                    to,
                } => self.gap(&conversation, from, to).await,
                Event::Connected { .. }
                | Event::ResumeToken { .. }
                | Event::Disconnected { .. }
                | Event::Presence(_)
                | Event::RoomEvent(_)
                | Event::Notice(_)
                | Event::Stopped { .. } => {}
            }
        }
    }

    fn name(&self) -> &str {
        self.world.accounts[self.user].name.as_str()
    }

    async fn session(&self, conversations: &[ConversationSummary]) {
        let places = conversations.iter().map(|summary| Place {
            conversation: canonical(self.name(), &summary.name),
            seq: summary.last_seq,
        });
        let session = Session {
            session: self.session,
            user: self.name().to_owned(),
            at: self.world.now(),
            places: places
                .filter(|place| self.world.is_ours(&place.conversation))
                .collect(),
        };
        self.tell(session.places.iter().cloned());
        self.world.recorder.put(Record::Session(session)).await;
    }

    fn tell(&self, places: impl IntoIterator<Item = Place>) {
        let mut told = self.told.lock().expect("no holder panics");
        for place in places {
            let highest = told.entry(place.conversation).or_default();
            *highest = place.seq.max(*highest);
        }
    }

    async fn delivery(&self, conversation: &str, seq: u64, from: String, id: String) {
        let conversation = canonical(self.name(), conversation);
        if !self.world.is_ours(&conversation) {
            return;
        }
        let shown = &self.world.shown.delivered;
        shown.fetch_add(1, Ordering::Relaxed);
        let delivery = Delivery {
            session: self.session,
            conversation: conversation.clone(),
            seq,
            from,
            id,
            at: self.world.now(),
        };
        self.world.recorder.put(Record::Delivery(delivery)).await;
        self.tell([Place { conversation, seq }]);
    }

    async fn gap(&self, conversation: &str, from: u64, to: u64) {
        let conversation = canonical(self.name(), conversation);
        if !self.world.is_ours(&conversation) {
            return;
        }
        let gap = Gap {
            session: self.session,
            conversation: conversation.clone(),
            from,
            to,
            at: self.world.now(),
        };
        self.world.recorder.put(Record::Gap(gap)).await;
        let seq = to;
        self.tell([Place { conversation, seq }]);
    }
}
