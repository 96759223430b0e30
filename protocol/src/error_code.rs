//! Errors of the client protocol: an HTTP-like number for people, a string code (`ext`) that
//! programs switch on, and what may be done about it.

use serde::{Deserialize, Serialize};

/// The `data` of an `error` frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    /// HTTP-like number.
    pub code: u16,
    /// Safe to show; says what to do; never echoes raw input.
    pub message: String,
    /// The string code that programs switch on.
    pub ext: String,
    /// Whether the same request may succeed later.
    #[serde(default)]
    pub retryable: bool,
    /// When to retry, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl ErrorBody {
    /// A final error.
    pub fn new(code: u16, ext: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            ext: ext.into(),
            retryable: false,
            retry_after_ms: None,
        }
    }

    /// An error after which the same request may be sent again.
    pub fn retry(
        code: u16,
        ext: impl Into<String>,
        message: impl Into<String>,
        retry_after_ms: u64,
    ) -> Self {
        Self {
            retryable: true,
            retry_after_ms: Some(retry_after_ms),
            ..Self::new(code, ext, message)
        }
    }
}

/// Why a client's frame could not become a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON, or JSON with something behind it.
    #[error("the frame is not JSON (byte {offset})")]
    BadJson {
        /// Where parsing stopped, in bytes from the start.
        offset: usize,
    },
    /// JSON, but not an object.
    #[error("bad_json: object expected")]
    ObjectExpected,
    /// Containers nested deeper than `JSON_DEPTH_MAX`.
    #[error(
        "the frame is nested too deeply (limit {})",
        crate::limits::JSON_DEPTH_MAX
    )]
    TooDeep,
    /// An object names a key twice.
    #[error("an object has the same key twice")]
    DuplicateKey,
    /// An action that this server does not have on this port.
    #[error("unknown action")]
    UnknownAction,
    /// A required field is absent.
    #[error("missing field: {0}")]
    MissingField(&'static str),
    /// A field of the wrong type or out of range.
    #[error("invalid field {field}: {reason}")]
    InvalidField {
        /// The field's wire name.
        field: &'static str,
        /// What is expected; never the input itself.
        reason: String,
    },
    /// A user or room name that the name rules refuse.
    #[error("invalid name: {0}")]
    InvalidName(crate::name::NameError),
}

impl DecodeError {
    /// An `InvalidField`.
    pub fn invalid(field: &'static str, reason: impl Into<String>) -> Self {
        Self::InvalidField {
            field,
            reason: reason.into(),
        }
    }

    /// The string code that programs switch on.
    pub fn ext(&self) -> String {
        match self {
            Self::BadJson { .. } | Self::ObjectExpected => "bad_json".into(),
            Self::TooDeep => "too_deep".into(),
            Self::DuplicateKey => "duplicate_key".into(),
            Self::UnknownAction => "unknown_action".into(),
            Self::MissingField(_) => "missing_field".into(),
            Self::InvalidField { field, .. } => format!("invalid_field:{field}"),
            Self::InvalidName(reason) => format!("invalid_name:{}", reason.code()),
        }
    }

    /// The frame that the client gets.
    pub fn body(&self) -> ErrorBody {
        let code = if *self == Self::UnknownAction {
            501
        } else {
            400
        };
        ErrorBody::new(code, self.ext(), self.to_string())
    }
}

/// One string code, as docs/protocol.md lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ext {
    /// The code; what stands behind a colon varies and is not part of it.
    pub ext: &'static str,
    /// The HTTP-like number that goes with it.
    pub code: u16,
}

macro_rules! exts {
    ($($code:literal: $($ext:literal),+;)*) => {
        /// Every string code that servers send.
        pub const EXTS: &[Ext] = &[$($(Ext { ext: $ext, code: $code },)+)*];
    };
}

exts! {
    400: "bad_json", "too_deep", "duplicate_key", "missing_field", "invalid_field",
        "invalid_name", "version_unsupported", "stale_cursor";
    401: "not_authenticated", "auth_failed", "token_expired";
    403: "forbidden", "registration_closed", "banned", "limit_exceeded";
    404: "room_not_found", "user_not_found", "user_offline", "not_a_member";
    408: "unknown_outcome", "deadline";
    409: "client_id_conflict", "predecessor_missing", "name_taken", "already_logged_in", "already_online";
    429: "rate_limited";
    500: "internal";
    501: "unknown_action";
    503: "store_unavailable", "leader_unavailable", "overloaded", "draining";
}

/// The entry of [`EXTS`] for an `ext` from the wire; `None` for one that this build does not
/// know.
pub fn ext(raw: &str) -> Option<&'static Ext> {
    let head = raw.split(':').next().unwrap_or(raw);
    EXTS.iter().find(|entry| entry.ext == head)
}
