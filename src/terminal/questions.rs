//! Questions, by inquire: who and where at the start, choices and confirmations later. They
//! block, so they run on the terminal's own thread only.

use std::fmt;

use antiphon_client::{Credentials, GatewayUrl};
use antiphon_protocol::UserName;
use antiphon_protocol::client::Secret;
use antiphon_protocol::limits::{PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN};
use inquire::validator::Validation;
use inquire::{Confirm, InquireError, Password, PasswordDisplayMode, Select, Text};
use tokio::runtime::Runtime;

use super::gate::Mode;
use super::output::{self, Output};
use super::sanitize::sanitize_inline;
use super::sign_in::{SignInError, Who, sign_in};
use super::{ClientOptions, Exit};

/// The gateway of `antiphon up` on this machine.
pub const GATEWAY_DEFAULT: &str = "http://127.0.0.1:8888";
/// Wrong credentials after which the client gives up.
const ATTEMPTS_MAX: usize = 3;

/// Somebody who can be asked.
pub trait Questions: fmt::Debug + Send + Sync {
    /// One of the choices; `None` if there are none or the user turns back.
    fn choose(&mut self, question: &str, choices: Vec<String>) -> Option<String>;
    /// Yes or no; turning back is no.
    fn confirm(&mut self, question: &str) -> bool;
}

/// The user at the terminal. While a question is open, the output waits.
#[derive(Debug)]
pub struct Asking(pub Output);

impl Questions for Asking {
    fn choose(&mut self, question: &str, choices: Vec<String>) -> Option<String> {
        if choices.is_empty() {
            return None;
        }
        let shown: Vec<_> = choices
            .iter()
            .map(|choice| sanitize_inline(choice))
            .collect();
        self.0.set(Mode::Asking);
        let chosen = Select::new(question, shown)
            .raw_prompt_skippable()
            .ok()
            .flatten();
        self.0.set(Mode::Idle);
        choices.into_iter().nth(chosen?.index)
    }

    fn confirm(&mut self, question: &str) -> bool {
        self.0.set(Mode::Asking);
        let answer = Confirm::new(question).with_default(false).prompt();
        self.0.set(Mode::Idle);
        answer.unwrap_or(false)
    }
}

/// Learns where the gateway is and who the user is, and signs in.
pub fn interview(
    options: &ClientOptions,
    stdin_password: Option<Secret>,
    runtime: &Runtime,
) -> Result<(GatewayUrl, UserName, Credentials), Exit> {
    let gateway = ask_gateway(options, stdin_password.is_some())?;
    let mut attempts = 0;
    loop {
        let (who, asked) = ask_who(options, stdin_password.clone())?;
        let error = match runtime.block_on(sign_in(&gateway, &who)) {
            Ok(credentials) => return Ok((gateway, who.user, credentials)),
            Err(error) => error,
        };
        output::error_now(&sanitize_inline(&error.to_string()));
        match error {
            SignInError::Gateway(_) | SignInError::Connect(_) => return Err(Exit::Unreachable),
            SignInError::Request(ref error) if error.refusal().is_none() => {
                return Err(Exit::Unreachable);
            }
            SignInError::Credentials(_) | SignInError::Request(_) => {}
        }
        attempts += 1;
        if !asked || attempts >= ATTEMPTS_MAX {
            let wrong = matches!(error, SignInError::Credentials(_));
            return Err(if wrong {
                Exit::Credentials
            } else {
                Exit::Failure
            });
        }
    }
}

fn ask_gateway(options: &ClientOptions, quiet: bool) -> Result<GatewayUrl, Exit> {
    let given = options.gateway.as_deref();
    if let Some(raw) = given.or(quiet.then_some(GATEWAY_DEFAULT)) {
        return GatewayUrl::parse(raw).map_err(|error| {
            output::error_now(&format!("--gateway: {error}"));
            Exit::Usage
        });
    }
    let check = |raw: &str| {
        Ok(match GatewayUrl::parse(raw) {
            Ok(_) => Validation::Valid,
            Err(error) => Validation::Invalid(error.to_string().into()),
        })
    };
    let raw = answered(
        Text::new("Gateway:")
            .with_default(GATEWAY_DEFAULT)
            .with_validator(check)
            .prompt(),
    )?;
    GatewayUrl::parse(&raw).map_err(|_| Exit::Usage)
}

/// Who wants in, and whether the user was asked for anything.
fn ask_who(options: &ClientOptions, stdin_password: Option<Secret>) -> Result<(Who, bool), Exit> {
    let Some(raw) = &options.user else {
        let register = ask_register()?;
        let user = ask_name()?;
        let password = ask_password(register)?;
        return Ok((
            Who {
                user,
                password,
                register,
            },
            true,
        ));
    };
    let user = UserName::parse(raw).map_err(|error| {
        output::error_now(&format!("--user: {error}"));
        Exit::Usage
    })?;
    if options.open || stdin_password.is_some() {
        return Ok((
            Who {
                user,
                password: stdin_password,
                register: false,
            },
            false,
        ));
    }
    Ok((
        Who {
            user,
            password: ask_password(false)?,
            register: false,
        },
        true,
    ))
}

fn ask_register() -> Result<bool, Exit> {
    const LOG_IN: &str = "Log in";
    const REGISTER: &str = "Register";
    let answer = answered(Select::new("Welcome:", vec![LOG_IN, REGISTER]).prompt())?;
    Ok(answer == REGISTER)
}

fn ask_name() -> Result<UserName, Exit> {
    let check = |raw: &str| {
        Ok(match UserName::parse(raw.trim()) {
            Ok(_) => Validation::Valid,
            Err(error) => Validation::Invalid(error.to_string().into()),
        })
    };
    let raw = answered(Text::new("Name:").with_validator(check).prompt())?;
    UserName::parse(raw.trim()).map_err(|_| Exit::Usage)
}

fn ask_password(register: bool) -> Result<Option<Secret>, Exit> {
    let check = move |raw: &str| {
        let chars = raw.chars().count();
        let fits = (PASSWORD_CHARS_MIN..=PASSWORD_CHARS_MAX).contains(&chars) || !register;
        let expected = format!("{PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters");
        Ok(if fits {
            Validation::Valid
        } else {
            Validation::Invalid(expected.into())
        })
    };
    let mut question = Password::new("Password:")
        .with_display_mode(PasswordDisplayMode::Hidden)
        .with_validator(check);
    if !register {
        question = question
            .without_confirmation()
            .with_help_message("Leave it empty on a server that lets everybody in");
    }
    let password = answered(question.prompt())?;
    // No password: such a login succeeds only on a server that is open.
    Ok((!password.is_empty()).then_some(Secret(password)))
}

fn answered<T>(answer: Result<T, InquireError>) -> Result<T, Exit> {
    answer.map_err(|error| match error {
        InquireError::OperationCanceled | InquireError::OperationInterrupted => Exit::Interrupted,
        InquireError::NotTTY => super::no_terminal(),
        InquireError::InvalidConfiguration(_) | InquireError::IO(_) | InquireError::Custom(_) => {
            output::error_now(&format!("the question could not be asked: {error}"));
            Exit::Failure
        }
    })
}
