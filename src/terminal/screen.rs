//! The screen's width, asked anew each time, so that a changed window needs no signal.

use std::io;

use super::render;
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

/// Writes a line for people, broken at words.
pub fn line(text: &str) {
    output::line(&fit(text));
}

/// A line as the screen takes it.
pub fn fit(text: &str) -> String {
    render::wrap(text, columns())
}

/// Rings. The cursor stays where it is, so that this does not disturb what is typed.
pub fn ring() {
    output::text("\u{7}");
}
