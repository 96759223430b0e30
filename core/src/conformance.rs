//! One suite per contract; every implementation passes it.

pub mod message_archive;
pub mod room_store;
pub mod user_store;
