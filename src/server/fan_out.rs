//! Deliveries on this server: who of its users hears a room, and pushing one encoded frame to
//! all their sessions.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use antiphon_core::mutant::{self, Mutant};
use antiphon_protocol::codec;
use antiphon_protocol::message::{Position, Positions};
use antiphon_protocol::peer::Delivery;
use antiphon_protocol::{ConnectionId, RoomName, UserName};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::session::{Sessions, lock};

/// The fan-out of one server.
#[derive(Debug)]
pub(crate) struct FanOut {
    sessions: Arc<Sessions>,
    audiences: Mutex<HashMap<RoomName, BTreeSet<UserName>>>,
    refused: AtomicU64,
}

impl FanOut {
    /// A fan-out to these sessions.
    pub(crate) fn new(sessions: Arc<Sessions>) -> Self {
        Self {
            sessions,
            audiences: Mutex::default(),
            refused: AtomicU64::new(0),
        }
    }

    /// Changes a room's audience here. Users who are added are told the room's top sequence,
    /// if given: they may have missed what came before.
    pub(crate) fn change_audience(
        &self,
        room: RoomName,
        added: Vec<UserName>,
        removed: &[UserName],
        position: Option<u64>,
    ) {
        let is_told = !mutant::is_on(Mutant::NoPositioning);
        if let Some(last_seq) = position.filter(|seq| is_told && *seq > 0) {
            let frame = position_frame(format!("room:{room}"), last_seq);
            self.push(added.iter(), &frame.into(), None, None);
        }
        let mut audiences = lock(&self.audiences);
        let audience = audiences.entry(room.clone()).or_default();
        audience.extend(added);
        for user in removed {
            audience.remove(user);
        }
        if audience.is_empty() {
            audiences.remove(&room);
        }
    }

    /// Delivers a frame to a room's audience here.
    pub(crate) fn to_room(&self, room: &RoomName, delivery: &Delivery) {
        let audiences = lock(&self.audiences);
        if let Some(audience) = audiences.get(room) {
            self.deliver(audience.iter(), delivery, None);
        }
    }

    /// Delivers a frame to one user's sessions here, except that of one connection.
    pub(crate) fn to_user(
        &self,
        user: &UserName,
        delivery: &Delivery,
        except: Option<ConnectionId>,
    ) {
        self.deliver(std::iter::once(user), delivery, except);
    }

    /// Delivers a frame to some users' sessions here.
    pub(crate) fn to_users(&self, users: &[UserName], delivery: &Delivery) {
        self.deliver(users.iter(), delivery, None);
    }

    /// Forgets every audience: the leader that made them is gone.
    pub(crate) fn clear_audiences(&self) {
        lock(&self.audiences).clear();
    }

    /// How many deliveries a session's queue did not take, since the start.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    fn deliver<'u>(
        &self,
        to: impl Iterator<Item = &'u UserName>,
        delivery: &Delivery,
        except: Option<ConnectionId>,
    ) {
        let frame = Utf8Bytes::from(delivery.frame.get());
        let own = delivery.own.as_ref().map(|own| {
            let frame = codec::with_client_id(delivery.frame.get(), &own.client_id);
            (&own.user, Utf8Bytes::from(frame))
        });
        let own = own.as_ref().map(|(user, frame)| (*user, frame));
        self.push(to, &frame, own, except);
    }

    fn push<'u>(
        &self,
        to: impl Iterator<Item = &'u UserName>,
        frame: &Utf8Bytes,
        own: Option<(&UserName, &Utf8Bytes)>,
        except: Option<ConnectionId>,
    ) {
        let refused = self.sessions.push_all(to, frame, own, except);
        if refused > 0 {
            self.refused.fetch_add(refused as u64, Ordering::Relaxed);
        }
    }
}

/// A `position` event for one conversation.
pub(crate) fn position_frame(conversation: String, last_seq: u64) -> String {
    let positions = Positions {
        positions: vec![Position {
            conversation,
            last_seq,
        }],
    };
    codec::encode_event(None, "position", &positions)
}
