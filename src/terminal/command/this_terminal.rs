//! What concerns this terminal alone.

use async_trait::async_trait;

use super::super::session::Session;
use super::{Answer, CommandError, Execute};

/// `/reconnect`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconnect;

#[async_trait]
impl Execute for Reconnect {
    async fn execute(self, session: &mut Session) -> Result<Answer, CommandError> {
        let connected = session.client.is_connected();
        session.client.reconnect().await;
        // Leaving and coming back are told as they happen.
        if connected {
            return Ok(Answer::nothing());
        }
        Ok(Answer::line(session.painter.dim("— trying again")))
    }
}

/// `/clear`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clear;

#[async_trait]
impl Execute for Clear {
    async fn execute(self, _session: &mut Session) -> Result<Answer, CommandError> {
        Ok(Answer {
            clear: true,
            ..Answer::default()
        })
    }
}

/// The end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quit;

#[async_trait]
impl Execute for Quit {
    async fn execute(self, _session: &mut Session) -> Result<Answer, CommandError> {
        Ok(Answer {
            quit: true,
            ..Answer::default()
        })
    }
}

/// `/bell [on|off]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bell {
    /// The other way round if absent.
    pub on: Option<bool>,
}

#[async_trait]
impl Execute for Bell {
    async fn execute(self, session: &mut Session) -> Result<Answer, CommandError> {
        let on = {
            let mut state = session.state.lock();
            state.bell = self.on.unwrap_or(!state.bell);
            state.bell
        };
        let words = if on {
            "— the bell rings when somebody names you or writes to you in private"
        } else {
            "— the bell is off"
        };
        Ok(Answer::line(session.painter.dim(words)))
    }
}
