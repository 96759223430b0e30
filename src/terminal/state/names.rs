//! Names that were seen, for completion. Bounded: a name too many is not remembered.

use std::collections::{BTreeSet, HashMap};

/// Names of a kind that are kept.
pub const NAMES_MAX: usize = 2_000;

/// See the head of the file.
#[derive(Debug, Default)]
pub struct Names {
    /// Users.
    pub users: BTreeSet<String>,
    /// Rooms that were seen in a list.
    pub rooms: BTreeSet<String>,
    members: HashMap<String, BTreeSet<String>>,
    members_kept: usize,
}

impl Names {
    /// Remembers a user.
    pub fn saw_user(&mut self, user: &str) {
        if self.users.len() < NAMES_MAX {
            self.users.insert(user.to_owned());
        }
    }

    /// Remembers a room.
    pub fn saw_room(&mut self, room: &str) {
        if self.rooms.len() < NAMES_MAX {
            self.rooms.insert(room.to_owned());
        }
    }

    /// Remembers who is in a room.
    pub fn saw_member(&mut self, room: &str, user: &str) {
        self.saw_user(user);
        if self.members_kept < NAMES_MAX {
            let members = self.members.entry(room.to_owned()).or_default();
            self.members_kept += usize::from(members.insert(user.to_owned()));
        }
    }

    /// Somebody is in a room no more.
    pub fn lost_member(&mut self, room: &str, user: &str) {
        if let Some(members) = self.members.get_mut(room) {
            self.members_kept -= usize::from(members.remove(user));
        }
    }

    /// Whether somebody is known to be in a room.
    pub fn is_member(&self, room: &str, user: &str) -> bool {
        let members = self.members.get(room);
        members.is_some_and(|members| members.contains(user))
    }

    /// Who is known to be in a room.
    pub fn members(&self, room: &str) -> impl Iterator<Item = &String> {
        self.members.get(room).into_iter().flatten()
    }
}
