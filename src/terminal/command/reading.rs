//! Reading what was said.

use antiphon_protocol::RoomName;
use antiphon_protocol::client;
use antiphon_protocol::limits::POPULAR_MAX;
use antiphon_protocol::{Message, UserName};
use async_trait::async_trait;

use super::super::session::Session;
use super::super::{render, sanitize, screen};
use super::page;
use super::{Answer, CommandError, Execute};

/// Conversations that `/unread` names.
const UNREAD_MAX: usize = 20;
/// Messages that `/search` shows.
const FOUND_MAX: u64 = 20;

/// `/history [N]`, `/older [N]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// How many messages.
    pub count: u64,
    /// Before what is on the screen, even if that did not come by `/history`.
    pub older: bool,
    /// Of what; the chain fills it in.
    pub conversation: Option<String>,
}

#[async_trait]
impl Execute for History {
    async fn execute(self, session: &mut Session) -> Result<Answer, CommandError> {
        let conversation = self.conversation.ok_or(CommandError::NoConversation)?;
        let before = {
            let state = session.state.lock();
            let back = state.back.as_ref();
            let here = back.filter(|back| back.conversation == conversation);
            here.filter(|back| self.older || back.paging)
                .map(|back| back.oldest)
        };
        let painter = session.painter;
        if before == Some(1) {
            let words = format!(
                "— this is the beginning of {}",
                render::label(&conversation)
            );
            return Ok(Answer::line(painter.dim(&words)));
        }
        let page = page::page(session, &conversation, before, self.count).await?;
        if page.messages.is_empty() {
            let words = if before.is_some() {
                format!(
                    "— there is nothing before this in {}",
                    render::label(&conversation)
                )
            } else {
                "— nothing was said here yet".to_owned()
            };
            return Ok(Answer::line(painter.dim(&words)));
        }
        let mut state = session.state.lock();
        page::remember(&mut state, &page, true);
        if before.is_none() {
            state.saw_seq(&conversation, page.last_seq);
        }
        let messages: Vec<&Message> = page.messages.iter().collect();
        let mut lines = vec![page::place(&page, painter)];
        lines.extend(page::lines(&messages, None, &mut state, painter));
        Ok(Answer::lines(lines))
    }
}

/// `/search [--all] WORDS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// What to find.
    pub words: String,
    /// Everywhere, even if a conversation is current.
    pub all: bool,
}

#[async_trait]
impl Execute for Search {
    async fn execute(self, session: &mut Session) -> Result<Answer, CommandError> {
        let current = session.state.lock().current_conversation();
        let conversation = current.filter(|_| !self.all);
        let place = conversation.as_deref().map(render::label);
        let asked = client::Search {
            conversation,
            words: self.words.clone(),
            limit: FOUND_MAX,
        };
        let reply = session.client.request(asked).await?;
        let painter = session.painter;
        if reply.messages.is_empty() {
            let words = match place {
                Some(place) => {
                    format!("— nothing found in {place}; /search --all looks everywhere")
                }
                None => "— nothing found".to_owned(),
            };
            return Ok(Answer::line(painter.dim(&words)));
        }
        let me = session.state.lock().me.clone();
        let marked: Vec<String> = self
            .words
            .split_whitespace()
            .map(str::to_lowercase)
            .collect();
        let zone = painter.zone();
        let today = zone.day(antiphon_core::clock::unix_ms());
        let found = reply.messages.iter().rev().map(|message| {
            let stamp = zone.stamp(message.ts, today);
            painter.message_at(message, &me, &stamp, &marked)
        });
        let mut lines: Vec<String> = found.collect();
        let count = reply.messages.len() as u64;
        let place = place.map_or_else(String::new, |place| format!(" in {place}"));
        let words = if count >= FOUND_MAX {
            format!("the newest {count} that were found{place}")
        } else {
            format!("{count} found{place}")
        };
        lines.push(painter.dim(&format!("— {words}, newest last")));
        Ok(Answer::lines(lines))
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
        let painter = session.painter;
        let mut state = session.state.lock();
        let current = state.current_conversation();
        for conversation in &reply.conversations {
            let is_current = current.as_deref() == Some(&*conversation.name);
            if conversation.unread == 0 || is_current {
                state.unread.remove(&conversation.name);
            } else {
                let (name, count) = (conversation.name.clone(), conversation.unread);
                state.unread.insert(name, count);
            }
        }
        let unread = state.unread_in_order();
        let mut lines: Vec<String> = unread
            .iter()
            .take(UNREAD_MAX)
            .map(|(name, count)| {
                let mark = if state.mentioned.contains(*name) {
                    painter.signal("»")
                } else {
                    " ".to_owned()
                };
                format!("  {count:>4} {mark}{}", render::label(name))
            })
            .collect();
        if lines.is_empty() {
            return Ok(Answer::line(painter.dim("— nothing is unread")));
        }
        if unread.len() > UNREAD_MAX {
            let left = unread.len() - UNREAD_MAX;
            lines.push(painter.dim(&format!("… and {left} more")));
        }
        lines.push(painter.dim("— /next goes to the first of them"));
        Ok(Answer::lines(lines))
    }
}

/// `/next`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next;

#[async_trait]
impl Execute for Next {
    async fn execute(self, session: &mut Session) -> Result<Answer, CommandError> {
        session.tell_read().await;
        let painter = session.painter;
        let target = {
            let state = session.state.lock();
            let first = state.unread_in_order().first().map(|(name, _)| *name);
            first.and_then(target_of)
        };
        let Some(target) = target else {
            return Ok(Answer::line(painter.dim("— nothing is unread")));
        };
        let place = render::label(&super::super::state::conversation_of(&target));
        let mut lines = page::open(session, target, false).await?;
        lines.push(painter.dim(&format!("— you are in {place}")));
        Ok(Answer::lines(lines))
    }
}

fn target_of(conversation: &str) -> Option<client::Target> {
    let (kind, name) = conversation.split_once(':')?;
    if kind == "room" {
        RoomName::parse(name).ok().map(client::Target::Room)
    } else {
        UserName::parse(name).ok().map(client::Target::User)
    }
}

/// `/popular [ROOM] [N]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Popular {
    /// How many words.
    pub count: u64,
    /// Where; everywhere if absent.
    pub room: Option<RoomName>,
}

#[async_trait]
impl Execute for Popular {
    async fn execute(self, session: &mut Session) -> Result<Answer, CommandError> {
        let asked = client::Popular {
            n: self.count.min(POPULAR_MAX),
            room_name: self.room,
            window_seconds: None,
        };
        let reply = session.client.request(asked).await?;
        let painter = session.painter;
        if reply.words.is_empty() {
            return Ok(Answer::line(painter.dim("— no words yet")));
        }
        let pairs = reply.words.chunks_exact(2);
        let words: Vec<(String, u64)> = pairs
            .map(|pair| (sanitize::line(&pair[0]), pair[1].parse().unwrap_or(0)))
            .collect();
        let bars = render::bars(&words, screen::columns());
        let lines = bars
            .iter()
            .map(|(word, bar, count)| format!("  {word}  {} {}", painter.bar(bar), count.trim()));
        Ok(Answer::lines(lines.collect()))
    }
}
