//! A text written in the user's own editor.

use std::io::{Read, Write};
use std::process::Command;

use antiphon_protocol::limits::MESSAGE_CHARS_MAX;

use super::super::questions::NoAnswer;

/// The shell knows the user's editor, which may be a word or a whole command.
const OPEN: &str = "eval \"${VISUAL:-${EDITOR:-vi}} \\\"\\$1\\\"\"";
/// More than fits a message is read, so that a bit too much can be told from far too much.
const BYTES_MAX: u64 = 8 * MESSAGE_CHARS_MAX as u64;

/// Opens the editor on `begin` and gives what was saved. Blocks.
pub(super) fn write(begin: &str) -> Result<String, NoAnswer> {
    let broken = |error: std::io::Error| NoAnswer::Broken(format!("the editor: {error}"));
    // Readable by the user alone, and gone afterwards.
    let mut file = tempfile::Builder::new()
        .prefix("antiphon-")
        .suffix(".txt")
        .tempfile()
        .map_err(broken)?;
    file.write_all(begin.as_bytes()).map_err(broken)?;
    file.flush().map_err(broken)?;
    let status = Command::new("sh")
        .args(["-c", OPEN, "antiphon"])
        .arg(file.path())
        .status()
        .map_err(broken)?;
    if !status.success() {
        return Err(NoAnswer::Broken(format!(
            "the editor ended with {status}: nothing sent"
        )));
    }
    // By its name: an editor may have put another file in its place.
    let saved = std::fs::File::open(file.path()).map_err(broken)?;
    let mut bytes = Vec::new();
    saved
        .take(BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(broken)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
