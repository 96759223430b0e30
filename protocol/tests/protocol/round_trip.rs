//! What is encoded decodes to itself: client requests, and the frames between servers.

use antiphon_protocol::client::*;
use antiphon_protocol::codec::{decode_request, encode_request};
use antiphon_protocol::message::Message;
use antiphon_protocol::peer::*;
use antiphon_protocol::{
    ClientCommand, ClientId, ConversationId, ErrorBody, MessageId, NodeId, RequestId, RoomName,
    UserName,
};
use proptest::option;
use proptest::prelude::*;

use crate::samples;

fn user() -> impl Strategy<Value = UserName> {
    "[a-z][a-z0-9_.-]{0,31}".prop_map(|raw| UserName::parse(&raw).unwrap())
}
fn room() -> impl Strategy<Value = RoomName> {
    prop_oneof!["[a-z0-9][a-z0-9_.-]{0,31}", "[小明花园聊天]{1,8}"]
        .prop_map(|raw| RoomName::parse(&raw).unwrap())
}
fn secret() -> impl Strategy<Value = Secret> {
    "\\PC{1,64}".prop_map(Secret)
}
fn text(chars: &'static str) -> impl Strategy<Value = String> {
    chars.prop_map(|text: String| text)
}
/// One line, as a reason must be: nothing that ends it or turns the direction of writing.
fn line() -> impl Strategy<Value = String> {
    text("[\\PC&&[^\u{200e}\u{200f}\u{2028}-\u{202e}\u{2066}-\u{2069}]]{0,256}")
}
fn conversation() -> impl Strategy<Value = String> {
    "(room|user):[a-z]{1,32}"
}
fn seq() -> impl Strategy<Value = u64> {
    1..=antiphon_protocol::limits::SEQ_MAX
}
fn limit() -> impl Strategy<Value = u64> {
    1..=500_u64
}
fn client_id() -> impl Strategy<Value = ClientId> {
    "[A-Za-z0-9_:.-]{1,64}".prop_map(|raw| ClientId::parse(&raw).unwrap())
}
fn target() -> impl Strategy<Value = Target> {
    prop_oneof![room().prop_map(Target::Room), user().prop_map(Target::User)]
}
fn visibility() -> impl Strategy<Value = Visibility> {
    prop_oneof![Just(Visibility::Public), Just(Visibility::Private)]
}
fn request_id() -> impl Strategy<Value = RequestId> {
    prop_oneof![
        any::<u64>().prop_map(RequestId::from),
        any::<i64>().prop_map(|n| RequestId::Number(n.into())),
        "\\PC{0,16}".prop_map(RequestId::Text),
    ]
}

fn account() -> BoxedStrategy<ClientCommand> {
    let versions = option::of(prop::collection::vec(any::<u64>(), 0..16));
    prop_oneof![
        (versions, option::of(text("\\PC{0,64}"))).prop_map(|(versions, client)| Hello {
            versions,
            client
        }
        .into()),
        (user(), secret()).prop_map(|(username, password)| Register { username, password }.into()),
        (user(), option::of(secret())).prop_map(|(username, password)| {
            Login {
                username: Some(username),
                password,
                resume_token: None,
            }
            .into()
        }),
        (option::of(user()), "[A-Za-z0-9_-]{1,128}").prop_map(|(username, token)| {
            Login {
                username,
                password: None,
                resume_token: Some(Secret(token)),
            }
            .into()
        }),
        Just(Logout {}.into()),
        (secret(), secret()).prop_map(|(old_password, new_password)| {
            ChangePassword {
                old_password,
                new_password,
            }
            .into()
        }),
        Just(Ping {}.into()),
    ]
    .boxed()
}

fn rooms() -> BoxedStrategy<ClientCommand> {
    let cursor = || option::of(text("[a-z]{1,32}"));
    let body = "[^\\x00]{0,200}[a-z你]";
    prop_oneof![
        (
            target(),
            body,
            prop::sample::select(FORMATS),
            option::of(client_id()),
            option::of(client_id())
        )
            .prop_map(|(target, message, format, client_id, after)| {
                Chat {
                    target,
                    message,
                    format: format.to_owned(),
                    client_id,
                    after,
                }
                .into()
            }),
        room().prop_map(|room_name| JoinRoom { room_name }.into()),
        room().prop_map(|room_name| LeaveRoom { room_name }.into()),
        (room(), visibility(), "\\PC{0,256}").prop_map(|(room_name, visibility, topic)| {
            CreateRoom {
                room_name,
                kind: RoomKind::Group,
                visibility,
                topic,
            }
            .into()
        }),
        (cursor(), cursor(), limit()).prop_map(|(prefix, cursor, limit)| ListRooms {
            prefix,
            cursor,
            limit
        }
        .into()),
        room().prop_map(|room_name| RoomInfo { room_name }.into()),
        (room(), cursor(), limit()).prop_map(|(room_name, cursor, limit)| RoomMembers {
            room_name,
            cursor,
            limit
        }
        .into()),
        (room(), user()).prop_map(|(room_name, username)| Invite {
            room_name,
            username
        }
        .into()),
        (room(), user(), option::of(line())).prop_map(|(room_name, username, reason)| Kick {
            room_name,
            username,
            reason
        }
        .into()),
    ]
    .boxed()
}

fn reading() -> BoxedStrategy<ClientCommand> {
    let history = |conversation, before_seq, after_seq, around_ts, limit| {
        ClientCommand::from(History {
            conversation,
            before_seq,
            after_seq,
            around_ts,
            limit,
        })
    };
    let cursor = (conversation(), 0..=antiphon_protocol::limits::SEQ_MAX).prop_map(
        |(conversation, after_seq)| Cursor {
            conversation,
            after_seq,
        },
    );
    prop_oneof![
        (conversation(), seq(), limit()).prop_map(move |(c, s, l)| history(
            c,
            Some(s),
            None,
            None,
            l
        )),
        (conversation(), seq(), limit()).prop_map(move |(c, s, l)| history(
            c,
            None,
            Some(s),
            None,
            l
        )),
        (conversation(), seq(), limit()).prop_map(move |(c, s, l)| history(
            c,
            None,
            None,
            Some(s),
            l
        )),
        (prop::collection::vec(cursor, 0..8), limit()).prop_map(|(cursors, limit)| Sync {
            cursors,
            limit
        }
        .into()),
        (option::of(conversation()), "\\PC{1,256}", limit()).prop_map(
            |(conversation, words, limit)| Search {
                conversation,
                words,
                limit
            }
            .into()
        ),
        (conversation(), seq()).prop_map(|(conversation, seq)| Read { conversation, seq }.into()),
        Just(Conversations {}.into()),
        user().prop_map(|username| UserInfo { username }.into()),
        (option::of(text("[a-z]{1,32}")), limit()).prop_map(|(prefix, limit)| Online {
            prefix,
            cursor: None,
            limit
        }
        .into()),
        (1..=100_u64, option::of(room()), option::of(1..=604_800_u64)).prop_map(
            |(n, room_name, window_seconds)| Popular {
                n,
                room_name,
                window_seconds
            }
            .into()
        ),
    ]
    .boxed()
}

proptest! {
    #[test]
    fn every_request_decodes_to_itself(
        id in request_id(),
        command in prop_oneof![account(), rooms(), reading()],
    ) {
        let text = encode_request(&id, &command);
        let frame = decode_request(&text).map_err(|e| TestCaseError::fail(format!("{e:?}: {text}")))?;
        prop_assert_eq!(frame.id, Some(id));
        prop_assert_eq!(frame.command, command);
    }

    #[test]
    fn a_conversation_is_one_from_either_side_and_in_the_store(a in user(), b in user(), r in room()) {
        let direct = ConversationId::direct(a.clone(), b.clone());
        prop_assert_eq!(&direct, &ConversationId::direct(b.clone(), a.clone()));
        for conversation in [direct, ConversationId::Room(r)] {
            prop_assert_eq!(ConversationId::from_key(&conversation.key()), Some(conversation.clone()));
            for viewer in [&a, &b] {
                let name = conversation.name_for(viewer);
                prop_assert_eq!(ConversationId::parse(&name, viewer), Some(conversation.clone()));
            }
        }
    }

    #[test]
    fn the_senders_copy_reads_back_with_its_client_id(id in client_id(), body in "[^\\x00]{1,100}") {
        let message = Message { message: body, ..samples::message() };
        let frame = antiphon_protocol::codec::encode_event(Some("x"), "chat", &message);
        let own = antiphon_protocol::codec::with_client_id(&frame, &id);
        let read = antiphon_protocol::codec::decode_server_frame(&own).unwrap();
        let read: Message = serde_json::from_value(read.data).unwrap();
        prop_assert_eq!(read, Message { client_id: Some(id), ..message });
    }
}

/// The generators above have every request at least once.
#[test]
fn the_samples_have_every_request() {
    let have: Vec<&str> = samples::requests()
        .iter()
        .map(|(_, command)| command.action())
        .collect();
    for action in ClientCommand::ACTIONS {
        assert!(have.contains(action), "{action}");
    }
}

fn delivery() -> Delivery {
    let frame = antiphon_protocol::codec::encode_event(Some("x"), "chat", &samples::message());
    Delivery {
        frame: serde_json::value::RawValue::from_string(frame).unwrap(),
        own: Some(OwnCopy {
            user: samples::user("alice"),
            client_id: ClientId::parse("c-1").unwrap(),
        }),
    }
}

fn outcomes() -> Vec<RoomOutcome> {
    let message_id = MessageId("m".into());
    let conversation = "room:garden".to_owned();
    vec![
        RoomOutcome::Ack(Ack {
            conversation: conversation.clone(),
            seq: 1,
            message_id,
            ts: 2,
            durability: Durability::Stored,
            duplicate: true,
        }),
        RoomOutcome::Joined {
            reply: JoinRoomReply {
                room_name: samples::room("garden"),
                conversation,
                members: 1,
                last_seq: 1,
                already_member: true,
            },
            recent: vec![samples::message()],
        },
        RoomOutcome::Created(RoomInfoReply {
            room_name: samples::room("garden"),
            kind: RoomKind::Group,
            visibility: Visibility::Private,
            topic: String::new(),
            owner: None,
            members: 0,
            last_seq: None,
            created_at: 0,
        }),
        RoomOutcome::Done,
        RoomOutcome::Failed(ErrorBody::retry(503, "leader_unavailable", "soon", 500)),
    ]
}

fn commands() -> Vec<RoomCommand> {
    let username = samples::user("bob");
    vec![
        RoomCommand::Chat {
            client_id: ClientId::parse("c-1").unwrap(),
            own: true,
            body_hash: [7; 16],
            message: "hi".into(),
            format: "text".into(),
            after: Some(ClientId::parse("c-0").unwrap()),
        },
        RoomCommand::Join,
        RoomCommand::Leave,
        RoomCommand::Create {
            visibility: Visibility::Public,
            topic: "t".into(),
        },
        RoomCommand::Invite {
            username: username.clone(),
        },
        RoomCommand::Kick {
            username,
            reason: Some("r".into()),
        },
    ]
}

fn peer_frames() -> Vec<PeerFrame> {
    let (alice, garden) = (samples::user("alice"), samples::room("garden"));
    let peer_user = PeerUser {
        user: alice.clone(),
        rooms: vec![garden.clone()],
    };
    let direct = || DirectDelivery {
        to: samples::user("bob"),
        delivery: delivery(),
    };
    let mut frames = vec![
        PeerFrame::Hello {
            node: NodeId {
                name: "s1".into(),
                incarnation: 3,
            },
            version: PEER_VERSION,
        },
        PeerFrame::Sessions {
            users: vec![peer_user.clone()],
            last: true,
        },
        PeerFrame::SessionUp(peer_user),
        PeerFrame::SessionSeen {
            user: alice.clone(),
        },
        PeerFrame::SessionDown {
            user: alice.clone(),
        },
        PeerFrame::Forward {
            deliveries: vec![direct()],
        },
        PeerFrame::Load {
            connections: 7,
            draining: false,
        },
        PeerFrame::Audience {
            room: garden.clone(),
            added: vec![alice.clone()],
            removed: vec![samples::user("bob")],
            position: Some(4),
        },
        PeerFrame::Deliver {
            room: garden.clone(),
            delivery: delivery(),
        },
        PeerFrame::Direct(direct()),
        PeerFrame::StaleEpoch { current: 9 },
        PeerFrame::Ping,
        PeerFrame::Goodbye,
    ];
    frames.extend(commands().into_iter().map(|command| {
        PeerFrame::Submit(RoomSubmit {
            request: 1,
            user: alice.clone(),
            room: garden.clone(),
            command,
        })
    }));
    let results = outcomes().into_iter().map(|outcome| PeerFrame::Result {
        request: 1,
        outcome,
    });
    frames.extend(results);
    frames
}

#[test]
fn every_frame_between_servers_reads_back_as_itself() {
    for frame in peer_frames() {
        let envelope = PeerEnvelope { epoch: 12, frame };
        let text = serde_json::to_string(&envelope).unwrap();
        let read: PeerEnvelope = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
        assert_eq!(format!("{read:?}"), format!("{envelope:?}"));
    }
}

#[test]
fn no_frame_between_servers_is_a_request_of_the_client_port() {
    for frame in peer_frames() {
        let text = serde_json::to_string(&PeerEnvelope { epoch: 12, frame }).unwrap();
        assert!(decode_request(&text).is_err(), "{text}");
        let inner = serde_json::from_str::<serde_json::Value>(&text).unwrap()["frame"].clone();
        assert!(decode_request(&inner.to_string()).is_err(), "{inner}");
    }
}
