//! A message as clients see it, and the events that servers push.

use serde::{Deserialize, Serialize};

use crate::id::{ClientId, MessageId};
use crate::name::{RoomName, UserName};

/// A message: the `data` of a `chat` delivery and an entry of `history`, `sync` and `search`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// The sender, as the server knows it.
    pub from: UserName,
    /// The room's name, or `""` in a direct message: always a string.
    pub room_name: String,
    /// The text, as stored.
    pub message: String,
    /// Server time, in milliseconds since 1970. For display; order is `seq` alone.
    pub ts: u64,
    /// `text`, or another format that the sender named.
    pub format: String,
    /// `room:NAME`, or `user:NAME` for the viewer's direct conversation with that user.
    pub conversation: String,
    /// The place in the conversation, from 1.
    pub seq: u64,
    /// The server's id of the message.
    pub message_id: MessageId,
    /// The sender's id of the message; only on the sender's own connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
}

/// What a `presence` event says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Presence {
    /// Who.
    pub username: UserName,
    /// Whether the user has a session now.
    pub is_online: bool,
}

/// What happened in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RoomEventKind {
    /// A user became a member.
    Joined,
    /// A member left.
    Left,
    /// A member was removed by another.
    Kicked,
    /// The viewer was invited.
    Invited,
    /// A new leader took over the room's log; `seq` is its record's place.
    Epoch,
}

/// A `roomEvent`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomEvent {
    /// The room.
    pub room_name: RoomName,
    /// What happened.
    pub kind: RoomEventKind,
    /// Whom it concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<UserName>,
    /// Who did it, if somebody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<UserName>,
    /// Why, if who did it has said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The place in the room's log that the event takes, if it takes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// Server time in milliseconds.
    pub ts: u64,
}

/// One conversation's highest place, in a `position` event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Position {
    /// The conversation as the viewer names it.
    pub conversation: String,
    /// Its highest sequence.
    pub last_seq: u64,
}

/// The `data` of a `position` event: who lacks something asks by `sync`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Positions {
    /// One entry a conversation.
    pub positions: Vec<Position>,
}

/// A `notice`: words for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// Safe to show.
    pub message: String,
}

/// A `reconnect` event: this server is about to stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reconnect {
    /// Wait so long before reconnecting, in milliseconds.
    pub delay_ms: u64,
    /// Why, e.g. `drain`.
    pub reason: String,
}

/// A `kicked` event: this connection is about to be closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Kicked {
    /// Why, e.g. `replaced`.
    pub reason: String,
}

/// Every push of a server, decoded by its action.
#[derive(Debug, Clone, PartialEq)]
pub enum ServerEvent {
    /// A message.
    Chat(Message),
    /// Somebody came or went.
    Presence(Presence),
    /// Something happened in a room.
    RoomEvent(RoomEvent),
    /// The top of some conversations.
    Position(Positions),
    /// Words for people.
    Notice(Notice),
    /// The server drains.
    Reconnect(Reconnect),
    /// The connection ends.
    Kicked(Kicked),
    /// An error that answers no request.
    Error(crate::ErrorBody),
    /// An event that this build doesn't know: ignored.
    Unknown(String),
}

impl ServerEvent {
    /// Reads a frame that has no `re`.
    pub fn from_frame(frame: crate::ServerFrame) -> Result<Self, serde_json::Error> {
        let data = frame.data;
        Ok(match frame.action.as_str() {
            "chat" => Self::Chat(serde_json::from_value(data)?),
            "presence" => Self::Presence(serde_json::from_value(data)?),
            "roomEvent" => Self::RoomEvent(serde_json::from_value(data)?),
            "position" => Self::Position(serde_json::from_value(data)?),
            "notice" => Self::Notice(serde_json::from_value(data)?),
            "reconnect" => Self::Reconnect(serde_json::from_value(data)?),
            "kicked" => Self::Kicked(serde_json::from_value(data)?),
            "error" => Self::Error(serde_json::from_value(data)?),
            _ => Self::Unknown(frame.action),
        })
    }
}
