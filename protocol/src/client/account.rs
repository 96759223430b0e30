//! `hello`, accounts and logins.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Command, ConversationSummary, Empty};
use crate::error_code::DecodeError;
use crate::fields::Fields;
use crate::id::SessionId;
use crate::limits::{CLIENT_CHARS_MAX, PASSWORD_CHARS_MAX, TOKEN_BYTES_MAX};
use crate::name::UserName;

/// A password or token: never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// `hello`: optional, first; agrees on a version and learns the limits.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Hello {
    /// Protocol versions that the client speaks; absent is version 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub versions: Option<Vec<u64>>,
    /// The client's name and version, for logs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
}

/// The limits of this server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Largest frame from a client, in bytes.
    pub frame_bytes_max: u64,
    /// Longest message text, in characters.
    pub message_chars_max: u64,
    /// Messages a second that a connection may send for long.
    pub rate_per_second: u64,
    /// Messages that it may send at once.
    pub rate_burst: u64,
    /// Longest user or room name, in characters.
    pub name_chars_max: u64,
    /// Longest `clientId`, in bytes.
    pub client_id_bytes_max: u64,
    /// Most entries in one page of history.
    pub page_max: u64,
    /// Most cursors in one `sync`.
    pub sync_cursors_max: u64,
    /// Most rooms of one user.
    pub rooms_per_user_max: u64,
    /// Requests of one connection that may wait for their answers; more are read later.
    pub in_flight_max: u64,
    /// Shortest password, in characters.
    pub password_chars_min: u64,
    /// Time to log in, in milliseconds.
    pub login_timeout_ms: u64,
}

/// The reply to `hello`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HelloReply {
    /// The version that both speak.
    pub version: u64,
    /// The server's opaque name.
    pub server_name: String,
    /// The limits of this server.
    pub limits: Limits,
    /// How often the server pings, in milliseconds.
    pub ping_interval_ms: u64,
    /// The server's clock, in milliseconds since 1970.
    pub server_time_ms: u64,
}

impl Command for Hello {
    const ACTION: &'static str = "hello";
    const NO_DATA: bool = true;
    type Reply = HelloReply;
    fn decode(mut fields: Fields) -> Result<Self, DecodeError> {
        Ok(Self {
            versions: fields.numbers_opt("versions", 16)?,
            client: fields.text_opt("client", 0..=CLIENT_CHARS_MAX)?,
        })
    }
}

/// `register`: makes an account; does not log in.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Register {
    /// The wished name.
    pub username: UserName,
    /// 8 to 256 characters.
    pub password: Secret,
}

/// The reply to `register`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterReply {
    /// The name as normalized.
    pub username: UserName,
}

fn password(fields: &mut Fields, field: &'static str) -> Result<Secret, DecodeError> {
    fields.text(field, 1..=PASSWORD_CHARS_MAX).map(Secret)
}

impl Command for Register {
    const ACTION: &'static str = "register";
    type Reply = RegisterReply;
    fn decode(mut fields: Fields) -> Result<Self, DecodeError> {
        Ok(Self {
            username: fields.user("username")?,
            password: password(&mut fields, "password")?,
        })
    }
}

/// `login`: by name and password, by name alone where the server allows it, or by token.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Login {
    /// The name; may be absent with a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<UserName>,
    /// The password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// A token from an earlier login's reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resume_token: Option<Secret>,
}

/// The reply to `login`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoginReply {
    /// The name as normalized.
    pub username: UserName,
    /// This session.
    pub session_id: SessionId,
    /// Logs in again, once; each login gives a new one.
    pub resume_token: Secret,
    /// Names the message log; another one than before means that old cursors are void.
    pub log_id: String,
    /// The user's conversations.
    pub conversations: Vec<ConversationSummary>,
}

impl Command for Login {
    const ACTION: &'static str = "login";
    type Reply = LoginReply;
    fn decode(mut fields: Fields) -> Result<Self, DecodeError> {
        let resume_token = fields
            .text_opt("resumeToken", 1..=TOKEN_BYTES_MAX)?
            .map(Secret);
        let raw = if resume_token.is_some() {
            fields.text_opt("username", 0..=usize::MAX)?
        } else {
            Some(fields.text("username", 0..=usize::MAX)?)
        };
        // What can't be a name is nobody's: a wrong login like any other, which the ancestor's
        // client answers by asking again.
        let username = raw.and_then(|raw| UserName::parse(raw.trim()).ok());
        let password = fields
            .text_opt("password", 0..=PASSWORD_CHARS_MAX)?
            .map(Secret);
        Ok(Self {
            username,
            password,
            resume_token,
        })
    }
}

/// `logout`: ends the session, revokes its token, closes the connection.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Logout {}

impl Command for Logout {
    const ACTION: &'static str = "logout";
    const NO_DATA: bool = true;
    type Reply = Empty;
    fn decode(_fields: Fields) -> Result<Self, DecodeError> {
        Ok(Self {})
    }
}

/// `changePassword`: revokes every other session's token.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangePassword {
    /// The password until now.
    pub old_password: Secret,
    /// The password from now on.
    pub new_password: Secret,
}

impl Command for ChangePassword {
    const ACTION: &'static str = "changePassword";
    type Reply = Empty;
    fn decode(mut fields: Fields) -> Result<Self, DecodeError> {
        Ok(Self {
            old_password: password(&mut fields, "oldPassword")?,
            new_password: password(&mut fields, "newPassword")?,
        })
    }
}

/// `ping` at the application level; answered by `pong`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Ping {}

/// The reply to `ping`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pong {
    /// The server's clock, in milliseconds since 1970.
    pub server_time_ms: u64,
}

impl Command for Ping {
    const ACTION: &'static str = "ping";
    const REPLY_ACTION: &'static str = "pong";
    const NO_DATA: bool = true;
    type Reply = Pong;
    fn decode(_fields: Fields) -> Result<Self, DecodeError> {
        Ok(Self {})
    }
}
