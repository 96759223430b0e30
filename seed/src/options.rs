//! What a seed is asked for, and what it answers.

use std::fmt;
use std::sync::Arc;

use antiphon_core::contract::{BackendError, MessageArchive, RoomStore, UserStore};
use antiphon_protocol::limits::ROOMS_PER_USER_MAX;
use antiphon_protocol::{ConversationId, RoomName, UserName};

/// Most users of one seed.
pub const USERS_MAX: u32 = 10_000;
/// Most rooms of one seed: the first user may be in every one.
pub const ROOMS_MAX: u32 = 100;
/// Most messages of one seed.
pub const MESSAGES_MAX: u32 = 10_000_000;
/// Longest time that messages spread over, in days.
pub(crate) const DAYS_MAX: u32 = 3_650;

const _: () = assert!(ROOMS_MAX as usize <= ROOMS_PER_USER_MAX);

/// Most records in one append, if nothing else is asked for.
pub const BATCH_DEFAULT: usize = 2_048;

/// A language of conversations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// Simplified Chinese.
    Chinese,
}

/// What to make.
#[derive(Clone)]
pub struct SeedOptions {
    /// `user1` to this one.
    pub users: u32,
    /// `room1` to this one.
    pub rooms: u32,
    /// Messages in all.
    pub messages: u32,
    /// Over how many days until now they spread.
    pub days: u32,
    /// The languages of the conversations, in turn.
    pub languages: Vec<Language>,
    /// Another number gives other conversations.
    pub seed: u64,
    /// The password of the users that are made, told in the summary.
    pub password: Option<String>,
    /// Its PHC string; `None` makes users without a password, for open login only.
    pub password_hash: Option<String>,
    /// Goes on if the stores hold what isn't a seed's, and leaves that alone.
    pub force: bool,
    /// The anchor: the time at which the set ends, in milliseconds since 1970, counted in
    /// whole minutes; the wall clock's if `None`. A set that is there in part keeps its own.
    pub now_ms: Option<u64>,
    /// Most records in one append.
    pub batch_max: usize,
}

impl Default for SeedOptions {
    /// The ancestor's set.
    fn default() -> Self {
        Self {
            users: 99,
            rooms: 9,
            messages: 2_000,
            days: 14,
            languages: vec![Language::English, Language::Chinese],
            seed: 42,
            password: None,
            password_hash: None,
            force: false,
            now_ms: None,
            batch_max: BATCH_DEFAULT,
        }
    }
}

impl fmt::Debug for SeedOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeedOptions")
            .field("users", &self.users)
            .field("rooms", &self.rooms)
            .field("messages", &self.messages)
            .field("days", &self.days)
            .field("languages", &self.languages)
            .field("seed", &self.seed)
            .field("force", &self.force)
            .finish_non_exhaustive()
    }
}

impl SeedOptions {
    /// Checks the numbers against their limits and each other.
    pub(crate) fn validate(&self) -> Result<(), SeedError> {
        let invalid = |what| Err(SeedError::InvalidOptions { what });
        if self.users > USERS_MAX {
            return invalid("too many users");
        }
        if self.rooms > ROOMS_MAX {
            return invalid("too many rooms");
        }
        if self.messages > MESSAGES_MAX {
            return invalid("too many messages");
        }
        if !(1..=DAYS_MAX).contains(&self.days) {
            return invalid("the days are 0 or too many");
        }
        if self.languages.is_empty() {
            return invalid("no language");
        }
        if self.rooms > 0 && self.users == 0 {
            return invalid("rooms need users");
        }
        let has_conversations = self.rooms > 0 || self.users > 1;
        if self.messages > 0 && !has_conversations {
            return invalid("messages need a room or two users");
        }
        if self.batch_max == 0 {
            return invalid("a batch of no records");
        }
        if self.password.is_some() && self.password_hash.is_none() {
            return invalid("a password needs its hash");
        }
        Ok(())
    }
}

/// The stores to fill.
#[derive(Clone)]
pub struct Stores {
    /// Accounts.
    pub users: Arc<dyn UserStore>,
    /// Rooms.
    pub rooms: Arc<dyn RoomStore>,
    /// Messages.
    pub archive: Arc<dyn MessageArchive>,
}

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stores")
    }
}

/// Why a seed stopped. What it made until then stays, and the next run goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The options contradict each other or a limit.
    #[error("can't seed with these options: {what}")]
    InvalidOptions {
        /// What is wrong.
        what: &'static str,
    },
    /// The stores hold data that isn't a seed's. Nothing was written.
    #[error("the store holds {users} users and {rooms} rooms that are not test data")]
    NotEmpty {
        /// How many such users.
        users: u64,
        /// How many such rooms.
        rooms: u64,
    },
    /// Somebody else writes to the same conversation all the time.
    #[error("the conversation {conversation} is written to by others all the time")]
    Contended {
        /// Its key.
        conversation: String,
    },
    /// The thread that writes the messages broke down.
    #[error("the messages could not be written")]
    Generator,
    /// A store answered something that its contract excludes.
    #[error("{operation} broke its contract")]
    Contract {
        /// The call.
        operation: &'static str,
    },
    /// A store failed.
    #[error("a store failed")]
    Backend(#[from] BackendError),
}

/// What a run would make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Users to make.
    pub users: u64,
    /// Users of the set that are there already.
    pub users_there: u64,
    /// Rooms to make.
    pub rooms: Vec<RoomName>,
    /// Rooms of the set that are there already.
    pub rooms_there: u64,
    /// Messages to make.
    pub messages: u64,
    /// Messages of the set that are there already.
    pub messages_there: u64,
    /// The conversations with messages, busiest room first, direct ones behind.
    pub conversations: Vec<PlannedConversation>,
    /// When the set ends, in milliseconds since 1970.
    pub anchor_ms: u64,
    /// How many days it has.
    pub days: u64,
}

/// A conversation of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedConversation {
    /// Which.
    pub conversation: ConversationId,
    /// What it is about.
    pub topic: String,
    /// How many take part.
    pub people: u64,
    /// How many messages the set has in it.
    pub messages: u64,
    /// How many of them are there already.
    pub messages_there: u64,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Users are there.
    Users {
        /// How many.
        done: u64,
        /// Of how many.
        total: u64,
    },
    /// Rooms are there.
    Rooms {
        /// How many.
        done: u64,
        /// Of how many.
        total: u64,
    },
    /// Messages are there.
    Messages {
        /// How many.
        done: u64,
        /// Of how many.
        total: u64,
    },
}

/// What a run made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Users made.
    pub users_made: u64,
    /// Users of the set that were there before.
    pub users_there: u64,
    /// Rooms made.
    pub rooms_made: u64,
    /// Rooms of the set that were there before.
    pub rooms_there: u64,
    /// Messages made.
    pub messages_made: u64,
    /// Messages of the set that were there before.
    pub messages_there: u64,
    /// Conversations of the set.
    pub conversations: u64,
    /// Some of the set's logins.
    pub logins: Vec<Login>,
}

/// A login to try.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The name.
    pub username: UserName,
    /// The password, if this run made the user with one. Users that were there keep theirs.
    pub password: Option<String>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({})", self.username)
    }
}
