//! The load of a run: users who talk through the client library, and write down what they
//! asked, were answered and were told ([`super::history`]).
//!
//! It knows nothing of flags, files, processes or threads, and reads the time from
//! `core::clock` only, so that a simulation can run it: each [`User`] may live on a host of its
//! own, as long as all share one [`World`]. In the usual order: a `World`; [`setup`] (all
//! users in one place), or for each user `User::new`, `logged_in`, `create_rooms` by the first,
//! `enter_rooms`; then `User::run`, with [`Handle`]s for who breaks clients; then [`readback`].

mod dice;
mod hand;
mod listener;
pub mod readback;
pub mod setup;
mod user;
mod world;

use std::time::Duration;

use antiphon_client::RequestError;

pub use dice::Dice;
pub use listener::Listener;
pub use user::{Handle, Order, User};
pub use world::{Account, Named, Shown, Told, World, canonical, digits};

/// How patient users are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    /// How long a client may try to send a message; longer than the longest pause of servers.
    pub send_deadline: Duration,
    /// Before a send without an answer is repeated, and before a join or leave is tried again.
    pub retry_pause: Duration,
    /// How often a join or leave is tried.
    pub membership_attempts: u32,
    /// For a client's first login.
    pub login_deadline: Duration,
    /// For a client to be there again after an [`Order`]; longer than the longest pause.
    pub order_deadline: Duration,
    /// For what is under way when the load ends.
    pub drain_deadline: Duration,
    /// For everybody to have everything after that; what comes later is a violation.
    pub catch_up: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            send_deadline: Duration::from_secs(20),
            retry_pause: Duration::from_millis(250),
            membership_attempts: 20,
            login_deadline: Duration::from_secs(60),
            order_deadline: Duration::from_secs(20),
            drain_deadline: Duration::from_secs(45),
            catch_up: Duration::from_micros(super::check::CATCH_UP_MAX_US),
        }
    }
}

/// Why the load can't go on.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Accounts, logins, rooms.
    #[error("{0}")]
    Setup(String),
    /// The logs in the end.
    #[error("the logs can't be read back")]
    ReadBack(#[source] RequestError),
}
