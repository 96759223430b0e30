//! Identifiers, each with its own type.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::ID_BYTES_MAX;
use crate::name::{RoomName, UserName};

/// The `id` of a frame, chosen by its sender: a number or a short string.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RequestId {
    /// A number, kept exactly as sent.
    Number(serde_json::Number),
    /// At most 64 bytes.
    Text(String),
}

impl RequestId {
    /// Reads an `id`; `None` for another type or a string that is too long.
    pub fn from_json(value: &serde_json::Value) -> Option<Self> {
        use serde_json::Value;
        match value {
            Value::Number(number) => Some(Self::Number(number.clone())),
            Value::String(text) if text.len() <= ID_BYTES_MAX => Some(Self::Text(text.clone())),
            Value::Null
            | Value::Bool(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_) => None,
        }
    }
}

impl From<u64> for RequestId {
    fn from(number: u64) -> Self {
        Self::Number(number.into())
    }
}

macro_rules! string_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The text of the id.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }
    };
}

string_id! {
    /// A message's id: UUID version 7, so ids sort by time.
    MessageId
}
string_id! {
    /// A session's id: 128 random bits in hexadecimal.
    SessionId
}

/// The client's own id of a message: 1 to 64 visible ASCII characters without a space.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct ClientId(String);

impl ClientId {
    /// Checks a client id.
    pub fn parse(raw: &str) -> Option<Self> {
        let ok = (1..=ID_BYTES_MAX).contains(&raw.len())
            && raw
                .bytes()
                .all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\');
        ok.then(|| Self(raw.to_owned()))
    }
    /// The text of the id. It needs no escaping in JSON.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl<'de> Deserialize<'de> for ClientId {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let raw = String::deserialize(d)?;
        Self::parse(&raw)
            .ok_or_else(|| serde::de::Error::custom("a client id of 1 to 64 visible characters"))
    }
}

/// One socket, unique within its server process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConnectionId(pub u64);

/// A server process: its configured name and the incarnation that its registration gave it.
/// A restarted server has the same name and a higher incarnation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NodeId {
    /// The configured name.
    pub name: String,
    /// Rises with every registration.
    pub incarnation: u64,
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.name, self.incarnation)
    }
}

/// A conversation: a room, or the two users of a direct one (in order, so that it is one
/// conversation from either side).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConversationId {
    /// A room's log.
    Room(RoomName),
    /// The log of two users; the first sorts before (or equals) the second.
    Direct(UserName, UserName),
}

impl ConversationId {
    /// The direct conversation of two users, in either order.
    pub fn direct(a: UserName, b: UserName) -> Self {
        if a <= b {
            Self::Direct(a, b)
        } else {
            Self::Direct(b, a)
        }
    }

    /// Reads `room:NAME`, or `user:NAME` as seen by `viewer`.
    pub fn parse(raw: &str, viewer: &UserName) -> Option<Self> {
        if let Some(room) = raw.strip_prefix("room:") {
            RoomName::parse(room).ok().map(Self::Room)
        } else {
            let peer = UserName::parse(raw.strip_prefix("user:")?).ok()?;
            Some(Self::direct(viewer.clone(), peer))
        }
    }

    /// The name on the wire, as `viewer` sees it.
    pub fn name_for(&self, viewer: &UserName) -> String {
        match self {
            Self::Room(room) => format!("room:{room}"),
            Self::Direct(..) => {
                format!("user:{}", self.peer_of(viewer).unwrap_or(viewer))
            }
        }
    }

    /// The other user of a direct conversation (oneself, in a conversation with oneself);
    /// `None` for a room or somebody who has no part in it.
    pub fn peer_of(&self, viewer: &UserName) -> Option<&UserName> {
        match self {
            Self::Room(_) => None,
            Self::Direct(a, b) if a == viewer => Some(b),
            Self::Direct(a, b) if b == viewer => Some(a),
            Self::Direct(..) => None,
        }
    }

    /// The key under which stores keep it: `room:NAME` or `direct:A:B`. Names have no colon.
    pub fn key(&self) -> String {
        match self {
            Self::Room(room) => format!("room:{room}"),
            Self::Direct(a, b) => format!("direct:{a}:{b}"),
        }
    }

    /// The inverse of [`ConversationId::key`].
    pub fn from_key(key: &str) -> Option<Self> {
        if let Some(room) = key.strip_prefix("room:") {
            return RoomName::parse(room).ok().map(Self::Room);
        }
        let (a, b) = key.strip_prefix("direct:")?.split_once(':')?;
        Some(Self::direct(
            UserName::parse(a).ok()?,
            UserName::parse(b).ok()?,
        ))
    }
}

impl Serialize for ConversationId {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.key())
    }
}

impl<'de> Deserialize<'de> for ConversationId {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let key = String::deserialize(d)?;
        Self::from_key(&key).ok_or_else(|| serde::de::Error::custom("a conversation key"))
    }
}
