//! Who is there, and what they talk about.

use serde::{Deserialize, Serialize};

use super::Command;
use crate::error_code::DecodeError;
use crate::fields::Fields;
use crate::limits::{
    NAME_CHARS_MAX, PAGE_DEFAULT, PAGE_MAX, POPULAR_MAX, POPULAR_WINDOW_SECONDS_MAX,
};
use crate::name::{RoomName, UserName};

/// `userInfo`: 404 for somebody who is not connected, as the ancestor answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UserInfo {
    /// Whom to look at.
    pub username: UserName,
}

/// The reply to `userInfo`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserInfoReply {
    /// Whom.
    pub username: UserName,
    /// When the newest session logged in, in milliseconds since 1970.
    pub login_time: u64,
    /// The opaque name of the server that the session is on.
    pub node_id: String,
    /// Always true in an answer.
    pub is_online: bool,
}

impl Command for UserInfo {
    const ACTION: &'static str = "userInfo";
    type Reply = UserInfoReply;
    fn decode(mut fields: Fields) -> Result<Self, DecodeError> {
        Ok(Self {
            username: fields.user("username")?,
        })
    }
}

/// `online`: who has a session, by name.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Online {
    /// Only names that begin so (after folding).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Go on behind this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// 1 to 500.
    pub limit: u64,
}

/// One user who is on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnlineUser {
    /// Who.
    pub username: UserName,
    /// How many sessions they have.
    pub sessions: u64,
}

/// The reply to `online`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnlineReply {
    /// By name.
    pub users: Vec<OnlineUser>,
    /// How many users are on in all.
    pub total: u64,
    /// Set if there are more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Command for Online {
    const ACTION: &'static str = "online";
    const NO_DATA: bool = true;
    type Reply = OnlineReply;
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

/// `popular`: the words said most in the window, everywhere or in one of the asker's rooms.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Popular {
    /// Clamped to 1..100.
    pub n: u64,
    /// A room that the asker is a member of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room_name: Option<RoomName>,
    /// The last so many seconds; the server's `popular_window` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_seconds: Option<u64>,
}

/// The reply to `popular`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PopularReply {
    /// Word, count, word, count, …: highest first, ties by word; counts as strings.
    pub words: Vec<String>,
}

impl Command for Popular {
    const ACTION: &'static str = "popular";
    const NO_DATA: bool = true;
    type Reply = PopularReply;
    fn decode(mut fields: Fields) -> Result<Self, DecodeError> {
        Ok(Self {
            n: fields.clamped_opt("n", 1..=POPULAR_MAX)?.unwrap_or(10),
            room_name: fields.room_opt("roomName")?,
            window_seconds: fields.number_opt("windowSeconds", 1..=POPULAR_WINDOW_SECONDS_MAX)?,
        })
    }
}
