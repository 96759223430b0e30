//! What may reach a terminal, byte for byte: text, line breaks, and the sequences that the
//! client and its line editor write themselves. Anything else came from somebody else.

/// A cursor is moved on the screen and not beyond.
const MOVE_MAX: u32 = 500;
/// Marks above and below one letter.
const MARKS_MAX: usize = 4;
/// Modes that are set and taken back: bracketed paste, drawing in one go, a hidden cursor.
const MODES: &[&str] = &["?2004h", "?2004l", "?2026h", "?2026l", "?25h", "?25l"];

/// `/clear`, as the line editor does it.
const CLEAR: &str = "\u{1b}[H\u{1b}[J";

/// Everything in `bytes` that is not ours, with what stands around it.
pub(crate) fn foreign(bytes: &[u8]) -> Vec<String> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return vec!["not UTF-8".to_owned()];
    };
    let mut found = Vec::new();
    let mut marks = 0;
    let mut at = 0;
    while let Some(char) = text[at..].chars().next() {
        let length = match char {
            '\u{1b}' => sequence(&text[at..]),
            '\r' | '\n' => Some(1),
            _ if steers(char) => None,
            _ => Some(char.len_utf8()),
        };
        marks = if is_mark(char) { marks + 1 } else { 0 };
        if length.is_none() || marks > MARKS_MAX {
            let around: String = text[at..].chars().take(30).collect();
            found.push(format!("{around:?}"));
        }
        at += length.unwrap_or(char.len_utf8());
    }
    found
}

/// Fails with everything foreign at once.
pub(crate) fn assert_ours(name: &str, bytes: &[u8]) {
    let found = foreign(bytes);
    assert!(
        found.is_empty(),
        "{name}: bytes that the client did not write by itself:\n{}",
        found.join("\n")
    );
}

fn steers(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{206f}' | '\u{2028}' | '\u{2029}' | '\u{200b}' | '\u{feff}'
            | '\u{e0000}'..='\u{e007f}')
}

fn is_mark(char: char) -> bool {
    matches!(char, '\u{300}'..='\u{36f}' | '\u{20d0}'..='\u{20ff}')
}

/// The length of the sequence at the beginning of `text`, if it is one of ours.
fn sequence(text: &str) -> Option<usize> {
    if text.starts_with(CLEAR) {
        return Some(CLEAR.len());
    }
    let rest = text.strip_prefix("\u{1b}[")?;
    let end = rest.find(|char: char| ('@'..='~').contains(&char))?;
    let (parameters, last) = (&rest[..end], &rest[end..=end]);
    let is_ours = match last {
        "h" | "l" => MODES.contains(&&rest[..=end]),
        "m" => parameters.split(';').all(is_paint) || is_indexed(parameters),
        "A" | "B" | "C" | "D" | "G" => {
            parameters.is_empty() || parameters.parse().is_ok_and(|count: u32| count <= MOVE_MAX)
        }
        "J" => parameters.is_empty(),
        "K" => matches!(parameters, "" | "2"),
        _ => false,
    };
    is_ours.then_some("\u{1b}[".len() + end + 1)
}

/// Weights and the sixteen colors; nothing that blinks or hides.
fn is_paint(number: &str) -> bool {
    let number = if number.is_empty() { "0" } else { number };
    number.parse().is_ok_and(
        |number: u32| matches!(number, 0..=4 | 7 | 22..=24 | 27 | 30..=37 | 39..=47 | 49 | 90..=97),
    )
}

/// The questions' colors, by index.
fn is_indexed(parameters: &str) -> bool {
    let index = parameters
        .strip_prefix("38;5;")
        .or_else(|| parameters.strip_prefix("48;5;"));
    index.is_some_and(|index| index.parse::<u8>().is_ok())
}

#[test]
fn the_list_knows_ours_from_others() {
    let ours = "\u{1b}[?2004h\u{1b}[1m#a › \u{1b}[0m\r\u{1b}[12C\u{1b}[K\u{1b}[2A\u{1b}[H\u{1b}[J世 e\u{301}\r\n";
    assert!(foreign(ours.as_bytes()).is_empty());
    for other in [
        "\u{7}",
        "\u{8}",
        "\t",
        "\u{7f}",
        "\u{9b}2J",
        "\u{1b}[2J",
        "\u{1b}[H",
        "\u{1b}]0;t\u{7}",
        "\u{1b}c",
        "\u{1b}[5m",
        "\u{1b}[8m",
        "\u{1b}[?1049h",
        "\u{1b}[9999C",
        "\u{1b}[6n",
        "\u{1b}7",
        "\u{202e}",
        "\u{2066}",
        "\u{200b}",
        "\u{1b}",
        "\u{1b}[3",
    ] {
        assert!(!foreign(other.as_bytes()).is_empty(), "{other:?}");
    }
    assert!(!foreign("a\u{301}\u{301}\u{301}\u{301}\u{301}".as_bytes()).is_empty());
    assert!(!foreign(b"\xff").is_empty());
}
