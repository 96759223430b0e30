//! Hostile frames: each gets its typed error, and none gets a panic.

use antiphon_protocol::client::Login;
use antiphon_protocol::codec::{decode_request, decode_server_frame};
use antiphon_protocol::{ClientCommand, DecodeError};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::golden;

/// Frames of the cluster plane, ours and the ancestor's, that the client port must not know.
pub(crate) const PEER_FRAMES: &[&str] = &[
    "sessions",
    "sessionUp",
    "sessionDown",
    "submit",
    "forward",
    "load",
    "result",
    "audience",
    "deliver",
    "direct",
    "staleEpoch",
    "goodbye",
    "leaderConnect",
    "syncServers",
    "clientLogin",
    "sendToNode",
    "Hello",
    "Ping",
];

fn ext_of(text: &str) -> String {
    match decode_request(text) {
        Ok(frame) => panic!("accepted: {frame:?}"),
        Err(rejected) => rejected.error.body().ext,
    }
}

fn nested(depth: usize) -> String {
    // The envelope and `data` are two of the levels.
    let arrays = depth - 2;
    let (open, close) = ("[".repeat(arrays), "]".repeat(arrays));
    format!(r#"{{"action":"ping","data":{{"x":{open}{close}}}}}"#)
}

/// One row a kind of frame that is not a request, with its `ext`.
#[test]
fn frames_that_are_no_requests() {
    let rows: &[(&str, &str)] = &[
        ("", "bad_json"),
        ("not json", "bad_json"),
        ("{", "bad_json"),
        (r#"{"action":"ping"}x"#, "bad_json"),
        (r#"{"action":"ping"}{"action":"ping"}"#, "bad_json"),
        (r#"{"action":"ping",}"#, "bad_json"),
        (r#"{action:"ping"}"#, "bad_json"),
        (r#"{"action":"\ud800"}"#, "bad_json"),
        (r#"{"action":"ping","data":{"n":1e400}}"#, "bad_json"),
        (r#"{"action":"ping","data":{"n":NaN}}"#, "bad_json"),
        ("\u{feff}{}", "bad_json"),
        ("null", "bad_json"),
        ("5", "bad_json"),
        ("true", "bad_json"),
        (r#""chat""#, "bad_json"),
        (r#"[{"action":"ping"}]"#, "bad_json"),
        (r#"{"action":"ping","action":"logout"}"#, "duplicate_key"),
        (r#"{"action":"ping","data":{"a":1,"a":1}}"#, "duplicate_key"),
        (
            r#"{"action":"ping","data":{"a":[{"b":1,"b":2}]}}"#,
            "duplicate_key",
        ),
        ("{}", "missing_field"),
        (r#"{"data":{}}"#, "missing_field"),
        (r#"{"action":null}"#, "invalid_field:action"),
        (r#"{"action":5}"#, "invalid_field:action"),
        (r#"{"action":["ping"]}"#, "invalid_field:action"),
        (r#"{"action":"chat"}"#, "missing_field"),
        (r#"{"action":"joinRoom"}"#, "missing_field"),
        (r#"{"action":"login"}"#, "missing_field"),
        (r#"{"action":"chat","data":null}"#, "invalid_field:data"),
        (r#"{"action":"chat","data":[]}"#, "invalid_field:data"),
        (r#"{"action":"chat","data":"x"}"#, "invalid_field:data"),
        (r#"{"id":{},"action":"ping"}"#, "invalid_field:id"),
        (r#"{"id":true,"action":"ping"}"#, "invalid_field:id"),
        (r#"{"action":""}"#, "unknown_action"),
        (r#"{"action":"CHAT","data":{}}"#, "unknown_action"),
        (r#"{"action":"chat ","data":{}}"#, "unknown_action"),
    ];
    for (text, ext) in rows {
        assert_eq!(ext_of(text), *ext, "{text}");
    }
    let long_id = format!(r#"{{"id":"{}","action":"ping"}}"#, "x".repeat(65));
    assert_eq!(ext_of(&long_id), "invalid_field:id");
}

#[test]
fn the_offset_of_a_syntax_error_is_told() {
    for (text, at) in [
        ("not json", 1),
        ("{\"action\":}", 10),
        ("{\n\"action\":\n x}", 13),
        ("{\"action\"", 9),
        ("{} x", 3),
    ] {
        let rejected = decode_request(text).unwrap_err();
        assert_eq!(
            rejected.error,
            DecodeError::BadJson { offset: at },
            "{text:?}"
        );
        assert!(
            rejected
                .error
                .body()
                .message
                .contains(&format!("byte {at}")),
            "{text:?}"
        );
    }
}

#[test]
fn nesting_is_bounded_at_sixteen() {
    assert!(decode_request(&nested(16)).is_ok());
    for depth in [17, 129, 100_000] {
        assert_eq!(ext_of(&nested(depth)), "too_deep", "{depth}");
    }
    assert_eq!(ext_of(&"[".repeat(100_000)), "too_deep");
    assert_eq!(ext_of(&r#"{"a":"#.repeat(100_000)), "too_deep");
}

#[test]
fn unknown_actions_are_unknown_whatever_their_data_are() {
    let inherited = [
        "__proto__",
        "constructor",
        "toString",
        "hasOwnProperty",
        "prototype",
    ];
    for action in inherited.iter().chain(PEER_FRAMES) {
        for data in [
            json!({}),
            json!(null),
            json!([]),
            json!("x"),
            json!({"servers": null}),
        ] {
            let with_data = json!({"id": 7, "action": action, "data": data}).to_string();
            let rejected = decode_request(&with_data).unwrap_err();
            assert_eq!(rejected.error, DecodeError::UnknownAction, "{with_data}");
            assert_eq!(rejected.id, Some(7.into()), "{with_data}");
            assert_eq!(rejected.error.body().code, 501);
        }
        assert_eq!(
            ext_of(&json!({"action": action}).to_string()),
            "unknown_action"
        );
    }
}

/// Puts `hostile` in the place of every string (and number) field of every golden request.
#[test]
fn another_type_in_any_field_is_refused_by_the_fields_name() {
    // What a client may send in any shape, because it is ignored or read leniently.
    let lenient = |action: &str, field: &str| action == "chat" && field == "isGroup";
    for hostile in [
        json!({"$ne": null}),
        json!([]),
        json!(true),
        json!({"toString": 1}),
    ] {
        for (name, text) in golden::files() {
            if !name.starts_with("request-") {
                continue;
            }
            let frame = decode_request(&text).unwrap();
            let action = frame.command.action();
            let original: Value = serde_json::from_str(&text).unwrap();
            for field in original["data"].as_object().unwrap().keys() {
                if lenient(action, field) || (field == "cursors" && hostile == json!([])) {
                    continue;
                }
                if field == "versions" && hostile == json!([]) {
                    continue;
                }
                let mut frame = original.clone();
                frame["data"][field] = hostile.clone();
                let ext = ext_of(&frame.to_string());
                assert_eq!(ext, format!("invalid_field:{field}"), "{name}: {frame}");
            }
        }
    }
}

#[test]
fn a_required_field_that_is_null_or_absent_is_refused() {
    for (action, field, data) in [
        ("login", "username", json!({})),
        ("register", "password", json!({"username": "alice"})),
        ("register", "username", json!({"password": "correct horse"})),
        (
            "changePassword",
            "newPassword",
            json!({"oldPassword": "correct horse"}),
        ),
        ("chat", "message", json!({"to": "bob"})),
        ("joinRoom", "roomName", json!({})),
        ("invite", "username", json!({"roomName": "garden"})),
        ("history", "conversation", json!({})),
        ("sync", "cursors", json!({})),
        ("search", "words", json!({})),
        ("read", "seq", json!({"conversation": "room:garden"})),
        ("userInfo", "username", json!({})),
    ] {
        let frame = |data: &Value| json!({"action": action, "data": data}).to_string();
        let rejected = decode_request(&frame(&data)).unwrap_err();
        assert_eq!(rejected.error, DecodeError::MissingField(field), "{action}");
        let mut with_null = data.clone();
        with_null[field] = Value::Null;
        assert_eq!(
            ext_of(&frame(&with_null)),
            format!("invalid_field:{field}"),
            "{action}"
        );
    }
    assert_eq!(
        ext_of(r#"{"action":"chat","data":{"message":"x"}}"#),
        "missing_field"
    );
    let neither = json!({"action": "chat", "data": {"message": "x", "to": null, "roomName": ""}});
    assert_eq!(ext_of(&neither.to_string()), "missing_field");
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn values_out_of_range_are_refused_by_the_fields_name() {
    let text = |n: usize| "é".repeat(n);
    let cursors = |n: usize| vec![json!({"conversation": "room:a", "afterSeq": 0}); n];
    let rows = [
        ("chat", "message", json!({"to": "bob", "message": ""})),
        (
            "chat",
            "message",
            json!({"to": "bob", "message": " \t\n\u{3000}"}),
        ),
        ("chat", "message", json!({"to": "bob", "message": "a\0b"})),
        (
            "chat",
            "message",
            json!({"to": "bob", "message": text(8_001)}),
        ),
        (
            "chat",
            "message",
            json!({"to": "bob", "message": {"length": 1e9}}),
        ),
        ("chat", "message", json!({"to": "bob", "message": 5})),
        (
            "chat",
            "clientId",
            json!({"to": "bob", "message": "x", "clientId": ""}),
        ),
        (
            "chat",
            "clientId",
            json!({"to": "bob", "message": "x", "clientId": "a b"}),
        ),
        (
            "chat",
            "clientId",
            json!({"to": "bob", "message": "x", "clientId": "x".repeat(65)}),
        ),
        (
            "register",
            "password",
            json!({"username": "alice", "password": text(257)}),
        ),
        (
            "login",
            "password",
            json!({"username": "alice", "password": text(257)}),
        ),
        ("login", "resumeToken", json!({"resumeToken": text(129)})),
        (
            "history",
            "limit",
            json!({"conversation": "room:a", "limit": 0}),
        ),
        (
            "history",
            "limit",
            json!({"conversation": "room:a", "limit": 501}),
        ),
        (
            "history",
            "limit",
            json!({"conversation": "room:a", "limit": 1.5}),
        ),
        (
            "history",
            "limit",
            json!({"conversation": "room:a", "limit": -1}),
        ),
        (
            "history",
            "afterSeq",
            json!({"conversation": "room:a", "afterSeq": -1}),
        ),
        (
            "history",
            "beforeSeq",
            json!({"conversation": "room:a", "beforeSeq": 1_u64 << 53}),
        ),
        (
            "history",
            "beforeSeq",
            json!({"conversation": "room:a", "beforeSeq": 2, "afterSeq": 1}),
        ),
        ("sync", "cursors", json!({"cursors": cursors(1_001)})),
        ("sync", "cursors", json!({"cursors": [5]})),
        ("search", "words", json!({"words": text(257)})),
        (
            "read",
            "seq",
            json!({"conversation": "room:a", "seq": 1e30}),
        ),
        ("popular", "n", json!({"n": "abc"})),
        ("popular", "n", json!({"n": {}})),
        ("hello", "versions", json!({"versions": vec![1; 17]})),
        (
            "createRoom",
            "visibility",
            json!({"roomName": "garden", "visibility": "secret"}),
        ),
        (
            "createRoom",
            "topic",
            json!({"roomName": "garden", "topic": text(257)}),
        ),
    ];
    for (action, field, data) in rows {
        let frame = json!({"action": action, "data": data}).to_string();
        assert_eq!(
            ext_of(&frame),
            format!("invalid_field:{field}"),
            "{action} {field}"
        );
    }
    let at_the_limit = json!({"action": "chat", "data": {"to": "bob", "message": text(8_000)}});
    assert!(decode_request(&at_the_limit.to_string()).is_ok());
}

/// Pitfalls 12 and 20: whatever is asked for, no more than a hundred words are told.
#[test]
fn popular_takes_what_people_type() {
    for (n, read) in [
        (json!("5"), 5),
        (json!(0), 1),
        (json!(-3), 1),
        (json!(999_999_999), 100),
        (json!("1000000"), 100),
        (json!(null), 10),
    ] {
        let frame = json!({"action": "popular", "data": {"n": n}}).to_string();
        let ClientCommand::Popular(popular) = decode_request(&frame).unwrap().command else {
            panic!("{frame}");
        };
        assert_eq!(popular.n, read, "{frame}");
    }
}

#[test]
fn names_that_deceive_are_refused_with_the_reason() {
    let long = "a".repeat(33);
    let rows = [
        ("", "invalid_name:empty"),
        ("a\u{202e}b", "invalid_name:character"),
        ("a\u{1b}[2J", "invalid_name:character"),
        ("a\0", "invalid_name:character"),
        ("zero\u{200b}width", "invalid_name:character"),
        ("room:x", "invalid_name:character"),
        ("../x", "invalid_name:character"),
        ("аdmin", "invalid_name:mixed_script"),
        (".hidden", "invalid_name:start"),
        (long.as_str(), "invalid_name:too_long"),
    ];
    for (name, ext) in rows {
        // A login under such a name is a wrong login, not a malformed frame.
        let login = json!({"action": "login", "data": {"username": name}}).to_string();
        let command = decode_request(&login).expect("a login").command;
        assert_eq!(command, ClientCommand::Login(Login::default()));
        for (action, field) in [
            ("joinRoom", "roomName"),
            ("userInfo", "username"),
            ("register", "username"),
        ] {
            let mut data = json!({});
            data[field] = json!(name);
            let frame = json!({"action": action, "data": data}).to_string();
            assert_eq!(ext_of(&frame), ext, "{frame}");
        }
    }
}

/// The server sets these; what a client writes there changes nothing, whatever its type.
/// Pitfalls 24, 32, 36 and 37.
#[test]
fn fields_that_the_server_sets_are_ignored() {
    let plain = json!({"action": "chat", "data": {"to": "bob", "message": "x"}}).to_string();
    let plain = decode_request(&plain).unwrap().command;
    for forged in [json!("ADMIN"), json!(5), json!({"$ne": null}), json!(null)] {
        let data = json!({
            "to": "bob", "message": "x", "from": forged, "ts": forged, "seq": forged,
            "epoch": forged, "sourceNode": forged, "messageId": forged, "_id": forged,
            "conversation": forged, "isGroup": forged,
        });
        let frame = json!({"action": "chat", "data": data}).to_string();
        assert_eq!(decode_request(&frame).unwrap().command, plain, "{frame}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map("[a-zA-Z$_]{1,10}", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn typed(text: &str) {
    if let Err(rejected) = decode_request(text) {
        let body = rejected.error.body();
        assert!(
            antiphon_protocol::error_code::ext(&body.ext).is_some(),
            "{body:?}"
        );
    }
    let _ = decode_server_frame(text);
}

proptest! {
    #[test]
    fn any_text_is_a_request_or_a_typed_error(text in "\\PC{0,200}") {
        typed(&text);
    }

    #[test]
    fn any_json_is_a_request_or_a_typed_error(value in any_json()) {
        typed(&value.to_string());
    }

    #[test]
    fn any_data_of_any_action_is_a_request_or_a_typed_error(
        action in prop::sample::select(ClientCommand::ACTIONS),
        field in prop::sample::select(&[
            "username", "password", "resumeToken", "to", "roomName", "message", "clientId",
            "conversation", "limit", "cursors", "n", "seq", "versions", "words", "prefix",
        ][..]),
        value in any_json(),
        data in any_json(),
    ) {
        let mut data = if data.is_object() { data } else { json!({}) };
        data[field] = value;
        typed(&json!({"id": 1, "action": action, "data": data}).to_string());
    }

    #[test]
    fn a_golden_frame_with_bytes_changed_is_a_request_or_a_typed_error(
        pick in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let files = golden::files();
        let mut bytes = files[pick.index(files.len())].1.clone().into_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        typed(&String::from_utf8_lossy(&bytes));
        bytes.truncate(cut.index(bytes.len()));
        typed(&String::from_utf8_lossy(&bytes));
    }
}
