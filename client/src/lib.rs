//! The Rust client of Antiphon.
//!
//! [`Client`] is what apps use: it keeps itself connected, resumes, replays what was not
//! acknowledged, in order, and fills gaps. Below it, [`gateway`] asks where to connect,
//! [`Connection`] is one WebSocket with typed requests and events, and [`reconnect`] decides
//! what follows a loss. The guide is `docs/sdk.md`; its examples are compiled and run.
//!
//! Tasks run in the scope that a client is started in; when it stops, they say goodbye and
//! end. Times are those of tokio's clock.

pub mod account;
pub mod client;
pub mod connection;
pub mod gateway;
pub mod limits;
pub mod reconnect;

pub use account::{RegisterError, register};
pub use antiphon_core::clock::Instant;
pub use antiphon_core::shutdown::Shutdown;
pub use antiphon_protocol as protocol;
pub use client::{
    Builder, Client, ConnectionState, Credentials, DisconnectReason, Event, Events,
    RECONNECT_ASKED, SendError, StopReason,
};
pub use connection::{Closed, ConnectError, Connection, RequestError, ServerEvents};
pub use gateway::{GatewayError, GatewayUrl};

#[cfg(test)]
mod tests;
