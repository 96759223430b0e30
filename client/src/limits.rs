//! Every bound of the client, named once.

use std::time::Duration;

/// Time for the gateway's whole answer.
pub const GATEWAY_TIMEOUT: Duration = Duration::from_secs(5);
/// Largest body read from a gateway.
pub const GATEWAY_BODY_BYTES_MAX: usize = 64 * 1024;
/// Time for the TCP connection and the WebSocket handshake.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for a request's reply.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Time to hand queued frames to the operating system.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest message from a server: a page of history with room to spare.
pub const SERVER_MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// The socket's read and write buffers.
pub const SOCKET_BUFFER_BYTES: usize = 4 * 1024;
/// What may wait in the write buffer; more is an error of the connection.
pub const WRITE_BUFFER_BYTES_MAX: usize = 1024 * 1024;
/// Frames that wait to be written.
pub const OUTGOING_MAX: usize = 256;
/// Requests of one connection that wait for their replies.
pub const PENDING_MAX: usize = 1_024;
/// Events that wait for their reader; behind that the connection stops reading its socket.
pub const EVENTS_MAX: usize = 1_024;
/// Silence after which a server counts as dead, until its `hello` says how often it pings.
pub const DEAD_PEER: Duration = Duration::from_secs(35);
/// What is granted beyond the server's ping interval.
pub const DEAD_PEER_GRACE: Duration = Duration::from_secs(10);
/// The longest silence granted, whatever a server says.
pub const DEAD_PEER_MAX: Duration = Duration::from_secs(120);

/// Silence after which this side pings.
pub const PROBE_AFTER: Duration = Duration::from_secs(15);
/// Time for anything to come after this side's ping.
pub const PROBE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often the two clocks are compared.
pub const SLEEP_LOOK: Duration = Duration::from_secs(2);
/// So far the wall clock runs ahead if the machine has slept.
pub const SLEEP_JUMP: Duration = Duration::from_secs(10);
/// Time for an answer after the machine has slept; after that the connection counts as lost.
pub const WAKE_PROBE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long answers are waited for when a draining server is left.
pub const DRAIN_LINGER: Duration = Duration::from_secs(1);

/// A connection that lived so long proves that the back-off may start over.
pub const STABLE_AFTER: Duration = Duration::from_secs(10);
/// First bound of the reconnect back-off.
pub const BACKOFF_BASE: Duration = Duration::from_millis(500);
/// Last bound of the reconnect back-off.
pub const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// The longest wait that a server's hint may ask for.
pub const HINT_MAX: Duration = Duration::from_secs(60);
/// Commands that wait for the client's task.
pub const COMMANDS_MAX: usize = 256;
/// Messages that wait to be acknowledged, offline or not, unless the builder says otherwise.
pub const OUTBOX_MAX: usize = 256;
/// The most that a builder may set for the two bounds of a client's queues.
pub const QUEUE_MAX: usize = 65_536;
/// Messages to one target that are on their way at a time.
pub const WINDOW_MAX: usize = 64;
/// Messages on their way to all targets together, below half of what the server lets wait.
pub const IN_FLIGHT_MAX: usize = 128;
/// How long a message may wait for its acknowledgment.
pub const SEND_DEADLINE: Duration = Duration::from_secs(60);
/// Wait before a refused but retryable send goes out again, if the server names none.
pub const RESEND_DELAY: Duration = Duration::from_millis(500);
/// Conversations whose cursor is tracked.
pub const CONVERSATIONS_MAX: usize = 4_096;
/// Deliveries of one conversation that wait for a gap before them to be filled.
pub const AHEAD_MAX: usize = 512;
/// Messages asked for in one page of `sync`.
pub const SYNC_LIMIT: u64 = 200;
/// Wait before a failed `sync` is tried again.
pub const SYNC_RETRY: Duration = Duration::from_secs(1);

const _: () = assert!(SOCKET_BUFFER_BYTES < WRITE_BUFFER_BYTES_MAX);
const _: () = assert!(WINDOW_MAX <= IN_FLIGHT_MAX);
const _: () = assert!(IN_FLIGHT_MAX < OUTGOING_MAX && IN_FLIGHT_MAX < PENDING_MAX);
const _: () = assert!(OUTBOX_MAX <= QUEUE_MAX && EVENTS_MAX <= QUEUE_MAX);
const _: () = assert!(SYNC_LIMIT <= antiphon_protocol::limits::PAGE_MAX);
