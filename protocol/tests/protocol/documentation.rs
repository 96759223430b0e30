//! Every JSON example of docs/protocol.md goes through the codec, and the page names every
//! action, event, string code, close code and limit.
//!
//! The word behind `json` says what an example is: `request`, `accepted` (a request with fields
//! that are ignored), `refused EXT`, `reply ACTION`, `event`, or the type of a gateway's answer.

use std::path::Path;

use antiphon_protocol::codec::{decode_request, decode_server_frame, encode_request};
use antiphon_protocol::error_code::EXTS;
use antiphon_protocol::gateway::{ServerEntry, ServerList};
use antiphon_protocol::{ClientCommand, close_code};
use serde_json::{Value, from_str, from_value, to_value};

use crate::reply::{EVENTS, event_again, reply_action, reply_again};

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/protocol.md");
    std::fs::read_to_string(path).unwrap()
}

/// (line, info, text) of each fenced block that begins with "json".
fn examples(page: &str) -> Vec<(usize, String, String)> {
    let mut examples = Vec::new();
    let mut open: Option<(usize, String, String)> = None;
    for (index, line) in page.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => open = Some((index + 1, info.to_owned(), String::new())),
            (Some(_), Some("")) => examples.extend(open.take()),
            (Some((_, _, text)), None) => *text += &format!("{line}\n"),
            (Some(block), Some(_)) => panic!("line {}: a block in a block", block.0),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "the last block is not closed");
    examples.retain(|(_, info, _)| info.starts_with("json"));
    examples
}

fn check(info: &str, text: &str) {
    let value: Value = from_str(text).unwrap();
    let mut words = info.split(' ').skip(1);
    let kind = words.next().expect("a word behind json");
    match (kind, words.next()) {
        ("request", None) => {
            let request = decode_request(text).unwrap();
            let again = encode_request(&request.id.unwrap(), &request.command);
            assert_eq!(from_str::<Value>(&again).unwrap(), value);
        }
        ("accepted", None) => {
            decode_request(text).unwrap();
        }
        ("refused", Some(ext)) => {
            assert_eq!(decode_request(text).unwrap_err().error.ext(), ext);
        }
        ("reply", Some(action)) => {
            let frame = decode_server_frame(text).unwrap();
            assert!(frame.re.is_some());
            assert_eq!(frame.action, reply_action(action));
            assert_eq!(
                reply_again(action, frame.data).unwrap().unwrap(),
                value["data"]
            );
        }
        ("event", None) => {
            let frame = decode_server_frame(text).unwrap();
            assert!(frame.re.is_none() || frame.action == "error");
            assert_eq!(
                event_again(&frame.action, frame.data).unwrap(),
                value["data"]
            );
        }
        ("ServerEntry", None) => {
            assert_eq!(
                to_value(from_value::<ServerEntry>(value.clone()).unwrap()).unwrap(),
                value
            );
        }
        ("ServerList", None) => {
            assert_eq!(
                to_value(from_value::<ServerList>(value.clone()).unwrap()).unwrap(),
                value
            );
        }
        _ => panic!("unknown kind of example: {info}"),
    }
}

#[test]
fn every_example_goes_through_the_codec() {
    for (line, info, text) in examples(&page()) {
        let checked = std::panic::catch_unwind(|| check(&info, &text));
        assert!(
            checked.is_ok(),
            "docs/protocol.md:{line} ({info}) is wrong; see above"
        );
    }
}

#[test]
fn every_action_has_a_request_and_a_reply_and_every_event_an_example() {
    let page = page();
    let examples = examples(&page);
    for action in ClientCommand::ACTIONS {
        let requested = examples.iter().any(|(_, info, text)| {
            info == "json request" && from_str::<Value>(text).unwrap()["action"] == *action
        });
        assert!(requested, "docs/protocol.md has no request {action}");
        let reply = format!("json reply {action}");
        assert!(
            examples.iter().any(|(_, info, _)| *info == reply),
            "docs/protocol.md: no {reply}"
        );
    }
    for event in EVENTS {
        let shown = examples.iter().any(|(_, info, text)| {
            info == "json event" && from_str::<Value>(text).unwrap()["action"] == *event
        });
        assert!(shown, "docs/protocol.md has no event {event}");
    }
}

#[test]
fn every_code_and_limit_is_on_the_page() {
    let page = page();
    for entry in EXTS {
        assert!(
            page.contains(&format!("`{}", entry.ext)),
            "{} is missing",
            entry.ext
        );
        let row = page
            .lines()
            .find(|line| line.starts_with(&format!("| `{}", entry.ext)));
        let row = row.unwrap_or_else(|| panic!("{} has no row", entry.ext));
        assert!(row.contains(&format!("| {} |", entry.code)), "{row}");
    }
    for code in close_code::ALL {
        let row = format!("| {} | `{}` |", code.code, code.reason);
        assert!(page.contains(&row), "no row begins {row}");
    }
    use antiphon_protocol::limits::*;
    for (what, limit) in [
        ("frame", FRAME_BYTES_MAX as u64),
        ("message", MESSAGE_CHARS_MAX as u64),
        ("depth", JSON_DEPTH_MAX as u64),
        ("name", NAME_CHARS_MAX as u64),
        ("id", ID_BYTES_MAX as u64),
        ("password, shortest", PASSWORD_CHARS_MIN as u64),
        ("password, longest", PASSWORD_CHARS_MAX as u64),
        ("topic", TOPIC_CHARS_MAX as u64),
        ("page", PAGE_MAX),
        ("cursors in a `sync`", SYNC_CURSORS_MAX as u64),
        ("rooms of a user", ROOMS_PER_USER_MAX as u64),
        ("replay on `joinRoom`", RECENT_MAX as u64),
        ("words in `popular`", POPULAR_MAX),
        ("window of `popular`", POPULAR_WINDOW_SECONDS_MAX),
    ] {
        assert!(
            page.contains(&format!("| {what} | {limit} ")),
            "the limit of {what} is not {limit}"
        );
    }
}
