//! The chat line, with rustyline: reading, completing, and what becomes of a typed line.
//!
//! A line that becomes a message is taken off the screen as soon as it is entered; the message
//! appears in its place in the order, like everybody's. So the gate is opened when the editor
//! has drawn its prompt, and shut by the editor's own thread when Enter is pressed: between
//! that and the erasing nothing can be written.

mod complete;

use std::borrow::Cow;
use std::cell::Cell;
use std::sync::Arc;

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Behavior, ColorMode, CompletionType, Config, Context, Editor, Helper};

use super::gate::{Gate, Mode};
use super::render::{self, Painter};
use super::state::SharedState;
use crate::output;

/// Lines that can be called back with the arrow keys.
const HISTORY_MAX: usize = 200;
/// A screen that does not tell its width.
const COLUMNS_DEFAULT: usize = 80;

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
    painter: Painter,
    /// The prompt is about to be drawn.
    armed: Cell<bool>,
    /// Nothing was on its way to the screen when Enter was pressed.
    quiet: Cell<bool>,
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
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(
        &'s self,
        prompt: &'p str,
        default: bool,
    ) -> Cow<'b, str> {
        if default {
            // It is drawn anew with each line that is printed above it.
            let connected = self.state.lock().connected;
            Cow::Owned(self.painter.prompt(prompt, connected))
        } else {
            Cow::Borrowed(prompt)
        }
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
        Ok(complete::candidates(line, at, &self.state.lock()))
    }
}

/// The line editor.
pub struct ChatLine {
    editor: Editor<LineHelper, DefaultHistory>,
    gate: Arc<Gate>,
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
        painter: Painter,
        color: bool,
        stdin_is_terminal: bool,
    ) -> rustyline::Result<Self> {
        let config = Config::builder()
            .max_history_size(HISTORY_MAX)?
            .auto_add_history(true)
            .completion_type(CompletionType::List)
            .color_mode(if color {
                ColorMode::Enabled
            } else {
                ColorMode::Disabled
            })
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
            painter,
            armed: Cell::new(false),
            quiet: Cell::new(false),
        }));
        Ok(Self {
            editor,
            gate,
            last_prompt: String::new(),
        })
    }

    /// The printer for lines above the one being typed.
    pub fn printer(&mut self) -> rustyline::Result<impl rustyline::ExternalPrinter + Send + use<>> {
        self.editor.create_external_printer()
    }

    /// Reads a line. Lines of others pass meanwhile, and no longer.
    pub fn read(&mut self, prompt: &str) -> Typed {
        prompt.clone_into(&mut self.last_prompt);
        if let Some(helper) = self.editor.helper() {
            helper.armed.set(true);
            helper.quiet.set(false);
        }
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

    /// Takes the line that was read last off the screen.
    pub fn erase(&mut self, text: &str) {
        let columns = self
            .editor
            .dimensions()
            .map_or(COLUMNS_DEFAULT, |(columns, _)| usize::from(columns));
        let rows = render::rows(&format!("{}{text}", self.last_prompt), columns);
        output::text(&format!("\u{1b}[{rows}A\r\u{1b}[J"));
    }
}
