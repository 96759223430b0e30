//! Rooms: create, join, leave, list, look at, invite, kick.

use serde::{Deserialize, Serialize};

use super::{Command, Empty};
use crate::error_code::DecodeError;
use crate::fields::Fields;
use crate::limits::{NAME_CHARS_MAX, PAGE_DEFAULT, PAGE_MAX, REASON_CHARS_MAX, TOPIC_CHARS_MAX};
use crate::name::{RoomName, UserName};

/// Who may find and join a room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Visibility {
    /// Listed; anyone may join.
    #[default]
    Public,
    /// Not listed; joined by invitation. To others it does not exist.
    Private,
}

/// What a member may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// Chats, invites.
    Member,
    /// Besides, kicks.
    Owner,
}

/// `joinRoom`: the session's own user joins. The last messages come first, as `chat`
/// deliveries, then the reply.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JoinRoom {
    /// The room.
    pub room_name: RoomName,
}

/// The reply to `joinRoom`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JoinRoomReply {
    /// The room.
    pub room_name: RoomName,
    /// Its conversation's name.
    pub conversation: String,
    /// How many members it has now.
    pub members: u64,
    /// The conversation's highest sequence at the moment of joining.
    pub last_seq: u64,
    /// Whether the user was a member before.
    pub already_member: bool,
}

impl Command for JoinRoom {
    const ACTION: &'static str = "joinRoom";
    type Reply = JoinRoomReply;
    fn decode(mut fields: Fields) -> Result<Self, DecodeError> {
        Ok(Self {
            room_name: fields.room("roomName")?,
        })
    }
}

/// `leaveRoom`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaveRoom {
    /// The room.
    pub room_name: RoomName,
}

impl Command for LeaveRoom {
    const ACTION: &'static str = "leaveRoom";
    type Reply = Empty;
    fn decode(mut fields: Fields) -> Result<Self, DecodeError> {
        Ok(Self {
            room_name: fields.room("roomName")?,
        })
    }
}

/// `createRoom`: the creator becomes its owner.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateRoom {
    /// The wished name.
    pub room_name: RoomName,
    /// `group`, the only kind today.
    pub kind: RoomKind,
    /// `public` or `private`.
    pub visibility: Visibility,
    /// At most 256 characters.
    pub topic: String,
}

/// The kind of a room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RoomKind {
    /// Every member may write.
    #[default]
    Group,
}

impl Command for CreateRoom {
    const ACTION: &'static str = "createRoom";
    type Reply = RoomInfoReply;
    fn decode(mut fields: Fields) -> Result<Self, DecodeError> {
        let room_name = fields.room("roomName")?;
        match fields.text_opt("kind", 0..=32)?.as_deref() {
            None | Some("group") => {}
            Some(_) => return Err(DecodeError::invalid("kind", "group")),
        }
        let visibility = match fields.text_opt("visibility", 0..=32)?.as_deref() {
            None | Some("public") => Visibility::Public,
            Some("private") => Visibility::Private,
            Some(_) => return Err(DecodeError::invalid("visibility", "public or private")),
        };
        let topic = fields
            .line_opt("topic", 0..=TOPIC_CHARS_MAX)?
            .unwrap_or_default();
        Ok(Self {
            room_name,
            kind: RoomKind::Group,
            visibility,
            topic,
        })
    }
}

/// `listRooms`: public rooms and one's own, by name.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListRooms {
    /// Only names that begin so (after folding).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Go on behind this name: the `cursor` of the reply before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// At most 500.
    pub limit: u64,
}

/// One line of a room list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomSummary {
    /// The room.
    pub room_name: RoomName,
    /// Its topic.
    pub topic: String,
    /// Who may join.
    pub visibility: Visibility,
    /// How many members.
    pub members: u64,
    /// Whether the asker is one.
    pub joined: bool,
}

/// The reply to `listRooms`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListRoomsReply {
    /// By name.
    pub rooms: Vec<RoomSummary>,
    /// Set if there are more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Command for ListRooms {
    const ACTION: &'static str = "listRooms";
    const NO_DATA: bool = true;
    type Reply = ListRoomsReply;
    fn decode(mut fields: Fields) -> Result<Self, DecodeError> {
        Ok(Self {
            prefix: fields.text_opt("prefix", 0..=NAME_CHARS_MAX)?,
            cursor: fields.text_opt("cursor", 0..=NAME_CHARS_MAX)?,
            limit: fields
                .number_opt("limit", 1..=PAGE_MAX)?
                .unwrap_or(PAGE_DEFAULT),
        })
    }
}

/// `roomInfo`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomInfo {
    /// The room.
    pub room_name: RoomName,
}

/// The reply to `roomInfo` and `createRoom`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomInfoReply {
    /// The room.
    pub room_name: RoomName,
    /// Its kind.
    pub kind: RoomKind,
    /// Who may join.
    pub visibility: Visibility,
    /// Its topic.
    pub topic: String,
    /// Its owner, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<UserName>,
    /// How many members.
    pub members: u64,
    /// The conversation's highest sequence; 0 if nothing was said. Only for members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seq: Option<u64>,
    /// When it was made, in milliseconds since 1970.
    pub created_at: u64,
}

impl Command for RoomInfo {
    const ACTION: &'static str = "roomInfo";
    type Reply = RoomInfoReply;
    fn decode(mut fields: Fields) -> Result<Self, DecodeError> {
        Ok(Self {
            room_name: fields.room("roomName")?,
        })
    }
}

/// `roomMembers`: for members, by name.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomMembers {
    /// The room.
    pub room_name: RoomName,
    /// Go on behind this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// At most 500.
    pub limit: u64,
}

/// One member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomMember {
    /// Who.
    pub username: UserName,
    /// What they may do.
    pub role: Role,
    /// Whether they have a session now; absent if that can't be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_online: Option<bool>,
}

/// The reply to `roomMembers`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomMembersReply {
    /// The room.
    pub room_name: RoomName,
    /// By name.
    pub members: Vec<RoomMember>,
    /// Set if there are more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Command for RoomMembers {
    const ACTION: &'static str = "roomMembers";
    type Reply = RoomMembersReply;
    fn decode(mut fields: Fields) -> Result<Self, DecodeError> {
        Ok(Self {
            room_name: fields.room("roomName")?,
            cursor: fields.text_opt("cursor", 0..=NAME_CHARS_MAX)?,
            limit: fields
                .number_opt("limit", 1..=PAGE_MAX)?
                .unwrap_or(PAGE_DEFAULT),
        })
    }
}

/// `invite`: a member asks a user into the room; who is invited may join a private room.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Invite {
    /// The room.
    pub room_name: RoomName,
    /// Who is asked in.
    pub username: UserName,
}

impl Command for Invite {
    const ACTION: &'static str = "invite";
    type Reply = Empty;
    fn decode(mut fields: Fields) -> Result<Self, DecodeError> {
        Ok(Self {
            room_name: fields.room("roomName")?,
            username: fields.user("username")?,
        })
    }
}

/// `kick`: the owner removes a member.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Kick {
    /// The room.
    pub room_name: RoomName,
    /// Who is removed.
    pub username: UserName,
    /// Why, at most 256 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Command for Kick {
    const ACTION: &'static str = "kick";
    type Reply = Empty;
    fn decode(mut fields: Fields) -> Result<Self, DecodeError> {
        Ok(Self {
            room_name: fields.room("roomName")?,
            username: fields.user("username")?,
            reason: fields.line_opt("reason", 0..=REASON_CHARS_MAX)?,
        })
    }
}
