//! The screen: its width, asked anew each time, and the only way to write to it while nobody
//! types. What is written passes [`Shown`] and is broken at words.

use std::io;

use super::render;
use super::shown::Shown;
use crate::output;

/// A screen that does not tell its width.
const COLUMNS_DEFAULT: usize = 80;

/// How many columns there are now.
pub fn columns() -> usize {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok();
    size.map(|size| usize::from(size.ws_col))
        .filter(|columns| *columns > 0)
        .unwrap_or(COLUMNS_DEFAULT)
}

/// What may be shown as the screen takes it, broken at words. Nothing but line breaks and
/// blanks are put in.
pub fn fit(shown: &Shown) -> String {
    render::wrap(shown.as_str(), columns())
}

/// Writes a line.
pub fn line(text: &str) {
    output::line(&fit(&Shown::new(text)));
}

/// Writes a line to standard error.
pub fn error_line(text: &str) {
    output::error_line(&fit(&Shown::new(text)));
}

/// Takes the last rows off the screen.
pub fn erase_rows(rows: usize) {
    output::text(&format!("\u{1b}[{rows}A\r\u{1b}[J"));
}

/// Rings. The cursor stays where it is, so that this does not disturb what is typed.
pub fn ring() {
    output::text("\u{7}");
}
