//! `chat` and its acknowledgment.

use serde::{Deserialize, Serialize};

use super::Command;
use crate::error_code::DecodeError;
use crate::fields::Fields;
use crate::id::{ClientId, MessageId};
use crate::limits::MESSAGE_CHARS_MAX;
use crate::name::{RoomName, UserName};

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    /// To a room.
    Room(RoomName),
    /// To a user.
    User(UserName),
}

/// `chat`: sends a message. `from`, `ts`, `seq` and the like in a client's frame are ignored;
/// the server sets them.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(into = "ChatWire")]
pub struct Chat {
    /// A room or a user.
    pub target: Target,
    /// 1 to 8,000 characters, not only white space, without NUL.
    pub message: String,
    /// `text` if the client named none or one that is not a short word.
    pub format: String,
    /// The client's id of the message. A retry with the same id takes effect once.
    pub client_id: Option<ClientId>,
    /// The client's id of another message of the sender's to the same conversation: this one
    /// takes effect only if that one is stored.
    pub after: Option<ClientId>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChatWire {
    format: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<UserName>,
    room_name: String,
    is_group: bool,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<ClientId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<ClientId>,
}

impl From<Chat> for ChatWire {
    fn from(chat: Chat) -> Self {
        let Chat {
            target,
            message,
            format,
            client_id,
            after,
        } = chat;
        let (to, room_name, is_group) = match target {
            Target::Room(room) => (None, room.to_string(), true),
            Target::User(user) => (Some(user), String::new(), false),
        };
        Self {
            format,
            to,
            room_name,
            is_group,
            message,
            client_id,
            after,
        }
    }
}

/// What may stand in `format`.
pub const FORMATS: &[&str] = &["text", "markdown", "emote"];

impl Command for Chat {
    const ACTION: &'static str = "chat";
    const REPLY_ACTION: &'static str = "ack";
    type Reply = Ack;

    fn decode(mut fields: Fields) -> Result<Self, DecodeError> {
        let message = fields.text("message", 1..=MESSAGE_CHARS_MAX)?;
        if message.contains('\0') || message.chars().all(char::is_whitespace) {
            return Err(DecodeError::invalid(
                "message",
                "text that is not only white space, without NUL",
            ));
        }
        let format = fields.text_opt("format", 0..=MESSAGE_CHARS_MAX)?;
        let format = format.filter(|format| FORMATS.contains(&format.as_str()));
        let format = format.unwrap_or_else(|| "text".to_owned());
        let client_id = fields.client_id_opt("clientId")?;
        let after = fields.client_id_opt("after")?;
        let target = match (fields.user_opt("to")?, fields.room_opt("roomName")?) {
            // The ancestor's private frames may carry a room's name; it is never a way into
            // the room: a frame that names a user is a direct message.
            (Some(user), _) => Target::User(user),
            (None, Some(room)) => Target::Room(room),
            (None, None) => return Err(DecodeError::MissingField("to")),
        };
        Ok(Self {
            target,
            message,
            format,
            client_id,
            after,
        })
    }
}

/// The reply to `chat`: the message is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ack {
    /// The conversation as the sender names it.
    pub conversation: String,
    /// The message's place in it, from 1.
    pub seq: u64,
    /// The server's id of the message.
    pub message_id: MessageId,
    /// Server time in milliseconds.
    pub ts: u64,
    /// Always `stored`: an acknowledgment comes after the archive holds the message.
    pub durability: Durability,
    /// Whether an earlier send with the same `clientId` had already stored it.
    pub duplicate: bool,
}

/// How safe an acknowledged message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Durability {
    /// In the archive, synced.
    Stored,
}
