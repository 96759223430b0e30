//! Emoji by name: a small table, `:smile:` in messages, `/emoji`.

use async_trait::async_trait;

use super::super::session::Session;
use super::super::{render, screen};
use super::{Answer, CommandError, Execute};

/// Rows of a page.
const PAGE_ROWS: usize = 8;

/// Names and what they stand for.
pub const EMOJI: &[(&str, &str)] = &[
    ("smile", "😄"),
    ("grin", "😁"),
    ("joy", "😂"),
    ("wink", "😉"),
    ("blush", "😊"),
    ("heart_eyes", "😍"),
    ("thinking", "🤔"),
    ("neutral", "😐"),
    ("sweat", "😅"),
    ("cry", "😢"),
    ("sob", "😭"),
    ("angry", "😠"),
    ("scream", "😱"),
    ("sleeping", "😴"),
    ("sunglasses", "😎"),
    ("shrug", "🤷"),
    ("facepalm", "🤦"),
    ("wave", "👋"),
    ("thumbsup", "👍"),
    ("thumbsdown", "👎"),
    ("clap", "👏"),
    ("pray", "🙏"),
    ("muscle", "💪"),
    ("eyes", "👀"),
    ("heart", "💜"),
    ("broken_heart", "💔"),
    ("star", "⭐"),
    ("sparkles", "✨"),
    ("fire", "🔥"),
    ("tada", "🎉"),
    ("rocket", "🚀"),
    ("bug", "🐛"),
    ("wrench", "🔧"),
    ("lock", "🔒"),
    ("bell", "🔔"),
    ("coffee", "☕"),
    ("tea", "🍵"),
    ("pizza", "🍕"),
    ("cake", "🍰"),
    ("beer", "🍺"),
    ("cat", "🐱"),
    ("dog", "🐶"),
    ("panda", "🐼"),
    ("crab", "🦀"),
    ("sun", "🌞"),
    ("moon", "🌙"),
    ("rainbow", "🌈"),
    ("question", "❓"),
    ("check", "✅"),
    ("cross", "❌"),
];

/// Replaces each `:name:` of the table; everything else stays as it is.
pub(super) fn put_in(text: &str) -> String {
    let mut done = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(':') {
        let (before, from) = rest.split_at(at);
        done.push_str(before);
        let name = from[1..].split(':').next().unwrap_or_default();
        let closed = from[1 + name.len()..].starts_with(':');
        let found = EMOJI.iter().find(|(known, _)| *known == name);
        if let Some((_, emoji)) = found.filter(|_| closed) {
            done.push_str(emoji);
            rest = &from[name.len() + 2..];
        } else {
            done.push(':');
            rest = &from[1..];
        }
    }
    done + rest
}

/// `/emoji [PAGE]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emoji {
    /// From 1.
    pub page: u64,
}

#[async_trait]
impl Execute for Emoji {
    async fn execute(self, session: &mut Session) -> Result<Answer, CommandError> {
        let cells: Vec<String> = EMOJI
            .iter()
            .map(|(name, emoji)| format!("{emoji} :{name}:"))
            .collect();
        let widest = cells
            .iter()
            .map(|cell| render::width(cell))
            .max()
            .unwrap_or(1);
        let columns = screen::columns();
        let each = render::cells_per_row(widest, columns) * PAGE_ROWS;
        let pages: Vec<&[String]> = cells.chunks(each).collect();
        let index = usize::try_from(self.page - 1).unwrap_or(usize::MAX);
        let page = pages.get(index).ok_or_else(|| {
            CommandError::Refused(format!("there are {} pages of emoji", pages.len()))
        })?;
        let mut lines = render::in_columns(page, columns);
        if index + 1 < pages.len() {
            let words = format!(
                "— page {} of {}: /emoji {}",
                self.page,
                pages.len(),
                self.page + 1
            );
            lines.push(session.painter.dim(&words));
        }
        Ok(Answer::lines(lines))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_table_become_emoji_and_nothing_else_changes() {
        let golden = [
            ("hello :smile:", "hello 😄"),
            (":smile::fire:", "😄🔥"),
            ("at 10:30:00 :nope: :smile", "at 10:30:00 :nope: :smile"),
            ("a:smile:b:", "a😄b:"),
            ("::smile::", ":😄:"),
            ("", ""),
            (":", ":"),
            ("http://x/:tea:", "http://x/🍵"),
        ];
        for (typed, sent) in golden {
            assert_eq!(put_in(typed), sent, "{typed}");
        }
    }

    #[test]
    fn every_name_is_one_word_and_stands_once() {
        let mut names: Vec<&str> = EMOJI.iter().map(|(name, _)| *name).collect();
        assert!(names.iter().all(|name| {
            name.chars()
                .all(|char| char.is_ascii_lowercase() || char == '_')
        }));
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
