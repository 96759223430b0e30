//! WebSocket close codes. The range tells a client what to do: 43xx reconnect and resume,
//! 44xx do not reconnect without the user, 45xx reconnect elsewhere.

/// A close code with its reason text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloseCode {
    /// The number on the wire.
    pub code: u16,
    /// A short reason, safe to show.
    pub reason: &'static str,
}

macro_rules! close_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $reason:literal;)*) => {
        $($(#[$doc])* pub const $name: CloseCode = CloseCode { code: $code, reason: $reason };)*
        /// Every close code that an Antiphon server sends.
        pub const ALL: &[CloseCode] = &[$($name),*];
    };
}

close_codes! {
    /// The client said goodbye.
    NORMAL = 1000, "bye";
    /// The peer broke the WebSocket protocol (RFC 6455).
    PROTOCOL_ERROR = 1002, "protocol_error";
    /// Binary frames are refused.
    UNSUPPORTED = 1003, "unsupported_frame";
    /// Text that is not UTF-8.
    INVALID_UTF8 = 1007, "invalid_utf8";
    /// A message that arrives too slowly.
    POLICY = 1008, "policy_violation";
    /// A frame or message over the size limit.
    TOO_BIG = 1009, "too_large (limit 65536)";
    /// A bug of ours ended the connection.
    INTERNAL = 1011, "internal";
    /// The server stops; reconnect through the gateway.
    RESTART = 1012, "restart";
    /// No room for another connection now.
    TRY_LATER = 1013, "try_again_later";
    /// The outbound queue was full: reconnect, resume, `sync`.
    SLOW_CONSUMER = 4300, "slow_consumer";
    /// This server lost its place in the cluster and joined anew.
    REJOINED = 4301, "server_rejoined";
    /// The resume token is too old: log in with the password.
    TOKEN_EXPIRED = 4302, "token_expired";
    /// Over the message rate for too long.
    TOO_FAST = 4303, "too_fast";
    /// No pong in time.
    DEAD_PEER = 4304, "dead_peer";
    /// The budget of malformed frames is spent.
    TOO_MANY_ERRORS = 4400, "too_many_errors";
    /// Too many wrong credentials.
    BAD_CREDENTIALS = 4401, "auth_failed";
    /// The account is banned.
    BANNED = 4403, "banned";
    /// No login in time.
    AUTH_TIMEOUT = 4408, "auth_timeout";
    /// A newer login took this session's place.
    REPLACED = 4409, "replaced";
    /// The session was revoked.
    REVOKED = 4410, "revoked";
    /// The server drains; reconnect elsewhere.
    DRAINING = 4500, "draining";
}

/// What a close code tells a client to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterClose {
    /// Reconnect (through the gateway) and resume.
    Reconnect,
    /// Reconnect, but to another server.
    ReconnectElsewhere,
    /// Only the user can mend this.
    Stop,
}

/// What a client does after `code`; an unknown code counts as a lost connection.
pub fn after_close(code: u16) -> AfterClose {
    match code {
        4400..=4499 => AfterClose::Stop,
        1012 | 1013 | 4500..=4599 => AfterClose::ReconnectElsewhere,
        1002 | 1003 | 1007 | 1009 => AfterClose::Stop,
        _ => AfterClose::Reconnect,
    }
}
