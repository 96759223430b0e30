//! The Rust client of Antiphon.
//!
//! [`gateway`] asks where to connect, [`Connection`] is one WebSocket with typed requests and
//! events, and [`Client`] keeps itself connected: it resumes, replays what was not
//! acknowledged, and fills gaps.

pub mod client;
pub mod connection;
pub mod gateway;
pub mod limits;

pub use antiphon_protocol as protocol;
pub use client::{
    Builder, Client, Credentials, DisconnectReason, Event, Events, RECONNECT_ASKED, SendError,
    StopReason,
};
pub use connection::{Closed, ConnectError, Connection, RequestError, ServerEvents};
pub use gateway::{GatewayError, GatewayUrl};

#[cfg(test)]
mod tests;
