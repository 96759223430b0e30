//! `/delay`: messages that are said later, by this terminal. They are kept in memory only.

use std::time::Duration;

use antiphon_core::clock;
use antiphon_core::task::{self, TaskKind};
use antiphon_protocol::client::Target;
use async_trait::async_trait;

use super::super::session::Session;
use super::super::state::conversation_of;
use super::super::{render, sanitize};
use super::{Answer, CommandError, Execute, emoji};

/// Messages that may wait.
const DELAYED_MAX: usize = 20;
/// Longest delay: a day.
pub(super) const SECONDS_MAX: u64 = 24 * 60 * 60;
/// How much of a text a list repeats.
const EXCERPT_COLUMNS: usize = 40;

/// A message that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delayed {
    number: u64,
    due_ms: u64,
    target: Target,
    text: String,
}

/// `/delay SECONDS TEXT`, `/delay`, `/delay cancel [NUMBER]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delay {
    /// Says something later.
    Add {
        /// When.
        seconds: u64,
        /// What.
        text: String,
        /// Where; the chain fills it in.
        target: Option<Target>,
    },
    /// Lists what waits.
    List,
    /// Takes one back, or all.
    Cancel(Option<u64>),
}

#[async_trait]
impl Execute for Delay {
    async fn execute(self, session: &mut Session) -> Result<Answer, CommandError> {
        match self {
            Self::Add {
                seconds,
                text,
                target,
            } => {
                let target = target.ok_or(CommandError::NoConversation)?;
                add(session, seconds, text, target)
            }
            Self::List => Ok(list(session)),
            Self::Cancel(number) => cancel(session, number),
        }
    }
}

fn add(
    session: &mut Session,
    seconds: u64,
    text: String,
    target: Target,
) -> Result<Answer, CommandError> {
    let place = render::label(&conversation_of(&target));
    let number = {
        let mut state = session.state.lock();
        if state.delayed.len() >= DELAYED_MAX {
            return Err(CommandError::Refused(format!(
                "{DELAYED_MAX} messages wait already; /delay lists them"
            )));
        }
        state.delays += 1;
        let number = state.delays;
        state.delayed.push(Delayed {
            number,
            due_ms: clock::unix_ms().saturating_add(seconds * 1_000),
            target,
            text,
        });
        number
    };
    let mut later = session.clone();
    let _task = task::spawn(&session.scope, TaskKind::Client, async move {
        clock::sleep(Duration::from_secs(seconds)).await;
        let due = {
            let mut state = later.state.lock();
            let at = state.delayed.iter().position(|one| one.number == number);
            at.map(|at| state.delayed.remove(at))
        };
        // What was taken back is not there any more.
        if let Some(due) = due {
            later.send(due.target, emoji::put_in(&due.text));
        }
    });
    let when = render::duration(i64::try_from(seconds * 1_000).unwrap_or(i64::MAX));
    let words = format!("— goes to {place} in {when}; /delay cancel {number} takes it back");
    Ok(Answer::line(session.painter.dim(&words)))
}

fn list(session: &Session) -> Answer {
    let state = session.state.lock();
    if state.delayed.is_empty() {
        return Answer::line(session.painter.dim("— no message waits"));
    }
    let now = clock::unix_ms();
    let lines = state.delayed.iter().map(|one| {
        let left = i64::try_from(one.due_ms.saturating_sub(now)).unwrap_or(i64::MAX);
        let when = render::duration(left);
        let place = render::label(&conversation_of(&one.target));
        let text = render::cut(&sanitize::line(&one.text), EXCERPT_COLUMNS);
        format!("  {:>2}  in {when}  {place}  {text}", one.number)
    });
    Answer::lines(lines.collect())
}

fn cancel(session: &Session, number: Option<u64>) -> Result<Answer, CommandError> {
    let mut state = session.state.lock();
    let before = state.delayed.len();
    match number {
        Some(number) => state.delayed.retain(|one| one.number != number),
        None => state.delayed.clear(),
    }
    let taken = before - state.delayed.len();
    if taken == 0 {
        return Err(CommandError::Refused("no such message waits".to_owned()));
    }
    let words = if taken == 1 {
        "— taken back".to_owned()
    } else {
        format!("— {taken} messages taken back")
    };
    Ok(Answer::line(session.painter.dim(&words)))
}

/// Takes back what waits, and says so: the chat is over.
pub(in crate::terminal) fn give_up(session: &Session) -> Option<String> {
    let given_up = std::mem::take(&mut session.state.lock().delayed);
    let words = match given_up.as_slice() {
        [] => return None,
        [one] => {
            let text = render::cut(&sanitize::line(&one.text), EXCERPT_COLUMNS);
            format!("— a delayed message was not sent: {text}")
        }
        several => format!("— {} delayed messages were not sent", several.len()),
    };
    Some(session.painter.dim(&words))
}
