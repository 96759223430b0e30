//! Test data: users, rooms, and conversations that read like real ones, in English and
//! Chinese.
//!
//! The same options give the same data, and every message has a fixed client id, so a second
//! run adds nothing and an interrupted one goes on where it stopped. Nothing is wiped or
//! changed: what is there and isn't a seed's makes it refuse, and with `force` it is left
//! alone.

mod bank;
mod conversation;
mod options;
mod own;
mod random;
mod run;
mod schedule;
mod world;

pub use options::{
    Language, Login, MESSAGES_MAX, Plan, PlannedConversation, Progress, ROOMS_MAX, SeedError,
    SeedOptions, Stores, Summary, USERS_MAX,
};
pub use run::{plan, run};

#[cfg(test)]
mod tests;
