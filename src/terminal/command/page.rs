//! Messages of a conversation as lines: what is shown when one goes there, and going back.

use antiphon_protocol::Message;
use antiphon_protocol::client::{History, Page, Target};

use super::super::render::{self, Painter};
use super::super::session::Session;
use super::super::state::{Back, State, conversation_of};
use super::CommandError;

/// Messages shown when a conversation becomes the current one.
const SHOWN_ON_OPEN: u64 = 10;
/// Read messages shown before the new ones.
const CONTEXT: u64 = 3;
/// Most messages shown when a conversation becomes the current one.
const OPEN_MAX: u64 = 100;

/// Makes a conversation the current one, and shows what was said: with something new, what is
/// new behind a divider. `new_to_it`: the user has just joined, so that nothing was missed.
pub(super) async fn open(
    session: &Session,
    target: Target,
    new_to_it: bool,
) -> Result<Vec<String>, CommandError> {
    let conversation = conversation_of(&target);
    let (read, unread) = {
        let mut state = session.state.lock();
        let unread = state.unread.get(&conversation).copied();
        let read = state.read_up_to(&conversation);
        state.make_current(target);
        (read, unread.filter(|_| !new_to_it).unwrap_or(0))
    };
    if !session.client.is_connected() {
        return Ok(Vec::new());
    }
    let limit = if unread > 0 {
        unread.saturating_add(CONTEXT).min(OPEN_MAX)
    } else {
        SHOWN_ON_OPEN
    };
    let page = page(session, &conversation, None, limit).await?;
    let mut state = session.state.lock();
    let messages = state.not_shown_yet(&conversation, &page.messages);
    remember(&mut state, &page, false);
    let new = Some(New { read, unread }).filter(|_| unread > 0);
    Ok(lines(&messages, new, &mut state, session.painter))
}

/// A page of a conversation: the newest, or the one before a place.
pub(super) async fn page(
    session: &Session,
    conversation: &str,
    before_seq: Option<u64>,
    limit: u64,
) -> Result<Page, CommandError> {
    let asked = History {
        conversation: conversation.to_owned(),
        before_seq,
        after_seq: None,
        around_ts: None,
        limit,
    };
    Ok(session.client.request(asked).await?)
}

/// How far back the user is now.
pub(super) fn remember(state: &mut State, page: &Page, paging: bool) {
    let messages = page.messages.iter().map(|message| message.seq);
    if let Some(oldest) = messages.chain(page.sealed.iter().copied()).min() {
        state.back = Some(Back {
            conversation: page.conversation.clone(),
            oldest,
            paging,
        });
    }
}

/// What is new on a page.
#[derive(Debug, Clone, Copy)]
pub(super) struct New {
    read: u64,
    unread: u64,
}

/// Messages as lines, with dividers between days and in front of what is new.
pub(super) fn lines(
    messages: &[&Message],
    mut new: Option<New>,
    state: &mut State,
    painter: Painter,
) -> Vec<String> {
    let mut lines = Vec::new();
    let me = state.me.clone();
    let shown_new = messages
        .iter()
        .filter(|message| new.is_some_and(|new| is_new(message, new, &me)))
        .count();
    for message in messages {
        if let Some(divider) = new.take_if(|new| is_new(message, *new, &me)) {
            let before = divider.unread.saturating_sub(shown_new as u64);
            lines.push(painter.new_divider(divider.unread));
            if before > 0 {
                lines.push(painter.dim(&format!("— the first {before} of them: /older")));
            }
        }
        lines.extend(state.day_line(message.ts, painter));
        lines.push(painter.message(message, &me));
    }
    lines
}

fn is_new(message: &Message, new: New, me: &str) -> bool {
    message.seq > new.read && message.from.as_str() != me
}

/// Where a page of the past stands.
pub(super) fn place(page: &Page, painter: Painter) -> String {
    let label = render::label(&page.conversation);
    let seqs = || page.messages.iter().map(|message| message.seq);
    let (first, last) = (
        seqs().min().unwrap_or_default(),
        seqs().max().unwrap_or_default(),
    );
    let range = if first == last {
        format!("{label}, {first} of {}", page.last_seq)
    } else {
        format!("{label}, {first} to {last} of {}", page.last_seq)
    };
    if page.more {
        return painter.divider(&format!("{range}, /older goes on"));
    }
    if page.first_available_seq > 1 && !page.complete {
        return painter.divider(&format!("{range}, what was before is gone"));
    }
    painter.divider(&format!("{range}, the beginning"))
}

#[cfg(test)]
mod tests;
