//! The chat line: rustyline with completion of commands, users and rooms from what is known
//! already, never by a round trip.

use std::sync::{Arc, Mutex};

use rustyline::completion::{Completer, Pair};
use rustyline::config::{Behavior, Config};
use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use rustyline::{
    CompletionType, Context, Editor, ExternalPrinter, Helper, Highlighter, Hinter, Validator,
};

use super::command::{SPECS, lock};
use super::view::View;

/// Lines kept for the Up key.
const HISTORY_MAX: usize = 500;
/// Candidates of one completion.
const CANDIDATES_MAX: usize = 50;

/// What the user did.
#[derive(Debug, PartialEq, Eq)]
pub enum Typed {
    /// A line, which may hold newlines of a paste.
    Line(String),
    /// Ctrl+C.
    Interrupted,
    /// Ctrl+D, or the terminal is gone.
    End,
}

#[derive(Helper, Highlighter, Hinter, Validator)]
struct ChatHelper {
    view: Arc<Mutex<View>>,
}

impl Completer for ChatHelper {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let (start, words) = complete(&lock(&self.view), &line[..at]);
        let pair = |word: String| Pair {
            display: word.clone(),
            replacement: word,
        };
        Ok((start, words.into_iter().map(pair).collect()))
    }
}

/// The editor; it owns the terminal while it reads.
pub struct ChatLine(Editor<ChatHelper, MemHistory>);

impl std::fmt::Debug for ChatLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ChatLine")
    }
}

impl ChatLine {
    /// Opens the editor; `own_terminal` if standard input is not the terminal.
    pub fn open(view: Arc<Mutex<View>>, own_terminal: bool) -> rustyline::Result<Self> {
        let behavior = if own_terminal {
            Behavior::PreferTerm
        } else {
            Behavior::Stdio
        };
        let config = Config::builder()
            .behavior(behavior)
            .bracketed_paste(true)
            .completion_type(CompletionType::List)
            .max_history_size(HISTORY_MAX)?
            .build();
        let mut editor = Editor::with_history(config.clone(), MemHistory::with_config(&config))?;
        editor.set_helper(Some(ChatHelper { view }));
        Ok(Self(editor))
    }

    /// What prints above the line.
    pub fn printer(&mut self) -> Option<impl ExternalPrinter + Send + use<>> {
        self.0.create_external_printer().ok()
    }

    /// Reads a line.
    pub fn read(&mut self, prompt: &str) -> Typed {
        match self.0.readline(prompt) {
            Ok(line) => {
                if !line.trim().is_empty() {
                    // A line that could not be kept is sent all the same.
                    let _kept = self.0.add_history_entry(line.as_str());
                }
                Typed::Line(line)
            }
            Err(ReadlineError::Interrupted) => Typed::Interrupted,
            Err(_) => Typed::End,
        }
    }
}

/// Where the word begins that ends the line, and what it may become.
fn complete(view: &View, line: &str) -> (usize, Vec<String>) {
    let start = line.rfind(char::is_whitespace).map_or(0, |space| space + 1);
    let word = &line[start..];
    let mut words = line.split_whitespace();
    let command = words
        .next()
        .and_then(|first| first.strip_prefix('/'))
        .unwrap_or_default();
    let first_argument = words
        .next()
        .is_none_or(|argument| argument == word && start > 0);
    let candidates = if start == 0 && word.starts_with('/') {
        starting(SPECS.iter().map(|spec| spec.name), "/", &word[1..])
    } else if let Some(part) = word.strip_prefix('@') {
        starting(view.users().iter().map(String::as_str), "@", part)
    } else if let Some(part) = word.strip_prefix('#') {
        starting(view.rooms().iter().map(String::as_str), "#", part)
    } else if let Some(part) = word.strip_prefix("room:") {
        starting(view.rooms().iter().map(String::as_str), "room:", part)
    } else if start > 0 && first_argument {
        match command.to_ascii_lowercase().as_str() {
            "join" | "joinroom" | "leave" => {
                starting(view.rooms().iter().map(String::as_str), "", word)
            }
            "msg" | "chat" | "stats" | "invite" | "kick" => {
                starting(view.users().iter().map(String::as_str), "", word)
            }
            "help" => starting(SPECS.iter().map(|spec| spec.name), "", word),
            _ => Vec::new(),
        }
    } else {
        Vec::new()
    };
    (start, candidates)
}

fn starting<'n>(names: impl Iterator<Item = &'n str>, before: &str, part: &str) -> Vec<String> {
    let part = part.to_lowercase();
    let fitting = names
        .filter(|name| name.starts_with(&part))
        .take(CANDIDATES_MAX);
    fitting.map(|name| format!("{before}{name} ")).collect()
}

#[cfg(test)]
mod tests;
