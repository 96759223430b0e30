//! `/history`, `/search`, `/unread`.

use antiphon_core::dispatcher::CommandHandler;
use antiphon_protocol::client as wire;
use async_trait::async_trait;

use super::{Failure, History, Reply, Search, Session, Unread};
use crate::terminal::render::{self, place_name};
use crate::terminal::view::conversation_of;

/// Messages that a search shows.
const FOUND_MAX: u64 = 30;

pub(super) struct Handlers;

/// The newest messages of a conversation as lines, oldest first.
pub(super) async fn newest(
    session: &Session,
    conversation: &str,
    limit: u64,
) -> Result<Vec<String>, Failure> {
    let command = wire::History {
        conversation: conversation.to_owned(),
        before_seq: None,
        after_seq: None,
        around_ts: None,
        limit,
    };
    let page = session.client.request(command).await?;
    let me = session.view().me.clone();
    let line = |message| render::message(session.style, message, &me, Some(conversation));
    let mut lines = Vec::new();
    if !page.complete {
        lines.push(session.style.dim("— older messages are gone"));
    }
    lines.extend(page.messages.iter().map(line));
    Ok(lines)
}

#[async_trait]
impl CommandHandler<Session, History, Reply, Failure> for Handlers {
    async fn handle(
        &self,
        session: &mut Session,
        History { n }: History,
    ) -> Result<Reply, Failure> {
        let conversation = conversation_of(&session.current()?);
        let mut lines = newest(session, &conversation, n).await?;
        if lines.is_empty() {
            lines.push("nothing was said here yet".to_owned());
        }
        Ok(Reply::Lines(lines))
    }
}

#[async_trait]
impl CommandHandler<Session, Search, Reply, Failure> for Handlers {
    async fn handle(
        &self,
        session: &mut Session,
        Search { words }: Search,
    ) -> Result<Reply, Failure> {
        let command = wire::Search {
            conversation: None,
            words,
            limit: FOUND_MAX,
        };
        let found = session.client.request(command).await?.messages;
        if found.is_empty() {
            return Ok(Reply::line("nothing found"));
        }
        let me = session.view().me.clone();
        let line = |message| render::message(session.style, message, &me, None);
        Ok(Reply::Lines(found.iter().rev().map(line).collect()))
    }
}

#[async_trait]
impl CommandHandler<Session, Unread, Reply, Failure> for Handlers {
    async fn handle(&self, session: &mut Session, Unread {}: Unread) -> Result<Reply, Failure> {
        let reply = session.client.request(wire::Conversations {}).await?;
        let unread = reply
            .conversations
            .iter()
            .filter(|conversation| conversation.unread > 0);
        let lines: Vec<_> = unread
            .map(|conversation| {
                format!(
                    "  {}  {}",
                    place_name(&conversation.name),
                    conversation.unread
                )
            })
            .collect();
        if lines.is_empty() {
            return Ok(Reply::line("everything is read"));
        }
        Ok(Reply::Lines(lines))
    }
}
