//! Tests.

use super::*;

#[test]
fn exit_codes_are_as_documented() {
    let all = [
        (Exit::Done, 0),
        (Exit::Failure, 1),
        (Exit::Usage, 2),
        (Exit::Credentials, 3),
        (Exit::Unreachable, 4),
        (Exit::Interrupted, 130),
    ];
    for (exit, code) in all {
        assert_eq!(exit.code(), code);
    }
}
