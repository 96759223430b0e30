//! The tables of codes are whole and without contradiction.

use std::collections::HashSet;

use antiphon_protocol::close_code::{self, AfterClose};
use antiphon_protocol::error_code::{EXTS, ext};
use antiphon_protocol::name::NameError;
use antiphon_protocol::{ClientCommand, DecodeError};

#[test]
fn close_codes_are_unique_and_their_reasons_fit_a_close_frame() {
    let numbers: HashSet<u16> = close_code::ALL.iter().map(|code| code.code).collect();
    assert_eq!(numbers.len(), close_code::ALL.len());
    let reasons: HashSet<&str> = close_code::ALL.iter().map(|code| code.reason).collect();
    assert_eq!(reasons.len(), close_code::ALL.len());
    for code in close_code::ALL {
        assert!((1..=123).contains(&code.reason.len()), "{code:?}");
        // 1004, 1005, 1006 and 1015 may never be sent (RFC 6455, 7.4.1).
        let sendable = matches!(code.code, 1000..=1003 | 1007..=1014 | 4000..=4999);
        assert!(sendable, "{code:?}");
    }
}

#[test]
fn the_range_of_a_close_code_says_what_to_do() {
    for code in close_code::ALL {
        let after = close_code::after_close(code.code);
        match code.code {
            4300..=4399 => assert_eq!(after, AfterClose::Reconnect, "{code:?}"),
            4400..=4499 => assert_eq!(after, AfterClose::Stop, "{code:?}"),
            4500..=4599 => assert_eq!(after, AfterClose::ReconnectElsewhere, "{code:?}"),
            _ => assert!(code.code < 4000, "{code:?} is in no range"),
        }
    }
    // A code from a newer server, and a connection that was lost without one.
    assert_eq!(close_code::after_close(4399), AfterClose::Reconnect);
    assert_eq!(close_code::after_close(4499), AfterClose::Stop);
    assert_eq!(close_code::after_close(1006), AfterClose::Reconnect);
}

#[test]
fn every_string_code_is_listed_once_with_a_number_that_is_known() {
    let names: HashSet<&str> = EXTS.iter().map(|entry| entry.ext).collect();
    assert_eq!(names.len(), EXTS.len());
    for entry in EXTS {
        assert!(
            matches!(entry.code, 400..=409 | 413 | 429 | 500 | 501 | 503),
            "{entry:?}"
        );
        assert!(
            entry
                .ext
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b == b'_'),
            "{entry:?}"
        );
    }
    assert_eq!(
        ext("invalid_field:roomName").map(|entry| entry.code),
        Some(400)
    );
    assert_eq!(ext("invented_tomorrow"), None);
}

#[test]
fn every_decode_error_has_its_string_code_in_the_list() {
    let errors = [
        DecodeError::BadJson { offset: 3 },
        DecodeError::ObjectExpected,
        DecodeError::TooDeep,
        DecodeError::DuplicateKey,
        DecodeError::UnknownAction,
        DecodeError::MissingField("data"),
        DecodeError::invalid("roomName", "a string"),
        DecodeError::InvalidName(NameError::Empty),
    ];
    for error in errors {
        let body = error.body();
        let entry = ext(&body.ext).unwrap_or_else(|| panic!("{} is not listed", body.ext));
        assert_eq!(entry.code, body.code, "{error:?}");
        assert!(!body.retryable && !body.message.is_empty(), "{error:?}");
    }
}

#[test]
fn actions_are_unique_and_none_is_a_name_of_the_cluster_plane() {
    let actions: HashSet<&str> = ClientCommand::ACTIONS.iter().copied().collect();
    assert_eq!(actions.len(), ClientCommand::ACTIONS.len());
    // `hello` and `ping` exist on both planes, as different types on different ports.
    for peer in crate::bad_input::PEER_FRAMES {
        assert!(!actions.contains(peer), "{peer}");
    }
}
