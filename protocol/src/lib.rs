//! What crosses a socket in Antiphon: the client's frames, the frames between servers,
//! names, limits and error codes.
//!
//! This crate does no I/O and knows no runtime. Decoding never panics: whatever bytes come
//! in, the answer is a typed value or a typed error.

pub mod client;
pub mod close_code;
pub mod codec;
pub mod error_code;
pub mod fields;
pub mod gateway;
pub mod id;
pub mod limits;
pub mod message;
pub mod name;
pub mod peer;
pub mod strict_json;

pub use client::{ClientCommand, Command};
pub use codec::{RequestFrame, ServerFrame};
pub use error_code::{DecodeError, ErrorBody};
pub use id::{ClientId, ConnectionId, ConversationId, MessageId, NodeId, RequestId, SessionId};
pub use message::Message;
pub use name::{RoomName, UserName};
