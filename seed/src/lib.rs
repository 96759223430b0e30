//! Test data: users, rooms, and conversations that read like real ones, in English and
//! Chinese.
//!
//! The same options, seed and anchor give the same data to the byte; the anchor is the minute
//! at which the set ends, and anchored a week later it is the same set a week later. Every
//! message has a fixed client id, so a second run adds nothing and an interrupted one goes
//! on where it stopped, with the anchor of the first. Nothing is wiped or changed: what is
//! there and isn't a seed's makes it refuse, and with `force` it is left alone.

mod append;
mod bank;
mod conversation;
mod feed;
mod grammar;
mod mark;
mod options;
mod outline;
mod own;
mod random;
mod recent;
mod run;
mod schedule;
mod thread;
mod voice;
mod world;

pub use options::{
    BATCH_DEFAULT, Language, Login, MESSAGES_MAX, Plan, PlannedConversation, Progress, ROOMS_MAX,
    SeedError, SeedOptions, Stores, Summary, USERS_MAX,
};
pub use run::{plan, plan_anew, run};

#[cfg(test)]
mod tests;
