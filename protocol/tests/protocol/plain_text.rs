//! Texts that others read on one line.

use antiphon_protocol::codec::decode_request;
use serde_json::json;

fn ext_of(text: &str) -> String {
    let rejected = decode_request(text).expect_err("refused");
    rejected.error.body().ext
}

/// What one person writes for others to read on one line holds no control characters.
#[test]
fn topics_and_reasons_are_one_plain_line() {
    for text in ["t\u{7}", "a\nb", "\u{202e}x", "\u{9b}2J"] {
        let create = json!({"action": "createRoom", "data": {"roomName": "a", "topic": text}});
        assert_eq!(
            ext_of(&create.to_string()),
            "invalid_field:topic",
            "{text:?}"
        );
        let data = json!({"roomName": "a", "username": "bob", "reason": text});
        let kick = json!({"action": "kick", "data": data});
        assert_eq!(
            ext_of(&kick.to_string()),
            "invalid_field:reason",
            "{text:?}"
        );
    }
}
