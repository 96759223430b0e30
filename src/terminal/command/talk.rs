//! Saying something: here, elsewhere, in private, in the editor.

use antiphon_protocol::UserName;
use antiphon_protocol::client::Target;
use antiphon_protocol::limits::MESSAGE_CHARS_MAX;
use async_trait::async_trait;

use super::super::render;
use super::super::session::Session;
use super::super::state::conversation_of;
use super::{Answer, CommandError, Execute, editor, emoji, page};

/// Sends a text, its emoji put in. What was read back is not read on after that.
fn send(session: &mut Session, target: Target, text: &str) -> Answer {
    if let Some(back) = &mut session.state.lock().back {
        back.paging = false;
    }
    session.send(target, emoji::put_in(text));
    Answer::nothing()
}

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
        Ok(send(session, target, &self.text))
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
        Ok(send(session, self.target, &self.text))
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
            return Ok(send(session, target, &text));
        }
        let place = render::label(&conversation_of(&target));
        let words = format!("— you are talking to {place}, in private");
        // Nothing was said yet with somebody new, or there is nobody of the name: the first
        // message will tell.
        let mut lines = page::open(session, target, false).await.unwrap_or_default();
        lines.push(session.painter.dim(&words));
        Ok(Answer::lines(lines))
    }
}

/// `/reply TEXT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The text.
    pub text: String,
}

#[async_trait]
impl Execute for Reply {
    async fn execute(self, session: &mut Session) -> Result<Answer, CommandError> {
        let reply_to = session.state.lock().reply_to.clone();
        let to = reply_to.ok_or(CommandError::NobodyToAnswer)?;
        let text = match to.name {
            Some(name) => format!("@{name} {}", self.text),
            None => self.text,
        };
        Ok(send(session, to.target, &text))
    }
}

/// `/me DOES SOMETHING`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Me {
    /// What.
    pub text: String,
    /// Where; the chain fills it in.
    pub target: Option<Target>,
}

#[async_trait]
impl Execute for Me {
    async fn execute(self, session: &mut Session) -> Result<Answer, CommandError> {
        let target = self.target.ok_or(CommandError::NoConversation)?;
        session.send_in_format(target, emoji::put_in(&self.text), "emote");
        Ok(Answer::nothing())
    }
}

/// `/edit [TEXT]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// What the editor begins with.
    pub text: String,
    /// Where it goes; the chain fills it in.
    pub target: Option<Target>,
}

#[async_trait]
impl Execute for Edit {
    async fn execute(self, session: &mut Session) -> Result<Answer, CommandError> {
        let target = self.target.ok_or(CommandError::NoConversation)?;
        let draft = std::mem::take(&mut session.state.lock().draft);
        let begin = if self.text.is_empty() {
            draft
        } else {
            self.text
        };
        let written = session.ask(|| editor::write(&begin))?;
        let text = written.trim_end();
        if text.trim().is_empty() {
            let words = "— the text is empty: nothing sent";
            return Ok(Answer::line(session.painter.dim(words)));
        }
        let count = text.chars().count();
        if count > MESSAGE_CHARS_MAX {
            text.clone_into(&mut session.state.lock().draft);
            return Err(CommandError::Refused(format!(
                "{count} characters are too many, {MESSAGE_CHARS_MAX} may be sent; /edit goes on with this text"
            )));
        }
        Ok(send(session, target, text))
    }
}
