//! One of each: the values behind the golden frames.
//!
//! Its length is the number of frames: one flat list is easier to compare with the types.

use antiphon_protocol::client::*;
use antiphon_protocol::message::{
    Kicked, Message, Notice, Position, Positions, Presence, Reconnect, RoomEvent, RoomEventKind,
};
use antiphon_protocol::{
    ClientCommand, ClientId, ErrorBody, MessageId, RequestId, RoomName, SessionId, UserName,
};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

const TS: u64 = 1_767_225_600_000;

pub(crate) fn user(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}

pub(crate) fn room(name: &str) -> RoomName {
    RoomName::parse(name).unwrap()
}

fn client_id() -> ClientId {
    ClientId::parse("alice-laptop-0001").unwrap()
}

fn secret(text: &str) -> Secret {
    Secret(text.to_owned())
}

fn message_id() -> MessageId {
    MessageId("019b76da-a800-7000-8000-000000000001".to_owned())
}

pub(crate) fn message() -> Message {
    Message {
        from: user("alice"),
        room_name: "garden".to_owned(),
        message: "hello, 你好".to_owned(),
        ts: TS,
        format: "text".to_owned(),
        conversation: "room:garden".to_owned(),
        seq: 42,
        message_id: message_id(),
        client_id: None,
    }
}

fn direct_message() -> Message {
    Message {
        room_name: String::new(),
        conversation: "user:alice".to_owned(),
        seq: 7,
        ..message()
    }
}

/// Requests with the name of their golden file.
#[expect(clippy::too_many_lines, reason = "a flat list")]
pub(crate) fn requests() -> Vec<(&'static str, ClientCommand)> {
    let garden = || room("garden");
    vec![
        (
            "hello",
            Hello {
                versions: Some(vec![1]),
                client: Some("example 1.0".into()),
            }
            .into(),
        ),
        (
            "register",
            Register {
                username: user("alice"),
                password: secret("correct horse"),
            }
            .into(),
        ),
        (
            "login",
            Login {
                username: Some(user("alice")),
                password: Some(secret("correct horse")),
                resume_token: None,
            }
            .into(),
        ),
        (
            "login-resume",
            Login {
                resume_token: Some(secret("cmVzdW1lIG1l")),
                ..Login::default()
            }
            .into(),
        ),
        ("logout", Logout {}.into()),
        (
            "changePassword",
            ChangePassword {
                old_password: secret("correct horse"),
                new_password: secret("battery staple"),
            }
            .into(),
        ),
        ("ping", Ping {}.into()),
        (
            "chat",
            Chat {
                target: Target::Room(garden()),
                message: "hello, 你好".into(),
                format: "text".into(),
                client_id: Some(client_id()),
                after: None,
            }
            .into(),
        ),
        (
            "chat-after",
            Chat {
                target: Target::Room(garden()),
                message: "and one more".into(),
                format: "text".into(),
                client_id: ClientId::parse("alice-laptop-0002"),
                after: Some(client_id()),
            }
            .into(),
        ),
        (
            "chat-direct",
            Chat {
                target: Target::User(user("bob")),
                message: "are you there?".into(),
                format: "text".into(),
                client_id: None,
                after: None,
            }
            .into(),
        ),
        (
            "joinRoom",
            JoinRoom {
                room_name: garden(),
            }
            .into(),
        ),
        (
            "leaveRoom",
            LeaveRoom {
                room_name: garden(),
            }
            .into(),
        ),
        (
            "createRoom",
            CreateRoom {
                room_name: garden(),
                kind: RoomKind::Group,
                visibility: Visibility::Public,
                topic: "what grows".into(),
            }
            .into(),
        ),
        (
            "listRooms",
            ListRooms {
                prefix: Some("gar".into()),
                cursor: None,
                limit: 50,
            }
            .into(),
        ),
        (
            "roomInfo",
            RoomInfo {
                room_name: garden(),
            }
            .into(),
        ),
        (
            "roomMembers",
            RoomMembers {
                room_name: garden(),
                cursor: Some("alice".into()),
                limit: 100,
            }
            .into(),
        ),
        (
            "invite",
            Invite {
                room_name: garden(),
                username: user("bob"),
            }
            .into(),
        ),
        (
            "kick",
            Kick {
                room_name: garden(),
                username: user("bob"),
                reason: Some("off topic".into()),
            }
            .into(),
        ),
        (
            "history",
            History {
                conversation: "room:garden".into(),
                before_seq: Some(42),
                after_seq: None,
                around_ts: None,
                limit: 50,
            }
            .into(),
        ),
        (
            "sync",
            Sync {
                cursors: vec![
                    Cursor {
                        conversation: "room:garden".into(),
                        after_seq: 41,
                    },
                    Cursor {
                        conversation: "user:bob".into(),
                        after_seq: 0,
                    },
                ],
                limit: 100,
            }
            .into(),
        ),
        (
            "search",
            Search {
                conversation: Some("room:garden".into()),
                words: "你好".into(),
                limit: 20,
            }
            .into(),
        ),
        (
            "read",
            Read {
                conversation: "room:garden".into(),
                seq: 42,
            }
            .into(),
        ),
        ("conversations", Conversations {}.into()),
        (
            "userInfo",
            UserInfo {
                username: user("bob"),
            }
            .into(),
        ),
        (
            "online",
            Online {
                prefix: None,
                cursor: None,
                limit: 50,
            }
            .into(),
        ),
        (
            "popular",
            Popular {
                n: 3,
                room_name: Some(garden()),
                window_seconds: Some(3_600),
            }
            .into(),
        ),
    ]
}

pub(crate) fn request_id() -> RequestId {
    RequestId::Text("r1".to_owned())
}

fn page() -> Page {
    Page {
        conversation: "room:garden".into(),
        messages: vec![message()],
        sealed: vec![41],
        complete: true,
        more: false,
        first_available_seq: 1,
        last_seq: 42,
    }
}

fn limits() -> Limits {
    Limits {
        frame_bytes_max: 65_536,
        message_chars_max: 8_000,
        rate_per_second: 10,
        rate_burst: 30,
        name_chars_max: 32,
        client_id_bytes_max: 64,
        page_max: 500,
        sync_cursors_max: 1_000,
        rooms_per_user_max: 100,
        in_flight_max: 256,
        password_chars_min: 8,
        login_timeout_ms: 10_000,
    }
}

fn summary() -> ConversationSummary {
    ConversationSummary {
        name: "room:garden".into(),
        kind: ConversationKind::Room,
        last_seq: 42,
        read_seq: 40,
        unread: 1,
    }
}

fn room_info() -> RoomInfoReply {
    RoomInfoReply {
        room_name: room("garden"),
        kind: RoomKind::Group,
        visibility: Visibility::Public,
        topic: "what grows".into(),
        owner: Some(user("alice")),
        members: 2,
        last_seq: Some(42),
        created_at: TS,
    }
}

/// The fields in the order in which they are written, which a [`serde_json::Value`] forgets.
pub(crate) type Data = Box<RawValue>;

fn data(value: impl Serialize) -> Data {
    to_raw_value(&value).unwrap()
}

/// Replies by the action of their request.
pub(crate) fn replies() -> Vec<(&'static str, Data)> {
    let mut all = account_replies();
    all.extend(room_replies());
    all.extend([
        ("history", data(page())),
        (
            "sync",
            data(SyncReply {
                conversations: vec![page()],
            }),
        ),
        (
            "search",
            data(SearchReply {
                messages: vec![message(), direct_message()],
            }),
        ),
        (
            "read",
            data(ReadReply {
                conversation: "room:garden".into(),
                read_seq: 42,
                unread: 0,
            }),
        ),
        (
            "conversations",
            data(ConversationsReply {
                conversations: vec![summary()],
            }),
        ),
        (
            "userInfo",
            data(UserInfoReply {
                username: user("bob"),
                login_time: TS,
                node_id: "s2".into(),
                is_online: true,
            }),
        ),
        (
            "online",
            data(OnlineReply {
                users: vec![OnlineUser {
                    username: user("alice"),
                    sessions: 2,
                }],
                total: 1,
                cursor: None,
            }),
        ),
        (
            "popular",
            data(PopularReply {
                words: ["hello", "12", "你好", "9", "rose", "9"]
                    .map(str::to_owned)
                    .to_vec(),
            }),
        ),
    ]);
    all
}

fn account_replies() -> Vec<(&'static str, Data)> {
    vec![
        (
            "hello",
            data(HelloReply {
                version: 1,
                server_name: "s1".into(),
                limits: limits(),
                ping_interval_ms: 25_000,
                server_time_ms: TS,
            }),
        ),
        (
            "register",
            data(RegisterReply {
                username: user("alice"),
            }),
        ),
        (
            "login",
            data(LoginReply {
                username: user("alice"),
                session_id: SessionId("00112233445566778899aabbccddeeff".into()),
                resume_token: secret("cmVzdW1lIG1l"),
                log_id: "019b76da-a800-7000-8000-0000000000ff".into(),
                conversations: vec![summary()],
            }),
        ),
        ("logout", data(Empty {})),
        ("changePassword", data(Empty {})),
        ("ping", data(Pong { server_time_ms: TS })),
    ]
}

fn room_replies() -> Vec<(&'static str, Data)> {
    vec![
        (
            "chat",
            data(Ack {
                conversation: "room:garden".into(),
                seq: 42,
                message_id: message_id(),
                ts: TS,
                durability: Durability::Stored,
                duplicate: false,
            }),
        ),
        (
            "joinRoom",
            data(JoinRoomReply {
                room_name: room("garden"),
                conversation: "room:garden".into(),
                members: 2,
                last_seq: 42,
                already_member: false,
            }),
        ),
        ("leaveRoom", data(Empty {})),
        ("createRoom", data(room_info())),
        (
            "listRooms",
            data(ListRoomsReply {
                rooms: vec![RoomSummary {
                    room_name: room("garden"),
                    topic: "what grows".into(),
                    visibility: Visibility::Public,
                    members: 2,
                    joined: true,
                }],
                cursor: Some("garden".into()),
            }),
        ),
        ("roomInfo", data(room_info())),
        (
            "roomMembers",
            data(RoomMembersReply {
                room_name: room("garden"),
                members: vec![RoomMember {
                    username: user("bob"),
                    role: Role::Member,
                    is_online: Some(true),
                }],
                cursor: None,
            }),
        ),
        ("invite", data(Empty {})),
        ("kick", data(Empty {})),
    ]
}

/// Events by the name of their golden file; the action is what stands before the hyphen.
pub(crate) fn events() -> Vec<(&'static str, Data)> {
    let positions = vec![Position {
        conversation: "room:garden".into(),
        last_seq: 42,
    }];
    vec![
        ("chat", data(message())),
        (
            "chat-own",
            data(Message {
                client_id: Some(client_id()),
                ..message()
            }),
        ),
        ("chat-direct", data(direct_message())),
        (
            "presence",
            data(Presence {
                username: user("bob"),
                is_online: true,
            }),
        ),
        (
            "roomEvent",
            data(RoomEvent {
                room_name: room("garden"),
                kind: RoomEventKind::Kicked,
                username: Some(user("bob")),
                by: Some(user("alice")),
                reason: Some("spam".into()),
                seq: Some(43),
                ts: TS,
            }),
        ),
        ("position", data(Positions { positions })),
        (
            "notice",
            data(Notice {
                message: "maintenance at noon".into(),
            }),
        ),
        (
            "reconnect",
            data(Reconnect {
                delay_ms: 1_500,
                reason: "drain".into(),
            }),
        ),
        (
            "kicked",
            data(Kicked {
                reason: "replaced".into(),
            }),
        ),
        (
            "error",
            data(ErrorBody::retry(
                429,
                "rate_limited",
                "too fast: 10 messages a second",
                400,
            )),
        ),
    ]
}
