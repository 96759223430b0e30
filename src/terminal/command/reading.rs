//! Reading what was said.

use antiphon_protocol::client;
use antiphon_protocol::limits::POPULAR_MAX;
use async_trait::async_trait;

use super::super::session::Session;
use super::super::{render, sanitize};
use super::{Answer, CommandError, Execute};

/// Messages that `/search` shows.
const FOUND_MAX: u64 = 20;

/// `/history [N]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// How many messages.
    pub count: u64,
    /// Of what; the chain fills it in.
    pub conversation: Option<String>,
}

#[async_trait]
impl Execute for History {
    async fn execute(self, session: &mut Session) -> Result<Answer, CommandError> {
        let conversation = self.conversation.ok_or(CommandError::NoConversation)?;
        let lines = session.last_messages(conversation, self.count).await?;
        if lines.is_empty() {
            return Ok(Answer::line(
                session.painter.dim("— nothing was said here yet"),
            ));
        }
        Ok(Answer::lines(lines))
    }
}

/// `/search WORDS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// What to find.
    pub words: String,
}

#[async_trait]
impl Execute for Search {
    async fn execute(self, session: &mut Session) -> Result<Answer, CommandError> {
        let asked = client::Search {
            conversation: None,
            words: self.words,
            limit: FOUND_MAX,
        };
        let reply = session.client.request(asked).await?;
        if reply.messages.is_empty() {
            return Ok(Answer::line(session.painter.dim("— nothing found")));
        }
        let me = session.state.lock().me.clone();
        let found = reply
            .messages
            .iter()
            .map(|message| session.painter.message(message, &me));
        Ok(Answer::lines(found.collect()))
    }
}

/// `/unread`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread;

#[async_trait]
impl Execute for Unread {
    async fn execute(self, session: &mut Session) -> Result<Answer, CommandError> {
        session.tell_read().await;
        let reply = session.client.request(client::Conversations {}).await?;
        let unread = reply
            .conversations
            .iter()
            .filter(|conversation| conversation.unread > 0);
        let lines: Vec<String> = unread
            .map(|conversation| {
                format!(
                    "  {:>4}  {}",
                    conversation.unread,
                    render::label(&conversation.name)
                )
            })
            .collect();
        if lines.is_empty() {
            return Ok(Answer::line(session.painter.dim("— nothing is unread")));
        }
        Ok(Answer::lines(lines))
    }
}

/// `/popular [N]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Popular {
    /// How many words.
    pub count: u64,
}

#[async_trait]
impl Execute for Popular {
    async fn execute(self, session: &mut Session) -> Result<Answer, CommandError> {
        let asked = client::Popular {
            n: self.count.min(POPULAR_MAX),
            room_name: None,
            window_seconds: None,
        };
        let reply = session.client.request(asked).await?;
        if reply.words.is_empty() {
            return Ok(Answer::line(session.painter.dim("— no words yet")));
        }
        let pairs = reply.words.chunks_exact(2);
        let lines = pairs.map(|pair| {
            format!(
                "  {:>6}  {}",
                sanitize::line(&pair[1]),
                sanitize::line(&pair[0])
            )
        });
        Ok(Answer::lines(lines.collect()))
    }
}
