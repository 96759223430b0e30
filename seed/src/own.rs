//! What is there already, and whether it is a seed's: its users and rooms have fixed names
//! and a fixed time of making.

use antiphon_protocol::{RoomName, UserName};

use crate::options::{ROOMS_MAX, SeedError, SeedOptions, Stores, USERS_MAX};
use crate::world::{created_at_ms, room, user};

/// What the stores hold before a run.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// Users of the set.
    pub(crate) users: Vec<UserName>,
    /// Names of the set that somebody else's users have.
    pub(crate) foreign_users: Vec<UserName>,
    /// Users that are no seed's.
    pub(crate) other_users: u64,
    /// Rooms of the set.
    pub(crate) rooms: Vec<RoomName>,
    /// Names of the set that somebody else's rooms have.
    pub(crate) foreign_rooms: Vec<RoomName>,
    /// Rooms that are no seed's.
    pub(crate) other_rooms: u64,
}

impl Survey {
    /// Looks, and fails if what is there isn't a seed's, unless forced.
    pub(crate) async fn new(stores: &Stores, options: &SeedOptions) -> Result<Self, SeedError> {
        let mut survey = Self::default();
        survey.look_at_users(stores, options).await?;
        survey.look_at_rooms(stores, options).await?;
        let (users, rooms) = (survey.other_users, survey.other_rooms);
        if users + rooms > 0 && !options.force {
            return Err(SeedError::NotEmpty { users, rooms });
        }
        Ok(survey)
    }

    async fn look_at_users(
        &mut self,
        stores: &Stores,
        options: &SeedOptions,
    ) -> Result<(), SeedError> {
        let held = stores.users.count().await?;
        if held == 0 {
            return Ok(());
        }
        let mut own = 0;
        for number in 1..=USERS_MAX {
            let is_wanted = number <= options.users;
            let name = user(number);
            let record = stores.users.get(&name).await?;
            match record.map(|record| record.created_at_ms == created_at_ms(number)) {
                Some(true) => {
                    own += 1;
                    if is_wanted {
                        self.users.push(name);
                    }
                }
                Some(false) if is_wanted => self.foreign_users.push(name),
                // A larger set of an earlier run ends here.
                Some(false) | None if !is_wanted => break,
                Some(false) | None => {}
            }
        }
        self.other_users = held.saturating_sub(own);
        Ok(())
    }

    async fn look_at_rooms(
        &mut self,
        stores: &Stores,
        options: &SeedOptions,
    ) -> Result<(), SeedError> {
        let held = stores.rooms.count().await?;
        if held == 0 {
            return Ok(());
        }
        let mut own = 0;
        for number in 1..=ROOMS_MAX {
            let is_wanted = number <= options.rooms;
            let name = room(number);
            let record = stores.rooms.get(&name).await?;
            match record.map(|record| record.created_at_ms == created_at_ms(number)) {
                Some(true) => {
                    own += 1;
                    if is_wanted {
                        self.rooms.push(name);
                    }
                }
                Some(false) if is_wanted => self.foreign_rooms.push(name),
                Some(false) | None if !is_wanted => break,
                Some(false) | None => {}
            }
        }
        self.other_rooms = held.saturating_sub(own);
        Ok(())
    }
}
