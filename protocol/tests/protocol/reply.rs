//! Reading a frame as the type that its action names, and writing it again.

use antiphon_protocol::client::*;
use antiphon_protocol::message::{
    Kicked, Message, Notice, Positions, Presence, Reconnect, RoomEvent,
};
use antiphon_protocol::{Command, ErrorBody};
use serde_json::{Error, Value, from_value, to_value};

macro_rules! by_action {
    ($action:expr, $data:expr; $($command:ident),* $(,)?) => {
        match $action {
            $(<$command as Command>::ACTION => {
                Some(from_value::<<$command as Command>::Reply>($data).and_then(to_value))
            })*
            _ => None,
        }
    };
}

/// The `data` of the reply to `action`, through its type and back; `None` for an action that
/// the list below has forgotten.
pub(crate) fn reply_again(action: &str, data: Value) -> Option<Result<Value, Error>> {
    by_action!(action, data;
        Hello, Register, Login, Logout, ChangePassword, Ping, Chat, JoinRoom, LeaveRoom,
        CreateRoom, ListRooms, RoomInfo, RoomMembers, Invite, Kick, History, Sync, Search, Read,
        Conversations, UserInfo, Online, Popular,
    )
}

/// The events of docs/protocol.md.
pub(crate) const EVENTS: &[&str] = &[
    "chat",
    "presence",
    "roomEvent",
    "position",
    "notice",
    "reconnect",
    "kicked",
];

/// The `data` of the event `action`, through its type and back.
pub(crate) fn event_again(action: &str, data: Value) -> Result<Value, Error> {
    match action {
        "chat" => from_value::<Message>(data).and_then(to_value),
        "presence" => from_value::<Presence>(data).and_then(to_value),
        "roomEvent" => from_value::<RoomEvent>(data).and_then(to_value),
        "position" => from_value::<Positions>(data).and_then(to_value),
        "notice" => from_value::<Notice>(data).and_then(to_value),
        "reconnect" => from_value::<Reconnect>(data).and_then(to_value),
        "kicked" => from_value::<Kicked>(data).and_then(to_value),
        "error" => from_value::<ErrorBody>(data).and_then(to_value),
        other => panic!("no event {other}"),
    }
}

/// The reply action of `action`.
pub(crate) fn reply_action(action: &str) -> &str {
    match action {
        "chat" => Chat::REPLY_ACTION,
        "ping" => Ping::REPLY_ACTION,
        other => other,
    }
}
