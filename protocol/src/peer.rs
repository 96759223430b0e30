//! The frames between servers, on the cluster port. A client can't express any of them: the
//! client port decodes [`crate::ClientCommand`] only.
//!
//! Every frame travels in a [`PeerEnvelope`] with the epoch of its sender's view; a receiver
//! that knows a newer one refuses it.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::client::{Ack, JoinRoomReply, RoomInfoReply, Visibility};
use crate::error_code::ErrorBody;
use crate::id::{ClientId, NodeId};
use crate::message::Message;
use crate::name::{RoomName, UserName};

/// Largest cluster frame, in bytes: a join's 50 longest messages are 50 × 32 KiB.
pub const PEER_FRAME_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Versions of the cluster plane that this build speaks.
pub const PEER_VERSION: u32 = 1;

/// A frame and the epoch under which it was sent; 0 from a sender that knows of no leader.
#[derive(Debug, Serialize, Deserialize)]
pub struct PeerEnvelope {
    /// The sender's newest epoch.
    pub epoch: u64,
    /// The frame.
    pub frame: PeerFrame,
}

/// What servers say to each other. The dialling side is a follower, the accepting side the
/// leader.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PeerFrame {
    /// Either way: the first frame after the handshake.
    Hello {
        /// Who speaks.
        node: NodeId,
        /// `PEER_VERSION` of the speaker.
        version: u32,
    },
    /// Follower: part of the whole list of its users; `last` ends it. What is not listed is
    /// not there.
    Sessions {
        /// Some of the users.
        users: Vec<PeerUser>,
        /// No more parts follow.
        last: bool,
    },
    /// Follower: a user has a first session here.
    SessionUp(PeerUser),
    /// Leader: it knows of a `SessionUp`; from now on what is said to the user arrives.
    SessionSeen {
        /// Who.
        user: UserName,
    },
    /// Follower: a user's last session here ended.
    SessionDown {
        /// Who.
        user: UserName,
    },
    /// Follower: a command for the owner of a room.
    Submit(RoomSubmit),
    /// Follower: a direct message (or an event) for users on other servers.
    Forward {
        /// Whom to send what.
        deliveries: Vec<DirectDelivery>,
    },
    /// Follower: how loaded it is.
    Load {
        /// Open client connections.
        connections: u64,
        /// Takes no new clients.
        draining: bool,
    },
    /// Follower: a user's older sessions, wherever they are, must end. Leader: those on the
    /// receiver must.
    EndSessions {
        /// Whose.
        user: UserName,
        /// Those that logged in before this moment, in milliseconds since 1970.
        before_ms: u64,
        /// Why.
        reason: EndReason,
    },
    /// Leader: answers a `Submit`.
    Result {
        /// The submit's number.
        request: u64,
        /// How it ended.
        outcome: RoomOutcome,
    },
    /// Leader: how the follower's part of a room's audience changes. A new link starts with
    /// empty audiences.
    Audience {
        /// The room.
        room: RoomName,
        /// Users who get the room's deliveries from now on.
        added: Vec<UserName>,
        /// Users who no longer do.
        removed: Vec<UserName>,
        /// The log's highest sequence, which the added users are told: they may have missed
        /// what came before. Absent where they learn it otherwise.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        position: Option<u64>,
    },
    /// Leader: a room's delivery for the follower's part of its audience.
    Deliver {
        /// The room.
        room: RoomName,
        /// The frame.
        delivery: Delivery,
    },
    /// Leader: a delivery for some users on the follower.
    Tell {
        /// Who gets it.
        users: Vec<UserName>,
        /// What.
        delivery: Delivery,
    },
    /// Leader: a delivery for one user on the follower.
    Direct(DirectDelivery),
    /// Either way: an older epoch was refused; the newest is told.
    StaleEpoch {
        /// The refuser's epoch.
        current: u64,
    },
    /// Either way: still there.
    Ping,
    /// Leader: resigns; dial the next one.
    Goodbye,
}

impl PeerFrame {
    /// The frame's name, for logs and tables.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Hello { .. } => "hello",
            Self::Sessions { .. } => "sessions",
            Self::SessionUp(_) => "sessionUp",
            Self::SessionSeen { .. } => "sessionSeen",
            Self::SessionDown { .. } => "sessionDown",
            Self::Submit(_) => "submit",
            Self::Forward { .. } => "forward",
            Self::Load { .. } => "load",
            Self::EndSessions { .. } => "endSessions",
            Self::Result { .. } => "result",
            Self::Audience { .. } => "audience",
            Self::Deliver { .. } => "deliver",
            Self::Tell { .. } => "tell",
            Self::Direct(_) => "direct",
            Self::StaleEpoch { .. } => "staleEpoch",
            Self::Ping => "ping",
            Self::Goodbye => "goodbye",
        }
    }

    /// Every name, and the names that the ancestor's servers used among themselves: a client
    /// that sends one of them is not a client.
    pub const CLUSTER_ACTIONS: &'static [&'static str] = &[
        "sessions",
        "sessionUp",
        "sessionSeen",
        "sessionDown",
        "submit",
        "forward",
        "load",
        "endSessions",
        "result",
        "audience",
        "deliver",
        "tell",
        "direct",
        "staleEpoch",
        "goodbye",
        "leaderConnect",
        "syncServers",
    ];
}

/// Why sessions are ended by another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EndReason {
    /// A newer login takes their place.
    Replaced,
    /// The password was changed.
    Revoked,
}

/// A user with a session on the sender.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerUser {
    /// Who.
    pub user: UserName,
    /// The user's rooms, for presence.
    pub rooms: Vec<RoomName>,
}

/// A client frame, encoded once and sent to many.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// The whole frame as clients get it, without `clientId`.
    pub frame: Box<RawValue>,
    /// Whose own connections get the frame with `clientId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own: Option<OwnCopy>,
}

/// The sender's copy of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnCopy {
    /// The sender.
    pub user: UserName,
    /// The sender's id of the message.
    pub client_id: ClientId,
}

/// A delivery for one user.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DirectDelivery {
    /// Who gets it.
    pub to: UserName,
    /// What.
    pub delivery: Delivery,
}

/// A command for the owner of a room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RoomSubmit {
    /// The follower's number of this request; answered in `Result`.
    pub request: u64,
    /// The session's user.
    pub user: UserName,
    /// The room.
    pub room: RoomName,
    /// What to do.
    pub command: RoomCommand,
}

/// What the owner of a room does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RoomCommand {
    /// Appends a message.
    #[serde(rename_all = "camelCase")]
    Chat {
        /// The client's id, or one that the sender's server made.
        client_id: ClientId,
        /// Whether the client itself chose the id, so that its own copy carries it.
        own: bool,
        /// Hash of format and text as the client sent them.
        body_hash: [u8; 16],
        /// The text after moderation.
        message: String,
        /// Its format.
        format: String,
        /// Another message of the sender's, which must be stored.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<ClientId>,
    },
    /// Makes the user a member.
    Join,
    /// Ends the membership.
    Leave,
    /// Makes the room.
    Create {
        /// Who may join.
        visibility: Visibility,
        /// Its topic.
        topic: String,
    },
    /// Invites another user.
    Invite {
        /// Who is asked in.
        username: UserName,
    },
    /// Removes another member.
    Kick {
        /// Who is removed.
        username: UserName,
        /// Why.
        #[serde(default)]
        reason: Option<String>,
    },
}

impl RoomCommand {
    /// Whether doing it twice is the same as once, so that it may be sent again to a new
    /// leader without knowing whether the old one had done it.
    pub fn is_idempotent(&self) -> bool {
        match self {
            Self::Chat { .. } | Self::Join | Self::Leave | Self::Invite { .. } => true,
            Self::Create { .. } | Self::Kick { .. } => false,
        }
    }
}

/// How a submitted command ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RoomOutcome {
    /// Stored.
    Ack(Ack),
    /// Joined; the recent messages, oldest first.
    Joined {
        /// The reply.
        reply: JoinRoomReply,
        /// The last messages up to `reply.last_seq`.
        recent: Vec<Message>,
    },
    /// Made.
    Created(RoomInfoReply),
    /// Left, invited, kicked.
    Done,
    /// Refused, or unknown.
    Failed(ErrorBody),
}
