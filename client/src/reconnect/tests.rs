use std::collections::BTreeSet;

use antiphon_protocol::{ErrorBody, close_code};
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    format: u32,
    constants: Constants,
    cases: Vec<Case>,
}

#[derive(Deserialize, Debug, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Constants {
    backoff_base_ms: u128,
    backoff_max_ms: u128,
    hint_max_ms: u128,
    stable_after_ms: u128,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Case {
    name: String,
    happened: Input,
    token: bool,
    fallback: bool,
    failed_attempts: u32,
    draw: f64,
    hint_ms: Option<u64>,
    step: Expected,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum Input {
    #[serde(rename_all = "camelCase")]
    NoServer {
        retry_after_seconds: Option<u64>,
    },
    GatewayFailed,
    ConnectFailed,
    LoginRefused(ErrorBody),
    LoginFailed,
    Closed(u16),
    Lost,
    Silent,
    Asked,
    Stopped,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum Expected {
    #[serde(rename_all = "camelCase")]
    Reconnect {
        wait_ms: u128,
        min_ms: u128,
        max_ms: u128,
        forget_token: bool,
    },
    Stop(Kind),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Kind {
    Asked,
    Credentials,
    Closed,
    Refused,
}

impl From<&Input> for Happened {
    fn from(input: &Input) -> Self {
        match input {
            Input::NoServer {
                retry_after_seconds,
            } => Self::NoServer {
                retry_after: retry_after_seconds.map(Duration::from_secs),
            },
            Input::GatewayFailed => Self::GatewayFailed,
            Input::ConnectFailed => Self::ConnectFailed,
            Input::LoginRefused(body) => Self::LoginRefused {
                code: body.code,
                retryable: body.retryable,
                retry_after: body.retry_after_ms.map(Duration::from_millis),
            },
            Input::LoginFailed => Self::LoginFailed,
            Input::Closed(code) => Self::Closed { code: *code },
            Input::Lost => Self::Lost,
            Input::Silent => Self::Silent,
            Input::Asked => Self::Asked,
            Input::Stopped => Self::Stopped,
        }
    }
}

fn file() -> File {
    serde_json::from_str(include_str!("../../cases/reconnect.json")).unwrap()
}

fn wait_of(step: Step, forget: bool, name: &str) -> u128 {
    match step {
        Step::Reconnect { wait, forget_token } => {
            assert_eq!(forget_token, forget, "{name}");
            wait.as_millis()
        }
        Step::Stop(kind) => panic!("{name}: stopped: {kind:?}"),
    }
}

#[test]
fn every_case_of_the_shared_file_ends_as_it_says() {
    let file = file();
    assert_eq!(file.format, 1);
    let constants = Constants {
        backoff_base_ms: BACKOFF_BASE.as_millis(),
        backoff_max_ms: BACKOFF_MAX.as_millis(),
        hint_max_ms: HINT_MAX.as_millis(),
        stable_after_ms: crate::limits::STABLE_AFTER.as_millis(),
    };
    assert_eq!(file.constants, constants);
    for case in file.cases {
        let name = &case.name;
        let step = |draw| {
            let situation = Situation {
                token: case.token,
                fallback: case.fallback,
                failed_attempts: case.failed_attempts,
                hint: case.hint_ms.map(Duration::from_millis),
                draw,
            };
            next_step((&case.happened).into(), situation)
        };
        match case.step {
            Expected::Reconnect {
                wait_ms,
                min_ms,
                max_ms,
                forget_token,
            } => {
                assert_eq!(
                    wait_of(step(case.draw), forget_token, name),
                    wait_ms,
                    "{name}"
                );
                assert_eq!(wait_of(step(0.0), forget_token, name), min_ms, "{name}");
                let most = step(1.0 - f64::EPSILON);
                assert_eq!(wait_of(most, forget_token, name), max_ms, "{name}");
            }
            Expected::Stop(kind) => {
                let kind = match kind {
                    Kind::Asked => StopKind::Asked,
                    Kind::Credentials => StopKind::Credentials,
                    Kind::Closed => StopKind::Closed,
                    Kind::Refused => StopKind::Refused,
                };
                assert_eq!(step(case.draw), Step::Stop(kind), "{name}");
            }
        }
    }
}

#[test]
fn the_shared_file_has_every_close_code_and_every_thing_that_happens() {
    let (mut codes, mut kinds, mut names) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for case in file().cases {
        let happened = Happened::from(&case.happened);
        let text = format!("{happened:?}");
        kinds.insert(text.split([' ', '{']).next().unwrap().to_owned());
        if let Happened::Closed { code } = happened {
            codes.insert(code);
        }
        assert!(names.insert(case.name.clone()), "twice: {}", case.name);
    }
    for code in close_code::ALL {
        assert!(codes.contains(&code.code), "no case has {code:?}");
    }
    assert_eq!(kinds.len(), 10, "{kinds:?}");
}

#[test]
fn a_draw_out_of_range_stays_within_the_bounds() {
    for draw in [-1.0, 2.0, f64::NAN, f64::INFINITY] {
        let situation = Situation {
            token: false,
            fallback: true,
            failed_attempts: 0,
            hint: None,
            draw,
        };
        let wait = wait_of(next_step(Happened::Lost, situation), false, "draw");
        assert!(wait <= BACKOFF_BASE.as_millis());
    }
}
