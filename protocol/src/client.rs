//! The requests of the client port, each with its reply. One list at the end makes the enum
//! [`ClientCommand`]; a frame of the cluster plane has no place in it.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error_code::DecodeError;
use crate::fields::Fields;

mod account;
mod chat;
mod history;
mod room;
mod social;

pub use account::*;
pub use chat::*;
pub use history::*;
pub use room::*;
pub use social::*;

/// One request: its name, how its `data` is read, and what answers it.
pub trait Command: Sized + Serialize + Into<ClientCommand> {
    /// The action's name in the request.
    const ACTION: &'static str;
    /// The action's name in the reply.
    const REPLY_ACTION: &'static str = Self::ACTION;
    /// Whether `data` may be absent.
    const NO_DATA: bool = false;
    /// The `data` of the reply.
    type Reply: Serialize + DeserializeOwned + Send + std::fmt::Debug + 'static;

    /// Reads and checks the `data` of a request.
    fn decode(fields: Fields) -> Result<Self, DecodeError>;
}

/// A reply without content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

macro_rules! client_commands {
    ($($name:ident),* $(,)?) => {
        /// Every request that the client port understands.
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[serde(untagged)]
        pub enum ClientCommand {
            $(#[doc = concat!("See [`", stringify!($name), "`].")] $name($name),)*
        }

        $(impl From<$name> for ClientCommand {
            fn from(command: $name) -> Self {
                Self::$name(command)
            }
        }
        impl TryFrom<ClientCommand> for $name {
            type Error = ClientCommand;
            fn try_from(command: ClientCommand) -> Result<Self, ClientCommand> {
                #[allow(clippy::wildcard_enum_match_arm, reason = "the other arm gives the command back")]
                match command {
                    ClientCommand::$name(command) => Ok(command),
                    other => Err(other),
                }
            }
        })*

        impl ClientCommand {
            /// The name of every action, in the order of docs/protocol.md.
            pub const ACTIONS: &'static [&'static str] = &[$($name::ACTION),*];

            /// The action's name.
            pub fn action(&self) -> &'static str {
                match self { $(Self::$name(_) => $name::ACTION,)* }
            }

            /// Reads the `data` of `action`.
            pub fn decode(action: &str, fields: Fields) -> Result<Self, DecodeError> {
                match action {
                    $($name::ACTION => $name::decode(fields).map(Self::$name),)*
                    _ => Err(DecodeError::UnknownAction),
                }
            }

            /// Whether this port has the action.
            pub fn is_known(action: &str) -> bool {
                Self::ACTIONS.contains(&action)
            }

            /// Whether the action may come without `data`.
            pub fn needs_no_data(action: &str) -> bool {
                match action {
                    $($name::ACTION => $name::NO_DATA,)*
                    _ => false,
                }
            }
        }
    };
}

client_commands! {
    Hello, Register, Login, Logout, ChangePassword, Ping,
    Chat, JoinRoom, LeaveRoom, CreateRoom, ListRooms, RoomInfo, RoomMembers, Invite, Kick,
    History, Sync, Search, Read, Conversations,
    UserInfo, Online, Popular,
}
