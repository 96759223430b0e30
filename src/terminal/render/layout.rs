//! Lines that fit the screen: wrapping at words, columns of names, bars. Knows colors as the
//! escape sequences that [`super::Painter`] writes, which take no room.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::super::sanitize::INDENT;

/// No screen is treated as narrower.
const COLUMNS_MIN: usize = 20;
/// Blanks between columns.
const GAP: usize = 2;
/// Longest bar.
const BAR_MAX: usize = 40;
const ESCAPE: char = '\u{1b}';

/// A piece of a painted line: an escape sequence without width, or what stands in one place.
struct Piece<'a> {
    text: &'a str,
    width: usize,
}

/// The pieces of a painted line.
fn pieces(line: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let (text, width) = if rest.starts_with(ESCAPE) {
            let end = rest.find('m').map_or(rest.len(), |end| end + 1);
            (&rest[..end], 0)
        } else {
            let text = rest.graphemes(true).next()?;
            (text, room_of(text))
        };
        rest = &rest[text.len()..];
        Some(Piece { text, width })
    })
}

/// How much room a grapheme takes at most: some terminals show the parts of an emoji side by
/// side. Nothing may be wider than counted, or the terminal itself would begin a row with what
/// somebody else wrote.
fn room_of(grapheme: &str) -> usize {
    let apart = grapheme.chars().map(|char| char.width().unwrap_or(0)).sum();
    grapheme.width().max(apart)
}

/// How much room a painted line takes.
pub fn width(line: &str) -> usize {
    pieces(line).map(|piece| piece.width).sum()
}

/// Cuts a plain text to `columns`.
pub fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut cut = String::new();
    let mut taken = 1;
    for piece in pieces(text) {
        taken += piece.width;
        if taken > columns {
            break;
        }
        cut.push_str(piece.text);
    }
    cut.push('…');
    cut
}

/// A painted cell, filled up to `columns`.
pub fn fill(cell: &str, columns: usize) -> String {
    let blanks = columns.saturating_sub(width(cell));
    format!("{cell}{}", " ".repeat(blanks))
}

/// Painted cells in as many columns as fit, row by row.
pub fn in_columns(cells: &[String], columns: usize) -> Vec<String> {
    let widest = cells.iter().map(|cell| width(cell)).max().unwrap_or(0);
    let each = widest + GAP;
    let per_row = cells_per_row(widest, columns);
    let rows = cells.chunks(per_row).map(|row| {
        let cells: String = row.iter().map(|cell| fill(cell, each)).collect();
        format!("  {}", cells.trim_end())
    });
    rows.collect()
}

/// How many cells of a width stand side by side.
pub fn cells_per_row(widest: usize, columns: usize) -> usize {
    (columns.saturating_sub(GAP) / (widest + GAP)).max(1)
}

/// Words with their counts, as bars that fit. The words must be clean.
pub fn bars(words: &[(String, u64)], columns: usize) -> Vec<(String, String, String)> {
    let most = words.iter().map(|(_, count)| *count).max().unwrap_or(1);
    let most = most.max(1);
    let count_room = most.to_string().len();
    let word_max = (columns / 3).max(8);
    let word_room = words.iter().map(|(word, _)| width(word)).max();
    let word_room = word_room.unwrap_or(0).min(word_max);
    let bar_room = columns.saturating_sub(word_room + count_room + 3 * GAP);
    let bar_room = u64::try_from(bar_room.clamp(1, BAR_MAX)).unwrap_or(1);
    let lines = words.iter().map(|(word, count)| {
        let eighths = (count.saturating_mul(bar_room * 8) / most).max(1);
        (
            fill(&cut(word, word_room), word_room),
            bar(eighths),
            format!("{count:>count_room$}"),
        )
    });
    lines.collect()
}

fn bar(eighths: u64) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let full = usize::try_from(eighths / 8).unwrap_or(BAR_MAX).min(BAR_MAX);
    let part = usize::try_from(eighths % 8).unwrap_or_default();
    format!("{}{}", "█".repeat(full), PARTS[part])
}

/// Breaks each line at words, so that it fits; what goes on is indented.
pub fn wrap(lines: &str, columns: usize) -> String {
    let columns = columns.max(COLUMNS_MIN);
    let wrapped: Vec<String> = lines
        .split('\n')
        .map(|line| wrap_line(line, columns))
        .collect();
    wrapped.join("\n")
}

fn wrap_line(line: &str, columns: usize) -> String {
    if width(line) <= columns {
        return line.to_owned();
    }
    let mut wrapped = Wrapped {
        text: String::with_capacity(line.len() + 64),
        at: 0,
        blanks: 0,
        word: String::new(),
        word_width: 0,
        columns,
        indent: indent_of(line, columns),
    };
    let mut last = "";
    for piece in pieces(line) {
        if piece.width == 0 {
            wrapped.word.push_str(piece.text);
            continue;
        }
        if piece.text == " " {
            wrapped.end_word();
            wrapped.blanks += 1;
        } else {
            // Between wide characters a line may break as well, but not before what closes
            // and behind what opens.
            let wide = piece.width > 1 || last.width() > 1;
            if wide && !last.is_empty() && !closes(piece.text) && !opens(last) {
                wrapped.end_word();
            }
            wrapped.push(&piece);
        }
        last = if piece.text == " " { "" } else { piece.text };
    }
    wrapped.end_word();
    wrapped.text
}

struct Wrapped {
    text: String,
    at: usize,
    blanks: usize,
    word: String,
    word_width: usize,
    columns: usize,
    indent: usize,
}

impl Wrapped {
    fn push(&mut self, piece: &Piece<'_>) {
        if self.word_width + piece.width > self.columns - self.indent {
            self.end_word();
        }
        self.word.push_str(piece.text);
        self.word_width += piece.width;
    }

    fn end_word(&mut self) {
        if self.word_width == 0 {
            // Only colors: they stay where they are.
            self.text.push_str(&std::mem::take(&mut self.word));
            return;
        }
        if self.at > 0 && self.at + self.blanks + self.word_width > self.columns {
            self.text.push('\n');
            self.text.push_str(&" ".repeat(self.indent));
            self.at = self.indent;
        } else {
            self.text.push_str(&" ".repeat(self.blanks));
            self.at += self.blanks;
        }
        self.blanks = 0;
        self.text.push_str(&std::mem::take(&mut self.word));
        self.at += self.word_width;
        self.word_width = 0;
    }
}

/// Messages go on under their text's indent, the rest under its first word.
fn indent_of(line: &str, columns: usize) -> usize {
    let plain: String = pieces(line)
        .filter(|piece| piece.width > 0)
        .map(|piece| piece.text)
        .take(INDENT.len())
        .collect();
    let blanks = plain.len() - plain.trim_start_matches(' ').len();
    let marked = ["— ", "! ", "… "]
        .iter()
        .any(|mark| plain.starts_with(mark));
    let indent = if marked {
        2
    } else if blanks > 0 {
        blanks
    } else {
        INDENT.len()
    };
    indent.min(columns / 2)
}

fn closes(text: &str) -> bool {
    matches!(
        text,
        "，" | "。"
            | "、"
            | "！"
            | "？"
            | "；"
            | "："
            | "）"
            | "」"
            | "』"
            | "】"
            | "》"
            | "〉"
            | "”"
            | "’"
            | "…"
            | "."
            | ","
            | "!"
            | "?"
            | ";"
            | ":"
            | ")"
            | "]"
            | "}"
    )
}

fn opens(text: &str) -> bool {
    matches!(
        text,
        "（" | "「" | "『" | "【" | "《" | "〈" | "“" | "‘" | "(" | "[" | "{"
    )
}
