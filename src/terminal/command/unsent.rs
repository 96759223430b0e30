//! Own messages that are not stored: look at them, try again, give up.

use async_trait::async_trait;

use super::super::session::Session;
use super::super::unsent::UNSENT_MAX;
use super::{Answer, CommandError, Execute};

fn messages(count: usize) -> String {
    if count == 1 {
        "1 message".to_owned()
    } else {
        format!("{count} messages")
    }
}

/// `/pending`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending;

#[async_trait]
impl Execute for Pending {
    async fn execute(self, session: &mut Session) -> Result<Answer, CommandError> {
        let lines = session.unsent_lines(UNSENT_MAX);
        if lines.is_empty() {
            let words = session.painter.dim("— everything you said is stored");
            return Ok(Answer::line(words));
        }
        Ok(Answer::lines(lines))
    }
}

/// `/retry`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry;

#[async_trait]
impl Execute for Retry {
    async fn execute(self, session: &mut Session) -> Result<Answer, CommandError> {
        let count = session.retry();
        let words = match count {
            0 => "— nothing came back, so there is nothing to send again".to_owned(),
            _ => format!("— {} on the way again", messages(count)),
        };
        Ok(Answer::line(session.painter.dim(&words)))
    }
}

/// `/drop`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GiveUp;

#[async_trait]
impl Execute for GiveUp {
    async fn execute(self, session: &mut Session) -> Result<Answer, CommandError> {
        let count = session.unsent.lock().take_back().len();
        let words = match count {
            0 => "— nothing came back, so there is nothing to give up".to_owned(),
            _ => format!("— {} given up", messages(count)),
        };
        Ok(Answer::line(session.painter.dim(&words)))
    }
}
