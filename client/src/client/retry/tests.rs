use antiphon_protocol::close_code;

use super::*;
use crate::reconnect::{Situation, Step, next_step};

fn stopped(reason: &DisconnectReason) -> StopReason {
    let situation = Situation {
        token: true,
        fallback: false,
        failed_attempts: 0,
        hint: None,
        draw: 0.0,
    };
    match next_step(happened(reason), situation) {
        Step::Stop(kind) => stop_reason(kind, reason),
        step @ Step::Reconnect { .. } => panic!("{reason:?}: {step:?}"),
    }
}

fn closed(code: close_code::CloseCode) -> Closed {
    Closed::Server {
        code: code.code,
        reason: code.reason.to_owned(),
    }
}

#[test]
fn a_stop_says_why_in_the_server_s_words() {
    let wrong = ErrorBody::new(401, "auth_failed", "wrong name or password");
    let banned = ErrorBody::new(403, "banned", "not here");
    let refused = |body| DisconnectReason::Login(RequestError::Refused(body));
    assert_eq!(
        stopped(&refused(wrong)),
        StopReason::Credentials("wrong name or password".into())
    );
    assert_eq!(
        stopped(&refused(banned.clone())),
        StopReason::Refused(banned)
    );
    let replaced = closed(close_code::REPLACED);
    for reason in [
        DisconnectReason::Closed(replaced.clone()),
        DisconnectReason::Login(RequestError::Closed(replaced.clone())),
    ] {
        assert_eq!(stopped(&reason), StopReason::Closed(replaced.clone()));
    }
    let expired = DisconnectReason::Closed(closed(close_code::TOKEN_EXPIRED));
    assert_eq!(
        stopped(&expired),
        StopReason::Credentials("the session has expired".into())
    );
    let local = DisconnectReason::Closed(Closed::Local);
    assert_eq!(stopped(&local), StopReason::Asked);
}

#[test]
fn what_is_no_refusal_is_one_of_the_kinds_that_are_tried_again() {
    let kind = |reason| happened(&reason);
    let retry_after = Some(Duration::from_secs(3));
    assert_eq!(
        kind(DisconnectReason::Gateway(GatewayError::NoServer {
            retry_after
        })),
        Happened::NoServer { retry_after }
    );
    assert_eq!(
        kind(DisconnectReason::Gateway(GatewayError::Timeout)),
        Happened::GatewayFailed
    );
    assert_eq!(
        kind(DisconnectReason::Connect(ConnectError::Timeout)),
        Happened::ConnectFailed
    );
    assert_eq!(
        kind(DisconnectReason::Login(RequestError::Deadline)),
        Happened::LoginFailed
    );
    assert_eq!(
        kind(DisconnectReason::Closed(Closed::DeadPeer)),
        Happened::Silent
    );
    assert_eq!(
        kind(DisconnectReason::Asked("drain".into())),
        Happened::Asked
    );
}
