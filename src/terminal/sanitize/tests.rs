//! Tests.

use proptest::prelude::*;

use super::*;

/// What must never come out, whatever went in.
fn assert_harmless(output: &str) {
    for line in output.split(&format!("\n{INDENT}")) {
        for char in line.chars() {
            assert!(!char.is_control(), "{char:?} in {output:?}");
            let joins = char == ZERO_WIDTH_JOINER || char == EMOJI_STYLE;
            assert!(joins || !is_invisible(char), "{char:?} in {output:?}");
        }
        assert_few_marks(line);
    }
    assert!(output.chars().count() <= CHARS_MAX + INDENT.len() + 2);
    assert!(output.lines().count() <= LINES_MAX);
}

/// Marks stand on letters, and no letter is buried under them.
fn assert_few_marks(line: &str) {
    let mut marks = MARKS_MAX;
    for char in line.chars() {
        marks = match char.width() {
            Some(0) => marks + 1,
            _ => 0,
        };
        assert!(marks <= MARKS_MAX, "{marks} marks in {line:?}");
    }
}

/// Pitfall 106.
#[test]
fn known_attacks_leave_only_their_words() {
    let attacks = [
        ("clipboard", "a\u{1b}]52;c;ZXZpbA==\u{7}b", "ab"),
        (
            "clipboard, other end",
            "a\u{1b}]52;c;ZXZpbA==\u{1b}\\b",
            "ab",
        ),
        (
            "link",
            "a\u{1b}]8;;http://evil\u{1b}\\click\u{1b}]8;;\u{1b}\\b",
            "aclickb",
        ),
        ("title", "a\u{1b}]0;title\u{7}b", "ab"),
        ("clear screen", "a\u{1b}[2Jb", "ab"),
        ("color", "a\u{1b}[38;5;196mred\u{1b}[0mb", "aredb"),
        ("8-bit clear screen", "a\u{9b}2Jb", "ab"),
        ("8-bit title", "a\u{9d}0;title\u{9c}b", "ab"),
        ("8-bit title without end", "a\u{9d}0;title", "a"),
        ("device control", "a\u{1b}Pq#0;2;0\u{1b}\\b", "ab"),
        ("application command", "a\u{1b}_Gpayload\u{1b}\\b", "ab"),
        ("privacy message", "a\u{1b}^words\u{1b}\\b", "ab"),
        ("start of string", "a\u{1b}Xwords\u{1b}\\b", "ab"),
        ("reset", "a\u{1b}cb", "ab"),
        ("character set", "a\u{1b}(0b", "ab"),
        ("sequence without end", "a\u{1b}[31", "a"),
        ("lone escape", "a\u{1b}", "a"),
        ("escape in a sequence", "a\u{1b}[1\u{1b}[2Jb", "ab"),
        (
            "title without end spares the next line",
            "a\u{1b}]0;x\nb",
            "a\n      b",
        ),
        ("direction", "a\u{202e}gpj.exe\u{202c}b", "agpj.exeb"),
        ("isolates", "a\u{2066}x\u{2069}\u{200f}b", "axb"),
        ("separators", "a\u{2028}x\u{2029}b", "axb"),
        ("carriage return", "safe\rrm -rf", "saferm -rf"),
        ("backspaces", "good\u{8}\u{8}\u{8}\u{8}evil", "goodevil"),
        ("delete, bell, nul", "a\u{7f}\u{7}\0b", "ab"),
        ("no width", "a\u{200b}\u{2060}\u{feff}\u{ad}b", "ab"),
        ("joiner between letters", "a\u{200d}b", "ab"),
        ("tags", "a\u{e0041}\u{e007f}b", "ab"),
        ("tab", "a\tb", "a b"),
        ("lines", "a\r\nb", "a\n      b"),
        ("marks on what stands before", "\u{301}\u{20dd}ab", "ab"),
        ("marks behind a break", "a\n\u{301}b", "a\n      b"),
        (
            "a heap of marks",
            "a\u{300}\u{301}\u{302}\u{303}\u{304}\u{305}b",
            "a\u{300}\u{301}\u{302}\u{303}b",
        ),
        ("directions of notes", "a\u{1d173}b\u{13430}c", "abc"),
    ];
    for (attack, raw, shown) in attacks {
        assert_eq!(text(raw), shown, "{attack}");
        assert_harmless(&text(raw));
    }
    assert_eq!(line("a\nb"), "a b");
}

#[test]
fn honest_text_comes_through() {
    let honest = [
        "Grüße, 世界! שלום مرحبا हिन्दी",
        "👩\u{200d}👩\u{200d}👧 ❤\u{fe0f} 1\u{fe0f}\u{20e3} 👍🏽",
        "fn main() { println!(\"[2J\"); }",
        "e\u{301}",
    ];
    for raw in honest {
        assert_eq!(text(raw), raw);
    }
}

#[test]
fn length_and_lines_are_bounded() {
    assert_harmless(&text(&"x".repeat(CHARS_MAX * 2)));
    assert_harmless(&text(&"\n".repeat(CHARS_MAX)));
    assert!(!line(&"\n".repeat(500)).contains('\n'));
}

#[test]
fn what_is_typed_loses_only_what_steers() {
    let typed_and_sent = [
        ("a\u{1b}[2Jb\u{9b}c", "a[2Jbc"),
        ("a\tb\nc\r", "a\tb\nc"),
        ("e\u{301} 👩\u{200d}👧", "e\u{301} 👩\u{200d}👧"),
        ("a\u{202e}b", "ab"),
    ];
    for (raw, sent) in typed_and_sent {
        assert_eq!(typed(raw), sent);
    }
}

fn piece() -> impl Strategy<Value = String> {
    let pieces = vec![
        "\u{1b}",
        "[",
        "]",
        "P",
        "X",
        "^",
        "_",
        "\\",
        "\u{7}",
        "\u{9b}",
        "\u{9c}",
        "\u{9d}",
        "\u{90}",
        "\u{98}",
        "\u{9e}",
        "\u{9f}",
        "2J",
        "52;c;",
        "0;t",
        "8;;",
        "m",
        "?25l",
        "\n",
        "\r",
        "\t",
        "\0",
        "\u{7f}",
        "\u{85}",
        "\u{202e}",
        "\u{2066}",
        "\u{200d}",
        "\u{fe0f}",
        "\u{200b}",
        "\u{2028}",
        "👩",
        "a",
        " ",
        "(",
        "0",
        "世",
        "\u{18}",
        "\u{e0041}",
        "\u{301}",
        "\u{20dd}",
        "\u{1d173}",
    ];
    prop::sample::select(pieces).prop_map(str::to_owned)
}

proptest! {
    #[test]
    fn arbitrary_text_is_harmless(raw in any::<String>()) {
        assert_harmless(&text(&raw));
        prop_assert!(!line(&raw).contains('\n'));
    }

    #[test]
    fn attack_pieces_in_any_order_are_harmless(raw in prop::collection::vec(piece(), 0..60)) {
        let raw = raw.concat();
        assert_harmless(&text(&raw));
        prop_assert!(!line(&raw).contains('\n'));
    }

    #[test]
    fn cleaning_one_line_twice_changes_nothing(raw in prop::collection::vec(piece(), 0..60)) {
        let once = line(&raw.concat());
        prop_assert_eq!(line(&once), once.clone());
    }
}
