//! `/help`: every command in groups, or one in full.

mod topics;

use async_trait::async_trait;

use super::super::session::Session;
use super::super::{render, sanitize};
use super::{Answer, CommandError, Execute};

pub use topics::{TOPICS, Topic};

const NOTES: &[&str] = &[
    "— Anything else goes to the current conversation; //text says /text.",
    "— Tab completes /commands, @users, #rooms and :emoji:. /help COMMAND tells more.",
];
/// Letters that may be wrong in a misspelled command.
const WRONG_MAX: usize = 2;

/// How a command is written.
pub(super) fn usage_of(name: &str) -> &'static str {
    find(name).map_or("/help", |topic| topic.usage)
}

/// By its name or any spelling, with or without the slash.
fn find(name: &str) -> Option<&'static Topic> {
    let bare = name.trim_start_matches('/');
    TOPICS.iter().find(|topic| {
        let aliases = || topic.aliases.iter().map(|alias| first_word(alias));
        topic.name == bare
            || aliases().any(|alias| alias == name || alias.trim_start_matches('/') == bare)
    })
}

fn first_word(alias: &'static str) -> &'static str {
    alias.split(' ').next().unwrap_or(alias)
}

/// The command that was meant, if one is near.
pub(super) fn meant(word: &str) -> Option<&'static str> {
    let far = |topic: &&Topic| distance(word, topic.name);
    let nearest = TOPICS.iter().min_by_key(far)?;
    let enough = distance(word, nearest.name) <= WRONG_MAX.min(word.chars().count() / 2);
    enough.then_some(nearest.name)
}

/// How many letters have to be changed, put in or taken out.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, left) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (at, right) in right.iter().enumerate() {
            let changed = diagonal + usize::from(left != *right);
            diagonal = row[at + 1];
            row[at + 1] = changed.min(diagonal + 1).min(row[at] + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

/// `/help [COMMAND]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Help {
    /// The command's name.
    pub topic: Option<String>,
}

#[async_trait]
impl Execute for Help {
    async fn execute(self, session: &mut Session) -> Result<Answer, CommandError> {
        let painter = session.painter;
        if let Some(name) = self.topic {
            let topic = find(&name).ok_or_else(|| CommandError::unknown(&name))?;
            let mut lines = vec![format!("{}  {}", painter.bold(topic.usage), topic.about)];
            if !topic.more.is_empty() {
                lines.push(format!("  {}", topic.more));
            }
            if !topic.aliases.is_empty() {
                lines.push(painter.dim(&format!("  also: {}", topic.aliases.join(", "))));
            }
            return Ok(Answer::lines(lines));
        }
        let width = TOPICS
            .iter()
            .map(|topic| render::width(short(topic)))
            .max()
            .unwrap_or(0);
        let mut lines = Vec::new();
        let mut group = "";
        for topic in TOPICS {
            if topic.group != group {
                group = topic.group;
                lines.push(painter.bold(group));
            }
            let usage = render::fill(short(topic), width);
            lines.push(format!("  {usage}  {}", painter.dim(topic.about)));
        }
        lines.extend(NOTES.iter().map(|note| painter.dim(note)));
        Ok(Answer::lines(lines))
    }
}

/// The usage without its second form.
fn short(topic: &Topic) -> &'static str {
    let usage = topic.usage.split(" or ").next().unwrap_or(topic.usage);
    // Rare parts are told by `/help COMMAND`.
    match topic.name {
        "create" => "/create ROOM [TOPIC]",
        "online" => "/online [PREFIX]",
        "rooms" => "/rooms",
        "members" => "/members",
        "kick" => "/kick USER",
        "search" => "/search WORDS",
        _ => usage,
    }
}

/// Shows a name that the user typed, clean and short.
pub(super) fn shown(raw: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 40;
    sanitize::line(raw).chars().take(SHOWN_CHARS_MAX).collect()
}
