//! What is said of the connection: one line when it is lost, one when it is back, whatever
//! happens in between; a planned move is one line, and a connection that comes and goes is
//! said once.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use antiphon_client::{Closed, DisconnectReason};
use antiphon_core::clock::Instant;
use antiphon_protocol::client::ConversationSummary;
use antiphon_protocol::close_code::{DRAINING, RESTART};

use super::sanitize;

/// Conversations whose place is remembered.
const TOPS_MAX: usize = 4_096;
/// How long the messages of an absence may take to come.
const CATCH_UP_MAX: Duration = Duration::from_secs(3);
/// A planned move that takes longer is told when it begins.
const MOVE_MAX: Duration = Duration::from_secs(3);
/// So many losses ...
const LOSSES_MAX: usize = 3;
/// ... within this time are told, and then one line says that there are more.
const LOSSES_WITHIN: Duration = Duration::from_secs(60);

/// The messages of an absence are on their way.
#[derive(Debug)]
struct CatchUp {
    /// `back on s2 after 3 s`.
    words: String,
    /// By conversation, the last message of the absence.
    ends: HashMap<String, u64>,
    messages: u64,
    until: Instant,
}

/// How an absence began.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Absence {
    /// Nobody wanted it.
    Lost,
    /// The server asked for it, with these words.
    Planned(String),
    /// One of too many.
    Muted,
}

/// See the head of the file.
#[derive(Debug, Default)]
pub struct Outage {
    absence: Option<(Absence, Instant)>,
    server: String,
    /// By conversation, the highest sequence that is known here.
    tops: HashMap<String, u64>,
    catch_up: Option<CatchUp>,
    losses: VecDeque<Instant>,
}

impl Outage {
    /// A login; from the first one on it is known where each conversation stood.
    pub fn begins(&mut self, server: &str, conversations: &[ConversationSummary]) {
        if self.server.is_empty() {
            self.server = sanitize::excerpt(server);
            for summary in conversations {
                self.saw(&summary.name, summary.last_seq);
            }
        }
    }

    /// A place of a conversation was handed on.
    fn saw(&mut self, conversation: &str, seq: u64) {
        if let Some(top) = self.tops.get_mut(conversation) {
            *top = seq.max(*top);
        } else if self.tops.len() < TOPS_MAX {
            self.tops.insert(conversation.to_owned(), seq);
        }
    }

    /// The log is another one.
    pub fn forget_places(&mut self) {
        self.tops.clear();
    }

    /// There is no connection. What is to be said of it, if anything.
    pub fn lost(
        &mut self,
        reason: &DisconnectReason,
        retry_in: Duration,
        now: Instant,
    ) -> Option<String> {
        self.catch_up = None;
        let plan = planned(reason);
        match (&self.absence, plan) {
            (None, Some(why)) if retry_in <= MOVE_MAX => {
                self.absence = Some((Absence::Planned(why), now));
                None
            }
            (None, plan) => self.lost_anew(plan.unwrap_or_else(|| words(reason)), retry_in, now),
            // The move did not go as planned.
            (Some((Absence::Planned(why), since)), None) => {
                let (why, since) = (why.clone(), *since);
                let line = self.lost_anew(why, retry_in, now);
                if let Some((_, begun)) = &mut self.absence {
                    *begun = since;
                }
                line
            }
            (Some(_), _) => None,
        }
    }

    fn lost_anew(&mut self, why: String, retry_in: Duration, now: Instant) -> Option<String> {
        self.losses
            .retain(|at| now.saturating_duration_since(*at) < LOSSES_WITHIN);
        if self.losses.len() > LOSSES_MAX {
            self.absence = Some((Absence::Muted, now));
            return None;
        }
        self.losses.push_back(now);
        if self.losses.len() > LOSSES_MAX {
            self.absence = Some((Absence::Muted, now));
            return Some("— the connection comes and goes; it is kept up quietly".to_owned());
        }
        self.absence = Some((Absence::Lost, now));
        let when = match retry_in.as_secs() {
            0 => "trying again".to_owned(),
            seconds => format!("trying again in {seconds} s"),
        };
        Some(format!("— connection lost ({why}); {when}"))
    }

    /// The user is logged in again. What is to be said of it; if messages of the absence are on
    /// their way, it is said behind them.
    pub fn back(
        &mut self,
        server: &str,
        conversations: &[ConversationSummary],
        now: Instant,
    ) -> Option<String> {
        let server = sanitize::excerpt(server);
        let from = std::mem::replace(&mut self.server, server.clone());
        let ends: HashMap<String, u64> = conversations
            .iter()
            .filter(|summary| {
                let top = self.tops.get(&summary.name);
                top.is_some_and(|top| *top < summary.last_seq)
            })
            .map(|summary| (summary.name.clone(), summary.last_seq))
            .take(TOPS_MAX)
            .collect();
        // Those seen for the first time; the others are learned as their messages come.
        for summary in conversations {
            if !self.tops.contains_key(&summary.name) {
                self.saw(&summary.name, summary.last_seq);
            }
        }
        let (absence, since) = self.absence.take()?;
        let words = match absence {
            Absence::Muted => return None,
            Absence::Planned(why) if from == server => format!("— back on {server} ({why})"),
            Absence::Planned(why) => format!("— moved from {from} to {server} ({why})"),
            Absence::Lost => {
                let took = span(now.saturating_duration_since(since));
                format!("— back on {server} after {took}")
            }
        };
        if ends.is_empty() {
            return Some(words);
        }
        self.catch_up = Some(CatchUp {
            words,
            ends,
            messages: 0,
            until: now + CATCH_UP_MAX,
        });
        None
    }

    /// A message was shown. The line that belongs behind it, if it was the last of an absence.
    pub fn message(&mut self, conversation: &str, seq: u64) -> Option<String> {
        self.saw(conversation, seq);
        if let Some(catch_up) = &mut self.catch_up {
            let end = catch_up.ends.get(conversation);
            catch_up.messages += u64::from(end.is_some_and(|end| seq <= *end));
        }
        self.reached(conversation, seq)
    }

    /// A place that holds no message was passed, or a hole was told.
    pub fn reached(&mut self, conversation: &str, seq: u64) -> Option<String> {
        self.saw(conversation, seq);
        let catch_up = self.catch_up.as_mut()?;
        if catch_up
            .ends
            .get(conversation)
            .is_some_and(|end| seq >= *end)
        {
            catch_up.ends.remove(conversation);
        }
        if catch_up.ends.is_empty() {
            return self.caught_up();
        }
        None
    }

    /// When [`Self::caught_up`] is due at the latest.
    pub fn due(&self) -> Option<Instant> {
        self.catch_up.as_ref().map(|catch_up| catch_up.until)
    }

    /// The line about an absence that is made up for.
    pub fn caught_up(&mut self) -> Option<String> {
        let CatchUp {
            words,
            ends,
            messages,
            ..
        } = self.catch_up.take()?;
        for (conversation, end) in ends {
            self.saw(&conversation, end);
        }
        Some(match messages {
            0 => words,
            1 => format!("{words}, 1 message caught up"),
            _ => format!("{words}, {messages} messages caught up"),
        })
    }
}

/// The server's own words, if it wanted this.
fn planned(reason: &DisconnectReason) -> Option<String> {
    match reason {
        DisconnectReason::Asked(why) => Some(sanitize::reason(why)),
        DisconnectReason::Closed(Closed::Server { code, reason })
            if [RESTART.code, DRAINING.code].contains(code) =>
        {
            Some(sanitize::reason(reason))
        }
        DisconnectReason::Closed(_)
        | DisconnectReason::Gateway(_)
        | DisconnectReason::Connect(_)
        | DisconnectReason::Login(_) => None,
    }
}

/// How a connection broke tells nobody much; a server's own words do.
fn words(reason: &DisconnectReason) -> String {
    match reason {
        DisconnectReason::Closed(Closed::Lost(_)) => "it broke".to_owned(),
        DisconnectReason::Closed(Closed::Server { reason, .. }) if !reason.is_empty() => {
            format!("the server says: {}", sanitize::reason(reason))
        }
        DisconnectReason::Closed(_)
        | DisconnectReason::Asked(_)
        | DisconnectReason::Gateway(_)
        | DisconnectReason::Connect(_)
        | DisconnectReason::Login(_) => sanitize::reason(&reason.to_string()),
    }
}

fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3_600),
    }
}

#[cfg(test)]
mod tests;
