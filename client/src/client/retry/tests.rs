use antiphon_protocol::close_code;

use super::*;

const PASSWORD: Means = Means {
    token: false,
    fallback: true,
};
const TOKEN: Means = Means {
    token: true,
    fallback: true,
};
const TOKEN_ONLY: Means = Means {
    token: true,
    fallback: false,
};

fn closed(code: close_code::CloseCode) -> DisconnectReason {
    DisconnectReason::Closed(Closed::Server {
        code: code.code,
        reason: code.reason.to_owned(),
    })
}

fn refused(body: ErrorBody) -> DisconnectReason {
    DisconnectReason::Login(RequestError::Refused(body))
}

fn retry(wait: Wait, forget_token: bool) -> NextStep {
    NextStep::Retry { wait, forget_token }
}

#[test]
fn close_codes_decide_by_their_range() {
    for code in close_code::ALL {
        let step = after_failure(&closed(*code), PASSWORD, None);
        let stops = matches!(code.code, 4400..=4499 | 1002 | 1003 | 1007 | 1009);
        assert_eq!(matches!(step, NextStep::Stop(_)), stops, "{code:?}");
    }
    assert_eq!(
        after_failure(&DisconnectReason::Closed(Closed::DeadPeer), TOKEN, None),
        RETRY
    );
}

#[test]
fn a_server_s_hint_wins_within_its_bound() {
    let hint = Duration::from_secs(3);
    let step = after_failure(&closed(close_code::DRAINING), TOKEN, Some(hint));
    assert_eq!(step, retry(Wait::Hint(hint), false));
    let step = after_failure(&closed(close_code::RESTART), TOKEN, Some(HINT_MAX * 9));
    assert_eq!(step, retry(Wait::Hint(HINT_MAX), false));
    let stop = after_failure(&closed(close_code::REPLACED), TOKEN, Some(hint));
    assert!(matches!(stop, NextStep::Stop(StopReason::Closed(_))));
    let gateway = GatewayError::NoServer {
        retry_after: Some(hint),
    };
    let step = after_failure(&DisconnectReason::Gateway(gateway), TOKEN, None);
    assert_eq!(step, retry(Wait::Hint(hint), false));
}

#[test]
fn a_spent_token_falls_back_to_the_password_if_there_is_one() {
    let wrong = || refused(ErrorBody::new(401, "auth_failed", "wrong"));
    assert_eq!(after_failure(&wrong(), TOKEN, None), retry(Wait::Now, true));
    for means in [PASSWORD, TOKEN_ONLY] {
        let step = after_failure(&wrong(), means, None);
        assert_eq!(
            step,
            NextStep::Stop(StopReason::Credentials("wrong".to_owned()))
        );
    }
    let expired = closed(close_code::TOKEN_EXPIRED);
    assert_eq!(
        after_failure(&expired, TOKEN, None),
        retry(Wait::Backoff, true)
    );
    let step = after_failure(&expired, TOKEN_ONLY, None);
    assert!(matches!(step, NextStep::Stop(StopReason::Credentials(_))));
}

#[test]
fn a_login_is_repeated_only_if_that_may_help() {
    let busy = refused(ErrorBody::retry(503, "store_unavailable", "later", 700));
    let step = after_failure(&busy, PASSWORD, None);
    assert_eq!(step, retry(Wait::Hint(Duration::from_millis(700)), false));
    let never = refused(ErrorBody::new(403, "banned", "no"));
    assert!(matches!(
        after_failure(&never, PASSWORD, None),
        NextStep::Stop(StopReason::Refused(_))
    ));
    let silent = DisconnectReason::Login(RequestError::Deadline);
    assert_eq!(after_failure(&silent, PASSWORD, None), RETRY);
}
