//! The rows of the matrix: what is sent, and what is expected.

use serde_json::{Value, json};

use crate::harness::raw::{frame, headers_with};

pub(super) struct Handshake {
    pub(super) what: &'static str,
    pub(super) request_line: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) status: u16,
    /// A header that the answer must have, with its value.
    pub(super) header: Option<(&'static str, &'static str)>,
}

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn handshakes() -> Vec<Handshake> {
    let get = || "GET / HTTP/1.1".to_owned();
    let row = |what, request_line, headers, status, header| Handshake {
        what,
        request_line,
        headers,
        status,
        header,
    };
    let with = headers_with;
    let mut many = with("X-None", "");
    many.extend((0..100).map(|n| (format!("X-{n}"), "1".to_owned())));
    vec![
        row(
            "a plain GET",
            get(),
            with("Upgrade", ""),
            426,
            Some(("upgrade", "websocket")),
        ),
        row("no Connection", get(), with("Connection", ""), 426, None),
        row(
            "a large header",
            get(),
            with("X-Large", &"x".repeat(9_000)),
            431,
            None,
        ),
        row("a hundred headers", get(), many, 431, None),
        row("no key", get(), with("Sec-WebSocket-Key", ""), 400, None),
        row(
            "a bad key",
            get(),
            with("Sec-WebSocket-Key", "short"),
            400,
            None,
        ),
        row(
            "an old version",
            get(),
            with("Sec-WebSocket-Version", "8"),
            426,
            Some(("sec-websocket-version", "13")),
        ),
        row(
            "an origin not allowed",
            get(),
            with("Origin", "https://evil.example"),
            403,
            None,
        ),
        row("the null origin", get(), with("Origin", "null"), 403, None),
        row(
            "a suffix of an origin",
            get(),
            with("Origin", "https://a.chat.example"),
            403,
            None,
        ),
        row(
            "a port of an origin",
            get(),
            with("Origin", "https://chat.example:1"),
            403,
            None,
        ),
        row(
            "http for https",
            get(),
            with("Origin", "http://chat.example"),
            403,
            None,
        ),
        row(
            "another method",
            "POST / HTTP/1.1".to_owned(),
            with("X-None", ""),
            405,
            None,
        ),
        row(
            "the allowed origin",
            get(),
            with("Origin", "https://chat.example"),
            101,
            None,
        ),
        row("no origin", get(), with("X-None", ""), 101, None),
        row(
            "our subprotocol",
            get(),
            with("Sec-WebSocket-Protocol", "chat, antiphon.v1.json"),
            101,
            Some(("sec-websocket-protocol", "antiphon.v1.json")),
        ),
    ]
}

/// What is written on an open connection, and the code that closes it.
pub(super) fn frames() -> Vec<(&'static str, Vec<u8>, u16)> {
    let ping = br#"{"action":"ping"}"#;
    let unmasked = |first: u8, payload: &[u8]| {
        let mut bytes = vec![first, u8::try_from(payload.len()).unwrap()];
        bytes.extend(payload);
        bytes
    };
    let close = |code: u16, reason: &[u8]| {
        let mut payload = code.to_be_bytes().to_vec();
        payload.extend(reason);
        frame(0x88, &payload)
    };
    let half = |bytes: Vec<u8>, more: Vec<u8>| bytes.into_iter().chain(more).collect();
    vec![
        ("an unmasked frame", unmasked(0x81, ping), 1002),
        ("RSV1", frame(0xc1, ping), 1002),
        ("RSV2", frame(0xa1, ping), 1002),
        ("RSV3", frame(0x91, ping), 1002),
        ("opcode 3", frame(0x83, ping), 1002),
        ("opcode 11", frame(0x8b, b""), 1002),
        ("a fragmented ping", frame(0x09, b"x"), 1002),
        ("a long ping", frame(0x89, &[b'x'; 126]), 1002),
        ("a continuation of nothing", frame(0x80, ping), 1002),
        (
            "a text in a text",
            half(frame(0x01, b"{"), frame(0x81, b"}")),
            1002,
        ),
        ("bad UTF-8", frame(0x81, b"{\"action\":\"\xff\xfe\"}"), 1007),
        ("an overlong form", frame(0x81, b"\xc0\xaf"), 1007),
        ("a surrogate", frame(0x81, b"\xed\xa0\x80"), 1007),
        ("bad UTF-8 in a close", close(1000, b"\xff"), 1007),
        ("a close with one byte", frame(0x88, b"x"), 1002),
        ("close code 0", close(0, b""), 1002),
        ("close code 999", close(999, b""), 1002),
        ("close code 1005", close(1005, b""), 1002),
        ("close code 1006", close(1006, b""), 1002),
        ("close code 2999", close(2999, b""), 1002),
        ("a binary frame", frame(0x82, ping), 1003),
        (
            "a frame over the limit",
            frame(0x81, &vec![b' '; 65_537]),
            1009,
        ),
        (
            "a message over the limit",
            half(
                frame(0x01, &vec![b' '; 40_000]),
                frame(0x80, &vec![b' '; 40_000]),
            ),
            1009,
        ),
        (
            "a length of 2^63",
            vec![
                0x81, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3, 4,
            ],
            1009,
        ),
    ]
}

/// Frames of a logged-in client that cost it one error each: (frame, ext).
#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn commands() -> Vec<(String, &'static str)> {
    let nested = format!(
        r#"{{"action":"ping","data":{{"x":{}{}}}}}"#,
        "[".repeat(200),
        "]".repeat(200)
    );
    let text = |action: &str, data: Value| json!({"action": action, "data": data}).to_string();
    let long = "x".repeat(8_001);
    vec![
        ("not json".to_owned(), "bad_json"),
        ("null".to_owned(), "bad_json"),
        ("[]".to_owned(), "bad_json"),
        (r#"{"action":"ping"}}"#.to_owned(), "bad_json"),
        (nested, "too_deep"),
        (
            r#"{"action":"ping","action":"ping"}"#.to_owned(),
            "duplicate_key",
        ),
        (r#"{"action":"chat"}"#.to_owned(), "missing_field"),
        (r#"{"action":"joinRoom"}"#.to_owned(), "missing_field"),
        (r#"{"action":"__proto__"}"#.to_owned(), "unknown_action"),
        (text("toString", json!({})), "unknown_action"),
        (
            text("chat", json!({"roomName": null, "message": "x"})),
            "missing_field",
        ),
        (
            text("chat", json!({"to": "bystander", "message": 5})),
            "invalid_field:message",
        ),
        (
            text(
                "chat",
                json!({"to": "bystander", "message": {"length": 1e9}}),
            ),
            "invalid_field:message",
        ),
        (
            text("chat", json!({"to": "bystander", "message": "   "})),
            "invalid_field:message",
        ),
        (
            text("chat", json!({"to": "bystander", "message": long})),
            "invalid_field:message",
        ),
        (
            text("chat", json!({"to": {"$ne": null}, "message": "x"})),
            "invalid_field:to",
        ),
        (
            text("userInfo", json!({"username": {"$ne": null}})),
            "invalid_field:username",
        ),
        (
            text("joinRoom", json!({"roomName": "a\u{202e}b"})),
            "invalid_name:character",
        ),
        (
            text("joinRoom", json!({"roomName": "аdmin"})),
            "invalid_name:mixed_script",
        ),
        (text("popular", json!({"n": "abc"})), "invalid_field:n"),
        (
            text("history", json!({"conversation": "room:x", "limit": 501})),
            "invalid_field:limit",
        ),
        (
            text("history", json!({"conversation": "x", "limit": 5})),
            "invalid_field:conversation",
        ),
        (
            text("register", json!({"username": "eve", "password": "short"})),
            "invalid_field:password",
        ),
        (
            text("hello", json!({"versions": [99]})),
            "version_unsupported",
        ),
    ]
}
