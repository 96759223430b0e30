//! Who is on which server, as the servers announce it over their links. The leader's memory
//! of it is rebuilt whole after an election.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Mutex;

use antiphon_protocol::peer::PeerUser;
use antiphon_protocol::{RoomName, UserName};

use super::LinkId;
use crate::server::session::lock;

#[derive(Debug, Default)]
struct Whereabouts {
    links: BTreeSet<LinkId>,
    rooms: BTreeSet<RoomName>,
}

#[derive(Debug, Default)]
struct Tables {
    users: HashMap<UserName, Whereabouts>,
    links: BTreeMap<LinkId, BTreeSet<UserName>>,
}

/// The leader's map of users to links.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    tables: Mutex<Tables>,
}

/// A user whose presence changed, and the rooms that must look again.
pub(crate) type Changed = (UserName, Vec<RoomName>);

impl Presence {
    /// A user has a first session behind that link.
    pub(crate) fn up(&self, link: LinkId, user: PeerUser) -> Changed {
        let mut tables = lock(&self.tables);
        tables
            .links
            .entry(link)
            .or_default()
            .insert(user.user.clone());
        let whereabouts = tables.users.entry(user.user.clone()).or_default();
        whereabouts.links.insert(link);
        whereabouts.rooms.extend(user.rooms);
        let rooms = whereabouts.rooms.iter().cloned().collect();
        (user.user, rooms)
    }

    /// The user's last session behind that link ended.
    pub(crate) fn down(&self, link: LinkId, user: &UserName) -> Changed {
        let mut tables = lock(&self.tables);
        if let Some(users) = tables.links.get_mut(&link) {
            users.remove(user);
        }
        (user.clone(), Self::remove(&mut tables, link, user))
    }

    /// A link ended, and with it every session behind it.
    pub(crate) fn link_gone(&self, link: LinkId) -> Vec<Changed> {
        let mut tables = lock(&self.tables);
        let users = tables.links.remove(&link).unwrap_or_default();
        users
            .into_iter()
            .map(|user| {
                let rooms = Self::remove(&mut tables, link, &user);
                (user, rooms)
            })
            .collect()
    }

    fn remove(tables: &mut Tables, link: LinkId, user: &UserName) -> Vec<RoomName> {
        let Some(whereabouts) = tables.users.get_mut(user) else {
            return Vec::new();
        };
        whereabouts.links.remove(&link);
        let rooms = whereabouts.rooms.iter().cloned().collect();
        if whereabouts.links.is_empty() {
            tables.users.remove(user);
        }
        rooms
    }

    /// The links behind which the user has sessions.
    pub(crate) fn links_of(&self, user: &UserName) -> Vec<LinkId> {
        let tables = lock(&self.tables);
        tables
            .users
            .get(user)
            .map(|w| w.links.iter().copied().collect())
            .unwrap_or_default()
    }

    /// A user who is on became a member of a room.
    pub(crate) fn joined(&self, user: &UserName, room: &RoomName) {
        if let Some(whereabouts) = lock(&self.tables).users.get_mut(user) {
            whereabouts.rooms.insert(room.clone());
        }
    }

    /// A user is no longer a member of a room.
    pub(crate) fn left(&self, user: &UserName, room: &RoomName) {
        if let Some(whereabouts) = lock(&self.tables).users.get_mut(user) {
            whereabouts.rooms.remove(room);
        }
    }
}
