//! The golden frames in `protocol/golden/`: what this build writes is byte for byte what stands
//! there, and everything that ever stood there can still be read.
//!
//! After a deliberate change of the protocol, `GOLDEN_WRITE=1 cargo test -p antiphon-protocol`
//! writes the frames anew; keep an old frame under another name if it changes.

use std::path::PathBuf;

use antiphon_protocol::codec::{
    decode_request, decode_server_frame, encode_event, encode_reply, encode_request,
};
use serde_json::Value;

use crate::reply::{event_again, reply_action, reply_again};
use crate::samples;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// Every file of the folder: its name without `.json`, and its text.
pub(crate) fn files() -> Vec<(String, String)> {
    let entries = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .map(|path| {
            assert_eq!(
                path.extension().and_then(|e| e.to_str()),
                Some("json"),
                "{path:?}"
            );
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn head(name: &str) -> &str {
    name.split('-').next().unwrap()
}

/// Every sample as (file name, frame).
fn frames() -> Vec<(String, String)> {
    let id = samples::request_id();
    let mut frames = Vec::new();
    for (name, command) in samples::requests() {
        assert_eq!(head(name), command.action());
        frames.push((format!("request-{name}"), encode_request(&id, &command)));
    }
    for (action, data) in samples::replies() {
        let text = encode_reply(Some(&id), reply_action(action), &data);
        frames.push((format!("reply-{action}"), text));
    }
    for (name, data) in samples::events() {
        let fields: Value = serde_json::from_str(data.get()).unwrap();
        let message_id = fields.get("messageId").and_then(Value::as_str);
        frames.push((
            format!("event-{name}"),
            encode_event(message_id, head(name), &data),
        ));
    }
    frames
}

#[test]
fn frames_are_written_as_they_stand_in_the_golden_files() {
    for (name, frame) in frames() {
        let path = folder().join(format!("{name}.json"));
        if option_env!("GOLDEN_WRITE").is_some() {
            std::fs::write(&path, format!("{frame}\n")).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(golden.trim_end(), frame, "{name}");
    }
}

#[test]
fn every_golden_frame_can_be_read_and_says_the_same_again() {
    let files = files();
    assert!(files.len() >= frames().len(), "golden frames are missing");
    for (name, text) in files {
        let value: Value = serde_json::from_str(&text).unwrap();
        if name.starts_with("request-") {
            let request = decode_request(&text).unwrap_or_else(|e| panic!("{name}: {e:?}"));
            let again = encode_request(&request.id.unwrap(), &request.command);
            assert_eq!(
                serde_json::from_str::<Value>(&again).unwrap(),
                value,
                "{name}"
            );
            continue;
        }
        let frame = decode_server_frame(&text).unwrap_or_else(|e| panic!("{name}: {e:?}"));
        let again = if let Some(action) = name.strip_prefix("reply-") {
            assert!(frame.re.is_some(), "{name} answers something");
            assert_eq!(frame.action, reply_action(head(action)), "{name}");
            reply_again(head(action), frame.data)
                .expect("a known action")
                .unwrap()
        } else {
            assert!(
                name.starts_with("event-"),
                "{name}: request-, reply- or event-"
            );
            assert_eq!(frame.re, None, "{name}");
            event_again(&frame.action, frame.data).unwrap()
        };
        assert_eq!(again, value["data"], "{name}");
    }
}

#[test]
fn every_action_has_a_golden_request_and_reply() {
    let files = files();
    let has = |name: &str| files.iter().any(|(file, _)| file == name);
    for action in antiphon_protocol::ClientCommand::ACTIONS {
        assert!(
            has(&format!("request-{action}")),
            "request-{action}.json is missing"
        );
        assert!(
            has(&format!("reply-{action}")),
            "reply-{action}.json is missing"
        );
    }
    for event in crate::reply::EVENTS {
        assert!(
            has(&format!("event-{event}")),
            "event-{event}.json is missing"
        );
    }
}

#[test]
fn the_senders_copy_of_a_delivery_is_the_delivery_with_the_client_id_at_its_end() {
    let golden = |name: &str| {
        let file = files().into_iter().find(|(file, _)| file == name);
        file.unwrap().1.trim_end().to_owned()
    };
    let id = antiphon_protocol::ClientId::parse("alice-laptop-0001").unwrap();
    let own = antiphon_protocol::codec::with_client_id(&golden("event-chat"), &id);
    assert_eq!(own, golden("event-chat-own"));
}
