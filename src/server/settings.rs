//! What one server is told at its start, and the bounds of its queues.

use std::time::Duration;

use antiphon_core::net::ClusterKey;

use super::metrics::MetricTable;

/// Commands that may wait in a room's queue.
pub(crate) const ROOM_QUEUE_DEPTH: usize = 1_024;
/// Commands that a room or a direct writer takes in one go: one append each.
pub(crate) const BATCH_MAX: usize = 256;
const _: () = assert!(BATCH_MAX <= ROOM_QUEUE_DEPTH);
/// Stored ids that a writer remembers of each sender of a conversation: one for each of the
/// sender's programs that send at the same time.
pub(crate) const REMEMBERED_IDS: usize = 4;
/// Senders of whom a room remembers ids: with 64-byte ids 24 KiB a room at most.
pub(crate) const REMEMBERED_SENDERS_MAX: usize = 64;
/// Senders, each in one conversation, of whom a direct writer remembers ids.
pub(crate) const REMEMBERED_DIRECT_MAX: usize = 1_024;
/// Frames that may wait for one follower; beyond it the link is dropped and synced anew.
pub(crate) const PEER_QUEUE_DEPTH: usize = 16_384;
/// Requests of all connections that may wait for the owner of their room. One connection
/// has at most `in_flight_max` of them.
pub(crate) const UPLINK_QUEUE_MAX: usize = 16_384;
/// Direct deliveries kept for the leader while there is none.
pub(crate) const FORWARD_QUEUE_MAX: usize = 4_096;
/// Tasks that write direct messages; a conversation always has the same one.
pub(crate) const DIRECT_WRITERS: usize = 8;
/// Stored messages that wait to be counted and cached; more are left out and counted.
pub(crate) const BACKGROUND_QUEUE_DEPTH: usize = 4_096;
/// Names of users known to exist, kept so that a direct message needs no look-up.
pub(crate) const KNOWN_USERS_MAX: usize = 100_000;
/// Users in one part of a session snapshot.
pub(crate) const SNAPSHOT_PART_USERS: usize = 500;
/// How long a room command may take before its sender is told that the outcome is unknown.
pub(crate) const SUBMIT_DEADLINE: Duration = Duration::from_secs(10);
/// How long an append may take, with its retries.
pub(crate) const APPEND_DEADLINE: Duration = Duration::from_secs(5);
/// Lost rounds of one append before it gives up: in each of them somebody else wrote first.
pub(crate) const APPEND_ROUNDS_MAX: usize = 32;
/// How long a write to a client may stand still.
pub(crate) const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a message may take to arrive once it has begun.
pub(crate) const MESSAGE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the last frame of a connection may take.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);
/// Time for a handshake, on either port.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Time to log in where no password is asked: a person types the name after connecting.
pub(crate) const OPEN_LOGIN_TIMEOUT: Duration = Duration::from_secs(600);
/// A link without any frame for so long is dead.
pub(crate) const PEER_SILENCE_MAX: Duration = Duration::from_secs(4);
/// How long a login waits for the leader to know of it.
pub(crate) const ANNOUNCE_MAX: Duration = Duration::from_millis(500);
/// How often each side of a link says that it is there, and a follower how loaded it is.
pub(crate) const PEER_PING_INTERVAL: Duration = Duration::from_secs(1);
/// How often the leader publishes the list of servers.
pub(crate) const DIRECTORY_INTERVAL: Duration = Duration::from_millis(500);
/// How long a published list holds.
pub(crate) const DIRECTORY_TTL: Duration = Duration::from_secs(15);
/// How often the leader looks for messages that are older than they are kept.
pub(crate) const RETENTION_INTERVAL: Duration = Duration::from_secs(3_600);
/// The same after a failure.
pub(crate) const RETENTION_RETRY: Duration = Duration::from_secs(60);
/// Messages removed in one go; senders may wait for so long as that takes.
pub(crate) const RETENTION_BATCH: usize = 256;
/// The pause behind it: two thousand messages a second at most.
pub(crate) const RETENTION_PAUSE: Duration = Duration::from_millis(100);
/// Looks at a log for one page, when its first messages are removed meanwhile.
pub(crate) const PAGE_LOOKS_MAX: usize = 8;
/// A room without online members leaves memory after so long.
pub(crate) const ROOM_IDLE: Duration = Duration::from_secs(600);
/// After an election nobody is said to have come or gone for so long: the users were there.
pub(crate) const PRESENCE_QUIET: Duration = Duration::from_secs(5);
/// Rooms with more members don't tell who comes and goes.
pub(crate) const PRESENCE_MEMBERS_MAX: usize = 200;
/// Unread messages are counted up to here.
pub(crate) const UNREAD_MAX: u64 = 1_000;
/// Malformed frames forgiven within `ERROR_WINDOW`.
pub(crate) const ERRORS_FORGIVEN: usize = 3;
/// See `ERRORS_FORGIVEN`.
pub(crate) const ERROR_WINDOW: Duration = Duration::from_secs(10);
/// Wrong credentials before a connection is closed.
pub(crate) const LOGIN_FAILURES_MAX: u32 = 5;
/// Over the message rate for so long closes the connection.
pub(crate) const TOO_FAST_AFTER: Duration = Duration::from_secs(30);
/// Bytes of messages in one answer; what does not fit is asked for again. A connection that
/// has had such an answer keeps a buffer of its size.
pub(crate) const PAGE_BYTES_MAX: usize = 256 * 1024;
/// Records read at first for a page, whose size tells how many more fit.
pub(crate) const PAGE_STEP_FIRST: u64 = 16;
/// Records read in one go for a page: so many may turn out to be too many.
pub(crate) const PAGE_STEP_MAX: u64 = 64;
/// Bytes of messages replayed on `joinRoom`, one frame each.
pub(crate) const REPLAY_BYTES_MAX: usize = 768 * 1024;
/// What the system may hold for a client besides its queue (twice that on Linux, with its
/// bookkeeping): a reader that stands still is found by its queue, not megabytes later.
pub(crate) const SEND_BUFFER_BYTES: usize = 128 * 1024;
/// Bytes written to a client before one flush.
pub(crate) const FLUSH_BYTES: usize = 128 * 1024;

/// Who may log in how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMode {
    /// With a password or a token.
    Password,
    /// Any existing name, without a password: for local trials.
    Open,
}

/// What a login means for the user's other sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionPolicy {
    /// They stay.
    Allow,
    /// Those on the same server are closed.
    KickOldest,
    /// The new login is refused.
    Refuse,
}

/// Where others are told to connect, if not where the sockets are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Advertised {
    /// Host and port for clients.
    pub client: Option<(String, u16)>,
    /// `HOST:PORT` for servers.
    pub cluster: Option<String>,
}

/// One server's settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Unique in the cluster.
    pub name: String,
    /// Shared by the cluster.
    pub cluster_key: ClusterKey,
    /// Where it counts; servers of one process share it.
    pub metrics: MetricTable,
    /// What others are told of this server's addresses.
    pub advertised: Advertised,
    /// Who may log in how.
    pub auth_mode: AuthMode,
    /// Whether clients may make accounts.
    pub registration_open: bool,
    /// What a login means for other sessions.
    pub session_policy: SessionPolicy,
    /// A resume token that is not used for so long ends.
    pub token_idle: Duration,
    /// Tokens that descend from one login end so long after it.
    pub token_max: Duration,
    /// Time to log in.
    pub login_timeout: Duration,
    /// Browsers' origins that may connect; others are refused.
    pub allowed_origins: Vec<String>,
    /// Messages a second that a connection may send for long.
    pub messages_per_second: u32,
    /// Messages that it may send at once.
    pub message_burst: u32,
    /// Open client connections.
    pub connections_max: usize,
    /// Open client connections from one address.
    pub connections_per_address: usize,
    /// New connections a second.
    pub handshakes_per_second: u32,
    /// Requests of a connection that may wait for answers.
    pub in_flight_max: usize,
    /// Bytes that may wait for a client.
    pub outbound_bytes_max: usize,
    /// Frames that may wait for a client.
    pub outbound_frames_max: usize,
    /// How often a client is pinged.
    pub ping_interval: Duration,
    /// Time for its pong.
    pub pong_timeout: Duration,
    /// How often active conversations tell their top sequence.
    pub position_interval: Duration,
    /// Messages are kept so long; `None` for ever.
    pub retention: Option<Duration>,
    /// The window of `popular`.
    pub popular_window: Duration,
    /// The ancestor's fixed reset of the popular words; `None` for a sliding window alone.
    pub popular_reset: Option<Duration>,
    /// Whether words of direct messages count.
    pub count_direct_messages: bool,
    /// So long a leader goes on without the coordination service; then rooms are read-only.
    pub suspended_max: Duration,
    /// So long a leader that the coordination service hears goes on while it hears fewer than
    /// half of the servers; then it resigns. Longer than a registration outlives its server,
    /// so that those that died don't count.
    pub isolated_max: Duration,
    /// Time for everything that stopping takes.
    pub shutdown_grace: Duration,
}

impl Settings {
    /// Time to log in. Where no password is asked, a person types the name after connecting.
    pub(crate) fn login_timeout(&self) -> Duration {
        match self.auth_mode {
            AuthMode::Password => self.login_timeout,
            AuthMode::Open => self.login_timeout.max(OPEN_LOGIN_TIMEOUT),
        }
    }

    /// The defaults for a server of that name.
    pub fn new(name: impl Into<String>, cluster_key: ClusterKey) -> Self {
        Self {
            name: name.into(),
            cluster_key,
            metrics: MetricTable::default(),
            advertised: Advertised::default(),
            auth_mode: AuthMode::Password,
            registration_open: true,
            session_policy: SessionPolicy::Allow,
            token_idle: Duration::from_secs(7 * 24 * 3_600),
            token_max: Duration::from_secs(30 * 24 * 3_600),
            login_timeout: Duration::from_secs(10),
            allowed_origins: Vec::new(),
            messages_per_second: 10,
            message_burst: 30,
            connections_max: 10_000,
            connections_per_address: 1_000,
            handshakes_per_second: 200,
            in_flight_max: 256,
            outbound_bytes_max: 1024 * 1024,
            outbound_frames_max: 1_024,
            ping_interval: Duration::from_secs(25),
            pong_timeout: Duration::from_secs(8),
            position_interval: Duration::from_secs(30),
            retention: None,
            popular_window: Duration::from_secs(3_600),
            popular_reset: None,
            count_direct_messages: false,
            suspended_max: Duration::from_secs(600),
            isolated_max: Duration::from_millis(6_500),
            shutdown_grace: Duration::from_secs(10),
        }
    }
}
