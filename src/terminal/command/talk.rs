//! Saying something: here, elsewhere, in private.

use antiphon_protocol::UserName;
use antiphon_protocol::client::Target;
use async_trait::async_trait;

use super::super::render;
use super::super::session::Session;
use super::super::state::conversation_of;
use super::{Answer, CommandError, Execute};

/// Plain text for the current conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Say {
    /// The text as typed.
    pub text: String,
    /// Where it goes; the chain fills it in.
    pub target: Option<Target>,
}

#[async_trait]
impl Execute for Say {
    async fn execute(self, session: &mut Session) -> Result<Answer, CommandError> {
        let target = self.target.ok_or(CommandError::NoConversation)?;
        session.send(target, self.text);
        Ok(Answer::nothing())
    }
}

/// `/chat USER TEXT`, `/chat room:NAME TEXT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatTo {
    /// Where it goes.
    pub target: Target,
    /// The text.
    pub text: String,
}

#[async_trait]
impl Execute for ChatTo {
    async fn execute(self, session: &mut Session) -> Result<Answer, CommandError> {
        session.send(self.target, self.text);
        Ok(Answer::nothing())
    }
}

/// `/msg USER [TEXT]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Msg {
    /// To whom.
    pub user: UserName,
    /// The text; without one the conversation becomes the current one.
    pub text: Option<String>,
}

#[async_trait]
impl Execute for Msg {
    async fn execute(self, session: &mut Session) -> Result<Answer, CommandError> {
        let target = Target::User(self.user);
        if let Some(text) = self.text {
            session.send(target, text);
            return Ok(Answer::nothing());
        }
        let place = render::label(&conversation_of(&target));
        session.state.lock().make_current(target);
        let words = format!("— you are talking to {place}, in private");
        Ok(Answer::line(session.painter.dim(&words)))
    }
}
