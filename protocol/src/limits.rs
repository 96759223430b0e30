//! Every bound of the client protocol, named once. The server tells them in `hello`.

/// Largest WebSocket message or frame from a client, in bytes (OWASP's advice for chat).
pub const FRAME_BYTES_MAX: usize = 64 * 1024;
/// Longest text of a message, in Unicode scalar values.
pub const MESSAGE_CHARS_MAX: usize = 8_000;
/// Deepest nesting of JSON containers in a frame.
pub const JSON_DEPTH_MAX: usize = 16;
/// Longest user or room name after normalization, in Unicode scalar values.
pub const NAME_CHARS_MAX: usize = 32;
/// Longest `id` of a frame and longest `clientId`, in bytes.
pub const ID_BYTES_MAX: usize = 64;
/// Shortest password, in Unicode scalar values (ASVS 5.0, 6.2.1).
pub const PASSWORD_CHARS_MIN: usize = 8;
/// Longest password, in Unicode scalar values; longer ones are refused before hashing.
pub const PASSWORD_CHARS_MAX: usize = 256;
/// Longest resume token accepted, in bytes.
pub const TOKEN_BYTES_MAX: usize = 128;
/// Longest topic of a room, in Unicode scalar values.
pub const TOPIC_CHARS_MAX: usize = 256;
/// Longest search text, in Unicode scalar values.
pub const SEARCH_CHARS_MAX: usize = 256;
/// Longest reason given with a kick, in Unicode scalar values.
pub const REASON_CHARS_MAX: usize = 256;
/// Longest `client` string in `hello`, in Unicode scalar values.
pub const CLIENT_CHARS_MAX: usize = 128;
/// Most messages in one `history`, `sync` or `search` answer.
pub const PAGE_MAX: u64 = 500;
/// Messages in a page when the client names no limit.
pub const PAGE_DEFAULT: u64 = 50;
/// Most conversations in one `sync`.
pub const SYNC_CURSORS_MAX: usize = 1_000;
/// Most rooms that one user may be a member of.
pub const ROOMS_PER_USER_MAX: usize = 100;
/// Messages replayed on `joinRoom` (the ancestor's value).
pub const RECENT_MAX: usize = 50;
/// Most words in one `popular` answer.
pub const POPULAR_MAX: u64 = 100;
/// Longest window of `popular`, in seconds.
pub const POPULAR_WINDOW_SECONDS_MAX: u64 = 7 * 24 * 3_600;
/// Largest sequence that a client may name: exact in a JavaScript number.
pub const SEQ_MAX: u64 = (1 << 53) - 1;
/// WebSocket subprotocol of this version.
pub const SUBPROTOCOL: &str = "antiphon.v1.json";
/// Protocol versions that this build speaks.
pub const VERSIONS: &[u64] = &[1];

const _: () = assert!(RECENT_MAX as u64 <= PAGE_MAX);
const _: () = assert!(MESSAGE_CHARS_MAX * 4 < FRAME_BYTES_MAX);
