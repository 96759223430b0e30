//! The chat line, with rustyline: reading, completing, and what becomes of a typed line.
//!
//! A line that becomes a message is taken off the screen as soon as it is entered; the message
//! appears in its place in the order, like everybody's. So the gate is opened when the editor
//! has drawn its prompt, and shut by the editor's own thread when Enter is pressed: between
//! that and the erasing nothing can be written.
//!
//! The editor always believes that it paints, so that whatever it shows passes [`echo`]; colors
//! are the painter's business.

mod complete;
mod echo;

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::sync::Arc;

use rustyline::completion::Completer;
use rustyline::config::BellStyle;
use rustyline::error::ReadlineError;
use rustyline::highlight::CmdKind;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{
    Behavior, ColorMode, CompletionType, Config, Context, Editor, GraphemeClusterMode, Helper,
};

use super::gate::{Gate, Mode};
use super::render::Painter;
use super::sanitize;
use super::screen;
use super::state::SharedState;
use super::unsent::SharedUnsent;
use echo::{Place, Window};

/// Lines that can be called back with the arrow keys.
const HISTORY_MAX: usize = 200;
/// Columns that a prompt must leave for what is typed; else only its mark stands there.
const TYPING_COLUMNS_MIN: usize = 8;
/// The prompt of a screen that has room for nothing else.
const MARK: &str = "› ";
/// How a prompt ends that was made without a connection ...
const OFFLINE: &str = "(offline) › ";
/// ... and what stands there as soon as there is one, just as wide.
const BACK: &str = "(on line) › ";

/// What was typed.
#[derive(Debug, PartialEq, Eq)]
pub enum Typed {
    /// A line.
    Line {
        /// As typed.
        text: String,
        /// Nothing was written since, so that it can be taken off the screen.
        erasable: bool,
    },
    /// Ctrl+C.
    Interrupted,
    /// Ctrl+D, or the terminal has gone.
    End,
    /// The terminal does not work.
    Broken(String),
}

struct LineHelper {
    gate: Arc<Gate>,
    state: SharedState,
    unsent: SharedUnsent,
    painter: Painter,
    mode: GraphemeClusterMode,
    /// The beginning of the prompt, which tells of messages that are not stored.
    status: RefCell<String>,
    /// Where the line begins, behind the prompt drawn last.
    start: Cell<Place>,
    /// The prompt is about to be drawn.
    armed: Cell<bool>,
    /// Nothing was on its way to the screen when Enter was pressed.
    quiet: Cell<bool>,
    /// The line is drawn next because of a key, and not because of lines printed above it.
    key: Cell<bool>,
}

impl LineHelper {
    fn window(&self) -> Window {
        Window {
            columns: screen::columns(),
            mode: self.mode,
        }
    }

    /// The prompt with what is true by now, in as many columns as when it was made: the editor
    /// counted those.
    fn renewed(&self, prompt: &str, connected: bool) -> String {
        let prompt = self.with_status(prompt);
        match prompt.strip_suffix(OFFLINE) {
            Some(beginning) if connected => format!("{beginning}{BACK}"),
            Some(_) | None => prompt,
        }
    }

    fn with_status(&self, prompt: &str) -> String {
        let status = self.status.borrow();
        let Some(rest) = prompt
            .strip_prefix(status.as_str())
            .filter(|_| !status.is_empty())
        else {
            return prompt.to_owned();
        };
        let now = match self.unsent.lock().status() {
            now if now.is_empty() => "(stored) ".to_owned(),
            now => now,
        };
        let width = status.len();
        if now.len() > width {
            return prompt.to_owned();
        }
        format!("{now:width$}{rest}")
    }
}

impl Helper for LineHelper {}

impl Hinter for LineHelper {
    type Hint = String;

    /// Called before the line is drawn for the first time, the terminal being in raw mode: from
    /// now on the editor prints what is handed to it.
    fn hint(&self, _line: &str, _at: usize, _context: &Context<'_>) -> Option<String> {
        if self.armed.replace(false) {
            self.gate.open();
        }
        None
    }
}

impl Validator for LineHelper {
    fn validate(
        &self,
        _context: &mut ValidationContext<'_>,
    ) -> rustyline::Result<ValidationResult> {
        self.quiet.set(self.gate.shut(Mode::Idle));
        Ok(ValidationResult::Valid(None))
    }
}

impl Highlighter for LineHelper {
    fn highlight<'l>(&self, line: &'l str, at: usize) -> Cow<'l, str> {
        let window = self.window();
        let (before, behind) = line.split_at_checked(at).unwrap_or((line, ""));
        let (mut shown, place) = window.show(before, self.start.get());
        shown += &window.show(behind, place).0;
        Cow::Owned(shown)
    }

    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(
        &'s self,
        prompt: &'p str,
        default: bool,
    ) -> Cow<'b, str> {
        if !self.key.replace(false) {
            self.gate.shown();
        }
        let connected = self.state.lock().connected;
        let prompt = if default {
            self.renewed(prompt, connected)
        } else {
            prompt.to_owned()
        };
        let (shown, place) = self.window().show(&prompt, Place::default());
        self.start.set(place);
        Cow::Owned(if default {
            // It is drawn anew with each line that is printed above it.
            self.painter.prompt(&shown, connected)
        } else {
            shown
        })
    }

    fn highlight_candidate<'c>(
        &self,
        candidate: &'c str,
        _completion: CompletionType,
    ) -> Cow<'c, str> {
        Cow::Owned(sanitize::line(candidate))
    }

    /// Each change is drawn through [`Self::highlight`]. The editor asks whenever a key, or the
    /// beginning of a line, makes it draw, and not when it printed lines above.
    fn highlight_char(&self, _line: &str, _at: usize, _kind: CmdKind) -> bool {
        self.key.set(true);
        true
    }
}

impl Completer for LineHelper {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let (start, mut candidates) = complete::candidates(line, at, &self.state.lock());
        // A name that is not what it looks like is not put into anybody's mouth.
        candidates.retain(|candidate| sanitize::line(candidate) == *candidate);
        Ok((start, candidates))
    }
}

/// The line editor.
pub struct ChatLine {
    editor: Editor<LineHelper, DefaultHistory>,
    gate: Arc<Gate>,
    mode: GraphemeClusterMode,
    last_prompt: String,
}

impl std::fmt::Debug for ChatLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ChatLine")
    }
}

impl ChatLine {
    /// Takes the terminal, and not standard input if that is something else.
    pub fn new(
        gate: Arc<Gate>,
        state: SharedState,
        unsent: SharedUnsent,
        painter: Painter,
        stdin_is_terminal: bool,
    ) -> rustyline::Result<Self> {
        let mode = GraphemeClusterMode::from_env();
        let config = Config::builder()
            .max_history_size(HISTORY_MAX)?
            .auto_add_history(true)
            .completion_type(CompletionType::List)
            .color_mode(ColorMode::Forced)
            .bell_style(BellStyle::None)
            .grapheme_cluster_mode(mode)
            .tab_stop(echo::TAB_COLUMNS)
            .behavior(if stdin_is_terminal {
                Behavior::Stdio
            } else {
                Behavior::PreferTerm
            })
            .build();
        let mut editor = Editor::with_config(config)?;
        editor.set_helper(Some(LineHelper {
            gate: gate.clone(),
            state,
            unsent,
            painter,
            mode,
            status: RefCell::default(),
            start: Cell::default(),
            armed: Cell::new(false),
            quiet: Cell::new(false),
            key: Cell::new(false),
        }));
        Ok(Self {
            editor,
            gate,
            mode,
            last_prompt: String::new(),
        })
    }

    /// The printer for lines above the one being typed.
    pub fn printer(&mut self) -> rustyline::Result<impl rustyline::ExternalPrinter + Send + use<>> {
        self.editor.create_external_printer()
    }

    /// Reads a line. Lines of others pass meanwhile, and no longer. `status` stands before the
    /// prompt and is renewed whenever the line is drawn.
    pub fn read(&mut self, status: &str, prompt: &str) -> Typed {
        self.last_prompt = self.fitting(&format!("{status}{prompt}"));
        if let Some(helper) = self.editor.helper() {
            status.clone_into(&mut helper.status.borrow_mut());
            helper.armed.set(true);
            helper.quiet.set(false);
        }
        let prompt = self.last_prompt.as_str();
        let read = self.editor.readline(prompt);
        self.gate.shut(Mode::Idle);
        let erasable = self
            .editor
            .helper()
            .is_some_and(|helper| helper.quiet.get());
        match read {
            Ok(text) => Typed::Line { text, erasable },
            Err(ReadlineError::Interrupted) => Typed::Interrupted,
            Err(ReadlineError::Eof) => Typed::End,
            Err(error) => Typed::Broken(error.to_string()),
        }
    }

    /// Leaves nothing on the screen.
    pub fn clear(&mut self) {
        // A terminal that can't be cleared stays as it is.
        let _cleared = self.editor.clear_screen();
    }

    fn window(&self) -> Window {
        Window {
            columns: screen::columns(),
            mode: self.mode,
        }
    }

    /// The prompt, or its mark alone if the screen is too narrow for it.
    fn fitting(&self, prompt: &str) -> String {
        let width = usize::from(self.mode.width(prompt));
        if width + TYPING_COLUMNS_MIN > screen::columns() {
            MARK.to_owned()
        } else {
            prompt.to_owned()
        }
    }

    /// Takes the line that was read last off the screen.
    pub fn erase(&mut self, text: &str) {
        let window = self.window();
        let (_, start) = window.show(&self.last_prompt, Place::default());
        let (_, end) = window.show(text, start);
        screen::erase_rows(end.row + 1);
    }
}
